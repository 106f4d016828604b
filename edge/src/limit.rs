//! limit and settle, as the walk sees them: admit, remember a refusal for a moment, settle.

use crate::{auth, hop};
use sluice_protocol::Millis;
use sluice_protocol::gate::{Outcome, Refused, RefusedKind};
use sluice_protocol::gate_call::{Admission, Answer, Call, CallerDescription, decode_answers, encode_calls};
use sluice_protocol::id::{AccountId, KeyId, RequestId};
use sluice_protocol::key::ApiKey;
use sluice_protocol::ratelimit::Standing;
use sluice_protocol::refusal::{Reason, Refusal};
use std::cell::RefCell;
use std::collections::HashMap;
use worker::Env;

/// Authenticates the key and holds a lease for the request, or says why not.
pub async fn admit(env: &Env, key: &ApiKey, request: RequestId) -> Result<Admission, Refusal> {
    let asked_at = now();
    let call = Call::Admit { caller: auth::caller(key), request };
    match ask(env, key.id.account, call).await? {
        Answer::Admitted(admission) => Ok(admission),
        Answer::Limited { refused, standings, now: decided_at } => {
            let denial = Denial { asked_at, answered_at: now(), decided_at, refused, standings };
            let refusal = denial.refusal(denial.answered_at);
            remember(key.id, denial);
            Err(refusal)
        }
        other => Err(answer_refusal(&other)),
    }
}

/// Authenticates the key; counts nothing.
pub async fn identify(env: &Env, key: &ApiKey) -> Result<Admission, Refusal> {
    match ask(env, key.id.account, Call::Identify { caller: auth::caller(key) }).await? {
        Answer::Identified(admission) => Ok(admission),
        other => Err(answer_refusal(&other)),
    }
}

/// How the key's limits stand; counts nothing.
pub async fn describe(env: &Env, key: &ApiKey) -> Result<CallerDescription, Refusal> {
    match ask(env, key.id.account, Call::DescribeCaller { caller: auth::caller(key) }).await? {
        Answer::Caller(described) => Ok(*described),
        other => Err(answer_refusal(&other)),
    }
}

/// Ends a request's lease. If its Gate cannot be reached, the lease ends by itself at its deadline.
pub async fn settle(env: &Env, account: AccountId, request: RequestId, outcome: Outcome) {
    if let Err(refusal) = ask(env, account, Call::Settle { request, outcome }).await {
        worker::console_warn!("{request} is not settled: {}", refusal.detail.unwrap_or_default());
    }
    if outcome == Outcome::NotServed {
        // What was counted has been given back: what refused a moment ago may pass now.
        forget_refusals(account);
    }
}

/// Forgets what an account was refused: something about it has changed, and its next request asks its Gate.
///
/// Other isolates still refuse for a second at most; they refuse what was refused, and let nothing through.
pub fn forget_refusals(account: AccountId) {
    DENIALS.with_borrow_mut(|denials| denials.retain(|key, _| key.account != account));
}

/// The refusal of a moment ago, if it still holds: a flood by one refused key does not reach its Gate.
///
/// Only windows are remembered (a place of a parallel limit comes free at any time), never past the time at which they
/// let through, and for a second at most, so that a change at the Gate is seen soon.
pub fn refused_lately(key: KeyId) -> Option<Refusal> {
    let now = now();
    DENIALS
        .with_borrow(|denials| denials.get(&key).filter(|denial| denial.holds(now)).map(|denial| denial.refusal(now)))
}

/// Asks an account's Gate one thing.
pub async fn ask(env: &Env, account: AccountId, call: Call) -> Result<Answer, Refusal> {
    let message = encode_calls(&[call]);
    let answer = hop::call(env, "GATE", &account.gate_name(), &message).await.map_err(|error| unavailable(&error))?;
    let mut answers = decode_answers(&answer).map_err(|error| unavailable(&error.to_string()))?;
    answers.pop().ok_or_else(|| unavailable("the Gate gave no answer"))
}

/// What a caller is told when its Gate cannot be asked: nothing passes uncounted.
pub fn unavailable(detail: &str) -> Refusal {
    Refusal::new(Reason::GateUnavailable, "Your limits cannot be checked just now. Try again.").with_detail(detail)
}

fn answer_refusal(answer: &Answer) -> Refusal {
    answer.refusal().unwrap_or_else(|| unavailable("the Gate answered another call than the one it was asked"))
}

struct Denial {
    /// When the Gate was asked, by this isolate's clock: its decision is no earlier.
    asked_at: Millis,
    /// When its answer came: its decision is no later.
    answered_at: Millis,
    /// When it decided, by its own clock.
    decided_at: Millis,
    refused: Vec<Refused>,
    standings: Vec<Standing>,
}

impl Denial {
    /// Whether the Gate would certainly still refuse: counted from the asking, so never too long.
    fn holds(&self, now: Millis) -> bool {
        let windows = self.refused.iter().filter(|limit| matches!(limit.kind, RefusedKind::Window { .. }));
        let passes_at = windows.filter_map(|limit| limit.at).max().unwrap_or_default();
        let wait = passes_at.saturating_sub(self.decided_at).min(REMEMBER_MS);
        (self.asked_at..self.asked_at + wait).contains(&now)
    }

    /// The same refusal a little later: counted from the answer, so the wait that it names is never too short.
    fn refusal(&self, now: Millis) -> Refusal {
        let now = self.decided_at + now.saturating_sub(self.answered_at);
        answer_refusal(&Answer::Limited { refused: self.refused.clone(), standings: self.standings.clone(), now })
    }
}

thread_local! {
    static DENIALS: RefCell<HashMap<KeyId, Denial>> = RefCell::default();
}

fn remember(key: KeyId, denial: Denial) {
    DENIALS.with_borrow_mut(|denials| {
        if denials.len() >= MAX_DENIALS {
            let now = now();
            denials.retain(|_, denial| denial.holds(now));
        }
        // If a thousand keys are refused within a second, the next ones ask their Gates.
        if denials.len() < MAX_DENIALS {
            denials.insert(key, denial);
        }
    });
}

fn now() -> Millis {
    worker::Date::now().as_millis()
}

/// For how long a refusal is remembered at most, in milliseconds.
const REMEMBER_MS: u64 = 1_000;
/// How many refusals are remembered at once.
const MAX_DENIALS: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(kind: RefusedKind, wait: u64) -> Denial {
        let refused = vec![Refused { limit: "w".into(), kind, at: Some(9_000 + wait) }];
        Denial { asked_at: 1_000, answered_at: 1_010, decided_at: 9_000, refused, standings: Vec::new() }
    }

    #[test]
    fn a_refusal_holds_no_longer_than_it_certainly_does() {
        let window = RefusedKind::Window { limit: 1, window_ms: 60_000 };
        let short = denial(window, 300);
        assert!(short.holds(1_000) && short.holds(1_299) && !short.holds(1_300) && !short.holds(999));
        let long = denial(window, 30_000);
        assert!(long.holds(1_999) && !long.holds(2_000));
        assert!(!denial(RefusedKind::Parallel { limit: 1 }, 30_000).holds(1_000));
    }

    #[test]
    fn the_wait_that_it_names_is_never_too_short() {
        let short = denial(RefusedKind::Window { limit: 1, window_ms: 60_000 }, 300);
        // Decided between 1,000 and 1,010: it passes between 1,300 and 1,310.
        assert_eq!(short.refusal(1_100).retry_after_ms, Some(210));
    }
}
