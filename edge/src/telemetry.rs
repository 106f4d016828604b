//! The one place that writes a line to the log. What a line may hold, `sluice_protocol::telemetry` says. What is counted, and
//! written nowhere, is in `telemetry/measures.rs`; what is exported of a request, in `telemetry/traces.rs`.

pub mod measures;
pub mod traces;

use crate::platform;
use sluice_protocol::hop::gate_call::{Admission, Answer, Ask};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::measures::request::{Broken, Seen};
use sluice_protocol::request::door::Door;
use sluice_protocol::telemetry::trace::request::Told;
use sluice_protocol::telemetry::trace::setting::Export;
use sluice_protocol::telemetry::trace::span::Kind;
use sluice_protocol::telemetry::{Decided, Line, RequestEnd, RequestLine, RequestLog};
use sluice_protocol::time::Millis;
use traces::{Onward, Open};

/// What becomes of a request's line.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    /// Of which requests the log has one.
    pub log: RequestLog,
    /// For how long Meters keep what a plan has decided, in milliseconds; 0 if they do not.
    pub kept_ms: Millis,
}

/// Writes it.
pub fn write(line: &Line) {
    platform::log(line.severity(), &line.to_json());
}

/// Counts a request for an answer that is over, and writes its line, if the setting wants one of it.
pub fn answered(lines: Lines, request: RequestId, path: &str, noted: Noted, end: RequestEnd, since: Millis) {
    measures::over(&noted.seen, end, platform::now().saturating_sub(since));
    over(lines, request, path, noted, end, since);
}

/// Writes the line of a request that is over, if the settings want one of it, and keeps what was decided, if they want that.
/// Ends its span, if it has one.
pub fn over(lines: Lines, request: RequestId, path: &str, mut noted: Noted, end: RequestEnd, since: Millis) {
    noted.end_span(request, path, end, since);
    let (decided, now) = (noted.decided, platform::now());
    if let Some(decided) = decided.as_deref().filter(|_| lines.kept_ms > 0) {
        measures::keep(decided, end, since, now);
    }
    let least = if decided.is_some() { RequestLog::Known } else { RequestLog::All };
    if lines.log >= least {
        write(&Line::Request(Box::new(RequestLine::new(request, path, decided, end, since, now))));
    }
}

/// What is to be said of a request, once it is over.
#[derive(Default)]
pub struct Noted {
    /// For its line, where there will be one.
    decided: Option<Box<Decided>>,
    /// For what is counted.
    seen: Seen,
    /// For its span, where spans are exported.
    open: Option<Box<Open>>,
}

impl Noted {
    /// Of a request that has come to a door, or of a job (`Kind::Internal`). Its headers are looked at only where spans are
    /// exported.
    pub fn begin(export: Option<&Export>, kind: Kind, header: &dyn Fn(&'static str) -> Option<String>) -> Self {
        let open = export.map(|export| Box::new(Open::new(export, kind, header)));
        Self { open, ..Self::default() }
    }

    /// What origins are told of its trace. `traceparent`: its caller's.
    pub fn onward(&self, traceparent: Option<&str>, header: &dyn Fn(&'static str) -> Option<String>) -> Onward {
        match &self.open {
            Some(open) => Onward::Ours(open.under.clone()),
            None => Onward::passed(traceparent, header),
        }
    }

    /// What is known before its Gate is asked.
    pub fn ask(&mut self, lines: Lines, account: &str, subject: impl FnOnce() -> String, ask: &Ask) {
        let is_wanted = lines.log >= RequestLog::Known || lines.kept_ms > 0 || self.is_sampled();
        self.decided = is_wanted.then(|| Box::new(Decided::of(account, subject(), ask)));
        self.seen.model.clone_from(&ask.model);
    }

    /// It was refused by this answer, which was remembered of this account.
    pub fn remembered(&mut self, account: &str, answer: &Answer) {
        if let Some(open) = self.open.as_mut().filter(|open| open.is_sampled()) {
            account.clone_into(&mut open.account);
        }
        self.plan_of(answer);
    }

    /// Its Gate was asked at this time, and has said anything, or why not.
    pub fn gate_asked(&self, since: Millis, failed: Option<&'static str>) {
        if let Some(open) = &self.open {
            open.under.gate_asked(since, failed);
        }
    }

    /// Whether its answer is one that was kept for the same question, where that was looked for.
    pub fn cached(&mut self, cache: Option<&'static str>) {
        if let Some(open) = &mut self.open {
            open.cache = cache;
        }
    }

    /// Nobody is told of its end by a span: it is asked for again.
    pub fn untold(&mut self) {
        self.open = None;
    }

    /// What its Gate said to this ask.
    pub fn answered(&mut self, ask: &Ask, answer: &Answer) {
        if let Some(decided) = &mut self.decided {
            decided.answered(ask, answer);
        }
        self.plan_of(answer);
    }

    /// Its Gate could not be reached, and this let it through.
    pub fn without_gate(&mut self, admission: &Admission) {
        if let Some(decided) = &mut self.decided {
            decided.without_gate(admission);
        }
        self.seen.plan.clone_from(&admission.plan);
    }

    /// How long its first token took since it was admitted, if one came, and why its answer did not come to its end.
    /// `has_begun`: whether its caller was told of one before that.
    pub fn relayed(&mut self, first_token_ms: Option<Millis>, broken: Option<Broken>, has_begun: bool) {
        (self.seen.first_token_ms, self.seen.broken) = (first_token_ms, broken);
        if let Some(open) = &mut self.open {
            open.has_begun = has_begun;
        }
    }

    /// Its caller had left before it was answered.
    pub fn left(&mut self) {
        self.seen.broken = Some(Broken::Left);
    }

    /// Another model than was asked for is to answer.
    pub fn bent(&mut self, model: &str) {
        model.clone_into(&mut self.seen.model);
    }

    /// It is answered without an origin.
    pub fn ours(&mut self) {
        self.seen.is_ours = true;
    }

    /// What its Gate is told of how it ended.
    pub fn ended(&mut self, outcome: Outcome) {
        if let Some(decided) = &mut self.decided {
            decided.ended(outcome);
        }
        self.seen.used = outcome.used();
    }

    fn plan_of(&mut self, answer: &Answer) {
        if let Answer::Admitted(admission) = answer {
            self.seen.plan.clone_from(&admission.plan);
        }
        if let Answer::Limited { plan, .. } | Answer::NotAllowed { plan, .. } | Answer::TooFull(plan) = answer {
            self.seen.plan.clone_from(plan);
        }
        if let (Some(open), Answer::Limited { refused, .. }) = (&mut self.open, answer) {
            open.limits = refused.iter().map(|refused| refused.limit.clone()).collect();
        }
    }

    fn is_sampled(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.is_sampled())
    }

    /// Ends its span, if it has one: it came to the door with this path.
    pub fn end_span(&mut self, request: RequestId, path: &str, end: RequestEnd, since: Millis) {
        let open = self.open.take().filter(|open| open.is_sampled());
        let Some((open, door)) = open.and_then(|open| Some((open, Door::of(path)?))) else { return };
        let (seen, decided) = (&self.seen, self.decided.as_deref());
        let meant = seen.ending(end);
        let (status, code) = match (meant, end) {
            // Whoever has left was told what it had been told before.
            (RequestEnd::Left, _) => (open.has_begun.then_some(OK), None),
            (RequestEnd::Refused { reason, .. }, RequestEnd::Answered { .. }) if open.has_begun => {
                (Some(OK), Some(reason.row().code))
            }
            (RequestEnd::Refused { reason, .. }, _) => (Some(reason.row().status), Some(reason.row().code)),
            (RequestEnd::Answered { .. }, _) => (Some(OK), None),
        };
        let used = match meant {
            RequestEnd::Answered { used, .. } | RequestEnd::Refused { used, .. } => used,
            RequestEnd::Left => None,
        };
        let told = Told {
            request,
            door,
            account: decided.map_or(&open.account, |decided| &decided.account),
            plan: &seen.plan,
            model: &seen.model,
            decided,
            limits: &open.limits,
            cache: open.cache,
            outcome: meant.outcome(),
            status,
            code,
            used: used.or(seen.used),
            first_token_ms: seen.first_token_ms,
        };
        let mut span = open.span(door.path(), since);
        told.write(&mut span);
        traces::put(span);
    }
}

/// The status of an answer that began.
const OK: u16 = 200;
