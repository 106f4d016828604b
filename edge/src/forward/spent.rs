//! What origins have computed for a request that another one serves: it was tried there, and failed before its first
//! byte. It counts, and is taken off what the next one may use, so that all of them together keep to what was
//! reserved.

use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::request::bodies::chat::{Usage, Used};

/// What was computed in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent(Usage);

impl Spent {
    /// Adds what one more origin has computed, if it told.
    pub fn add(&mut self, outcome: Outcome) {
        let used = outcome.used().unwrap_or(Used::NOTHING);
        self.0 = sum(self.0, used.usage);
    }

    /// How many tokens that is.
    pub fn tokens(self) -> u32 {
        u32::try_from(self.0.total_tokens).unwrap_or(u32::MAX)
    }

    /// What is left of so many tokens, for a grant: 0 means any number, and is never what is left.
    pub fn left_of(self, tokens: u64) -> u64 {
        if tokens == 0 { 0 } else { tokens.saturating_sub(self.0.total_tokens).max(1) }
    }

    /// With how the request ended in the end.
    pub fn with(self, outcome: Outcome) -> Outcome {
        if self.0.total_tokens == 0 {
            return outcome;
        }
        match outcome {
            // All that was reserved stays counted.
            Outcome::Served(None) => outcome,
            Outcome::Served(Some(used)) => Outcome::Served(Some(Used { usage: sum(self.0, used.usage), ..used })),
            Outcome::NotServed => Outcome::Served(Some(self.0.into())),
        }
    }
}

const fn sum(one: Usage, other: Usage) -> Usage {
    Usage::new(
        one.prompt_tokens.saturating_add(other.prompt_tokens),
        one.completion_tokens.saturating_add(other.completion_tokens),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_computed_in_vain_counts_however_it_ends() {
        let mut spent = Spent::default();
        let whole = Outcome::Served(Some(Usage::new(4, 8).into()));
        for outcome in [whole, Outcome::Served(None), Outcome::NotServed] {
            assert_eq!(spent.with(outcome), outcome, "nothing was");
        }
        spent.add(Outcome::NotServed);
        spent.add(Outcome::Served(Some(Usage::new(4, 1).into())));
        spent.add(Outcome::Served(Some(Usage::new(4, 2).into())));
        assert_eq!(spent.with(whole), Outcome::Served(Some(Usage::new(12, 11).into())));
        assert_eq!(spent.with(Outcome::NotServed), Outcome::Served(Some(Usage::new(8, 3).into())));
        assert_eq!((spent.left_of(20), spent.left_of(11), spent.left_of(0)), (9, 1, 0));
    }
}
