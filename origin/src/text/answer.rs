//! The way back: an answer's tokens become its sections, until a stop string.

use super::Text;
use super::detokenizer::Detokenizer;
use super::sections::{Calls, Section, Sections, Start};
use super::stop::StopFilter;

/// An answer on its way from tokens to text.
#[derive(Debug)]
pub(crate) struct AnswerText {
    detokenizer: Detokenizer,
    sections: Sections,
    stop: StopFilter,
    tokens: u64,
    thinking: bool,
    reasoning_tokens: u64,
}

impl Text {
    /// Turns an answer's tokens into its sections, up to the first of these stop strings.
    ///
    /// Stop strings are looked for in the content as the caller reads it, and not in thinking or calls: a caller that stops
    /// at `Question:` does not want an answer that ends where the model thinks of the question. vLLM meant the same (its
    /// pull request 14550).
    pub(crate) fn answer(&self, stops: Vec<String>, start: Start, calls: Calls) -> AnswerText {
        AnswerText {
            detokenizer: Detokenizer::new(self.bytes.clone()),
            thinking: start == Start::Thinking,
            sections: Sections::new(start, calls),
            stop: StopFilter::new(stops),
            tokens: 0,
            reasoning_tokens: 0,
        }
    }
}

impl AnswerText {
    /// What this token adds, possibly nothing; and whether the answer is over with it. `is_bound`: if it opens a call, one
    /// follows.
    pub(crate) fn push(&mut self, token: u32, is_bound: bool) -> (Vec<Section>, bool) {
        let (mut text, mut found) = (String::new(), Vec::new());
        self.detokenizer.push(token, &mut text);
        self.sections.push(&text, is_bound, &mut found);
        self.tokens += 1;
        let before = std::mem::replace(&mut self.thinking, self.sections.is_thinking());
        if before || self.thinking {
            self.reasoning_tokens = self.tokens;
        }
        let (out, stopped) = self.until_stop(found);
        (out, stopped || self.sections.is_over())
    }

    /// What was held back, at the end; and whether that made a stop string.
    pub(crate) fn finish(&mut self) -> (Vec<Section>, bool) {
        let (mut text, mut found) = (String::new(), Vec::new());
        self.detokenizer.finish(&mut text);
        // A character that is cut in two is no part of what a call is called with.
        if !self.sections.is_in_call() {
            self.sections.push(&text, false, &mut found);
        }
        self.sections.finish(&mut found);
        let (mut out, stopped) = self.until_stop(found);
        if !stopped {
            let mut rest = String::new();
            self.stop.finish(&mut rest);
            out.extend((!rest.is_empty()).then_some(Section::Content(rest)));
        }
        (out, stopped)
    }

    /// The stop string that ended it, if one did.
    pub(crate) fn stopped_by(&self) -> Option<&str> {
        self.stop.found()
    }

    /// How many tokens came until the thinking was over, its marks included.
    pub(crate) fn reasoning_tokens(&self) -> u64 {
        self.reasoning_tokens
    }

    fn until_stop(&mut self, found: Vec<Section>) -> (Vec<Section>, bool) {
        let mut out = Vec::with_capacity(found.len());
        for section in found {
            let Section::Content(text) = section else {
                out.push(section);
                continue;
            };
            let mut passed = String::new();
            let stopped = self.stop.push(&text, &mut passed);
            out.extend((!passed.is_empty()).then_some(Section::Content(passed)));
            if stopped {
                return (out, true);
            }
        }
        (out, false)
    }
}
