//! The refusal of a moment ago, if it still holds: a flood by one refused caller does not reach its Gate.

use crate::auth::Principal;
use crate::platform;
use sluice_protocol::Millis;
use sluice_protocol::gate::{Passes, Refused};
use sluice_protocol::gate_call::Answer;
use sluice_protocol::principal::{Account, subject};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::standing::Standing;
use std::cell::RefCell;
use std::collections::HashMap;

/// What a Gate refused, and when.
pub struct Denial {
    /// When the Gate was asked, by this isolate's clock: its decision is no earlier.
    pub asked_at: Millis,
    /// When its answer came: its decision is no later.
    pub answered_at: Millis,
    /// When it decided, by its own clock.
    pub decided_at: Millis,
    /// Which limits refused.
    pub refused: Vec<Refused>,
    /// How all limits stood.
    pub standings: Vec<Standing>,
}

/// Remembers a refusal, if only limits refused that refuse whatever this caller asks for (a place of a parallel limit comes
/// free at any time, and a smaller request may pass a limit of tokens): then its wait is every request's.
pub fn remember(principal: &Principal, denial: Denial) {
    if denial.refused.iter().any(|refused| !refused.is_blanket) {
        return;
    }
    DENIALS.with_borrow_mut(|denials| {
        if denials.len() >= MAX_DENIALS {
            let now = denial.answered_at;
            denials.retain(|_, other| other.holds(now));
        }
        if denials.len() < MAX_DENIALS {
            denials.insert(name(principal), denial);
        }
    });
}

/// The refusal that this caller was given a moment ago, if it would certainly be given it again: never past the time at
/// which the limits let through, and for a second at most, so that a change at the Gate is seen soon.
pub fn of(principal: &Principal) -> Option<Refusal> {
    if DENIALS.with_borrow(HashMap::is_empty) {
        return None;
    }
    let now = platform::now();
    DENIALS.with_borrow(|denials| {
        let denial = denials.get(&name(principal)).filter(|denial| denial.holds(now))?;
        denial.refusal(now)
    })
}

/// Forgets what an account was refused: something about it has changed, and its next request asks its Gate.
///
/// Other isolates still refuse for a second at most; they refuse what was refused, and let nothing through.
pub fn forget(account: &Account) {
    DENIALS.with_borrow_mut(|denials| denials.retain(|(name, ..), _| name != account.name()));
}

/// Forgets everything: another plan table decides.
pub fn forget_all() {
    DENIALS.with_borrow_mut(HashMap::clear);
}

thread_local! {
    static DENIALS: RefCell<HashMap<Name, Denial>> = RefCell::default();
}

/// Account, caller and the mark of a key's secret: some limits count by key, and whoever brings another secret is not the one who was
/// refused. He may be nobody, which his Gate says.
type Name = (String, String, Option<[u8; 8]>);

fn name(principal: &Principal) -> Name {
    let mark = principal.caller.key().map(|(_, mark)| mark);
    (principal.account.name().to_owned(), subject(&principal.account, principal.key), mark)
}

impl Denial {
    /// Whether the Gate would certainly still refuse: counted from the asking, so never too long.
    fn holds(&self, now: Millis) -> bool {
        let wait = self.passes_at().unwrap_or(Millis::MAX).saturating_sub(self.decided_at).min(REMEMBER_MS);
        (self.asked_at..self.asked_at.saturating_add(wait)).contains(&now)
    }

    /// The refusal again, with the wait that is left. Counted from the answer, so never too short.
    fn refusal(&self, now: Millis) -> Option<Refusal> {
        let since = now.saturating_sub(self.answered_at);
        let refused = self.refused.clone();
        Answer::Limited { refused, standings: self.standings.clone(), now: self.decided_at.saturating_add(since) }
            .refusal()
    }

    fn passes_at(&self) -> Option<Millis> {
        let each = self.refused.iter().map(|refused| match refused.passes {
            Passes::At(at) => at,
            Passes::LessFull | Passes::Never => Millis::MAX,
        });
        each.max()
    }
}

/// How long a refusal is remembered at most, in milliseconds.
const REMEMBER_MS: u64 = 1_000;
const MAX_DENIALS: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::gate::RefusedKind;
    use sluice_protocol::plan::Unit;

    /// Asked at 1,000, answered at 1,010, refused for `wait`.
    fn denial(wait: Millis) -> Denial {
        let refused = Refused {
            limit: "w".into(),
            kind: RefusedKind::Window { unit: Unit::Requests, limit: 1, window_ms: 60_000 },
            amount: 1,
            used: 1,
            passes: Passes::At(500_000 + wait),
            is_blanket: true,
        };
        Denial {
            asked_at: 1_000,
            answered_at: 1_010,
            decided_at: 500_000,
            refused: vec![refused],
            standings: Vec::new(),
        }
    }

    #[test]
    fn a_refusal_is_remembered_for_a_second_and_never_past_its_end() {
        let short = denial(300);
        assert!(short.holds(1_000) && short.holds(1_299) && !short.holds(1_300));
        let long = denial(30_000);
        assert!(long.holds(1_999) && !long.holds(2_000));
    }

    #[test]
    fn the_wait_that_it_names_is_never_too_short() {
        // Decided between 1,000 and 1,010: it passes between 1,300 and 1,310.
        assert_eq!(denial(300).refusal(1_100).unwrap().retry_after_ms, Some(210));
    }
}
