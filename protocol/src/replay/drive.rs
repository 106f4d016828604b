//! One account, decided again by one table: the product's own account, in the time of its requests.

use super::request::{Decision, Names, Request, Usage};
use crate::account::{Account, DecisionContext, History, max_tokens};
use crate::auth::key::{ApiKey, Peppers, SecretHash};
use crate::auth::principal::Mark;
use crate::hop::gate_call::description::StorageCounters;
use crate::hop::gate_call::{Admission, Answer, Ask, Bending, Call, Caller, KeyRecord};
use crate::id::AccountId;
use crate::limit::calendar::Calendar;
use crate::limit::decision::{Outcome, Passes, Refused};
use crate::limit::plan::PlanTable;
use crate::request::bodies::chat;
use crate::request::cost::Rate;
use crate::request::cost::work::Work;
use crate::time::Millis;
use core::net::IpAddr;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

/// What became of a request here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was let through.
    Through(Spent),
    /// Limits refused it.
    Limited(Vec<Hit>),
    /// Its plan does not allow it.
    Forbidden,
}

/// A limit that refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its name.
    pub limit: String,
    /// How long the request had to wait; `None` where nobody could say.
    pub wait_ms: Option<Millis>,
    /// Whether it could never pass.
    pub never: bool,
}

/// What a request that was let through has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens.
    pub usage: Usage,
    /// Units of the table's formulas.
    pub units: u64,
    /// Money, in nano-units.
    pub money: u64,
    /// It was refused when it was made: this is a guess.
    pub is_assumed: bool,
    /// Nobody knows what it used.
    pub is_unknown: bool,
    /// The table lets it have fewer tokens than it used.
    pub is_cut: bool,
}

/// A request that cannot be decided again, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Undecidable {
    /// Its line.
    pub line: u32,
    /// Why.
    pub why: String,
}

/// What is taken to be of a request that was refused when it was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    /// Tokens of an answer.
    pub completion: u32,
    /// What of these was thought.
    pub reasoning: u32,
    /// How long it took.
    pub ms: Millis,
}

/// Whoever knows a table's calendars.
pub trait Calendars {
    /// What decisions at these times need to know: the periods of the table's budgets.
    fn at(&mut self, times: [Millis; 2]) -> &Calendar;
}

/// By which table an account is decided.
pub struct By<'t> {
    /// The table.
    pub table: &'t PlanTable,
    calendars: Box<dyn Calendars + 't>,
    /// Whether it excepts keys by name, for which an account must know them.
    has_named_keys: bool,
    secret: SecretHash,
}

/// An account, at some time.
struct Driven<'d, 't> {
    name: &'d str,
    address: Option<IpAddr>,
    names: &'d Names,
    requests: &'d [&'d Request],
    mean: Mean,
    by: &'d mut By<'t>,
    account: Account,
    verdicts: Vec<Option<Verdict>>,
    /// What is to come: when, in which order at one time, and of which request.
    pending: BinaryHeap<Reverse<(Millis, Step, usize)>>,
}

/// What is to come of a request that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// It is over.
    Settle,
    /// The origin has counted its prompt.
    Readmit,
}

impl Mean {
    /// That of some requests; `None` where none says what it used.
    pub fn of<'r>(requests: impl Iterator<Item = &'r Request>) -> Option<Self> {
        let (mut count, mut completion, mut reasoning, mut ms) = (0_u64, 0_u64, 0_u64, 0_u64);
        for (request, used) in requests.filter_map(|request| Some((request, request.used?))) {
            if request.decision == Decision::Through && !request.is_static {
                count += 1;
                completion += u64::from(used.completion);
                reasoning += u64::from(used.reasoning.unwrap_or(0));
                ms = ms.saturating_add(request.over - request.at);
            }
        }
        // A mean of 32-bit numbers has 32 bits.
        (count > 0).then(|| Self {
            completion: (completion / count) as u32,
            reasoning: (reasoning / count) as u32,
            ms: ms / count,
        })
    }
}

impl<'t> By<'t> {
    /// A table, and its calendars.
    pub fn new(table: &'t PlanTable, calendars: Box<dyn Calendars + 't>) -> Self {
        let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).expect("one pepper of 32 bytes");
        let secret = ApiKey::mint(&peppers, AccountId([0; 8]), [0; 20]).secret_hash();
        let is_key = |principal: &String| principal.starts_with("key_");
        let has_named_keys = table.exemptions.iter().any(|exemption| exemption.principals.iter().any(is_key));
        Self { table, calendars, has_named_keys, secret }
    }
}

impl fmt::Debug for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("By").field("table", &self.table.version()).finish_non_exhaustive()
    }
}

/// Decides all requests of an account again. They are in the order of their time, and their plans are in the table.
pub fn drive(requests: &[&Request], names: &Names, mean: Mean, by: &mut By<'_>) -> Result<Vec<Verdict>, Undecidable> {
    let Some(first) = requests.first() else { return Ok(Vec::new()) };
    let name = names.text(first.account);
    let address = name.strip_prefix("ip:").and_then(|address| address.trim_end_matches("/64").parse().ok());
    let mut driven = Driven {
        name,
        address,
        names,
        requests,
        mean,
        by,
        account: Account::default(),
        verdicts: vec![None; requests.len()],
        pending: BinaryHeap::new(),
    };
    for (number, request) in requests.iter().enumerate() {
        while let Some(Reverse((at, step, of))) = driven.pending.peek().copied().filter(|next| next.0.0 <= request.at) {
            driven.pending.pop();
            driven.step(step, of, at)?;
        }
        driven.admit(number, None)?;
    }
    while let Some(Reverse((at, step, of))) = driven.pending.pop() {
        driven.step(step, of, at)?;
    }
    Ok(driven.verdicts.into_iter().map(|verdict| verdict.expect("each request was asked for")).collect())
}

impl Driven<'_, '_> {
    fn step(&mut self, step: Step, number: usize, at: Millis) -> Result<(), Undecidable> {
        match step {
            Step::Settle => self.settle(number, at),
            Step::Readmit => self.admit(number, Some(at)),
        }
    }

    /// Asks for a request; `again` is when its second reservation is asked for.
    fn admit(&mut self, number: usize, again: Option<Millis>) -> Result<(), Undecidable> {
        let request = self.requests[number];
        let ask = Box::new(self.ask(request, again.is_some()));
        let (now, call) = match again {
            Some(at) => (at, Call::Readmit { first: request.id, ask }),
            None => (request.at, Call::Admit(ask)),
        };
        match self.answer(&call, now) {
            Answer::Admitted(admission) => {
                if request.counted_at > 0 && again.is_none() {
                    self.pending.push(Reverse((request.counted_at, Step::Readmit, number)));
                    return Ok(());
                }
                let (spent, over) = self.spent(request, &admission, now);
                self.verdicts[number] = Some(Verdict::Through(spent));
                match over <= now {
                    // Before whatever else comes at this time.
                    true => self.settle(number, now)?,
                    false => self.pending.push(Reverse((over, Step::Settle, number))),
                }
            }
            Answer::Limited { refused, now, .. } => {
                let hit = |refused: Refused| Hit {
                    limit: refused.limit,
                    wait_ms: match refused.passes {
                        // When a place most likely comes free, nobody knows.
                        Passes::At(at) if refused.kind.awaits().is_none() => Some(at.saturating_sub(now)),
                        _ => None,
                    },
                    never: refused.passes == Passes::Never,
                };
                self.verdicts[number] = Some(Verdict::Limited(refused.into_iter().map(hit).collect()));
            }
            Answer::NotAllowed { .. } => self.verdicts[number] = Some(Verdict::Forbidden),
            Answer::Closed => {
                return Err(request.undecidable("its id begins as that of another request of its account"));
            }
            Answer::Uncounted(budget) => {
                return Err(request.undecidable(format!("the budget `{budget}` cannot be counted")));
            }
            _ => return Err(request.undecidable("its account cannot decide it")),
        }
        Ok(())
    }

    fn settle(&mut self, number: usize, at: Millis) -> Result<(), Undecidable> {
        let request = self.requests[number];
        let Some(Verdict::Through(spent)) = &self.verdicts[number] else {
            return Err(request.undecidable("it ends and was not let through"));
        };
        let usage = spent.usage;
        let outcome = match request.given_back && !spent.is_assumed {
            true => Outcome::NotServed,
            false => Outcome::Served((!spent.is_unknown).then(|| used(usage))),
        };
        let id = if request.counted_at > 0 { request.id.again() } else { request.id };
        self.answer(&Call::Settle { request: id, outcome }, at);
        Ok(())
    }

    fn answer(&mut self, call: &Call, now: Millis) -> Answer {
        let calendar = self.by.calendars.at(self.account.times(now));
        let context = DecisionContext {
            account: self.name,
            table: self.by.table,
            calendar,
            storage: StorageCounters::default(),
            history: History::NONE,
        };
        let answer = self.account.answer(call, context, now).0;
        // What was used by the hour is no part of the report.
        self.account.state.take_finished();
        answer
    }

    fn ask(&mut self, request: &Request, counted: bool) -> Ask {
        let asked = if request.is_static { (0, Some(0)) } else { (request.prompt_guess, request.max_tokens) };
        Ask {
            caller: self.caller(request),
            request: if counted { request.id.again() } else { request.id },
            endpoint: request.endpoint,
            batch: request.batch,
            model: self.names.text(request.model).to_owned(),
            session: request.session,
            user: request.user,
            body_bytes: request.body_bytes,
            prompt_tokens: if counted { request.prompt_counted } else { asked.0 },
            prompt_is_counted: counted || request.is_static,
            max_tokens: asked.1,
            thinking: request.thinking && !request.is_static,
            drawing: request.drawing,
            pressure: request.pressure,
            address: self.address,
            bending: Bending { may: request.may_bend, ..Bending::default() },
        }
    }

    /// Who calls. What a key may do was decided when it was made; which limits it skips, its record says.
    fn caller(&mut self, request: &Request) -> Caller {
        let plan = self.names.text(request.plan);
        if !(self.by.has_named_keys && request.has_key) {
            return Caller::Known { subject: request.mark, plan: plan.to_owned() };
        }
        let Mark([a, b, c, d, ..]) = request.mark;
        let (key, secret_hash) = ([a, b, c, d], self.by.secret);
        let keys = &mut self.account.kept.keys;
        match keys.iter_mut().find(|record| record.key == key) {
            Some(record) if record.plan == plan => {}
            Some(record) => plan.clone_into(&mut record.plan),
            None => keys.push(KeyRecord::new(key, secret_hash, plan, 0)),
        }
        Caller::Key { key, secret_hash }
    }

    /// What a request that is let through uses, and when it is over.
    fn spent(&self, request: &Request, admission: &Admission, now: Millis) -> (Spent, Millis) {
        let is_assumed = request.decision != Decision::Through;
        let most = match (request.is_static, admission.max_tokens) {
            (true, _) => 0,
            (false, 0) => u32::MAX,
            (false, most) => most,
        };
        let guess = || {
            let prompt = request.prompt_counted.max(request.prompt_guess);
            let Mean { completion, reasoning, .. } = self.mean;
            let drawn = request.drawing.whole();
            let asked = request.max_tokens.unwrap_or(u32::MAX);
            Usage { prompt, cached: 0, completion: completion.min(asked), reasoning: Some(reasoning), drawn }
        };
        let whole = if is_assumed { guess() } else { request.used.unwrap_or_default() };
        let usage = Usage { completion: whole.completion.min(most), ..whole };
        let is_nothing = !is_assumed && (request.given_back || request.used.is_none());
        let (units, money) = if is_nothing { (0, 0) } else { self.cost(request, usage) };
        let spent = Spent {
            usage: if is_nothing { Usage::default() } else { usage },
            units,
            money,
            is_assumed,
            is_unknown: !is_assumed && request.used.is_none() && !request.given_back,
            is_cut: !is_assumed && usage.completion < whole.completion,
        };
        let over = if is_assumed { now.saturating_add(self.mean.ms) } else { request.over };
        (spent, over.max(now))
    }

    fn cost(&self, request: &Request, usage: Usage) -> (u64, u64) {
        let table = self.by.table;
        let plan = table.get(self.names.text(request.plan)).expect("its account has decided by it");
        let most = max_tokens(&plan.allowance, request.max_tokens);
        let class = table.classes.class(request.body_bytes, most, request.drawing);
        let rate: Rate = table.rate(class, self.names.text(request.model), request.endpoint, request.batch);
        let work = Work { thinking: request.thinking, ..Work::default() };
        (rate.used(work, used(usage)), rate.price.used(used(usage)))
    }
}

impl Request {
    fn undecidable(&self, why: impl Into<String>) -> Undecidable {
        Undecidable { line: self.line, why: why.into() }
    }
}

fn used(usage: Usage) -> chat::Used {
    chat::Used {
        usage: chat::Usage::new(usage.prompt.into(), usage.completion.into()),
        reasoning_tokens: usage.reasoning.map(u64::from),
        cached_tokens: usage.cached.into(),
        drawn: usage.drawn,
    }
}
