//! Logs for tests and for trying things out: callers that never were, decided by real accounts, as a gate would, and
//! written down as the edge writes it.

use crate::periods;
use anyhow::{Result, ensure};
use sluice_protocol::account::{Account, DecisionContext, History};
use sluice_protocol::auth::key::{ApiKey, Peppers, SecretHash};
use sluice_protocol::auth::principal::{AccountName, Mark, subject};
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::hop::gate_call::{Answer, Ask, Bending, Call, Caller, KeyRecord};
use sluice_protocol::id::{AccountId, RequestId};
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::Reason;
use sluice_protocol::replay::drive::Calendars;
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::drawing::{Drawing, Drawn};
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::telemetry::{Decided, Line, RequestEnd, RequestLine};
use sluice_protocol::time::Millis;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;

/// What a log is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// How many requests.
    pub requests: u64,
    /// How many accounts; some ask much more often than others.
    pub accounts: u64,
    /// The mean time between two requests, in milliseconds.
    pub every_ms: u64,
    /// The same seed gives the same log.
    pub seed: u64,
}

impl Default for Example {
    fn default() -> Self {
        Self { requests: 10_000, accounts: 500, every_ms: 100, seed: 1 }
    }
}

/// A request that runs.
struct Running {
    ask: Ask,
    came: Millis,
    decided: Box<Decided>,
    end: RequestEnd,
    outcome: Outcome,
    /// Under which id it is settled.
    held: RequestId,
}

struct World<'t> {
    table: &'t PlanTable,
    periods: Box<dyn Calendars>,
    accounts: BTreeMap<String, Account>,
    running: BTreeMap<Reverse<(Millis, u64)>, (String, Running)>,
    random: Random,
    /// All keys have one.
    secret_hash: SecretHash,
    told: &'t mut dyn FnMut(RequestLine) -> Result<()>,
}

/// Writes a log. Callers have the plans of this table, in turn.
pub fn write(example: Example, table: &PlanTable, mut to: impl Write) -> Result<()> {
    each(example, table, &mut |line| Ok(writeln!(to, "{}", Line::Request(Box::new(line)).to_json())?))
}

/// Tells each line of such a log, in its order.
pub fn each(example: Example, table: &PlanTable, told: &mut dyn FnMut(RequestLine) -> Result<()>) -> Result<()> {
    let plans: Vec<&str> = table.names().collect();
    ensure!(!plans.is_empty() && example.accounts > 0, "an example takes a plan and an account");
    let peppers = Peppers::parse(&format!("1:{}", "ab".repeat(32))).expect("one pepper of 32 bytes");
    let mut world = World {
        table,
        periods: Box::new(periods::of(table, "the table")?),
        accounts: BTreeMap::new(),
        running: BTreeMap::new(),
        random: Random(example.seed),
        secret_hash: ApiKey::mint(&peppers, AccountId([0; 8]), [7; 20]).secret_hash(),
        told,
    };
    let mut now = START;
    for number in 0..example.requests {
        // In which order what comes in one millisecond was decided, a log does not say.
        now += 1 + world.random.below(2 * example.every_ms);
        world.settle_until(now)?;
        // Half of the requests are those of an eighth of the accounts, and so on.
        let most = example.accounts >> (3 * world.random.below(4));
        let which = world.random.below(most.max(1));
        let plan = plans[which as usize % plans.len()];
        world.ask(number, which, plan, now)?;
    }
    world.settle_until(Millis::MAX)
}

impl World<'_> {
    fn ask(&mut self, number: u64, which: u64, plan: &str, now: Millis) -> Result<()> {
        let account = AccountName::of_key(AccountId((which + 1).to_be_bytes()));
        let key = [which as u8, (which >> 8) as u8, 0, self.random.below(2) as u8];
        let keys = &mut self.accounts.entry(account.name().to_owned()).or_default().kept.keys;
        if !keys.iter().any(|record| record.key == key) {
            keys.push(KeyRecord::new(key, self.secret_hash, plan, START));
        }
        let ask = self.asked(number, Caller::Key { key, secret_hash: self.secret_hash });
        let mut decided = Box::new(Decided::of(account.name(), subject(&account, Some(key)), &ask));
        // A gate is asked a moment after a request came.
        let came = now - 2;
        let mut answer = self.answer(account.name(), &Call::Admit(Box::new(ask.clone())), now);
        decided.answered(&ask, &answer);
        let prompt = self.prompt(&ask);
        let (mut held, mut from) = (ask.request, now);
        if let Answer::Admitted(admission) = &answer
            && admission.tokens > 0
            && u64::from(prompt) + u64::from(admission.max_tokens) > admission.tokens
        {
            // The origin counts more than its grant holds, at once.
            let again =
                Ask { request: ask.request.again(), prompt_tokens: prompt, prompt_is_counted: true, ..ask.clone() };
            let call = Call::Readmit { first: ask.request, ask: Box::new(again.clone()) };
            (held, from) = (again.request, now);
            answer = self.answer(account.name(), &call, now);
            decided.answered(&again, &answer);
        }
        let Answer::Admitted(admission) = answer else {
            let is_limited = matches!(answer, Answer::Limited { .. });
            let reason = if is_limited { Reason::RateLimited } else { Reason::NotAllowed };
            let end = RequestEnd::Refused { reason, used: None };
            return self.write(&ask, came, decided, end, from + 1);
        };
        let most = if admission.max_tokens == 0 { 2_000 } else { admission.max_tokens };
        let completion = self.random.below(u64::from(most) + 1);
        let (end, outcome) = self.ended(Usage::new(prompt.into(), completion), ask.thinking);
        let over = from + 20 + completion * 10 + self.random.below(200);
        let running = Running { ask, came, decided, end, outcome, held };
        self.running.insert(Reverse((over, number)), (account.name().to_owned(), running));
        Ok(())
    }

    fn asked(&mut self, number: u64, caller: Caller) -> Ask {
        let random = &mut self.random;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(random.next() >> 1).to_be_bytes());
        id[8..].copy_from_slice(&number.to_be_bytes());
        let body_bytes = 200 + (random.below(70) * random.below(70) * random.below(10)) as u32;
        let named = (random.below(3) > 0).then(|| 1 + random.below(3_000) as u32);
        let sometimes = |random: &mut Random, name: &str| {
            (random.below(2) == 0).then(|| Mark::of(&format!("{name}{}", random.below(5))))
        };
        Ask {
            caller,
            request: RequestId(id),
            endpoint: if random.below(8) == 0 { Endpoint::Completions } else { Endpoint::Chat },
            batch: random.below(16) == 0,
            model: ["qwen3-8b", "qwen3-1b", "tiny"][random.below(3) as usize].to_owned(),
            session: sometimes(random, "session"),
            user: sometimes(random, "user"),
            body_bytes,
            prompt_tokens: body_bytes / 4,
            prompt_is_counted: false,
            max_tokens: named,
            thinking: random.below(2) == 0,
            drawing: Drawing::default(),
            pressure: 0,
            address: None,
            bending: Bending { may: random.below(2) == 0, ..Bending::default() },
        }
    }

    /// What the origin counts: sometimes more than the edge guessed.
    fn prompt(&mut self, ask: &Ask) -> u32 {
        let guess = ask.prompt_tokens;
        if self.random.below(10) == 0 { guess + guess / 4 + 1 } else { 1 + guess * 3 / 4 }
    }

    fn ended(&mut self, usage: Usage, thinks: bool) -> (RequestEnd, Outcome) {
        let Usage { prompt_tokens, completion_tokens, .. } = usage;
        let reasoning = if thinks { self.random.below(completion_tokens + 1) } else { 0 };
        let cached_tokens = self.random.below(2) * self.random.below(prompt_tokens + 1);
        let used = Used { usage, reasoning_tokens: Some(reasoning), cached_tokens, drawn: Drawn::NOTHING };
        match self.random.below(100) {
            0..3 => (RequestEnd::Refused { reason: Reason::OriginFailed, used: None }, Outcome::NotServed),
            3..5 => (RequestEnd::Answered { is_whole: false, used: None }, Outcome::Served(None)),
            5..8 => (RequestEnd::Answered { is_whole: false, used: Some(used) }, Outcome::Served(Some(used))),
            _ => (RequestEnd::Answered { is_whole: true, used: Some(used) }, Outcome::Served(Some(used))),
        }
    }

    /// Settles what is over by then, and writes its line.
    fn settle_until(&mut self, now: Millis) -> Result<()> {
        while let Some(next) = self.running.last_entry().filter(|next| next.key().0.0 <= now) {
            let Reverse((over, _)) = *next.key();
            let (account, Running { ask, came, mut decided, end, outcome, held }) = next.remove();
            self.answer(&account, &Call::Settle { request: held, outcome }, over);
            decided.ended(outcome);
            self.write(&ask, came, decided, end, over)?;
        }
        Ok(())
    }

    fn answer(&mut self, name: &str, call: &Call, now: Millis) -> Answer {
        let account = self.accounts.entry(name.to_owned()).or_default();
        let calendar = self.periods.at(account.times(now));
        let storage = StorageCounters::default();
        account
            .answer(
                call,
                DecisionContext { account: name, table: self.table, calendar, storage, history: History::NONE },
                now,
            )
            .0
    }

    fn write(&mut self, ask: &Ask, came: Millis, decided: Box<Decided>, end: RequestEnd, over: Millis) -> Result<()> {
        let path = if ask.endpoint == Endpoint::Chat { "/v1/chat/completions" } else { "/v1/completions" };
        (self.told)(RequestLine::new(ask.request, path, Some(decided), end, came, over))
    }
}

/// Steele, Lea and Flood's SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than this, and 0 where that is 0.
    fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }
}

/// 1 September 2026, 00:00 UTC.
const START: Millis = 1_788_220_800_000;
