//! What this isolate counts, besides what it writes down. How it is added up, `sluice_protocol::measures` says; who hands it
//! on, `hop/meter.rs`.

use crate::platform::{self, isolate_local, random};
use sluice_protocol::hop::gate_call::Answer;
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::standing::Standing;
use sluice_protocol::measures::counter::Counter;
use sluice_protocol::measures::report::{IsolateState, Report};
use sluice_protocol::measures::series::{Label, Series, TokenKind, bucket, budget_step};
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::telemetry::RequestEnd;
use sluice_protocol::time::Millis;
use std::cell::{Cell, RefCell};

/// A message to a Gate was answered, over which it wrote rows and found leases that had ended by themselves.
pub fn gate_called(rows_written: u64, lapsed: u64) {
    COUNTER.with_borrow_mut(|counter| {
        counter.add(Series::GateCalls, 1);
        counter.add(Series::GateRows, rows_written);
        counter.add(Series::Lapsed, lapsed);
    });
}

/// An admin's login failed.
pub fn login_failed() {
    COUNTER.with_borrow_mut(|counter| counter.add(Series::FailedLogins, 1));
}

/// Leases that a Gate found to have ended by themselves while it was told something else.
pub fn lapsed(count: u64) {
    COUNTER.with_borrow_mut(|counter| counter.add(Series::Lapsed, count));
}

/// A Gate's answer to somebody's request, or one that is remembered: which limits refused it, and how far its budgets are used
/// up. A batch's line that is refused is asked for again, as often as it takes: that is no refusal of anybody's.
pub fn decided(answer: &Answer, is_batch: bool, account: &str, key: impl FnOnce() -> String) {
    match answer {
        Answer::Admitted(admission) => budgets(&admission.plan, &admission.standings, admission.tokens, account),
        Answer::Limited { plan, standings, .. } if is_batch => budgets(plan, standings, 0, account),
        Answer::Limited { plan, refused, standings, .. } => {
            COUNTER.with_borrow_mut(|counter| {
                for limit in refused {
                    let (plan, limit) = (Label::of(plan), Label::of(&limit.limit));
                    counter.add(Series::RefusedBy { plan, limit }, 1);
                }
                counter.add(Series::KeyRefused { account: Label::of(account), key: Label::of(&key()) }, 1);
            });
            budgets(plan, standings, 0, account);
        }
        _ => {}
    }
}

/// `reserved`: tokens that this very request may use, and mostly gives back.
fn budgets(plan: &str, standings: &[Standing], reserved: u64, account: &str) {
    // Only budgets go by a calendar.
    for standing in standings.iter().filter(|standing| standing.kind.cycle().is_some()) {
        let reserved = if standing.unit == Unit::Tokens { reserved } else { 0 };
        let used = standing.used.saturating_sub(reserved);
        let Some(percent) = budget_step(used, standing.quota) else { continue };
        let (account, plan, until) = (Label::of(account), Label::of(plan), standing.whole_at.unwrap_or(0));
        let budget = Label::of(&standing.limit);
        COUNTER.with_borrow_mut(|counter| {
            counter.add(Series::BudgetUsed { account, plan, budget, percent, until }, 1);
        });
    }
}

/// A request that was admitted, until this is dropped or its lease is over.
pub struct InFlight(RequestId);

impl InFlight {
    /// Since now.
    pub fn until(request: RequestId, deadline: Millis) -> Self {
        COUNTER.with_borrow_mut(|counter| counter.admitted(request, deadline));
        Self(request)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        COUNTER.with_borrow_mut(|counter| counter.ended(self.0));
    }
}

/// What is counted of a request for an answer.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The model that it was for.
    pub model: String,
    /// The plan by which it was decided.
    pub plan: String,
    /// How long its first token took since it was admitted.
    pub first_token_ms: Option<Millis>,
    /// What its Gate was told that it had used.
    pub used: Option<Used>,
    /// What became of it behind an answer that had begun, or that nobody waited for any more.
    pub broken: Option<Broken>,
    /// Whether no origin was asked: it was answered by a plan's text, or by what had been kept.
    pub is_ours: bool,
}

/// Why an answer did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Its caller had left.
    Left,
    /// It ended with this refusal.
    Refused(Reason),
}

/// A request for an answer is over, after this time.
pub fn over(seen: &Seen, end: RequestEnd, ms: Millis) {
    COUNTER.with_borrow_mut(|counter| {
        let end = match (seen.broken, end) {
            (Some(Broken::Left), _) => RequestEnd::Left,
            (Some(Broken::Refused(reason)), RequestEnd::Answered { used, .. }) => RequestEnd::Refused { reason, used },
            (_, end) => end,
        };
        let (outcome, has_answered) = (end.outcome(), matches!(end, RequestEnd::Answered { .. }));
        let (model, plan) = (counter.model(&seen.model, has_answered && !seen.is_ours), Label::of(&seen.plan));
        counter.add(Series::Requests { outcome, model: model.clone(), plan }, 1);
        let used = match end {
            RequestEnd::Refused { reason, used } => {
                counter.add(Series::Refused { code: Label::of(reason.row().code) }, 1);
                used
            }
            RequestEnd::Answered { used, .. } => {
                counter.add(Series::Answer { model: model.clone(), bucket: bucket(ms) }, 1);
                counter.add(Series::AnswerMs { model: model.clone() }, ms);
                used
            }
            RequestEnd::Left => None,
        };
        if let Some(ms) = seen.first_token_ms {
            counter.add(Series::FirstToken { model: model.clone(), bucket: bucket(ms) }, 1);
            counter.add(Series::FirstTokenMs { model: model.clone() }, ms);
        }
        if let Some(used) = used.or(seen.used).filter(|_| !seen.is_ours) {
            let kinds = [
                (TokenKind::Prompt, used.usage.prompt_tokens),
                (TokenKind::Cached, used.cached_tokens),
                (TokenKind::Completion, used.usage.completion_tokens),
                (TokenKind::Thinking, used.reasoning_tokens.unwrap_or(0)),
            ];
            for (kind, count) in kinds {
                counter.add(Series::Tokens { model: model.clone(), kind }, count);
            }
        }
    });
}

/// Whether nobody has looked for a while at how full an origin is: whoever asks looks.
pub fn wants_capacity() -> bool {
    let (now, last) = (platform::now(), LOOKED_AT.get());
    let is_old = now.abs_diff(last) >= LOOK_MS;
    if is_old {
        LOOKED_AT.set(now);
    }
    is_old
}

/// Whether anything was counted that is not handed on.
pub fn has_news() -> bool {
    COUNTER.with_borrow(Counter::has_news)
}

/// Whether whoever asks is to hand on what is counted, in a while. See [`Counter::begin`].
pub fn begin() -> bool {
    COUNTER.with_borrow_mut(|counter| counter.begin(platform::now()))
}

/// Whether whoever asks is to hand it on now. See [`Counter::begin_now`].
pub fn begin_now() -> bool {
    COUNTER.with_borrow_mut(|counter| counter.begin_now(platform::now()))
}

/// What is to be handed on.
pub fn report(state: IsolateState) -> Report {
    COUNTER.with_borrow_mut(|counter| counter.report(ISOLATE.get(), state, platform::now()))
}

/// It was, or was not, and whoever did so would go on. Returns whether they have to. See [`Counter::handed_over`].
pub fn handed_over(number: u64, is_taken: bool, goes_on: bool) -> bool {
    COUNTER.with_borrow_mut(|counter| counter.handed_over(number, is_taken, goes_on, platform::now()))
}

isolate_local! {
    static COUNTER: RefCell<Counter> = RefCell::default();
    /// By what a Meter tells isolates apart.
    static ISOLATE: Cell<u64> = Cell::new(u64::from_be_bytes(random()));
    static LOOKED_AT: Cell<Millis> = Cell::new(0);
}

/// How long what an origin said of itself is shown before it is looked at again, in milliseconds.
const LOOK_MS: Millis = 1_000;
