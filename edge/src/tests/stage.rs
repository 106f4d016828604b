//! What laws are tried on: a world with the edge, an origin and callers.

use super::origin::Origin;
use crate::platform::rows::Rows;
use crate::platform::scripted::{Caller, Closed, Faults, Place, Sent, World};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sluice_protocol::account::{Account, DecisionContext, History};
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::hop::gate_call::description::{CallerDescription, StorageCounters};
use sluice_protocol::hop::gate_call::{Answer, Call, Caller as Asker, decode_kept};
use sluice_protocol::id::hex;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::limit::state;
use sluice_protocol::time::Millis;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A world with all of it.
pub struct Stage {
    pub world: World,
    pub origin: Rc<Origin>,
    pub plans: PlanTable,
    /// Isolates that serve callers.
    pub places: Vec<Place>,
}

/// The address that callers of [`Stage::chat`] have, and its account.
pub const ADDRESS: &str = "203.0.113.7";
/// What an admin sends.
pub const ADMIN_TOKEN: &str = "an-admin-token-of-this-test-that-nobody-guesses";

/// A plan for callers without credentials. Leases last for half a minute.
pub fn plan(limits: &Value, without_gate: &Value) -> Value {
    json!({
        "plans": {"open": {"lease": "30s", "limits": limits, "without_gate": without_gate}},
        "anonymous": "open",
    })
}

impl Stage {
    /// Nothing goes wrong yet.
    pub fn new(seed: u64, plans: &Value) -> Self {
        let stage = Self::at(seed, plans, ("ORIGIN_URL", "http://origin.test".to_owned()));
        stage.world.set_server(stage.origin.clone().server());
        stage
    }

    /// The same, with what this setting says of origins: nobody answers there yet.
    pub fn at(seed: u64, plans: &Value, (name, origins): (&str, String)) -> Self {
        Self::with(seed, plans, &[(name, &origins)])
    }

    /// The same with several settings.
    pub fn with(seed: u64, plans: &Value, settings: &[(&str, &str)]) -> Self {
        let plans = plans.to_string();
        let vars = [
            ("ORIGIN_IDLE_MS", "5000".to_owned()),
            ("REQUEST_LOG", "all".to_owned()),
            ("KEY_PEPPERS", format!("1:{}", "ab".repeat(32))),
            ("GRANT_KEYS", format!("k1:{}", URL_SAFE_NO_PAD.encode([7; 32]))),
            ("ADMIN_TOKENS", format!("ops:{}", hex(&Sha256::digest(ADMIN_TOKEN)))),
            ("PLANS", plans.clone()),
        ];
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let vars: BTreeMap<_, _> =
            vars.into_iter().chain(settings).map(|(name, value)| (name.to_owned(), value)).collect();
        let world = World::new(seed, crate::edge(), vars);
        let origin = Rc::new(Origin::new(world.below(u64::MAX)));
        let places = (0..2).map(|_| world.place()).collect();
        let plans = PlanTable::parse(&plans).expect("the test's plans are well formed");
        Self { world, origin, plans, places }
    }

    /// Any of the isolates.
    pub fn place(&self) -> Place {
        self.places[self.world.below(self.places.len() as u64) as usize]
    }

    /// A request to generate, of [`ADDRESS`]. Its prompt has this mark, and so has each part of its answer.
    pub fn chat(&self, place: Place, mark: &str, stream: bool) -> Caller {
        let body = json!({
            "model": "tiny", "max_tokens": MAX_TOKENS, "stream": stream,
            "messages": [{"role": "user", "content": mark}],
        });
        self.send(place, "POST", "/v1/chat/completions", &[("cf-connecting-ip", ADDRESS)], body.to_string())
    }

    /// A request of an admin's.
    pub fn admin(&self, place: Place, method: &str, path: &str, once: Option<&str>, body: &str) -> Caller {
        let authorization = format!("Bearer {ADMIN_TOKEN}");
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(once.map(|key| ("idempotency-key", key)));
        self.send(place, method, &format!("/admin/v1{path}"), &headers, body.to_owned())
    }

    /// Any request.
    pub fn send(&self, place: Place, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Caller {
        let json = [("content-type", "application/json")].into_iter().filter(|_| !body.is_empty());
        let headers = headers.iter().copied().chain(json).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let url = format!("https://edge.test{path}");
        let (method, headers) = (method.to_owned(), headers.collect());
        self.world.send(place, Sent { method, url, headers, body: body.into_bytes(), body_ms: 0 })
    }

    /// Lets a caller get its answer.
    pub fn finish(&self, caller: &Caller) {
        assert!(self.world.run_until(PATIENCE_MS, || caller.closed().is_some()), "no answer in time");
    }

    /// Nothing goes wrong any more, and all that began comes to its end: also leases that nobody settles.
    pub fn calm(&self) {
        self.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        self.world.run_for(CALM_MS);
    }

    /// Whatever was in flight: when all is calm, what is counted is at least what was computed, and no lease is left.
    pub fn counts_what_was_computed(&self) {
        self.calm();
        assert_eq!(self.standing().live_leases, 0);
        let (counted, computed) = (self.used("tokens"), self.origin.computed());
        assert!(counted >= computed, "{counted} of {computed} tokens are counted");
    }

    /// What an account's Gate has stored.
    pub fn account(&self, name: &str) -> Account {
        self.world.stored("GATE", name, |storage| {
            let mut account = Account::default();
            for (id, value) in Rows::new(storage, "gate").all().expect("rows are read") {
                match id {
                    0 => account.state = state::decode(&value).expect("a row of ours"),
                    _ => account.kept = decode_kept(&value).expect("a row of ours"),
                }
            }
            account
        })
    }

    /// How the limits of [`ADDRESS`] stand, by what its Gate has stored.
    pub fn standing(&self) -> CallerDescription {
        let name = format!("ip:{ADDRESS}");
        let mut account = self.account(&name);
        let caller = Asker::Known { subject: Mark::default(), plan: "open".into() };
        let now = crate::platform::now();
        let calendar = &crate::limit::calendar::of(&account, &self.plans, now);
        let context = DecisionContext {
            account: &name,
            table: &self.plans,
            calendar,
            storage: StorageCounters::default(),
            history: History::NONE,
        };
        let call = Call::DescribeCaller { caller, address: ADDRESS.parse().ok() };
        match account.answer(&call, context, now).0 {
            Answer::Caller(described) => *described,
            other => panic!("{other:?}"),
        }
    }

    /// The log's lines of requests for answers that are over, each with its request's id.
    pub fn lines(&self) -> Vec<(String, Value)> {
        let log = self.world.log().into_iter().filter_map(|(_, line)| serde_json::from_str::<Value>(&line).ok());
        let of_answers = log.filter(|line| line["outcome"].is_string() && line["path"] == "/v1/chat/completions");
        of_answers.map(|line| (line["request"].as_str().unwrap_or_default().to_owned(), line)).collect()
    }

    /// What counts in a limit of [`ADDRESS`].
    pub fn used(&self, limit: &str) -> u64 {
        let described = self.standing();
        described.standings.iter().find(|standing| standing.limit == limit).map_or(0, |standing| standing.used)
    }
}

/// What a caller was told in the end.
pub fn json_of(caller: &Caller) -> Value {
    assert_eq!(caller.closed(), Some(Closed::Whole), "an answer of {:?}", caller.status());
    serde_json::from_str(&caller.body()).unwrap_or_else(|_| panic!("an answer that is JSON: {}", caller.body()))
}

/// The most that each answer has.
pub const MAX_TOKENS: u32 = 8;
/// As long as anything takes that waits for nothing but time, in milliseconds.
pub const PATIENCE_MS: Millis = 120_000;
/// Longer than a lease and all that follows it.
const CALM_MS: Millis = 180_000;
