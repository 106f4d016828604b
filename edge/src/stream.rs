//! stream and settle: the origin's answer to the caller, with a look at the usage that it carries.
//!
//! A whole answer is read and handed over. A stream is piped ([`Pipe`]), and ends with its lease at the latest, or
//! when the origin has said nothing for too long.

mod passing;

use crate::answers::bent::{OK, Told};
use crate::answers::stored::Keep;
use crate::forward::ending::Ending;
use crate::forward::{Reply, Ticket, failed, lease_left};
use crate::platform::body;
use crate::platform::deadline::Deadline;
use crate::platform::head::Head;
use crate::platform::respond::HeaderList;
use crate::platform::{self, Body, Fault, Pipe, Response, Stream};
use crate::telemetry;
use futures_channel::oneshot::Sender;
use passing::Passing;
use sluice_protocol::dialect::{BrokenOff, Dialect};
use sluice_protocol::forward::relayed::Relayed;
use sluice_protocol::forward::report;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::measures::request::Broken;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::usage_of;
use sluice_protocol::request::bodies::responses::FinalEvent;
use sluice_protocol::request::door::Door;
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;
use sluice_protocol::wire::header;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;

/// What is done with an answer besides handing it over.
#[derive(Clone, Copy)]
pub struct After<'a> {
    /// What it says besides itself.
    pub told: &'a Told,
    /// Where it is kept, if it is to be.
    pub keep: Option<&'a Keep>,
    /// Where all of it is to be found, once it is whole, if somebody wants it for the same question.
    pub record: Option<&'a Record>,
    /// Where it is noted what is counted of it.
    pub relayed: &'a Cell<Counted>,
}

/// What is counted of an answer on its way.
#[derive(Clone, Copy, Default)]
pub struct Counted {
    /// When its first token came, if it comes in pieces.
    pub first_token_at: Option<Millis>,
    /// Why it did not come to its end.
    pub broken: Option<Broken>,
    /// Whether its caller was told of it before that.
    pub has_begun: bool,
}

/// An answer as the origin gave it, once it is whole.
pub type Record = RefCell<Option<Body>>;

/// Hands the caller its answer and returns, when the last byte has gone or the caller has, how it ended. An answer that is to
/// be kept is kept before the last byte goes.
pub async fn relay(
    reply: &Reply,
    deadline: &Deadline,
    ticket: &Ticket,
    idle_ms: u32,
    after: After<'_>,
    answer: Sender<Result<Response, Refusal>>,
) -> Ending {
    let clock = Clock { dialect: Dialect::of(after.told.door().path()), deadline, ticket, idle_ms, after };
    relay_or_fail(reply, clock, answer).await.unwrap_or_else(|fault| {
        let (request, why) = (ticket.attempt.request(), fault.to_string());
        telemetry::write(&Line::trouble_of(request, "the answer was not relayed to its end", why));
        Ending::Ask(Outcome::Served(None))
    })
}

async fn relay_or_fail(
    Reply { response, head, .. }: &Reply,
    clock: Clock<'_>,
    answer: Sender<Result<Response, Refusal>>,
) -> Result<Ending, Fault> {
    let mut headers = clock.after.told.headers(clock.ticket);
    for name in header::ORIGIN_TO_CALLER {
        if let Some(value) = head.get(name) {
            headers.set(name, value);
        }
    }
    let relayed = head.get(header::CONTENT_TYPE).and_then(|kind| Relayed::of(kind, MAX_EVENT));
    // Ten pictures are longer than anything that is read whole.
    let told = head.get(header::USAGE).and_then(report::read_brief).filter(|_| clock.after.told.door() == Door::Images);
    let relayed = relayed.or(told.map(Relayed::Whole));
    if matches!(relayed, Some(Relayed::Events(_))) {
        // Also where the origin is of an older version and does not say its charset.
        headers.set(header::CONTENT_TYPE, header::EVENT_STREAM);
    }
    // A body that is not looked at is not made into an object.
    match relayed.and_then(|relayed| Some((response.stream()?, relayed))) {
        Some((body, relayed)) => relay_stream((&body, relayed), head.status(), &headers, clock, answer).await,
        None => relay_whole(response, head, headers, clock, answer).await,
    }
}

async fn relay_whole(
    response: &Response,
    head: &Head,
    headers: HeaderList,
    Clock { deadline, ticket, after, .. }: Clock<'_>,
    answer: Sender<Result<Response, Refusal>>,
) -> Result<Ending, Fault> {
    let body = match deadline.limit(Body::of_response(response, MAX_ANSWER_BYTES)).await {
        Some(Ok(body)) => body,
        Some(Err(body::Broken::Large)) => {
            after.relayed.set(Counted { broken: Some(Broken::Refused(Reason::OriginFailed)), ..Counted::default() });
            let _ = answer.send(Err(failed("the origin's answer is larger than any that is read whole")));
            return Ok(Ending::Ask(Outcome::Served(None)));
        }
        broken => {
            let why = match broken {
                Some(Err(body::Broken::Off(fault))) => fault.to_string(),
                _ => "its time was over, or its caller has left".to_owned(),
            };
            let broken = if deadline.has_left() { Broken::Left } else { Broken::Refused(Reason::OriginFailed) };
            after.relayed.set(Counted { broken: Some(broken), ..Counted::default() });
            let _ = answer.send(Err(failed(&format!("the origin's answer broke off: {why}"))));
            // Nothing of it reached the caller. Whose time was over, or who has left, had the origin work all the same.
            let otherwise = if deadline.is_over() { Outcome::Served(None) } else { Outcome::NotServed };
            return Ok(Ending::Ask(otherwise));
        }
    };
    // An origin that tells it in a header spares the look into the body.
    let usage = head.get(header::USAGE).and_then(report::read_brief).or_else(|| usage_of(&body.bytes()));
    let body = match after.keep {
        Some(keep) => keep.whole(body, lease_left(ticket)).await,
        None => body,
    };
    // A send fails only if the caller has left.
    let _ = answer.send(Ok(after.told.whole(head.status(), headers, &body)?));
    if let Some(record) = after.record.filter(|_| head.status() == OK) {
        record.replace(Some(body));
    }
    Ok(match usage {
        Some(usage) => Ending::Certain(Outcome::Served(Some(usage))),
        None => Ending::Ask(Outcome::Served(None)),
    })
}

async fn relay_stream(
    (body, relayed): (&Stream, Relayed),
    status: u16,
    headers: &HeaderList,
    clock: Clock<'_>,
    answer: Sender<Result<Response, Refusal>>,
) -> Result<Ending, Fault> {
    let Clock { after: After { keep, record, .. }, .. } = clock;
    let last = keep.map(|_| FinalEvent::default());
    let recorded = record.filter(|_| status == OK).map(|_| Vec::new());
    let state = Rc::new(RefCell::new(Passing {
        relayed,
        last,
        recorded,
        pieces: 0,
        last_at: platform::now(),
        first_token_at: None,
    }));
    let see = {
        let state = state.clone();
        move |chunk: &[u8]| state.borrow_mut().push(chunk, platform::now())
    };
    let rest = {
        let state = state.clone();
        move || state.borrow_mut().end()
    };
    let pipe = Pipe::begin(body, see, rest, keep.is_some())?;
    let _ = answer.send(Ok(Response::of_pipe(status, &headers.to_json(), &pipe)?));
    let end = clock.wait(&pipe, &state).await;
    let seen = state.borrow().relayed.seen();
    let broken = match (&end, seen.refused) {
        (End::Left, _) => Some(Broken::Left),
        (_, Some(reason)) => Some(Broken::Refused(reason)),
        _ => end.refusal().map(|refusal| Broken::Refused(refusal.reason)),
    };
    let is_whole = matches!(state.borrow().relayed, Relayed::Whole(_));
    let first_token_at = state.borrow().first_token_at.filter(|_| !is_whole);
    clock.after.relayed.set(Counted { first_token_at, broken, has_begun: true });
    if let Some(keep) = keep.filter(|_| !matches!(end, End::Left)) {
        let told = state.borrow().answer();
        if told.is_some() || matches!(end, End::Whole) {
            let is_kept = match told {
                Some(answer) => keep.keep(&answer, lease_left(clock.ticket)).await,
                // It ended with an error, which is told in its own event.
                None => false,
            };
            let rest = state.borrow_mut().take_rest(is_kept);
            pipe.end(&rest);
            return Ok(Ending::of_stream(seen, matches!(end, End::Over)));
        }
    }
    // A stream that tells of an error comes to its end, too.
    if let (End::Whole, Some(record), None) = (&end, record, seen.refused) {
        record.replace(state.borrow_mut().recorded.take().map(|all| Body::of_bytes(&all)));
    }
    if let Some(refusal) = end.refusal() {
        let (request, why) = (clock.ticket.attempt.request(), refusal.detail.clone().unwrap_or_default());
        telemetry::write(&Line::trouble_of(request, "a stream was not relayed to its end", why));
        // The event that had only begun is dropped, or the error would become a part of it. Of a whole answer that has begun
        // there is nothing to say any more: what is cut is no JSON.
        let broken = BrokenOff { request, events: state.borrow().relayed.events(), mark: None };
        let told = if is_whole { String::new() } else { clock.dialect.broken(&refusal, broken) };
        pipe.end(told.as_bytes());
    } else if matches!(end, End::Left) {
        pipe.end(&[]);
    }
    Ok(match end {
        End::Whole => Ending::of_stream(seen, false),
        // Its head said what it used, and not all of it was heard.
        _ if is_whole => Ending::Ask(Outcome::Served(seen.usage)),
        end => Ending::of_stream(seen, matches!(end, End::Left | End::Over)),
    })
}

/// When a stream's time is over, and how that is told.
#[derive(Clone, Copy)]
struct Clock<'a> {
    /// In what the caller is told of a stream that breaks off.
    dialect: &'static Dialect,
    deadline: &'a Deadline,
    ticket: &'a Ticket,
    /// How long the origin may say nothing, in milliseconds.
    idle_ms: u32,
    after: After<'a>,
}

/// How a stream ended.
enum End {
    /// The origin's body did.
    Whole,
    /// The origin broke off.
    Off(String),
    /// The origin said nothing for too long.
    Silent,
    /// Its lease is over.
    Over,
    /// Its caller has left.
    Left,
}

impl Clock<'_> {
    /// Waits for a stream's end: the platform's pipe does not notice silence.
    async fn wait(self, pipe: &Pipe, state: &RefCell<Passing>) -> End {
        let mut ended = pin!(pipe.ended());
        // By what was waited for and not by clocks, which may be set meanwhile.
        let mut silence = 0;
        loop {
            let before = state.borrow().pieces;
            let look_in = self.idle_ms.saturating_sub(silence).min(lease_left(self.ticket));
            self.deadline.set(look_in);
            match self.deadline.limit(ended.as_mut()).await {
                Some(Ok(_)) => return End::Whole,
                _ if self.deadline.has_left() => return End::Left,
                Some(Err(fault)) => return End::Off(fault.to_string()),
                None if lease_left(self.ticket) == 0 => return End::Over,
                None => {}
            }
            let (pieces, last_at) = (state.borrow().pieces, state.borrow().last_at);
            silence = match pieces == before {
                true => silence.saturating_add(look_in),
                false => u32::try_from(platform::now().saturating_sub(last_at)).unwrap_or(look_in).min(look_in),
            };
            if silence >= self.idle_ms {
                if pipe.is_taken() {
                    return End::Silent;
                }
                // A caller that does not read is no silence of the origin's.
                silence = 0;
            }
        }
    }
}

impl End {
    /// What a caller is told who is still there.
    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Whole | Self::Left => None,
            Self::Off(error) => Some(failed(&format!("the origin broke off inside a stream: {error}"))),
            Self::Silent => Some(
                Refusal::new(Reason::OriginSilent, "The model server stopped answering in the middle of this answer.")
                    .with_detail("the origin fell silent inside a stream"),
            ),
            Self::Over => Some(
                Refusal::new(
                    Reason::DeadlineExceeded,
                    "The time for this request was over before its answer was complete.",
                )
                .with_detail("its lease is over"),
            ),
        }
    }
}

/// The longest answer that is read whole, in bytes: an isolate has 128 MB for everything, and here is it twice for a moment.
const MAX_ANSWER_BYTES: u64 = 32 << 20;
/// The longest event that is held back until it is whole, and looked at for usage.
const MAX_EVENT: usize = 1 << 20;
