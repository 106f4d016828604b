//! stream, settle: an answer on its way through the edge, and what it says of what was used. Pure.
//!
//! An origin marks what it sends: the header [`crate::header::USAGE`] of a whole answer, and the `id` of each event of a
//! stream, as [`Mark`] writes them. So whoever relays an answer need not know its protocol. OpenAI's two carry the usage
//! in their own shape besides, and other servers' know nothing of marks: of those the payloads are looked at.

use crate::forward::report::Mark;
use crate::refusal::{ErrorBody, Reason};
use crate::request::chat::{Used, usage_of};
use crate::sse::{Passed, SseParser, WholeEvents};

/// What was seen of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// A usage that is final: of a complete answer, or of one that broke off.
    pub usage: Option<Used>,
    /// Why the origin ended it, if not with an answer.
    pub refused: Option<Reason>,
    /// What had been used by its last event.
    pub so_far: Option<Used>,
    /// Whether any part of an answer came, from an origin that need not tell what had been used by then.
    pub answered: bool,
}

/// A stream on its way: what has begun and not ended, and what was seen in it.
#[derive(Debug)]
pub struct Relayed {
    events: WholeEvents,
    parser: SseParser,
    usage: Option<Used>,
    refused: Option<Reason>,
    answered: bool,
}

impl Relayed {
    /// A stream of events. One that is longer than this is not held back until it is whole, nor looked at.
    pub fn events(max: usize) -> Self {
        let (events, parser) = (WholeEvents::new(max), SseParser::new(max));
        Self { events, parser, usage: None, refused: None, answered: false }
    }

    /// Takes a chunk; gives what of it passes now.
    pub fn push(&mut self, chunk: &[u8]) -> Passed {
        let (usage, refused, answered) = (&mut self.usage, &mut self.refused, &mut self.answered);
        self.parser.push(chunk, |event| {
            *usage = usage_in(event).or(*usage);
            *answered |= !event.starts_with(ERROR);
            *refused = refused_in(event).or(*refused);
        });
        self.events.push(chunk)
    }

    /// What is held back, for the end of a stream that ended well.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.events.take_rest()
    }

    /// What was seen until now.
    pub fn seen(&self) -> Seen {
        let mark = std::str::from_utf8(self.parser.last_id()).ok().and_then(Mark::read);
        Seen {
            usage: mark.filter(|mark| mark.is_final).map(|mark| mark.used).or(self.usage),
            refused: mark.and_then(|mark| mark.refused).or(self.refused),
            so_far: mark.map(|mark| mark.used),
            answered: self.answered,
        }
    }
}

/// Most events carry text and no usage: a search of the bytes is cheaper than parsing them all.
fn usage_in(event: &[u8]) -> Option<Used> {
    const MARK: &[u8] = b"\"usage\"";
    event.windows(MARK.len()).any(|window| window == MARK).then(|| usage_of(event))?
}

/// How the event of an error begins, and nothing else.
const ERROR: &[u8] = b"{\"error\"";

/// The reason of an error event.
fn refused_in(event: &[u8]) -> Option<Reason> {
    let body = event.starts_with(ERROR).then(|| serde_json::from_slice::<ErrorBody>(event))?;
    Reason::from_code(body.ok()?.error.code.as_deref()?)
}
