//! What stands in an answer's text: thinking, content, and calls of tools. Pure, and the same however the text is cut.
//!
//! Qwen writes `<think>`, its thoughts and `</think>` before it answers, and each call as a JSON object between
//! `<tool_call>` and `</tool_call>`. Newlines at the borders of these blocks belong to the blocks; all else is passed on
//! as it is. What is not a call after all is content, marks included.
//!
//! **Calls in pieces.** Where the engine binds what follows an opening mark, it is certain that a call follows, and it is
//! passed on as it comes. If the answer is cut off inside of it, what there is of the call has been told, and what stood
//! before its name is dropped. Where a mark binds nothing, its call is held back until it is whole: a piece of one that
//! turned out to be none could not be taken back from a stream.

mod call;

use super::stop::overlap;
use call::{Bound, Next, Scan, parse};

/// One piece of an answer; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// Thinking to append.
    Reasoning(String),
    /// Content to append.
    Content(String),
    /// A call of this function begins.
    Call(String),
    /// Arguments of the call that has begun, to append.
    Arguments(String),
    /// The call that has begun is whole.
    CallEnd,
}

/// Where an answer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// In its content, and there is no thinking: the model does not know the marks.
    Content,
    /// In its content, unless the first thing that it says is `<think>`.
    Open,
    /// In its thinking: the prompt ends with `<think>`.
    Thinking,
}

/// Which calls an answer may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    /// The functions that may be called; none: `<tool_call>` means nothing.
    pub(crate) functions: Vec<String>,
    /// Whether there may be several; otherwise the answer is over with the first.
    pub(crate) several: bool,
}

impl Calls {
    /// No calls at all.
    pub(crate) const fn none() -> Self {
        Self { functions: Vec::new(), several: true }
    }
}

/// One answer's state. Holds back what may still become a mark, newlines that may belong to one, and what may be a call.
#[derive(Debug)]
pub(crate) struct Sections {
    state: State,
    calls: Calls,
    held: String,
    /// So many bytes at the end of what is held are bound: an opening mark that ends in them opens a call.
    bound: usize,
    reasoning: Borders,
    content: Borders,
}

#[derive(Debug)]
enum State {
    /// Nothing but white space has come; whether it will be thinking even without a mark.
    Start {
        thinking: bool,
    },
    Thinking,
    Content,
    /// What may be a call.
    Call(Scan),
    /// A call.
    Bound(Bound),
    /// Nothing follows: the one call that there may be has come, or the end.
    Over,
}

const THINK: &str = "<think>";
const THINK_END: &str = "</think>";
const CALL: &str = "<tool_call>";
const CALL_END: &str = "</tool_call>";

/// The marks that a tokenizer has to have as tokens for a model to think.
pub(super) const THINK_MARKS: [&str; 2] = [THINK, THINK_END];
/// The marks of a call.
pub(crate) const CALL_MARKS: [&str; 2] = [CALL, CALL_END];
/// All marks. They are read here, whatever a tokenizer says of showing them.
pub(super) const MARKS: [&str; 4] = [THINK, THINK_END, CALL, CALL_END];

/// Whether a prompt leaves its answer inside of thinking.
pub(super) fn opens_thinking(rendered: &str) -> bool {
    rendered.trim_end().ends_with(THINK)
}

impl Sections {
    pub(crate) fn new(start: Start, calls: Calls) -> Self {
        let state = match start {
            Start::Content => State::Content,
            Start::Open => State::Start { thinking: false },
            Start::Thinking => State::Start { thinking: true },
        };
        let content = Borders { hold: !calls.functions.is_empty(), ..Borders::default() };
        let reasoning = Borders { hold: true, touches: true, ..Borders::default() };
        Self { state, calls, held: String::new(), bound: 0, reasoning, content }
    }

    /// Takes more text and appends what it makes certain. `is_bound`: a mark in it that opens a call is followed by one,
    /// whatever comes.
    pub(crate) fn push(&mut self, text: &str, is_bound: bool, out: &mut Vec<Section>) {
        self.held.push_str(text);
        self.bound = if is_bound { text.len() } else { 0 };
        if matches!(self.state, State::Call(_))
            && let Some(at) = self.held.rfind(CALL)
            && self.held.len() - (at + CALL.len()) < self.bound
        {
            // What was open is over, whatever it would have become.
            self.state = State::Content;
            let written: String = self.held.drain(..at).collect();
            self.call(&written, &written, out);
        }
        while self.step(out) {}
    }

    /// Appends what was held back, at the end of the answer. Thinking that was not closed stays thinking. Of what is bound
    /// to be a call nothing is added. What may be one is one if its JSON is whole, even without its closing mark, and
    /// content otherwise.
    pub(crate) fn finish(&mut self, out: &mut Vec<Section>) {
        let rest = std::mem::take(&mut self.held);
        match std::mem::replace(&mut self.state, State::Over) {
            State::Start { thinking: true } | State::Thinking => self.think(&rest, out),
            State::Start { thinking: false } | State::Content => self.say(&rest, out),
            State::Call(_) => self.call(&rest[..rest.len() - overlap(&rest, CALL_END)], &rest, out),
            State::Bound(_) => self.content.touches = true,
            State::Over => {}
        }
        // Newlines that wait behind thinking are at its border.
        let newlines = self.content.end();
        append(out, Section::Content, newlines);
    }

    /// Whether the text is still thinking, as far as it is certain.
    pub(crate) fn is_thinking(&self) -> bool {
        matches!(self.state, State::Start { thinking: true } | State::Thinking)
    }

    /// Whether the text is a call, as far as it is certain.
    pub(crate) fn is_in_call(&self) -> bool {
        matches!(self.state, State::Bound(_))
    }

    /// Whether the answer is over because nothing may follow.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Goes as far as the next mark. False if that takes more text.
    fn step(&mut self, out: &mut Vec<Section>) -> bool {
        match &mut self.state {
            State::Start { thinking } => {
                let said = self.held.trim_start();
                if let Some(rest) = said.strip_prefix(THINK) {
                    self.held = rest.to_owned();
                    self.state = State::Thinking;
                } else if THINK.starts_with(said) {
                    return false;
                } else {
                    self.state = if *thinking { State::Thinking } else { State::Content };
                }
                true
            }
            State::Thinking => {
                let (text, closed) = self.until(THINK_END);
                self.think(&text, out);
                if closed {
                    self.content.touches = true;
                    self.state = State::Content;
                }
                closed
            }
            State::Content if self.calls.functions.is_empty() => {
                let text = std::mem::take(&mut self.held);
                self.say(&text, out);
                false
            }
            State::Content => {
                let (text, opened) = self.until(CALL);
                self.say(&text, out);
                if opened {
                    // The mark's last byte is one of those that are bound.
                    let is_bound = self.held.len() < self.bound;
                    self.state = if is_bound { State::Bound(Bound::default()) } else { State::Call(Scan::default()) };
                }
                opened
            }
            State::Bound(bound) => match bound.next(&mut self.held, &self.calls.functions) {
                Next::Wait => false,
                next => {
                    self.bound_call(next, out);
                    true
                }
            },
            State::Call(scan) => {
                let Some((at, mark)) = scan.find_end(&self.held) else { return false };
                self.state = State::Content;
                // A second opening mark ends a call that was never closed, and is looked at again.
                let end = if mark == CALL_END { at + mark.len() } else { at };
                let written: String = self.held.drain(..end).collect();
                self.call(&written[..at], &written, out);
                true
            }
            State::Over => {
                self.held.clear();
                false
            }
        }
    }

    /// Takes the text before the mark and the mark, if it is there; otherwise all that cannot be a part of it.
    fn until(&mut self, mark: &str) -> (String, bool) {
        if let Some(at) = self.held.find(mark) {
            let text = self.held[..at].to_owned();
            self.held.drain(..at + mark.len());
            return (text, true);
        }
        let pass = self.held.len() - overlap(&self.held, mark);
        (self.held.drain(..pass).collect(), false)
    }

    fn think(&mut self, text: &str, out: &mut Vec<Section>) {
        append(out, Section::Reasoning, self.reasoning.pass(text));
    }

    fn say(&mut self, text: &str, out: &mut Vec<Section>) {
        append(out, Section::Content, self.content.pass(text));
    }

    /// A call with this body, if it is one; otherwise what was written, behind the mark that opened it, is content.
    fn call(&mut self, body: &str, written: &str, out: &mut Vec<Section>) {
        match parse(body, &self.calls.functions) {
            Some(call) => {
                out.push(Section::Call(call.name));
                out.push(Section::Arguments(call.arguments));
                out.push(Section::CallEnd);
                self.call_over();
            }
            None => self.say(&[CALL, written].concat(), out),
        }
    }

    /// What comes next of a call that is bound to be one.
    fn bound_call(&mut self, next: Next, out: &mut Vec<Section>) {
        match next {
            Next::Name(name) => out.push(Section::Call(name)),
            Next::Arguments(text) => append(out, Section::Arguments, text),
            Next::Whole => out.push(Section::CallEnd),
            Next::Over => self.call_over(),
            // Nothing of it has been told, so that its end may tell what it is.
            Next::Strange => self.state = State::Call(Scan::default()),
            Next::Wait => {}
        }
    }

    fn call_over(&mut self) {
        self.content.touches = true;
        self.state = if self.calls.several { State::Content } else { State::Over };
    }
}

fn append(out: &mut Vec<Section>, section: fn(String) -> Section, text: String) {
    if !text.is_empty() {
        out.push(section(text));
    }
}

/// Of the text around blocks: drops newlines at the border of a block, where there is no other text beyond it.
#[derive(Debug, Default)]
struct Borders {
    /// Whether a block may follow, so that newlines wait for what comes behind them.
    hold: bool,
    /// Newlines that wait.
    newlines: usize,
    /// Whether a block stands before, behind or among them.
    touches: bool,
    /// Whether text has been passed on.
    begun: bool,
}

impl Borders {
    fn pass(&mut self, text: &str) -> String {
        let start = text.trim_start_matches('\n');
        self.newlines += text.len() - start.len();
        let mut passed = String::new();
        if !start.is_empty() {
            let end = start.trim_end_matches('\n');
            if self.begun || !self.touches {
                passed.extend(std::iter::repeat_n('\n', self.newlines));
            }
            passed.push_str(end);
            (self.begun, self.touches, self.newlines) = (true, false, start.len() - end.len());
        }
        if !self.hold && !self.touches {
            passed.extend(std::iter::repeat_n('\n', std::mem::take(&mut self.newlines)));
        }
        passed
    }

    fn end(&mut self) -> String {
        let newlines = std::mem::take(&mut self.newlines);
        if self.touches { String::new() } else { "\n".repeat(newlines) }
    }
}

#[cfg(test)]
mod tests;
