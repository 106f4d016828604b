//! The event that ends an answer which asks to be kept: its caller learns in it whether the answer is.

use super::kept::{not_kept, within};
use crate::request::member::raw;
use crate::wire::sse::Passed;

/// Holds back the event that ends an answer, until it is known whether that is kept. What comes before it passes.
#[derive(Debug, Default)]
pub struct FinalEvent {
    held: Vec<u8>,
    /// Whether it was too long to be held.
    is_given_up: bool,
}

impl FinalEvent {
    /// Takes what passes of a chunk of events; gives what of that passes now.
    pub fn push(&mut self, chunk: &[u8], passed: Passed) -> Passed {
        if self.is_given_up {
            return passed;
        }
        let passes = match &passed {
            Passed::Whole => chunk,
            Passed::Part(part) => part,
        };
        let begins = if self.held.is_empty() { begins_in(passes) } else { Some(0) };
        let Some(begins) = begins else { return passed };
        self.held.extend_from_slice(&passes[begins..]);
        let mut before = passes[..begins].to_vec();
        if self.held.len() > MAX_HELD {
            self.is_given_up = true;
            before.append(&mut self.held);
        }
        Passed::Part(before)
    }

    /// The answer, once all of it has come.
    pub fn answer(&self) -> Option<&str> {
        let held = std::str::from_utf8(&self.held).ok()?;
        let [response] =
            raw::members(held.lines().find_map(|line| line.strip_prefix("data: "))?, &["response"]).ok()?;
        held.ends_with("\n\n").then_some(response?)
    }

    /// What is held back, with an answer that says whether it is kept.
    pub fn take(&mut self, is_kept: bool) -> Vec<u8> {
        let told = self.answer().filter(|_| !is_kept).map(|answer| {
            let held = std::str::from_utf8(&self.held).expect("what an answer was found in is a text");
            let place = within(held, answer);
            [&held[..place.start], &not_kept(answer), &held[place.end..]].concat()
        });
        let held = std::mem::take(&mut self.held);
        told.map_or(held, String::into_bytes)
    }
}

/// Where the event that ends an answer begins, if it does. Its first line is its name, and no data has a line of its own.
fn begins_in(events: &[u8]) -> Option<usize> {
    let is_name = |line: &[u8]| [ENDS, CUT].iter().any(|name| line.starts_with(name.as_bytes()));
    let mut lines =
        [0].into_iter().chain(events.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1));
    lines.find(|from| is_name(&events[*from..]))
}

const ENDS: &str = "event: response.completed\n";
const CUT: &str = "event: response.incomplete\n";
/// The longest event that is held back, in bytes. It is longer than an answer that is kept: so a caller is told that its
/// answer is too long.
const MAX_HELD: usize = 8 << 20;
