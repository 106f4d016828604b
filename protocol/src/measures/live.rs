//! `GET /admin/v1/live`: what happens now, as JSON.

mod quantiles;

use super::meter::Reading;
use super::report::Span;
use super::series::{Label, Series, TokenKind};
use super::tally::Tally;
use super::{LONG_KEPT_MS, LONG_MS, SHORT_KEPT_MS, SHORT_MS};
use crate::order::sorted;
use crate::refusal::{Reason, Refusal};
use crate::telemetry::RequestOutcome;
use crate::time::Millis;
use quantiles::Buckets;
use serde::Serialize;
use std::collections::BTreeMap;

pub use quantiles::Quantiles;

/// What an admin wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveAsked {
    /// An hour or less, by five seconds: from this time on.
    Short(Millis),
    /// A day or less, by minutes: from this time on.
    Long(Millis),
}

/// What happens now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LiveView {
    /// When this was told.
    pub now: Millis,
    /// How long a slot is, in milliseconds.
    pub slot_ms: Millis,
    /// Whether all Meters have told: what another one has counted is missing otherwise.
    pub is_whole: bool,
    /// Requests that were admitted and have not ended.
    pub in_flight: u64,
    /// Isolates that have said something within the last minute.
    pub isolates: usize,
    /// The origins.
    pub origins: Vec<OriginView>,
    /// What was counted in the whole span.
    pub total: SlotView,
    /// By model, in the whole span; the most asked for first.
    pub models: Vec<ModelView>,
    /// Slots in which something was counted, in order.
    pub slots: Vec<SlotView>,
}

/// An origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OriginView {
    /// Its name, where there are several.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Whether it takes requests, as far as most isolates know.
    pub takes_requests: bool,
    /// How full it is, in percent, by what it said within the last minute: its places, or its GPU's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_in_use: Option<u8>,
    /// How long a request waits there, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<Millis>,
}

/// A slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SlotView {
    /// When it began.
    pub at: Millis,
    /// Requests for an answer that were over in it, by what became of them.
    pub requests: Outcomes,
    /// How many were refused, by the refusal's code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
    /// How often limits refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused_by: Vec<LimitView>,
    /// Tokens, as far as origins told.
    pub tokens: TokensView,
    /// Pictures that were begun.
    pub images: u64,
    /// Steps of them that were run.
    pub image_steps: u64,
    /// How long first tokens took, in milliseconds, if any came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<Quantiles>,
    /// How long whole answers took, in milliseconds, if any did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_ms: Option<Quantiles>,
    /// Messages to Gates.
    pub gate_calls: u64,
    /// Rows that Gates wrote over them.
    pub gate_rows: u64,
    /// Logins of admins that failed.
    pub failed_logins: u64,
    /// Leases that ended by themselves.
    pub lapsed: u64,
}

/// Requests by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Answered to their end.
    pub served: u64,
    /// Answered, but not to their end.
    pub cut: u64,
    /// Refused for a reason of the caller's.
    pub refused: u64,
    /// Refused for a reason of ours.
    pub failed: u64,
    /// Left by their caller.
    pub left: u64,
}

/// A limit, and how often it refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitView {
    /// Whose.
    pub plan: String,
    /// Its name.
    pub limit: String,
    /// How often.
    pub count: u64,
}

/// Tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TokensView {
    /// Of prompts.
    pub prompt: u64,
    /// Those of them that origins remembered.
    pub cached: u64,
    /// Of answers.
    pub completion: u64,
    /// Those of them that were thinking.
    pub thinking: u64,
}

/// A model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelView {
    /// Its name; `(others)` for those that are not told apart.
    pub model: String,
    /// Requests for it that are over.
    pub requests: Outcomes,
    /// Its tokens.
    pub tokens: TokensView,
    /// Pictures that it has begun.
    pub images: u64,
    /// Steps of them that were run.
    pub image_steps: u64,
    /// How long its first tokens took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<Quantiles>,
}

impl LiveAsked {
    /// Reads the query of `GET /admin/v1/live`: `span` (`5m`, `hour` or `day`; `hour` without it), and `since`, a time in
    /// milliseconds from which on it is to be told, in place of all of the span. Tells all mistakes.
    pub fn parse(query: &str, now: Millis) -> Result<Self, Refusal> {
        let (mut span, mut since, mut mistakes) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("span", _) if span.is_some() => mistakes.push("`span` is there twice".to_owned()),
                ("span", "5m") => span = Some((SHORT_MS, 60 * SHORT_MS)),
                ("span", "hour") => span = Some((SHORT_MS, SHORT_KEPT_MS)),
                ("span", "day") => span = Some((LONG_MS, LONG_KEPT_MS)),
                ("span", _) => mistakes.push("`span` must be 5m, hour or day".to_owned()),
                ("since", _) if since.is_some() => mistakes.push("`since` is there twice".to_owned()),
                ("since", text) => match text.parse::<Millis>() {
                    Ok(at) if at <= now => since = Some(at),
                    Ok(_) => mistakes.push("`since` is in the future".to_owned()),
                    Err(_) => mistakes.push("`since` must be milliseconds since 1970".to_owned()),
                },
                _ => mistakes.push("there are only `span` and `since`".to_owned()),
            }
        }
        if !mistakes.is_empty() {
            return Err(Refusal::new(Reason::InvalidRequest, format!("The query: {}.", mistakes.join("; "))));
        }
        let (slot, length) = span.unwrap_or((SHORT_MS, SHORT_KEPT_MS));
        let first = since.unwrap_or(0).max(now.saturating_sub(length));
        Ok(if slot == SHORT_MS { Self::Short(first) } else { Self::Long(first) })
    }

    /// What Meters are asked for it.
    pub const fn span(self) -> Span {
        match self {
            Self::Short(since) => Span::Short(since),
            Self::Long(since) => Span::Long(since),
        }
    }

    /// The same from this time on.
    pub const fn from(self, since: Millis) -> Self {
        match self {
            Self::Short(_) => Self::Short(since),
            Self::Long(_) => Self::Long(since),
        }
    }

    const fn slot_ms(self) -> Millis {
        match self {
            Self::Short(_) => SHORT_MS,
            Self::Long(_) => LONG_MS,
        }
    }
}

impl LiveView {
    /// What all Meters have told, as it is told.
    pub fn new(asked: LiveAsked, reading: &Reading, is_whole: bool, now: Millis) -> Self {
        let slot_ms = asked.slot_ms();
        let total = reading.slots.sum();
        let is_recent = |at: Millis| now.saturating_sub(at) < LONG_MS;
        let origin = |seen: super::report::OriginSeen| {
            let said = seen.said.filter(|said| is_recent(said.at));
            OriginView {
                name: seen.name,
                takes_requests: seen.takes_requests,
                percent_in_use: said.map(|said| said.percent),
                wait_ms: said.map(|said| said.wait_ms),
            }
        };
        Self {
            now,
            slot_ms,
            is_whole,
            in_flight: reading.in_flight(),
            isolates: reading.isolates.iter().filter(|isolate| is_recent(isolate.at)).count(),
            origins: reading.origins().into_iter().map(origin).collect(),
            models: models(&total),
            total: SlotView::of(reading.slots.iter().next().map_or(now, |slot| slot.number * slot_ms), &total),
            slots: reading.slots.iter().map(|slot| SlotView::of(slot.number * slot_ms, &slot.tally)).collect(),
        }
    }
}

impl SlotView {
    fn of(at: Millis, tally: &Tally) -> Self {
        let mut view = Self { at, ..Self::default() };
        let (mut first_tokens, mut answers) = (Buckets::default(), Buckets::default());
        for (series, count) in tally.iter() {
            match series {
                Series::Requests { outcome, .. } => view.requests.add(*outcome, count),
                Series::Refused { code } => *view.refused.entry(code.as_str().to_owned()).or_default() += count,
                Series::RefusedBy { plan, limit } => view.refused_by.push(LimitView {
                    plan: plan.as_str().to_owned(),
                    limit: limit.as_str().to_owned(),
                    count,
                }),
                Series::FirstToken { bucket, .. } => first_tokens.add(*bucket, count),
                Series::Answer { bucket, .. } => answers.add(*bucket, count),
                Series::Tokens { kind, .. } => view.tokens.add(*kind, count),
                Series::Images { .. } => view.images += count,
                Series::ImageSteps { .. } => view.image_steps += count,
                Series::GateCalls => view.gate_calls = count,
                Series::GateRows => view.gate_rows = count,
                Series::FailedLogins => view.failed_logins = count,
                Series::Lapsed => view.lapsed = count,
                Series::FirstTokenMs { .. }
                | Series::AnswerMs { .. }
                | Series::KeyRefused { .. }
                | Series::BudgetUsed { .. }
                | Series::SpansDropped => {}
            }
        }
        (view.first_token_ms, view.answer_ms) = (first_tokens.quantiles(), answers.quantiles());
        view
    }
}

fn models(total: &Tally) -> Vec<ModelView> {
    let mut models: Vec<Model> = Vec::new();
    for (series, count) in total.iter() {
        match series {
            Series::Requests { outcome, model, .. } if !model.is_empty() => {
                of(&mut models, model).view.requests.add(*outcome, count);
            }
            Series::Tokens { model, kind } => of(&mut models, model).view.tokens.add(*kind, count),
            Series::Images { model } => of(&mut models, model).view.images += count,
            Series::ImageSteps { model } => of(&mut models, model).view.image_steps += count,
            Series::FirstToken { model, bucket } => of(&mut models, model).first_tokens.add(*bucket, count),
            _ => {}
        }
    }
    let all = |model: &Model| model.view.requests.all();
    let models = sorted(models, |one, other| all(other).cmp(&all(one)));
    let told = |model: Model| ModelView { first_token_ms: model.first_tokens.quantiles(), ..model.view };
    models.into_iter().map(told).collect()
}

#[derive(Default)]
struct Model {
    view: ModelView,
    first_tokens: Buckets,
}

fn of<'m>(models: &'m mut Vec<Model>, name: &Label) -> &'m mut Model {
    let known = models.iter().position(|model| model.view.model == name.as_str());
    let place = known.unwrap_or_else(|| {
        let view = ModelView { model: name.as_str().to_owned(), ..ModelView::default() };
        models.push(Model { view, ..Model::default() });
        models.len() - 1
    });
    &mut models[place]
}

impl Outcomes {
    /// All of them.
    pub const fn all(&self) -> u64 {
        self.served + self.cut + self.refused + self.failed + self.left
    }

    fn add(&mut self, outcome: RequestOutcome, count: u64) {
        *match outcome {
            RequestOutcome::Served => &mut self.served,
            RequestOutcome::Cut => &mut self.cut,
            RequestOutcome::Refused => &mut self.refused,
            RequestOutcome::Failed => &mut self.failed,
            RequestOutcome::Left => &mut self.left,
        } += count;
    }
}

impl TokensView {
    fn add(&mut self, kind: TokenKind, count: u64) {
        *match kind {
            TokenKind::Prompt => &mut self.prompt,
            TokenKind::Cached => &mut self.cached,
            TokenKind::Completion => &mut self.completion,
            TokenKind::Thinking => &mut self.thinking,
        } += count;
    }
}
