//! What a scripted model says, and how it fails.

use crate::models::endless;

/// What a scripted model says to one request. Requests take them in the order in which they start.
#[derive(Clone, Debug)]
pub struct Say {
    /// The logits of each step; what is not named has -100.
    steps: Vec<Vec<(u32, f32)>>,
    then: Then,
}

/// What comes after the tokens.
#[derive(Clone, Copy, Debug)]
enum Then {
    End,
    Again,
    Fault(Fault),
}

/// A way to fail, in place of the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Logits that are not numbers.
    NaN,
    /// An error of this row alone.
    Row,
    /// An error of the whole step.
    Step,
    /// A panic.
    Panic,
}

impl Say {
    /// The bytes of this text, one token each, and then the end of the answer.
    pub fn text(text: &str) -> Self {
        Self::tokens(text.bytes().map(u32::from).collect())
    }

    /// These tokens, and then the end of the answer.
    pub fn tokens(tokens: Vec<u32>) -> Self {
        Self::logits(tokens.into_iter().map(certain).collect())
    }

    /// Whatever the sampler makes of these logits, one list for each step, and then the end of the answer. Tokens that a
    /// list does not name have a logit of -100.
    pub fn logits(steps: Vec<Vec<(u32, f32)>>) -> Self {
        Self { steps, then: Then::End }
    }

    /// The bytes of this text again and again, without end.
    ///
    /// Panics if the text is empty.
    pub fn endless(text: &str) -> Self {
        assert!(!text.is_empty(), "an endless answer says something");
        Self { then: Then::Again, ..Self::text(text) }
    }

    /// The bytes of this text, and then a failure.
    pub fn fail_after(text: &str, fault: Fault) -> Self {
        Self::fail_after_tokens(text.bytes().map(u32::from).collect(), fault)
    }

    /// These tokens, and then a failure.
    pub fn fail_after_tokens(tokens: Vec<u32>, fault: Fault) -> Self {
        Self { then: Then::Fault(fault), ..Self::tokens(tokens) }
    }

    /// The logits of the step of this number, or how it fails.
    pub(super) fn step(&self, number: usize) -> Result<Vec<(u32, f32)>, Fault> {
        match (self.steps.get(number), self.then) {
            (Some(logits), _) => Ok(logits.clone()),
            (None, Then::End) => Ok(certain(endless::IM_END)),
            (None, Then::Again) => Ok(self.steps[number % self.steps.len()].clone()),
            (None, Then::Fault(fault)) => Err(fault),
        }
    }
}

/// Logits by which this token comes, whatever the temperature.
fn certain(token: u32) -> Vec<(u32, f32)> {
    vec![(token, 100.0)]
}
