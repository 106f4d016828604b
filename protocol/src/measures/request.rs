//! What of a request is counted: by which limits it was refused, what became of it, how long it took and what it used. Each
//! cause of an ending has one outcome.

use super::counter::Counter;
use super::series::{Label, Series, TokenKind, bucket, budget_step};
use crate::hop::gate_call::Answer;
use crate::limit::kind::Unit;
use crate::limit::standing::Standing;
use crate::refusal::Reason;
use crate::request::bodies::chat::Used;
use crate::telemetry::RequestEnd;
use crate::time::Millis;

/// What was seen of a request for an answer.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The model that it was for; of one that was bent, the one that answers.
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

impl Counter {
    /// A Gate has decided about a request, or had, and that is remembered: which limits refused it, and how far its budgets
    /// are used up. `is_batch`: it is a batch's line, which is asked for again as often as it takes; that it is refused
    /// meanwhile is no refusal of anybody's.
    pub fn decided(&mut self, answer: &Answer, is_batch: bool, account: &str, key: impl FnOnce() -> String) {
        match answer {
            Answer::Admitted(admission) => {
                self.budgets(&admission.plan, &admission.standings, admission.tokens, account);
            }
            Answer::Limited { plan, refused, standings, .. } => {
                if !is_batch {
                    for limit in refused {
                        let (plan, limit) = (Label::of(plan), Label::of(&limit.limit));
                        self.add(Series::RefusedBy { plan, limit }, 1);
                    }
                    self.add(Series::KeyRefused { account: Label::of(account), key: Label::of(&key()) }, 1);
                }
                self.budgets(plan, standings, 0, account);
            }
            _ => {}
        }
    }

    /// A request for an answer is over, so many milliseconds after it came.
    pub fn over(&mut self, seen: &Seen, end: RequestEnd, ms: Millis) {
        let end = seen.ending(end);
        let has_answered = matches!(end, RequestEnd::Answered { .. }) && !seen.is_ours;
        let (model, plan) = (self.model(&seen.model, has_answered), Label::of(&seen.plan));
        self.add(Series::Requests { outcome: end.outcome(), model: model.clone(), plan }, 1);
        let used = match end {
            RequestEnd::Refused { reason, used } => {
                self.add(Series::Refused { code: Label::of(reason.row().code) }, 1);
                used
            }
            RequestEnd::Answered { used, .. } => {
                self.add(Series::Answer { model: model.clone(), bucket: bucket(ms) }, 1);
                self.add(Series::AnswerMs { model: model.clone() }, ms);
                used
            }
            RequestEnd::Left => None,
        };
        if let Some(ms) = seen.first_token_ms {
            self.add(Series::FirstToken { model: model.clone(), bucket: bucket(ms) }, 1);
            self.add(Series::FirstTokenMs { model: model.clone() }, ms);
        }
        if let Some(used) = used.or(seen.used).filter(|_| !seen.is_ours) {
            self.used(&model, used);
        }
    }

    /// `reserved`: tokens that this very request may use, and mostly gives back.
    fn budgets(&mut self, plan: &str, standings: &[Standing], reserved: u64, account: &str) {
        // Only budgets go by a calendar.
        for standing in standings.iter().filter(|standing| standing.kind.cycle().is_some()) {
            let reserved = if standing.unit == Unit::Tokens { reserved } else { 0 };
            let used = standing.used.saturating_sub(reserved);
            let Some(percent) = budget_step(used, standing.quota) else { continue };
            let (account, plan, until) = (Label::of(account), Label::of(plan), standing.whole_at.unwrap_or(0));
            let budget = Label::of(&standing.limit);
            self.add(Series::BudgetUsed { account, plan, budget, percent, until }, 1);
        }
    }

    fn used(&mut self, model: &Label, used: Used) {
        let kinds = [
            (TokenKind::Prompt, used.usage.prompt_tokens),
            (TokenKind::Cached, used.cached_tokens),
            (TokenKind::Completion, used.usage.completion_tokens),
            (TokenKind::Thinking, used.reasoning_tokens.unwrap_or(0)),
        ];
        for (kind, count) in kinds {
            self.add(Series::Tokens { model: model.clone(), kind }, count);
        }
        if !used.drawn.is_nothing() {
            self.add(Series::Images { model: model.clone() }, used.drawn.images.into());
            self.add(Series::ImageSteps { model: model.clone() }, used.drawn.steps.into());
        }
    }
}

impl Seen {
    /// How it ended, where an answer that begins well may not.
    pub fn ending(&self, end: RequestEnd) -> RequestEnd {
        match (self.broken, end) {
            (Some(Broken::Left), _) => RequestEnd::Left,
            (Some(Broken::Refused(reason)), RequestEnd::Answered { used, .. }) => RequestEnd::Refused { reason, used },
            (_, end) => end,
        }
    }
}
