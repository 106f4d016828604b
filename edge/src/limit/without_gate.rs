//! What passes while an account's Gate cannot be reached, for plans that say so: a bucket in this isolate.
//!
//! Only callers that are known without their Gate pass: the subject of a token or an address, or a key that this isolate
//! has seen admitted with the same secret within the last ten minutes. None that its Gate has refused since.

use crate::auth::principal::Principal;
use crate::platform::isolate_local;
use crate::recent::Recent;
use sluice_protocol::account::{DEFAULT_MAX_TOKENS, forbidden};
use sluice_protocol::auth::permission::{Access, Bounds, Denied};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::{Admission, Answer, Ask, Caller, Identity};
use sluice_protocol::limit::kind::Fit;
use sluice_protocol::limit::kind::bucket::BucketLog;
use sluice_protocol::limit::plan::{Plan, PlanTable, WithoutGate};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::collections::HashMap;

/// Remembers which plan and which bounds a caller has whom its Gate has let in.
pub fn remember(table: &PlanTable, principal: &Principal, Admission { plan, bounds, .. }: &Admission, now: Millis) {
    let allows = |plan: &str| table.get(plan).is_some_and(|plan| plan.without_gate != WithoutGate::Refuse);
    let is_wanted = match &principal.caller {
        Caller::Key { .. } => allows(plan),
        // Its Gate may have named another plan than its issuer does, and that is the one that holds.
        Caller::Known { plan: own, .. } => allows(plan) || allows(own),
        Caller::Short { .. } => false,
    };
    if is_wanted {
        let known = Known { is_refused: false, plan: plan.clone(), bounds: bounds.clone(), at: now };
        KNOWN.with_borrow_mut(|all| all.put(name(principal), known));
    }
}

/// Remembers that its Gate does not know a caller, or no longer lets it in. What it refuses of one request only says nothing
/// of the others.
pub fn refused(principal: &Principal, answer: &Answer, now: Millis) {
    let is_about_caller = match answer {
        Answer::UnknownCaller | Answer::Disabled | Answer::Expired | Answer::UnknownPlan(_) => true,
        Answer::Denied(denied) => *denied == Denied::Address,
        _ => false,
    };
    if is_about_caller {
        let known = Known { is_refused: true, plan: String::new(), bounds: None, at: now };
        KNOWN.with_borrow_mut(|all| all.put(name(principal), known));
    }
}

/// Lets a request through if its plan allows that and the bucket has room. Nothing is held and nothing is counted beyond
/// this isolate.
pub fn admit(table: &PlanTable, principal: &Principal, ask: &Ask, now: Millis) -> Option<Result<Admission, Refusal>> {
    let (plan, bounds) = known(table, principal, now)?;
    if let Some(bounds) = bounds {
        let access = Access { scope: Some(ask.endpoint.into()), model: Some(&ask.model), address: ask.address };
        if let Err(denied) = bounds.permissions.check(&access) {
            return Some(Err(denied.refusal()));
        }
    }
    let WithoutGate::Allow { capacity, refill } = plan.without_gate else { return None };
    if let Some(forbidden) = forbidden(&plan.allowance, ask) {
        return Some(Err(forbidden.refusal()));
    }
    SPARES.with_borrow_mut(|spares| {
        if spares.len() >= MAX_KNOWN {
            spares.retain(|_, bucket| !bucket.is_full(now));
        }
        if spares.len() >= MAX_KNOWN {
            return None;
        }
        // One for all plans of the account: what passes by one of them is missing to the others.
        let bucket =
            spares.entry(principal.account.name().to_owned()).or_insert_with(|| BucketLog::starting(now, refill));
        let fits = bucket.fit(now, refill, u64::from(capacity), 1) == Fit::Now;
        fits.then(|| bucket.add(now, refill, 1, now))
    })?;
    Some(Ok(admission(plan, ask, now)))
}

/// The plan and the bounds of a caller that is known without its Gate.
fn known<'t>(table: &'t PlanTable, principal: &Principal, now: Millis) -> Option<(&'t Plan, Option<Box<Bounds>>)> {
    let told = KNOWN.with_borrow(|known| {
        let known = known.get(&name(principal)).filter(|known| now.abs_diff(known.at) < KNOWN_MS)?;
        Some((known.is_refused, known.plan.clone(), known.bounds.clone()))
    });
    match (&principal.caller, told) {
        (_, Some((true, ..))) => None,
        // Whether its key still lives, only its Gate knows.
        (Caller::Short { .. }, _) | (Caller::Key { .. }, None) => None,
        (Caller::Known { plan, .. }, None) => Some((table.get(plan)?, None)),
        (Caller::Key { .. } | Caller::Known { .. }, Some((false, plan, bounds))) => {
            let is_over = bounds.as_ref().is_some_and(|bounds| now >= bounds.until);
            Some((table.get(&plan).filter(|_| !is_over)?, bounds))
        }
    }
}

fn admission(plan: &Plan, ask: &Ask, now: Millis) -> Admission {
    let most = plan.allowance.max_tokens.unwrap_or(u32::MAX);
    let default = plan.allowance.default_max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    Admission {
        plan: plan.name.clone(),
        priority: plan.priority,
        deadline: now.saturating_add(plan.lease_ms),
        tokens: 0,
        max_tokens: ask.max_tokens.unwrap_or(default).min(most),
        max_prompt_tokens: plan.allowance.max_input_tokens.unwrap_or(0),
        standings: Vec::new(),
        shadowed: Vec::new(),
        bounds: None,
        models: Vec::new(),
        now,
        degraded: None,
        is_to_be_listed: false,
    }
}

/// What a Gate has said of a caller. A key's secret is a part of its name.
struct Known {
    is_refused: bool,
    plan: String,
    bounds: Option<Box<Bounds>>,
    at: Millis,
}

type Name = (AccountName, Identity);

fn name(principal: &Principal) -> Name {
    (principal.account.clone(), principal.caller.identity())
}

isolate_local! {
    static KNOWN: RefCell<Recent<Name, Known>> = RefCell::new(Recent::of(MAX_KNOWN));
    static SPARES: RefCell<HashMap<String, BucketLog>> = RefCell::default();
}

const MAX_KNOWN: usize = 10_000;
/// How long a caller is known after its Gate last spoke of it, in milliseconds.
const KNOWN_MS: u64 = 10 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::auth::key::{ApiKey, Peppers};
    use sluice_protocol::auth::pattern::Pattern;
    use sluice_protocol::auth::permission::Permissions;
    use sluice_protocol::auth::principal::Mark;
    use sluice_protocol::id::AccountId;

    fn table() -> PlanTable {
        let spare = r#"{"limits": [], "without_gate": {"capacity": 99, "refill": 1, "every": "1m"}}"#;
        PlanTable::parse(&format!(r#"{{"plans": {{"p": {spare}, "shut": {{"limits": []}}}}}}"#)).unwrap()
    }

    fn principal(secret: u8) -> Principal {
        let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
        let secret_hash = ApiKey::mint(&peppers, AccountId([1; 8]), [secret; 20]).secret_hash();
        let account = AccountName::of_key(AccountId([1; 8]));
        Principal {
            account,
            caller: Caller::Key { key: [2; 4], secret_hash },
            key: Some([2; 4]),
            address: None,
            permissions: Permissions::default(),
        }
    }

    fn passes(secret: u8, now: Millis) -> bool {
        let principal = principal(secret);
        let ask = Ask::smallest(principal.caller.clone());
        matches!(admit(&table(), &principal, &ask, now), Some(Ok(_)))
    }

    fn remember(plan: &str, bounds: Option<Bounds>, now: Millis) {
        let principal = principal(3);
        let ask = Ask::smallest(principal.caller.clone());
        let plan = table().get(plan).unwrap().clone();
        let admitted = Admission { bounds: bounds.map(Box::new), ..admission(&plan, &ask, now) };
        super::remember(&table(), &principal, &admitted, now);
    }

    #[test]
    fn what_bounds_a_key_bounds_it_without_its_gate() {
        const AT: Millis = 1_790_000_000_000;
        let models = Permissions { models: Some(vec![Pattern("q*".into())]), ..Permissions::default() };
        remember("p", Some(Bounds { permissions: models, until: AT + 5 }), AT);
        let principal = principal(3);
        let ask = |model: &str| Ask { model: model.into(), ..Ask::smallest(principal.caller.clone()) };
        let passes = |model, now| admit(&table(), &principal, &ask(model), now).map(|answer| answer.is_ok());
        assert_eq!(passes("qwen", AT), Some(true));
        assert_eq!(passes("other", AT), Some(false));
        assert_eq!(passes("qwen", AT + 5), None, "it has ended");
    }

    #[test]
    fn a_key_is_known_by_its_secret_for_ten_minutes_after_it_was_last_admitted() {
        const AT: Millis = 1_790_000_000_000;
        assert!(!passes(3, AT), "never seen");
        remember("shut", None, AT);
        assert!(!passes(3, AT), "its plan does not allow it");
        remember("p", None, AT);
        assert!(!passes(4, AT), "another secret");
        assert!(passes(3, AT) && passes(3, AT + KNOWN_MS - 1));
        assert!(!passes(3, AT + KNOWN_MS), "too long ago");
        assert!(!passes(3, AT - KNOWN_MS), "a clock that went back far");
        remember("p", None, AT + KNOWN_MS);
        assert!(passes(3, AT + KNOWN_MS));
        refused(&principal(4), &Answer::UnknownCaller, AT + KNOWN_MS);
        refused(&principal(3), &Answer::Denied(Denied::Model), AT + KNOWN_MS);
        assert!(passes(3, AT + KNOWN_MS), "another secret, or one request, was refused");
        refused(&principal(3), &Answer::Disabled, AT + KNOWN_MS);
        assert!(!passes(3, AT + KNOWN_MS), "its Gate has refused it since");
    }

    #[test]
    fn what_a_gate_said_of_a_subject_holds_without_it() {
        const AT: Millis = 1_790_000_000_000;
        let subject = |name: &str| Principal {
            account: AccountName::of_token("corp", "org"),
            caller: Caller::Known { subject: Mark::of(name), plan: "p".into() },
            key: None,
            ..principal(3)
        };
        let passes = |name: &str, now| {
            let principal = subject(name);
            let ask = Ask::smallest(principal.caller.clone());
            matches!(admit(&table(), &principal, &ask, now), Some(Ok(_)))
        };
        assert!(passes("ann", AT), "its issuer vouches for it");
        refused(&subject("ann"), &Answer::Disabled, AT);
        assert!(!passes("ann", AT) && passes("bob", AT));
        assert!(passes("ann", AT + KNOWN_MS));
        // An admin has put it under another plan.
        let ask = Ask::smallest(subject("ann").caller);
        let admitted = admission(table().get("shut").unwrap(), &ask, AT);
        super::remember(&table(), &subject("ann"), &admitted, AT);
        assert!(!passes("ann", AT) && passes("bob", AT));
    }
}
