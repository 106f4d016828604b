//! request: from HTTP to a typed, bounded call, and through the walk: grant, queue, generate, stream.

use crate::api::arrive::{Arrived, arrive};
use crate::api::call::{Call, Caller};
use crate::api::doors::messages::counted;
use crate::api::doors::teller;
use crate::api::embed::embed;
use crate::api::request::{GenerateRequest, Offer, Wanted};
use crate::api::respond::{streamed, tell_usage, typed};
use crate::api::tell::Head;
use crate::api::tell::stream::{self, Accounting, Source, Voice, Waiting};
use crate::api::tell::whole::whole;
use crate::api::turn::turn;
use crate::engine;
use crate::engine::grammar::Constraint;
use crate::engine::job_state::JobState;
use crate::generate::answers::{AnswerEvent, Answers, Turn};
use crate::generate::{AnswerContext, AnswerStream};
use crate::grant::allowance::{Ceilings, allowance};
use crate::models::starting_again;
use crate::queue::{Lane, Permit, Place};
use crate::settle::live::LiveRequest;
use crate::settle::traces::told::{Asked, AskedGeneration};
use crate::state::Shared;
use crate::system::now_millis;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::response::Response;
use bytes::Bytes;
use sluice_protocol::dialect::Dialect;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::request::bodies::ollama::models::present;
use sluice_protocol::request::door::Door;
use sluice_protocol::wire::header;
use std::sync::Arc;
use std::time::Duration;
use tracing::{Instrument, Span, info_span};

pub(crate) async fn answer(door: Door, call: Call<'_>, body: &mut Body) -> Result<Response, Refusal> {
    let Call { shared, parts, caller, trace, .. } = call;
    let Arrived { place, live, state, body } = arrive(door, &call, body, Lane::Texts).await?;
    let (wanted, place) = understand(shared, door, body, caller, place).await?;
    let wanted = match wanted {
        Wanted::Answers(wanted) => *wanted,
        Wanted::Presence(presence) => {
            let kind = if presence.stream { Dialect::of(door.path()).stream() } else { "application/json" };
            return Ok(typed(present(door, &presence, now_millis()), HeaderValue::from_static(kind)));
        }
        // It took a place, and needs no slot.
        Wanted::Count(tokens) => return Ok(counted(tokens)),
        Wanted::Told(body) => {
            let mut response = typed(body, HeaderValue::from_static("application/json"));
            tell_usage(&mut response, Used::NOTHING);
            return Ok(response);
        }
        Wanted::Vectors(wanted) => return embed(door, &call, wanted, place, (live, state)).await,
    };
    let loaded = Arc::clone(&wanted.loaded);
    if loaded.engine.is_down() {
        return Err(starting_again().with_detail(loaded.name.clone()));
    }
    // Before any wait: an edge that has to reserve again does so at once, and the place is free for it.
    let ceilings = Ceilings::of(caller.claims.as_ref());
    let lengths: Vec<usize> = wanted.prompts.iter().map(|prompt| prompt.tokens.len()).collect();
    let max_tokens = allowance(wanted.asked, &lengths, loaded.context, ceilings)?;
    trace.asks(door, |operation| asked(operation, &wanted, max_tokens));
    let (stream, several) = (wanted.stream, wanted.all_answers() > 1);
    let span = if stream { info_span!("stream") } else { info_span!("generate") };
    let manner = wanted.manner.clone();
    let prompt_tokens = lengths.iter().sum::<usize>() as u64;
    let model = loaded.name.clone();
    let tell = teller(door, Head { request: caller.id, at: now_millis(), model, prompt_tokens, manner });
    let position = place.position();
    trace.waits();
    // The body has been read, so hyper notices a client that leaves from here on.
    let mut ready = Box::pin(turn(place, Arc::clone(&state)).instrument(info_span!("queue")));
    let so_far = Arc::clone(&state);
    let begin = begin(&call, wanted, max_tokens, (live, state), span.clone());
    let refused = in_stream(&call, span.clone());
    let stall = shared.config.stall_timeout;
    let voice = Voice { tell, dialect: Dialect::of(door.path()), request: caller.id };
    let permit = if stream {
        // Who waits for long is told so in the stream; who waits for a moment is answered with a status.
        match tokio::time::timeout_at((caller.arrived + MOMENT).into(), &mut ready).await {
            Ok(permit) => permit?,
            Err(_) => {
                trace.streams();
                let waiting = Waiting { ready, position, begin: Box::new(begin), several };
                return Ok(in_pieces(voice, Source::Queue(waiting), stall, Accounting { so_far, refused }));
            }
        }
    } else {
        ready.await?
    };
    let mut answers = begin(permit);
    if stream {
        // Whoever waits for its beginning may ask elsewhere till then. All others learn at once how full this origin is.
        let waits = parts.headers.get(header::HEAD).is_some_and(|head| head == header::FIRST_TOKEN);
        let early = match waits {
            true => tokio::time::timeout_at((caller.arrived + MOMENT).into(), answers.next()).await.ok(),
            false => None,
        };
        if let Some(AnswerEvent::Broken(refusal)) = early {
            return Err(refusal);
        }
        trace.streams();
        let source = Source::Answers { answers: Box::new(answers), early };
        return Ok(in_pieces(voice, source, stall, Accounting { so_far, refused }));
    }
    whole(voice.tell, answers).instrument(span).await
}

fn in_pieces(
    voice: Voice,
    source: Source,
    stall: Duration,
    accounting: Accounting<impl Fn(&Refusal) -> Option<Used> + Send + 'static>,
) -> Response {
    let kind = voice.dialect.stream();
    streamed(stream::body(voice, source, stall, accounting), kind)
}

/// How long after its arrival a stream keeps its status open, where it has to wait for its slot or its first part.
const MOMENT: Duration = Duration::from_secs(2);

/// What is done as soon as there is a slot.
fn begin(
    call: &Call<'_>,
    wanted: GenerateRequest,
    max_tokens: u32,
    (live, state): (LiveRequest, Arc<JobState>),
    span: Span,
) -> impl FnOnce(Permit) -> Answers + Send + 'static {
    let Call { shared, caller, trace, .. } = *call;
    let (loaded, metrics, account) =
        (Arc::clone(&wanted.loaded), Arc::clone(&shared.metrics), caller.account().to_owned());
    let trace = trace.clone();
    let (arrived, deadline) = (caller.arrived, caller.deadline);
    let seed = wanted.sampling.seed.unwrap_or_else(crate::system::random_u64);
    move |permit| {
        metrics.slot_after(&loaded.name, arrived.elapsed());
        trace.has_slot();
        Answers::new(wanted.all_answers(), permit, live, move |turn: Turn| {
            // All answers to one prompt, then all to the next.
            let (which, number) = (turn.index / wanted.asked.answers, turn.index % wanted.asked.answers);
            let (before, prompt) = wanted.prompt(which);
            let text = || loaded.text.answer(wanted.stop.clone(), prompt.start, wanted.calls.clone());
            let generation = loaded.engine.submit(engine::Job {
                account: account.clone(),
                prompt: prompt.tokens.clone(),
                max_tokens,
                // Answers to one prompt differ, and a seed says how.
                seed: seed.wrapping_add(number.into()),
                sampling: wanted.sampling.clone(),
                logprobs: wanted.logprobs,
                constraint: wanted.constraint.as_ref().map(Constraint::fresh),
                over: (!wanted.stop.is_empty() || !wanted.calls.several).then(|| {
                    let mut text = text();
                    Box::new(move |token, is_bound| text.push(token, is_bound).1) as engine::Over
                }),
                vector: None,
                deadline,
                state: Arc::clone(&state),
                is_first: number == 0,
                guard: turn.guard,
            });
            let context = AnswerContext {
                loaded: Arc::clone(&loaded),
                metrics: Arc::clone(&metrics),
                span: span.clone(),
                trace: trace.clone(),
                prompt_tokens: (before + prompt.tokens.len()) as u64,
                own_tokens: prompt.tokens.len() as u64,
                arrived,
                deadline,
                is_first: turn.index == 0,
                is_last: turn.is_last,
            };
            AnswerStream::new(generation, text(), context)
        })
    }
}

/// What a request wants, as its trace tells it.
fn asked(operation: &'static str, wanted: &GenerateRequest, max_tokens: u32) -> Asked {
    Asked {
        operation,
        model: wanted.loaded.name.clone(),
        generation: Some(AskedGeneration {
            stream: wanted.stream,
            answers: wanted.all_answers(),
            max_tokens,
            sampling: wanted.sampling.clone(),
        }),
    }
}

/// Counts, logs and traces a refusal that came when the status had been sent; gives what the request has used, if that is
/// final.
fn in_stream(call: &Call<'_>, span: Span) -> impl Fn(&Refusal) -> Option<Used> + Send + 'static {
    let (shared, id, trace) = (Arc::clone(call.shared), call.caller.id, call.trace.clone());
    move |refusal| {
        trace.refused(refusal);
        let code = refusal.reason.row().code;
        shared.metrics.refused(code);
        tracing::info!(parent: &span, code, detail = refusal.detail.as_deref(), "broke off");
        shared.live.final_usage(id)
    }
}

/// Parses, finds the model, tokenises and compiles, away from the threads that serve connections. The place goes along: a caller
/// that leaves meanwhile gives it back when the work ends, and not before.
async fn understand(
    shared: &Arc<Shared>,
    door: Door,
    body: Bytes,
    caller: &Caller,
    place: Place,
) -> Result<(Wanted, Place), Refusal> {
    let (shared, is_open, account) = (Arc::clone(shared), caller.is_open(), caller.account().to_owned());
    let work = move || {
        let offer = Offer { models: shared.models(), account: &account, is_open };
        let wanted = GenerateRequest::read(door, &body, shared.config.bounds, offer, now_millis())?;
        Ok((wanted, place))
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Refusal::new(Reason::Internal, "The origin failed on this request.").with_detail("tokenising panicked"))
    })
}
