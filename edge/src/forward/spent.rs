//! What origins have computed for a request that another one serves: it was tried there, and failed before its first
//! byte. It counts, and is taken off what the next one may use, so that all of them together keep to what was
//! reserved.

use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::drawing::Drawn;

/// What was computed in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    tokens: Usage,
    /// Of pictures, the most that one origin has drawn: what is drawn anew counts once.
    drawn: Drawn,
}

impl Spent {
    /// Adds what one more origin has computed, if it told.
    pub fn add(&mut self, outcome: Outcome) {
        let used = outcome.used().unwrap_or(Used::NOTHING);
        self.tokens = sum(self.tokens, used.usage);
        self.drawn = self.drawn.or_more(used.drawn);
    }

    /// How many tokens that is.
    pub fn tokens(self) -> u32 {
        u32::try_from(self.tokens.total_tokens).unwrap_or(u32::MAX)
    }

    /// What is left of so many tokens, for a grant: 0 means any number, and is never what is left.
    pub fn left_of(self, tokens: u64) -> u64 {
        if tokens == 0 { 0 } else { tokens.saturating_sub(self.tokens.total_tokens).max(1) }
    }

    /// With how the request ended in the end.
    pub fn with(self, outcome: Outcome) -> Outcome {
        let spent = Used { drawn: self.drawn, ..self.tokens.into() };
        if spent.is_nothing() {
            return outcome;
        }
        match outcome {
            // All that was reserved stays counted.
            Outcome::Served(None) => outcome,
            Outcome::Served(Some(used)) => {
                let (usage, drawn) = (sum(self.tokens, used.usage), self.drawn.or_more(used.drawn));
                Outcome::Served(Some(Used { usage, drawn, ..used }))
            }
            Outcome::NotServed => Outcome::Served(Some(spent)),
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
        let one = Drawn { images: 1, steps: 8, pixel_steps: 32_768 };
        let part = Drawn { steps: 3, pixel_steps: 12_288, ..one };
        let mut drawn = Spent::default();
        drawn.add(Outcome::Served(Some(Used::of_pictures(0, part))));
        let Outcome::Served(Some(used)) = drawn.with(Outcome::NotServed) else { panic!("steps were run") };
        assert_eq!(used.drawn, part);
        let whole = Outcome::Served(Some(Used::of_pictures(2, one)));
        assert_eq!(drawn.with(whole), whole, "the same picture is never more than what was reserved for it");
        assert_eq!((spent.left_of(20), spent.left_of(11), spent.left_of(0)), (9, 1, 0));
    }
}
