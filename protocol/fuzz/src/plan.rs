//! Plan tables: every mistake is told, and what is valid can be written, read back and decided with.

use super::Input;
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::ask::{Exact, Facts, Rule};
use sluice_protocol::limit::decision::{Decision, Outcome, Passes};
use sluice_protocol::limit::plan::{Plan, PlanTable, limits_from_json, limits_to_json};
use sluice_protocol::limit::standing::For;
use sluice_protocol::limit::state::{self, GateState};
use sluice_protocol::request::cost::Class;
use sluice_protocol::request::cost::work::Work;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::time::parse_duration;

/// Eight bytes of time and eight of facts, then a table or a list of limits.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (now, facts) = (input.number(), facts(&mut input));
    let Ok(text) = std::str::from_utf8(input.0) else { return };
    let _ = parse_duration(text);
    match PlanTable::parse(text) {
        Ok(table) => {
            assert_eq!(PlanTable::parse(table.json()).as_ref(), Ok(&table));
            for name in table.names() {
                let plan = table.get(name).expect("the table names it");
                let facts =
                    Facts { rate: table.rate(facts.class, &facts.model, facts.endpoint, facts.batch), ..facts.clone() };
                decide(plan, &facts, now);
            }
        }
        Err(mistakes) => assert!(!mistakes.is_empty(), "a refusal says why"),
    }
    let Ok(json) = serde_json::from_str(text) else { return };
    if let Ok(limits) = limits_from_json("limits", &json) {
        assert_eq!(limits_from_json("limits", &limits_to_json(&limits)), Ok(limits));
    }
}

fn facts(input: &mut Input<'_>) -> Facts {
    let [class, exact, prompt, max_tokens, pressure, user, ..] = input.array::<8>();
    // Up to 2^32 in both directions.
    let many = |byte: u8| u32::try_from(1_u64 << (byte % 33)).unwrap_or(u32::MAX);
    Facts {
        request: RequestId([1; 16]),
        key: Mark::of_key([1; 4]),
        model: if class & 4 == 0 { "m".into() } else { "qwen3".into() },
        session: None,
        user: (user != 0).then_some(Mark([user; 8])),
        class: [Class::Light, Class::Medium, Class::Heavy][usize::from(class % 3)],
        endpoint: Endpoint::Chat,
        batch: false,
        work: Work { prompt_tokens: many(prompt), max_tokens: many(max_tokens), ..Work::default() },
        exact: Exact { prompt: exact & 1 != 0, max_tokens: exact & 2 != 0 },
        rate: sluice_protocol::request::cost::Rate::default(),
        pressure,
    }
}

/// Fills a plan, settles, and waits for as long as it is told.
fn decide(plan: &Plan, facts: &Facts, now: u64) {
    let rules: Vec<Rule<'_>> = plan.limits.iter().map(Rule::of).collect();
    let (mut state, mut now) = (GateState::default(), now);
    for id in 0..12 {
        let facts = Facts { request: RequestId([id; 16]), ..facts.clone() };
        match state.admit(&rules, plan.lease_ms, &facts, now) {
            Decision::Admit(_) if id % 3 == 0 => assert!(state.settle(facts.request, Outcome::NotServed, now)),
            Decision::Admit(_) => assert!(state.lease_of(facts.request)),
            Decision::Closed => panic!("nobody settled it"),
            Decision::Refuse(refused) => {
                let all = refused.iter().try_fold(now, |latest, one| match one.passes {
                    Passes::At(at) => Some(latest.max(at)),
                    Passes::LessFull | Passes::Never => None,
                });
                // Who waits for a limit alone passes it, unless a schedule of another one has begun meanwhile.
                let Some(at) = all.filter(|at| *at < u64::MAX) else { continue };
                assert!(at >= now);
                if plan.limits.iter().all(|limit| limit.schedule.rules.is_empty()) {
                    assert_eq!(state.evaluate(&rules, &facts, at), [], "{:?} at {at}", plan.limits);
                    assert_ne!(state.evaluate(&rules, &facts, at - 1), [], "{:?} before {at}", plan.limits);
                    now = at;
                }
            }
        }
        let _ = state.standings(&rules, For::Request(&facts), now);
        let _ = state.standings(&rules, For::Caller(facts.key), now);
        let row = state::encode(&state);
        assert_eq!(state::decode(&row).map(|state| state::encode(&state)), Ok(row));
    }
}

/// The built-in table, one with every member, and a list of limits.
pub fn seeds() -> Vec<Vec<u8>> {
    let everything = r#"{"plans":{"a":{"priority":1,"lease":"5s","models":["q*"],"max_tokens":9,"default_max_tokens":4,
        "max_input_bytes":100,"max_input_tokens":9,"without_gate":{"capacity":2,"refill":1,"every":"1s"},"limits":[
        {"name":"w","kind":"window","unit":"tokens","limit":9,"window":"1m","per":"user","shadow":true},
        {"name":"b","kind":"bucket","unit":"cost","capacity":90,"refill":3,"every":"7ms","when":{"class":["light"]}},
        {"name":"p","kind":"parallel","limit":3,"pressure":{"from":50,"percent":20}},
        {"name":"s","kind":"window","limit":3,"window":"31d","schedule":{"utc_offset":"-03:30","rules":[
          {"days":["mon","sun"],"from":"22:00","to":"06:00","percent":0},{"from":"08:30","to":"24:00","percent":250}]}}]}},
        "classes":{"light":{"body_bytes":5},"heavy":{"max_tokens":500}},
        "costs":[{"request":1,"prompt_token":2,"when":{"model":"m","endpoint":"chat"}}],
        "exempt":[{"limit":"w","who":["acct:a1a1a1a1a1a1a1a1","10.0.0.0/8"]}],"anonymous":"a"}"#;
    let limits = r#"[{"name":"w","kind":"window","limit":1,"window":"1ms","per":"key"},
        {"name":"b","kind":"bucket","unit":"tokens","capacity":1000000000,"refill":1000000000,"every":"31d"}]"#;
    let start = [1_790_000_000_000_u64.to_le_bytes(), [1, 3, 2, 2, 60, 1, 0, 0]].concat();
    [sluice_protocol::limit::plan::BUILT_IN, everything, limits, "31d"]
        .map(|text| [start.as_slice(), text.as_bytes()].concat())
        .into()
}
