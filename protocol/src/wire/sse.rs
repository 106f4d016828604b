//! Server-sent events, as far as chat streams use them: bytes in, at any split, `data` payloads out.
//!
//! After the WHATWG HTML standard, section 9.2.6 ("Interpreting an event stream"): lines end with LF, CR or CRLF, a line
//! that starts with a colon is a comment, several `data` lines of one event are joined by LF, a blank line ends the event.

/// An incremental parser. Feed it chunks as they come; a chunk may end anywhere, inside a character too.
#[derive(Debug)]
pub struct SseParser {
    line: Vec<u8>,
    data: Vec<u8>,
    id: Vec<u8>,
    has_data: bool,
    after_cr: bool,
    max_event: usize,
    overflowed: bool,
}

impl SseParser {
    /// A parser that keeps at most `max_event` bytes of one event; a longer event is dropped whole.
    pub const fn new(max_event: usize) -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            id: Vec::new(),
            has_data: false,
            after_cr: false,
            max_event,
            overflowed: false,
        }
    }

    /// The last `id` that came, of an event or not; empty before the first. One that is longer than [`MAX_ID`] bytes is passed over.
    pub fn last_id(&self) -> &[u8] {
        &self.id
    }

    /// Takes a chunk and calls `event` with the payload of each event that it completes.
    pub fn push(&mut self, chunk: &[u8], mut event: impl FnMut(&[u8])) {
        self.push_with_id(chunk, |payload, _| event(payload));
    }

    /// The same, with the last `id` that had come by the end of the event.
    pub fn push_with_id(&mut self, chunk: &[u8], mut event: impl FnMut(&[u8], &[u8])) {
        let mut rest = chunk;
        while let Some(&first) = rest.first() {
            if self.after_cr {
                self.after_cr = false;
                if first == b'\n' {
                    rest = &rest[1..];
                    continue;
                }
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.keep(rest);
                return;
            };
            self.keep(&rest[..end]);
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            self.end_line(&mut event);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.line.len() + self.data.len() + bytes.len() > self.max_event {
            self.overflowed = true;
            self.line.clear();
        }
        if !self.overflowed {
            self.line.extend_from_slice(bytes);
        } else if self.line.is_empty() && !bytes.is_empty() {
            // One byte stands for the line, so that it does not look like the blank line that ends an event.
            self.line.push(b':');
        }
    }

    fn end_line(&mut self, event: &mut impl FnMut(&[u8], &[u8])) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            if self.has_data && !self.overflowed {
                event(&self.data, &self.id);
            }
            self.data.clear();
            self.has_data = false;
            self.overflowed = false;
        } else if let Some(value) = line.strip_prefix(b"data") {
            let value = match value {
                [] => value,
                [b':', b' ', value @ ..] | [b':', value @ ..] => value,
                // Another field whose name starts with "data".
                _ => return self.reuse(line),
            };
            if self.has_data {
                self.data.push(b'\n');
            }
            self.has_data = true;
            self.data.extend_from_slice(value);
        }
        if let Some(id) = line.strip_prefix(b"id:").filter(|id| id.len() <= MAX_ID) {
            self.id.clear();
            self.id.extend_from_slice(id.strip_prefix(b" ").unwrap_or(id));
        }
        self.reuse(line);
    }

    fn reuse(&mut self, mut line: Vec<u8>) {
        line.clear();
        self.line = line;
    }
}

/// Passes a stream on in whole events and holds back the one that has only begun: if the stream breaks off there, what
/// follows (an error event) does not become a part of it.
#[derive(Debug)]
pub struct WholeEvents {
    held: Vec<u8>,
    max_event: usize,
}

/// What [`WholeEvents::push`] lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The chunk as it came: nothing was held, and it ends where an event ends.
    Whole,
    /// These bytes, which may be none.
    Part(Vec<u8>),
}

impl WholeEvents {
    /// Holds back at most `max_event` bytes; an event that is longer passes in pieces.
    pub const fn new(max_event: usize) -> Self {
        Self { held: Vec::new(), max_event }
    }

    /// Takes a chunk; what passes now, in order.
    pub fn push(&mut self, chunk: &[u8]) -> Passed {
        if self.held.is_empty() && ends_event(chunk) {
            return Passed::Whole;
        }
        self.held.extend_from_slice(chunk);
        // Only the new bytes, and the three before them, can hold the end that was not there before.
        let from = (self.held.len() - chunk.len()).saturating_sub(3);
        let ends = (from..=self.held.len()).rev().find(|end| ends_event(&self.held[..*end]));
        let passes = match ends {
            Some(end) => end,
            None if self.held.len() > self.max_event => self.held.len(),
            None => 0,
        };
        if passes == 0 {
            return Passed::Part(Vec::new());
        }
        let rest = self.held.split_off(passes);
        Passed::Part(std::mem::replace(&mut self.held, rest))
    }

    /// What is held back, for the end of a stream that ended well.
    pub fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

/// Whether the last line of `bytes` is blank: two line ends, one after the other.
fn ends_event(bytes: &[u8]) -> bool {
    let strip = |bytes: &[u8]| -> Option<usize> {
        match bytes {
            [.., b'\r', b'\n'] => Some(bytes.len() - 2),
            [.., b'\r' | b'\n'] => Some(bytes.len() - 1),
            _ => None,
        }
    };
    strip(bytes).and_then(|len| strip(&bytes[..len])).is_some()
}

/// One event with this payload, ready to send. The payload must be one line, as JSON is.
pub fn event(payload: &str) -> String {
    debug_assert!(!payload.contains(['\n', '\r']), "an event's payload is one line");
    format!("data: {payload}\n\n")
}

/// [`event`] with an `id`, which must be one line.
pub fn event_with_id(id: &str, payload: &str) -> String {
    debug_assert!(!id.contains(['\n', '\r']), "an id is one line");
    format!("id: {id}\n{}", event(payload))
}

/// An event that has a name, by which clients tell it from others, and perhaps an `id`; both must be one line.
pub fn named_event(name: &str, id: Option<&str>, payload: &str) -> String {
    debug_assert!(!name.contains(['\n', '\r']), "a name is one line");
    let event = id.map_or_else(|| event(payload), |id| event_with_id(id, payload));
    format!("event: {name}\n{event}")
}

/// A comment: clients pass over it, and whatever lies between sees that the stream lives. The text must be one line.
pub fn comment(text: &str) -> String {
    debug_assert!(!text.contains(['\n', '\r']), "a comment is one line");
    format!(": {text}\n\n")
}

/// The payload that ends a stream which is complete. A stream that broke off ends without it.
pub const DONE: &str = "[DONE]";

/// The longest `id` that is kept, in bytes.
pub const MAX_ID: usize = 64;
