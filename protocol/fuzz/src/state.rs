//! The row of a Gate: damaged bytes are refused, or they are a state that can be kept and decided with.

use super::{Input, part};
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::ask::{Exact, Facts, Rule};
use sluice_protocol::limit::decision::{Decision, Outcome};
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::bucket::Bucket;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::plan::{Limit, Per};
use sluice_protocol::limit::standing::For;
use sluice_protocol::limit::state::{self, GateState};
use sluice_protocol::request::bodies::chat::Usage;
use sluice_protocol::request::cost::work::Work;
use sluice_protocol::request::cost::{Class, Rate};
use sluice_protocol::request::endpoint::Endpoint;

/// A row, then steps: what, for which request, how much later.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let row = input.part();
    let Ok(mut state) = state::decode(row) else { return };
    kept(&state);
    assert_eq!(state::decode(&state::encode(&state)).as_ref(), Ok(&state));
    let limits = limits();
    let rules: Vec<Rule<'_>> = limits.iter().map(Rule::of).collect();
    let mut now = input.number();
    for _ in 0..16 {
        if input.0.is_empty() {
            break;
        }
        let [what, id, wait] = input.array();
        now = now.saturating_add(if wait < 128 { u64::from(wait) } else { 1 << (wait - 128).min(63) });
        let facts = facts(id, what);
        let before = state::encode(&state);
        let changed = match what % 4 {
            0 => state.settle(facts.request, Outcome::NotServed, now),
            1 => {
                let usage = Usage::new(u64::from(what), u64::from(id));
                state.settle(facts.request, Outcome::Served((id > 8).then_some(usage.into())), now)
            }
            _ => {
                let held = state.lease_of(facts.request);
                let decision = state.admit(&rules, 1_000, &facts, now);
                !held && matches!(decision, Decision::Admit(_))
            }
        };
        assert!(changed || state::encode(&state) == before, "what is not told as a change is none");
        let _ = (state.standings(&rules, For::Request(&facts), now), state.live_leases(now));
        kept(&state);
    }
}

/// Whatever is written can be read, and is read as what was written.
fn kept(state: &GateState) {
    let row = state::encode(state);
    let read = state::decode(&row).expect("what is written can be read");
    assert_eq!(state::encode(&read), row);
}

/// Limits of every kind and unit; the seeds' logs are theirs.
pub fn limits() -> Vec<Limit> {
    let window = |unit, limit, window_ms| Window { unit, limit, window_ms };
    let refill = Refill { amount: 3, every_ms: 7 };
    vec![
        Limit::new("w", window(Unit::Requests, u32::MAX, 60_000)),
        Limit { per: Per::User, ..Limit::new("t", window(Unit::Tokens, u32::MAX, 31 * 86_400_000)) },
        Limit::new("b", Bucket { unit: Unit::Tokens, capacity: u32::MAX, refill }),
        Limit { shadow: true, ..Limit::new("c", window(Unit::Cost, 100, 1_000)) },
        Limit { per: Per::Key, ..Limit::new("p", Parallel { limit: 2_000 }) },
    ]
}

fn facts(id: u8, what: u8) -> Facts {
    let many = 1_u32 << (what % 32);
    Facts {
        request: RequestId([id; 16]),
        key: Mark::of_key([id & 1; 4]),
        model: "m".into(),
        session: None,
        user: Some(Mark([id & 3; 8])),
        class: Class::Light,
        endpoint: Endpoint::Chat,
        batch: false,
        work: Work { prompt_tokens: many, max_tokens: many, ..Work::default() },
        exact: Exact { prompt: id & 4 != 0, max_tokens: id & 8 != 0 },
        rate: Rate { request: many, prompt_token: many, completion_token: 3, ..Rate::default() },
        pressure: what,
    }
}

/// A state in which something was admitted, settled and refused, as its row.
pub fn row(requests: u8) -> Vec<u8> {
    let limits = limits();
    let rules: Vec<Rule<'_>> = limits.iter().map(Rule::of).collect();
    let mut state = GateState::default();
    for id in 0..requests {
        let now = START + u64::from(id) * 10;
        let _ = state.admit(&rules, 1_000, &facts(id, 3), now);
        if id % 3 == 0 {
            state.settle(RequestId([id; 16]), Outcome::Served(Some(Usage::new(1, 1).into())), now + 1);
        }
    }
    state::encode(&state)
}

/// When the seeds begin.
pub const START: u64 = 1_790_000_000_000;

/// Rows of a few sizes, and steps that meet what they hold.
pub fn seeds() -> Vec<Vec<u8>> {
    let steps = [2, 20, 5, 0, 1, 0, 1, 10, 200, 3, 21, 150, 2, 4, 255];
    let seed = |requests| [part(&row(requests)), (START + 100).to_le_bytes().to_vec(), steps.to_vec()].concat();
    [0, 1, 4, 12].map(seed).into()
}
