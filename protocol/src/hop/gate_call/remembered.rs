//! The refusals that an isolate remembers, so that a flood by one refused caller does not reach its Gate.
//!
//! A refusal is kept for a second at most, and never past the time at which its limits let through. It is kept by all that the
//! Gate's decision depended on, and given again only where the Gate would give it:
//!
//! - to nobody but the same caller: a key with this secret, or a subject with this plan. Others of its account may have another
//!   plan, other permissions, or a count of their own;
//! - under the same plan table;
//! - from the same address, where the Gate looked at that;
//! - for another request of the caller's, only if it refuses whatever the caller asks for ([`Blanket`]).
//!
//! What is forgotten stays forgotten: an answer that was on its way while something changed is not remembered.

use crate::auth::permission::Denied;
use crate::auth::principal::AccountName;
use crate::hop::gate_call::{Answer, Caller, Identity};
use crate::id::Version;
use crate::limit::decision::{Blanket, Passes, Refused};
use crate::time::Millis;
use core::net::IpAddr;
use std::collections::HashMap;

/// How long a refusal is remembered at most, in milliseconds.
pub const REMEMBER_MS: Millis = 1_000;
/// How many refusals are remembered at most.
pub const MAX_REMEMBERED: usize = 4_096;

/// Who asks, and under which plans: what a Gate's decision depends on besides what is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Whose limits.
    pub account: &'a AccountName,
    /// Who calls.
    pub caller: &'a Caller,
    /// From where, if the platform told.
    pub address: Option<IpAddr>,
    /// Which plan table decides.
    pub table: Version,
}

/// What a caller wants of its Gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// To be let in with a request, which its limits count.
    Admission,
    /// To be known, which limits have no say in.
    Identity,
}

/// When a Gate was asked and when its answer came, by the isolate's own clock: the decision lies in between.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The decision is no earlier.
    pub at: Millis,
    /// And no later.
    pub answered_at: Millis,
}

/// The refusals of the last second. Plain data.
#[derive(Debug, Default)]
pub struct Remembered {
    /// The last ones, and those before them: what nobody asks for is gone after two turns.
    young: Generation,
    old: Generation,
    /// When something about an account was last forgotten: what was asked before that is not remembered.
    forgotten: HashMap<AccountName, Millis>,
    /// The same for everybody.
    all_forgotten_at: Option<Millis>,
}

impl Remembered {
    /// Remembers a refusal, if it refuses whatever its caller asks for.
    pub fn put(&mut self, asker: &Asker<'_>, answer: &Answer, asked: Asked) {
        let (place, until) = match answer {
            Answer::UnknownCaller | Answer::Disabled | Answer::Expired => (Place::Anywhere, REMEMBER_MS),
            Answer::Denied(Denied::Address) => (Place::At(asker.address), REMEMBER_MS),
            Answer::Limited { refused, now, .. } => match reach(refused) {
                Blanket::No => return,
                Blanket::Caller => (Place::Anywhere, wait(refused, *now)),
                Blanket::Address => (Place::At(asker.address), wait(refused, *now)),
            },
            _ => return,
        };
        let forgotten_at = self.forgotten.get(asker.account).copied().max(self.all_forgotten_at);
        if forgotten_at.is_some_and(|at| asked.at <= at) {
            return;
        }
        if self.young.len >= MAX_REMEMBERED / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        let until = asked.at.saturating_add(until.min(REMEMBER_MS));
        let kept = Kept { answer: answer.clone(), table: asker.table, asked, until };
        self.young.put(asker.account, Name { who: asker.caller.identity(), place }, kept);
    }

    /// The refusal that this caller would certainly be given again. Who is not let in from an address is told that there, also
    /// if its limits are used up as well: a Gate looks at who asks before it looks at limits.
    pub fn get(&self, asker: &Asker<'_>, want: Want, now: Millis) -> Option<Answer> {
        let names =
            [Place::Anywhere, Place::At(asker.address)].map(|place| Name { who: asker.caller.identity(), place });
        let find = |want| {
            [&self.young, &self.old].into_iter().find_map(|generation| {
                let of_account = generation.kept.get(asker.account)?;
                names.iter().filter_map(|name| of_account.get(name)).find(|kept| kept.holds(asker, want, now))
            })
        };
        let found = find(Want::Identity).or_else(|| find(want));
        found.map(|kept| kept.again(now))
    }

    /// Whether nothing at all is remembered.
    pub fn is_empty(&self) -> bool {
        self.young.kept.is_empty() && self.old.kept.is_empty()
    }

    /// Forgets what an account was refused: something about it has changed by `now`, and its next request asks its Gate.
    pub fn forget(&mut self, account: &AccountName, now: Millis) {
        self.young.forget(account);
        self.old.forget(account);
        if self.forgotten.len() >= MAX_REMEMBERED {
            // What was asked so long ago is no longer remembered in any case.
            self.forgotten.retain(|_, at| at.abs_diff(now) < REMEMBER_MS);
        }
        if self.forgotten.len() >= MAX_REMEMBERED {
            *self = Self { all_forgotten_at: Some(now), ..Self::default() };
        }
        self.forgotten.insert(account.clone(), now);
    }
}

/// From where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Anywhere,
    At(Option<IpAddr>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    who: Identity,
    place: Place,
}

#[derive(Debug, Default)]
struct Generation {
    kept: HashMap<AccountName, HashMap<Name, Kept>>,
    /// How many refusals that is.
    len: usize,
}

#[derive(Debug)]
struct Kept {
    answer: Answer,
    table: Version,
    asked: Asked,
    /// From then on the Gate may decide otherwise.
    until: Millis,
}

impl Generation {
    fn put(&mut self, account: &AccountName, name: Name, kept: Kept) {
        let of_account = match self.kept.get_mut(account) {
            Some(of_account) => of_account,
            None => self.kept.entry(account.clone()).or_default(),
        };
        match of_account.get_mut(&name) {
            // Answers may overtake each other.
            Some(newer) if newer.asked.at > kept.asked.at => {}
            Some(older) => *older = kept,
            None => {
                of_account.insert(name, kept);
                self.len += 1;
            }
        }
    }

    fn forget(&mut self, account: &AccountName) {
        self.len -= self.kept.remove(account).map_or(0, |of_account| of_account.len());
    }
}

impl Kept {
    /// Whether the Gate would certainly still refuse. Counted from the asking, so never too long.
    fn holds(&self, asker: &Asker<'_>, want: Want, now: Millis) -> bool {
        let is_of_limits = matches!(self.answer, Answer::Limited { .. });
        (want == Want::Admission || !is_of_limits)
            && self.table == asker.table
            && (self.asked.at..self.until).contains(&now)
    }

    /// The refusal again, with the wait that is left. Counted from the answer, so never too short.
    fn again(&self, now: Millis) -> Answer {
        let mut answer = self.answer.clone();
        if let Answer::Limited { now: decided_at, .. } = &mut answer {
            *decided_at = decided_at.saturating_add(now.saturating_sub(self.asked.answered_at));
        }
        answer
    }
}

/// Which of a caller's requests are refused together by all of these limits.
fn reach(refused: &[Refused]) -> Blanket {
    let is = |blanket| refused.iter().any(|refused| refused.blanket == blanket);
    match () {
        () if refused.is_empty() || is(Blanket::No) => Blanket::No,
        () if is(Blanket::Address) => Blanket::Address,
        () => Blanket::Caller,
    }
}

/// For how long all of them refuse.
fn wait(refused: &[Refused], decided_at: Millis) -> Millis {
    let passes = refused.iter().map(|refused| match refused.passes {
        Passes::At(at) => at,
        Passes::LessFull | Passes::Never => Millis::MAX,
    });
    passes.max().unwrap_or(decided_at).saturating_sub(decided_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::principal::Mark;
    use crate::limit::kind::Unit;
    use crate::limit::kind::window::Window;

    const TABLE: Version = Version([7; 8]);

    fn account(name: &str) -> AccountName {
        AccountName::of_token("corp", name)
    }

    fn subject(name: &str) -> Caller {
        Caller::Known { subject: Mark::of(name), plan: "p".into() }
    }

    /// Refused for `wait`, decided at 500,000 by the Gate's clock.
    fn limited(wait: Millis, blanket: Blanket) -> Answer {
        let kind = Window { unit: Unit::Requests, limit: 1, window_ms: 60_000 }.into();
        let passes = Passes::At(500_000 + wait);
        let refused = Refused { limit: "w".into(), kind, amount: 1, used: 1, passes, blanket };
        Answer::Limited { plan: "p".into(), refused: vec![refused], standings: Vec::new(), now: 500_000 }
    }

    /// Asked at 1,000, answered at 1,010.
    const ASKED: Asked = Asked { at: 1_000, answered_at: 1_010 };

    fn asker<'a>(account: &'a AccountName, caller: &'a Caller) -> Asker<'a> {
        Asker { account, caller, address: None, table: TABLE }
    }

    #[test]
    fn a_refusal_is_remembered_for_a_second_and_never_past_its_end() {
        let (account, ann) = (account("org"), subject("ann"));
        for (answer, last) in [
            (limited(300, Blanket::Caller), 1_299),
            (limited(30_000, Blanket::Caller), 1_999),
            (Answer::Disabled, 1_999),
            (Answer::UnknownCaller, 1_999),
            (Answer::Expired, 1_999),
            (Answer::Denied(Denied::Address), 1_999),
        ] {
            let mut remembered = Remembered::default();
            remembered.put(&asker(&account, &ann), &answer, ASKED);
            let holds = |now| remembered.get(&asker(&account, &ann), Want::Admission, now).is_some();
            assert!(holds(1_000) && holds(last) && !holds(last + 1) && !holds(999), "{answer:?}");
        }
    }

    #[test]
    fn the_wait_that_it_names_is_never_too_short() {
        let (account, ann) = (account("org"), subject("ann"));
        let mut remembered = Remembered::default();
        remembered.put(&asker(&account, &ann), &limited(300, Blanket::Caller), ASKED);
        // Decided between 1,000 and 1,010: it passes between 1,300 and 1,310.
        let again = remembered.get(&asker(&account, &ann), Want::Admission, 1_100).unwrap();
        assert_eq!(again.refusal().unwrap().retry_after_ms, Some(210));
    }

    #[test]
    fn nobody_else_is_given_it() {
        let (org, ann) = (account("org"), subject("ann"));
        let mut remembered = Remembered::default();
        remembered.put(&asker(&org, &ann), &limited(30_000, Blanket::Caller), ASKED);
        remembered.put(&asker(&org, &ann), &Answer::Denied(Denied::Address), ASKED);
        let get = |asker: &Asker<'_>, want| remembered.get(asker, want, 1_500);
        let at = |address: &str| Asker { address: address.parse().ok(), ..asker(&org, &ann) };
        assert!(get(&asker(&org, &ann), Want::Admission).is_some());
        assert!(get(&at("203.0.113.9"), Want::Admission).is_some(), "a limit refuses it from everywhere");
        assert_eq!(get(&at("203.0.113.9"), Want::Identity), None, "and only what is counted");
        let other_plan = Caller::Known { subject: Mark::of("ann"), plan: "q".into() };
        for other in [asker(&org, &subject("bob")), asker(&org, &other_plan), asker(&account("other"), &ann)] {
            assert_eq!(get(&other, Want::Admission), None, "{other:?}");
        }
        let under_others = Asker { table: Version([8; 8]), ..asker(&org, &ann) };
        assert_eq!(get(&under_others, Want::Admission), None);
    }

    #[test]
    fn what_was_on_its_way_while_something_changed_is_not_remembered() {
        let (org, other, ann) = (account("org"), account("other"), subject("ann"));
        let mut remembered = Remembered::default();
        remembered.put(&asker(&org, &ann), &Answer::Disabled, ASKED);
        remembered.forget(&org, 1_020);
        let is_there =
            |remembered: &Remembered, account| remembered.get(&asker(account, &ann), Want::Identity, 1_030).is_some();
        assert!(!is_there(&remembered, &org));
        let asked = |at| Asked { at, answered_at: 1_030 };
        remembered.put(&asker(&org, &ann), &Answer::Disabled, asked(1_020));
        assert!(!is_there(&remembered, &org), "it was enabled since");
        remembered.put(&asker(&other, &ann), &Answer::Disabled, asked(1_020));
        assert!(is_there(&remembered, &other));
        remembered.put(&asker(&org, &ann), &Answer::Disabled, asked(1_021));
        assert!(is_there(&remembered, &org));
    }

    #[test]
    fn memory_is_bounded_and_the_last_ones_are_there() {
        let mut remembered = Remembered::default();
        let org = account("org");
        for number in 0..3 * MAX_REMEMBERED {
            remembered.put(&asker(&org, &subject(&number.to_string())), &Answer::Disabled, ASKED);
            assert!(remembered.young.len + remembered.old.len <= MAX_REMEMBERED);
        }
        let last = subject(&(3 * MAX_REMEMBERED - 1).to_string());
        assert!(remembered.get(&asker(&org, &last), Want::Identity, 1_500).is_some());
        for number in 0..3 * MAX_REMEMBERED {
            remembered.forget(&account(&number.to_string()), 1_100);
            assert!(remembered.forgotten.len() <= MAX_REMEMBERED);
        }
        assert_eq!((remembered.young.len, remembered.old.len), (0, 0), "rather all of it than too little");
        let asked = Asked { at: 1_100, answered_at: 1_200 };
        remembered.put(&asker(&account("0"), &last), &Answer::Disabled, asked);
        assert!(remembered.get(&asker(&account("0"), &last), Want::Identity, 1_500).is_none(), "forgotten with all");
    }
}
