//! The one place that writes a line to the log. What a line may hold, `sluice_protocol::telemetry` says. What is counted, and
//! written nowhere, is in `telemetry/measures.rs`.

pub mod measures;

use crate::platform;
use sluice_protocol::hop::gate_call::{Admission, Answer, Ask};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::measures::request::{Broken, Seen};
use sluice_protocol::telemetry::{Decided, Line, RequestEnd, RequestLine, RequestLog};
use sluice_protocol::time::Millis;

/// Writes it.
pub fn write(line: &Line) {
    platform::log(line.severity(), &line.to_json());
}

/// Counts a request for an answer that is over, and writes its line, if the setting wants one of it.
pub fn answered(log: RequestLog, request: RequestId, path: &str, noted: Noted, end: RequestEnd, since: Millis) {
    measures::over(&noted.seen, end, platform::now().saturating_sub(since));
    over(log, request, path, noted, end, since);
}

/// Writes the line of a request that is over, if the setting wants one of it.
pub fn over(log: RequestLog, request: RequestId, path: &str, noted: Noted, end: RequestEnd, since: Millis) {
    let decided = noted.decided;
    let least = if decided.is_some() { RequestLog::Known } else { RequestLog::All };
    if log >= least {
        write(&Line::Request(Box::new(RequestLine::new(request, path, decided, end, since, platform::now()))));
    }
}

/// What is to be said of a request, once it is over.
#[derive(Default)]
pub struct Noted {
    /// For its line, where there will be one.
    decided: Option<Box<Decided>>,
    /// For what is counted.
    seen: Seen,
}

impl Noted {
    /// What is known before its Gate is asked.
    pub fn ask(&mut self, log: RequestLog, account: &str, subject: impl FnOnce() -> String, ask: &Ask) {
        self.decided = (log >= RequestLog::Known).then(|| Box::new(Decided::of(account, subject(), ask)));
        self.seen.model.clone_from(&ask.model);
    }

    /// It was refused by this answer, which was remembered.
    pub fn remembered(&mut self, answer: &Answer) {
        self.plan_of(answer);
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
    pub fn relayed(&mut self, first_token_ms: Option<Millis>, broken: Option<Broken>) {
        (self.seen.first_token_ms, self.seen.broken) = (first_token_ms, broken);
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
    }
}
