//! A request for an answer, by whichever door: the walk on one page.

mod cached;
mod held;
mod line;
mod meant;
mod said;

use crate::answers::bent::Bent;
use crate::answers::stored::{Deferred, Keep, Stored};
use crate::api::{models, ollama, responses};
use crate::auth::principal::principal;
use crate::call::{Around, Call, Known};
use crate::forward::attempt::Attempt;
use crate::forward::ending::Ending;
use crate::forward::{Failed, Outgoing};
use crate::hop::registry;
use crate::limit::{self, degrade, plans, remembered};
use crate::platform::task::Answer;
use crate::platform::{Body, Signal};
use crate::request::{self, shield};
use crate::route::{Journey, Origins, in_force};
use crate::settle::Settle;
use crate::stream::{After, Counted, Record};
use crate::telemetry::measures::InFlight;
use crate::telemetry::traces::Onward;
use crate::telemetry::{self, Noted};
use crate::{auth, route, stream};
use cached::CacheQuestion;
use futures_util::future::join;
use held::{Pace, Turn, held};
use meant::{meant, whence};
use said::said;
use sluice_protocol::admin::idempotency_key;
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::hop::gate_call::Ask;
use sluice_protocol::hop::gate_call::remembered::Want;
use sluice_protocol::jobs::background;
use sluice_protocol::limit::cache::CacheAsked;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::question::{Presence, Question};
use sluice_protocol::request::door::Door;
use sluice_protocol::request::drawing::Drawing;
use sluice_protocol::request::read;
use sluice_protocol::route::beginning::Beginning;
use sluice_protocol::route::setting::Region;
use sluice_protocol::telemetry::RequestEnd;
use sluice_protocol::telemetry::trace::span::Kind;
use sluice_protocol::wire::header;
use std::cell::Cell;
use std::rc::Rc;

pub use line::Lines;

/// Serves one request, and goes on when it is answered or its caller has left, so that every admitted request is settled, or
/// its settle left to one that stays for it.
pub async fn serve(call: &Call<'_>, door: Door, answer: Answer) {
    let lines = call.config.lines;
    let over = |noted, end| telemetry::answered(lines, call.id, door.path(), noted, end, call.since);
    let mut noted =
        Noted::begin(call.config.traces.as_deref(), Kind::Server, &|name| request::header(call.incoming, name));
    // Where nobody listens, the caller has left.
    match understand(call, door, &mut noted).await {
        Ok(Understood::Asked(asked)) => {
            let principal = &asked.known.principal;
            noted.ask(lines, principal.account.name(), || principal.subject(), &asked.ask);
            let end = walk(call.around(), *asked, answer, &mut noted).await;
            over(noted, end);
        }
        Ok(Understood::Presence(known, presence)) => {
            let told = ollama::present(call, door, known, &presence).await;
            noted.end_span(call.id, door.path(), end_of(&told), call.since);
            let _ = answer.send(told);
        }
        Ok(Understood::Deferred(known, deferred)) => {
            let started = responses::start(call, &known, *deferred).await;
            let end = end_of(&started);
            // What is started is counted when it is carried; what is not is refused here.
            match started {
                Ok(_) => telemetry::over(lines, call.id, door.path(), noted, end, call.since),
                Err(_) => over(noted, end),
            }
            let _ = answer.send(started);
        }
        Err(refusal) => {
            over(noted, RequestEnd::Refused { reason: refusal.reason, used: None });
            let _ = answer.send(Err(refusal));
        }
    }
}

/// How a request ended that is answered without the walk.
fn end_of<T>(answered: &Result<T, Refusal>) -> RequestEnd {
    match answered {
        Ok(_) => RequestEnd::Answered { is_whole: true, used: None },
        Err(refusal) => RequestEnd::Refused { reason: refusal.reason, used: None },
    }
}

/// A request that is well formed, of somebody who is known.
enum Understood {
    /// It asks for an answer.
    Asked(Box<Asked>),
    /// It asks whether its model is there.
    Presence(Known, Presence),
    /// It asks for an answer in the background.
    Deferred(Known, Box<Deferred>),
}

/// A request for an answer.
struct Asked {
    door: Door,
    known: Known,
    ask: Ask,
    body: Body,
    /// Whether its answer comes in pieces.
    stream: bool,
    /// Whether a job asks for it, which can wait.
    is_job: bool,
    /// Its answer is to be kept.
    keep: Option<Keep>,
    /// What its caller says of answers that are kept for the same question.
    cache: CacheAsked,
    /// Whether this is a question to which they may be given.
    is_repeatable: bool,
    /// Aborted when the caller leaves.
    left: Signal,
    /// Which origins there are.
    origins: Rc<Origins>,
    /// What conversation it goes on with, where there are several origins.
    beginning: Option<Beginning>,
    /// Where its caller is, where there are several origins.
    region: Option<Region>,
    /// What origins are told of its trace.
    trace: Onward,
    /// By what its origin knows a repetition, of a request for pictures.
    key: Option<String>,
}

/// request -> auth: what the Gate is to be asked.
async fn understand(call: &Call<'_>, door: Door, noted: &mut Noted) -> Result<Understood, Refusal> {
    let Call { env, context, config, .. } = *call;
    let head = &call.incoming.head;
    shield::pass(env, head).await?;
    let credential = auth::credential(head, env, context, &config.auth).await?;
    let table = plans::for_caller(env, &config.plans, context).await;
    let mut known = Known { principal: principal(&credential, head, &table)?, table };
    // Whoever is refused before this costs no question.
    in_force::look_ahead(env, &config.route, context);
    if let Some(answer) = remembered::of(&known.table, &known.principal, Want::Admission) {
        noted.remembered(known.principal.account.name(), &answer);
        if let Some(refusal) = answer.refusal() {
            return Err(refusal);
        }
    }
    request::require_json(call.incoming)?;
    let is_taken = degrade::is_taken(call.incoming.rest().get(header::DEGRADE))?;
    let cache = CacheAsked::read(call.incoming.rest().get(header::CACHE))?;
    let body = request::body(call.incoming, config.bodies, config.bodies.max).await?;
    let (body, asking) = match door {
        Door::Responses => {
            let (table, principal) = (&known.table, &known.principal);
            Stored::of(env, config, table, principal).recall(body).await?
        }
        _ => (body, None),
    };
    let question = read::question(door, &body.bytes(), config.chat)?;
    let key = match door {
        Door::Images => request::header(call.incoming, header::IDEMPOTENCY_KEY),
        _ => None,
    };
    idempotency_key(key.as_deref())?;
    // A body may take its time, and the plans are to be those of now.
    let table = plans::for_caller(env, &config.plans, context).await;
    if table.version() != known.table.version() {
        known = Known { principal: principal(&credential, head, &table)?, table };
    }
    let Known { principal, table } = &known;
    let (model, body) = meant(call.around(), table, principal, &question, body).await?;
    principal.check(Some(question.endpoint().into()), Some(&model))?;
    if let Question::Presence(presence) = question {
        return Ok(Understood::Presence(known, Presence { model, ..presence }));
    }
    let asking = match asking {
        Some(asking) if asking.background => {
            background::check_stream(question.stream())?;
            return Ok(Understood::Deferred(known, Box::new(Deferred { asking, model, body })));
        }
        asking => asking,
    };
    let origins = in_force::current(env, &config.route, context).await;
    let keep = asking.map(|asking| asking.keep(env, &principal.account, &model)).transpose()?;
    let signal = origins.signal();
    let broken_until = || origins.broken_until(&model);
    let bending = degrade::bending(table, principal, &question, is_taken, signal, broken_until);
    let ask = Ask {
        caller: principal.caller.clone(),
        request: call.id,
        endpoint: question.endpoint(),
        batch: false,
        session: call.incoming.rest().get(header::SESSION_ID).map(Mark::of),
        user: question.user().map(Mark::of),
        body_bytes: body.size(),
        prompt_tokens: question.guess_prompt_tokens(),
        prompt_is_counted: false,
        max_tokens: question.most_tokens(),
        thinking: question.thinks(),
        drawing: question.drawing(),
        pressure: signal.pressure,
        address: principal.address,
        model,
        bending,
    };
    let left = call.incoming.request.signal();
    let traceparent = call.incoming.rest().get(header::TRACEPARENT);
    let trace = noted.onward(traceparent, &|name| request::header(call.incoming, name));
    let (beginning, region) =
        if origins.are_several() { whence(call, principal, &ask, &body, key.as_deref()) } else { (None, None) };
    let stream = question.stream();
    let is_repeatable = question.is_repeatable() && keep.is_none();
    let asked = Asked {
        door,
        known,
        ask,
        body,
        stream,
        is_job: false,
        keep,
        cache,
        is_repeatable,
        left,
        origins,
        beginning,
        region,
        trace,
        key,
    };
    Ok(Understood::Asked(Box::new(asked)))
}

/// limit -> route -> forward -> stream -> settle. Sends the answer as soon as there is one; nobody listens if the caller has left.
/// Returns how it ended.
async fn walk(around: Around<'_>, asked: Asked, answer: Answer, noted: &mut Noted) -> RequestEnd {
    let drawing = Some(asked.ask.drawing).filter(Drawing::is_any);
    let Asked { door, known, ask, body, stream, is_job, keep, cache, is_repeatable, left, origins, .. } = asked;
    let (beginning, region, trace, key) = (asked.beginning, asked.region, &asked.trace, asked.key.as_deref());
    let Known { table, principal } = &known;
    let (env, first) = (around.env, Attempt::first(ask.request));
    let pace = Pace { idle: ask.batch, is_job };
    let beside = (!is_job).then_some(around.context);
    let settle = Settle { env, table, account: &principal.account, beside };
    let model = ask.model.clone();
    // limit
    let admitted = limit::admit(env, table, principal, ask.clone(), noted).await;
    let turn = Turn { attempt: first, pace, principal, left: &left };
    let (mut ticket, mut answer) = match held(admitted, turn, &settle, answer, noted).await {
        Ok(held) => held,
        Err(end) => return end,
    };
    let _in_flight = InFlight::until(first.request(), ticket.admission.deadline);
    if ticket.admission.is_to_be_listed && principal.account.is_subject() {
        registry::list_subject(env, around.context, &principal.account);
    }
    let mut bent = Bent::of(door, &body, stream, &ticket.admission);
    if bent.is_static() {
        // Nobody else finds out meanwhile that an origin is back.
        let journey = Journey { env, context: around.context, model: &model, beginning: None, region: None };
        route::look_after(&origins, &journey, &ticket);
        noted.ours();
        return said(&settle, &ticket, (&bent, &model), table, answer).await;
    }
    // cache
    let question = CacheQuestion {
        around,
        origins: &origins,
        table,
        ask: &ask,
        body: &body,
        left: &left,
        header: cache,
        is_repeatable,
    };
    let found = question.found(&settle, &ticket, &mut bent, answer).await;
    noted.cached(bent.told.cache());
    let lead = match found {
        Ok((lead, unanswered)) => {
            answer = unanswered;
            lead
        }
        Err(end) => {
            match end {
                RequestEnd::Left => noted.ended(ticket.attempt.unserved()),
                _ => noted.ours(),
            }
            return end;
        }
    };
    let asked_for = ticket.admission.max_tokens;
    // route, forward
    let model = bent.model.clone().unwrap_or(model);
    noted.bent(&model);
    let journey = Journey { env, context: around.context, model: &model, beginning, region };
    let outgoing =
        Outgoing { door, body: bent.body(&body), stream: bent.stream, drawing, key, left: &left, watch: None, trace };
    let mut sent = route::send(&origins, &journey, &mut ticket, outgoing, None).await;
    // What was reserved is too little for the prompt that the origin counted. The Gate decides anew.
    if let Err(Failed { counted: Some(prompt_tokens), .. }) = sent.result
        && ticket.is_held
    {
        let (again, spent) = (first.again(), ticket.spent);
        // What was computed in vain needs room beside it.
        let prompt_tokens = prompt_tokens.saturating_add(spent.tokens());
        let ask = Ask { request: again.request(), prompt_tokens, prompt_is_counted: true, ..ask };
        let admitted = limit::admit_again(env, table, principal, first.request(), (ask, noted)).await;
        let turn = Turn { attempt: again, ..turn };
        (ticket, answer) = match held(admitted, turn, &settle, answer, noted).await {
            Ok(held) => held,
            Err(end) => return end,
        };
        ticket.spent = spent;
        // It is bent as before: only how many tokens fit may differ.
        bent = bent.again(&body, stream, &ticket.admission);
        let outgoing = Outgoing {
            door,
            body: bent.body(&body),
            stream: bent.stream,
            drawing,
            key,
            left: &left,
            watch: None,
            trace,
        };
        let counted_by = sent.place();
        sent = route::send(&origins, &journey, &mut ticket, outgoing, counted_by).await;
    }
    // The origin has it, and nobody asks again.
    drop(body);
    let origin = sent.origin;
    match sent.result {
        Ok((mut reply, deadline)) => {
            // What a second reservation makes shorter is another answer.
            let lead = lead.filter(|_| ticket.admission.max_tokens == asked_for);
            let record = lead.as_ref().map(|_| Record::default());
            let relayed = Cell::default();
            let after = After { told: &bent.told, keep: keep.as_ref(), record: record.as_ref(), relayed: &relayed };
            let ending = stream::relay(&reply, &deadline, &ticket, origin.idle_ms, after, answer).await;
            let Counted { first_token_at, broken, has_begun } = relayed.get();
            noted.relayed(first_token_at.map(|at| at.saturating_sub(ticket.since)), broken, has_begun);
            reply.leg.broken(broken);
            // Nobody needs it while the settle waits, and it is much that the platform would hold.
            drop((reply, deadline));
            let is_whole = matches!(ending, Ending::Certain(_));
            let recorded = record.and_then(Record::into_inner);
            // Only what came to its end, and told so, is given to others.
            let kept = async {
                if let (Some(lead), Some(body), Ending::Certain(Outcome::Served(Some(used)))) = (lead, recorded, ending)
                {
                    lead.answered(body, used).await;
                }
            };
            let (outcome, ()) = join(settle.ended(&ticket, ending, origin), kept).await;
            noted.ended(outcome);
            RequestEnd::Answered { is_whole, used: outcome.used() }
        }
        // What its caller is told may take a question. Nothing stays reserved for that.
        Err(Failed { refusal, ending, .. }) => {
            drop(lead);
            let reason = refusal.reason;
            if left.is_aborted() {
                noted.left();
            }
            let told = async { drop(answer.send(Err(models::told(around, &known, &model, refusal, &left).await))) };
            let ((), outcome) = join(told, settle.ended(&ticket, ending, origin)).await;
            noted.ended(outcome);
            RequestEnd::Refused { reason, used: outcome.used() }
        }
    }
}
