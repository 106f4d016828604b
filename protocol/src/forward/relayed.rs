//! stream, settle: an answer on its way through the edge, and what it says of what was used. Pure.
//!
//! An origin marks what it sends: the header [`crate::wire::header::USAGE`] of a whole answer, the `id` of each event
//! of a stream, and the last member, `used`, of each line of one, as [`UsageMark`] writes them. So whoever relays an
//! answer need not know its protocol. OpenAI's two carry the usage in their own shape besides, and other servers' know
//! nothing of marks: of those the payloads are looked at.

use crate::forward::report::{DRAWN, UsageMark};
use crate::refusal::{ErrorBody, Reason};
use crate::request::bodies::chat::{Used, usage_of};
use crate::wire::header;
use crate::wire::sse::{Passed, SseParser, WholeEvents};

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

impl Seen {
    /// Whether any of the answer itself has come, and not only the word that one is on its way.
    pub fn has_begun(&self) -> bool {
        match self.so_far.or(self.usage) {
            Some(used) => used.usage.completion_tokens > 0 || used.drawn.steps > 0,
            None => self.answered,
        }
    }
}

/// A stream on its way: what has begun and not ended, and what was seen in it.
#[derive(Debug)]
pub enum Relayed {
    /// Server-sent events.
    Events(Events),
    /// Lines of JSON.
    Lines(Lines),
    /// A whole answer of which its head has told what it used: nothing is looked at, nor held back.
    Whole(Used),
}

impl Relayed {
    /// A body of this type; `None` if it is no stream. What is longer than `max` bytes is not held back until it is whole.
    pub fn of(content_type: &str, max: usize) -> Option<Self> {
        let is = |kind| header::essence(content_type).eq_ignore_ascii_case(header::essence(kind));
        if is(header::EVENT_STREAM) {
            Some(Self::Events(Events::new(max)))
        } else if is(header::NDJSON) {
            Some(Self::Lines(Lines { held: Vec::new(), max, mark: None }))
        } else {
            None
        }
    }

    /// Takes a chunk; gives what of it passes now.
    pub fn push(&mut self, chunk: &[u8]) -> Passed {
        match self {
            Self::Events(events) => events.push(chunk),
            Self::Lines(lines) => lines.push(chunk),
            Self::Whole(_) => Passed::Whole,
        }
    }

    /// What is held back, for the end of a stream that ended well.
    pub fn take_rest(&mut self) -> Vec<u8> {
        match self {
            Self::Events(events) => events.whole.take_rest(),
            Self::Lines(lines) => std::mem::take(&mut lines.held),
            Self::Whole(_) => Vec::new(),
        }
    }

    /// How many events have come: that which ends a stream may have to say which it is.
    pub const fn events(&self) -> u64 {
        match self {
            Self::Events(events) => events.count,
            Self::Lines(_) | Self::Whole(_) => 0,
        }
    }

    /// What was seen until now.
    pub fn seen(&self) -> Seen {
        match self {
            Self::Events(events) => {
                let mark = std::str::from_utf8(events.parser.last_id()).ok().and_then(UsageMark::read);
                let by_mark = Seen::of(mark);
                Seen {
                    usage: by_mark.usage.or(events.usage),
                    refused: by_mark.refused.or(events.refused),
                    answered: events.answered,
                    ..by_mark
                }
            }
            Self::Lines(lines) => Seen::of(lines.mark),
            Self::Whole(used) => Seen { usage: Some(*used), answered: true, ..Seen::default() },
        }
    }
}

impl Seen {
    fn of(mark: Option<UsageMark>) -> Self {
        Self {
            usage: mark.filter(|mark| mark.is_final).map(|mark| mark.used),
            refused: mark.and_then(|mark| mark.refused),
            so_far: mark.map(|mark| mark.used),
            answered: mark.is_some(),
        }
    }
}

/// Events, and what was seen in them.
#[derive(Debug)]
pub struct Events {
    whole: WholeEvents,
    parser: SseParser,
    usage: Option<Used>,
    refused: Option<Reason>,
    answered: bool,
    count: u64,
}

impl Events {
    fn new(max: usize) -> Self {
        let (whole, parser) = (WholeEvents::new(max), SseParser::new(max));
        Self { whole, parser, usage: None, refused: None, answered: false, count: 0 }
    }

    fn push(&mut self, chunk: &[u8]) -> Passed {
        let (usage, refused, answered) = (&mut self.usage, &mut self.refused, &mut self.answered);
        let count = &mut self.count;
        self.parser.push_with_id(chunk, |event, id| {
            *count += 1;
            // No usage is looked for in pictures whose marks tell it.
            let mark = || UsageMark::read(std::str::from_utf8(id).ok()?);
            let is_drawn = id.contains(&DRAWN) && mark().is_some_and(|mark| !mark.used.drawn.is_nothing());
            if !is_drawn {
                *usage = usage_in(event).or(*usage);
            }
            *answered |= !event.starts_with(ERROR);
            *refused = refused_in(event).or(*refused);
        });
        self.whole.push(chunk)
    }
}

/// Lines, and the last mark that was seen in them.
#[derive(Debug)]
pub struct Lines {
    held: Vec<u8>,
    max: usize,
    mark: Option<UsageMark>,
}

impl Lines {
    fn push(&mut self, chunk: &[u8]) -> Passed {
        let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1) else {
            self.held.extend_from_slice(chunk);
            let is_too_long = self.held.len() > self.max;
            return Passed::Part(if is_too_long { std::mem::take(&mut self.held) } else { Vec::new() });
        };
        let held = std::mem::take(&mut self.held);
        if held.is_empty() && end == chunk.len() {
            self.look(chunk);
            return Passed::Whole;
        }
        let passes = [&held, &chunk[..end]].concat();
        self.look(&passes);
        self.held.extend_from_slice(&chunk[end..]);
        Passed::Part(passes)
    }

    /// The last line that has a mark is the one that says most.
    fn look(&mut self, lines: &[u8]) {
        let mut lines = lines.rsplit(|byte| *byte == b'\n');
        self.mark = lines.find_map(mark_in).or(self.mark);
    }
}

/// The mark of a line: its last member. Inside of a text its quotes would be escaped, and inside of another object more
/// brackets would follow.
fn mark_in(line: &[u8]) -> Option<UsageMark> {
    const MEMBER: &[u8] = b",\"used\":\"";
    let line = line.strip_suffix(b"\"}")?;
    let value = line.iter().rposition(|byte| *byte == b'"')? + 1;
    line[..value].ends_with(MEMBER).then(|| UsageMark::read(std::str::from_utf8(&line[value..]).ok()?))?
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
