//! What passes while an account's Gate cannot be reached, for plans that say so: a bucket in this isolate.
//!
//! Only callers that are known without their Gate pass: the subject of a token or an address, or a key that this isolate
//! has seen admitted with the same secret within the last ten minutes, and not refused since.

use crate::auth::Principal;
use sluice_protocol::Millis;
use sluice_protocol::account::{DEFAULT_MAX_TOKENS, forbidden};
use sluice_protocol::bucket::Bucket;
use sluice_protocol::gate_call::{Admission, Ask, Bounds, Caller};
use sluice_protocol::key::SecretHash;
use sluice_protocol::permission::Access;
use sluice_protocol::plan::{Plan, PlanTable, WithoutGate};
use sluice_protocol::principal::subject;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::window::Fit;
use std::cell::RefCell;
use std::collections::HashMap;

/// Remembers which plan and which bounds a key has, if it is one whose requests may pass without its Gate.
pub fn remember(table: &PlanTable, principal: &Principal, Admission { plan, bounds, .. }: &Admission, now: Millis) {
    let Caller::Key { secret_hash, .. } = principal.caller else { return };
    if table.get(plan).is_none_or(|plan| plan.without_gate == WithoutGate::Refuse) {
        return;
    }
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        let admitted = KnownKey { secret_hash, plan: plan.clone(), bounds: bounds.clone(), at: now };
        known.insert(subject(&principal.account, principal.key), admitted);
    });
}

/// Forgets a caller that its Gate does not know, or no longer lets in.
pub fn forget(principal: &Principal) {
    if !KNOWN.with_borrow(HashMap::is_empty) {
        KNOWN.with_borrow_mut(|known| drop(known.remove(&subject(&principal.account, principal.key))));
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
        let bucket = spares.entry(principal.account.name().to_owned()).or_insert_with(|| Bucket::starting(now, refill));
        let fits = bucket.fit(now, refill, u64::from(capacity), 1) == Fit::Now;
        fits.then(|| bucket.add(now, refill, 1, now))
    })?;
    Some(Ok(admission(plan, ask, now)))
}

/// The plan and the bounds of a caller that is known without its Gate.
fn known<'t>(table: &'t PlanTable, principal: &Principal, now: Millis) -> Option<(&'t Plan, Option<Box<Bounds>>)> {
    match &principal.caller {
        Caller::Known { plan, .. } => Some((table.get(plan)?, None)),
        // Whether its key still lives, only its Gate knows.
        Caller::Short { .. } => None,
        Caller::Key { secret_hash, .. } => KNOWN.with_borrow(|known| {
            let known = known.get(&subject(&principal.account, principal.key))?;
            let is_known = now.abs_diff(known.at) < KNOWN_MS
                && known.secret_hash.matches(secret_hash)
                && known.bounds.as_ref().is_none_or(|bounds| now < bounds.until);
            Some((table.get(&known.plan).filter(|_| is_known)?, known.bounds.clone()))
        }),
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
    }
}

/// A key that was admitted. Does not print.
struct KnownKey {
    secret_hash: SecretHash,
    plan: String,
    bounds: Option<Box<Bounds>>,
    at: Millis,
}

thread_local! {
    static KNOWN: RefCell<HashMap<String, KnownKey>> = RefCell::default();
    static SPARES: RefCell<HashMap<String, Bucket>> = RefCell::default();
}

const MAX_KNOWN: usize = 10_000;
/// How long a key is known after it was last admitted, in milliseconds.
const KNOWN_MS: u64 = 10 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::id::AccountId;
    use sluice_protocol::key::{ApiKey, Peppers};
    use sluice_protocol::permission::Permissions;
    use sluice_protocol::plan::Pattern;
    use sluice_protocol::principal::Account;

    fn table() -> PlanTable {
        let spare = r#"{"limits": [], "without_gate": {"capacity": 99, "refill": 1, "every": "1m"}}"#;
        PlanTable::parse(&format!(r#"{{"plans": {{"p": {spare}, "shut": {{"limits": []}}}}}}"#)).unwrap()
    }

    fn principal(secret: u8) -> Principal {
        let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
        let secret_hash = ApiKey::mint(&peppers, AccountId([1; 8]), [secret; 20]).secret_hash();
        let account = Account::of_key(AccountId([1; 8]));
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
        forget(&principal(3));
        assert!(!passes(3, AT + KNOWN_MS), "its Gate has refused it since");
    }
}
