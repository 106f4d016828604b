//! The one place that writes a line to the log. What a line may hold, `sluice_protocol::telemetry` says.

use crate::platform;
use sluice_protocol::hop::gate_call::{Admission, Answer, Ask};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::telemetry::{Decided, Line, RequestEnd, RequestLine, RequestLog};
use sluice_protocol::time::Millis;

/// Writes it.
pub fn write(line: &Line) {
    platform::log(line.severity(), &line.to_json());
}

/// Writes the line of a request that is over, if the setting wants one of it.
pub fn over(log: RequestLog, request: RequestId, path: &str, noted: Noted, end: RequestEnd, since: Millis) {
    let Noted(decided) = noted;
    let least = if decided.is_some() { RequestLog::Known } else { RequestLog::All };
    if log >= least {
        write(&Line::Request(Box::new(RequestLine::new(request, path, decided, end, since, platform::now()))));
    }
}

/// What the line of a request will say of it, where there will be one.
pub struct Noted(Option<Box<Decided>>);

impl Noted {
    /// Nobody is known that it would be about.
    pub const NOTHING: Self = Self(None);

    /// What is known before its Gate is asked.
    pub fn of(log: RequestLog, account: &str, subject: impl FnOnce() -> String, ask: &Ask) -> Self {
        Self((log >= RequestLog::Known).then(|| Box::new(Decided::of(account, subject(), ask))))
    }

    /// What its Gate said to this ask.
    pub fn answered(&mut self, ask: &Ask, answer: &Answer) {
        if let Some(decided) = &mut self.0 {
            decided.answered(ask, answer);
        }
    }

    /// Its Gate could not be reached, and this let it through.
    pub fn without_gate(&mut self, admission: &Admission) {
        if let Some(decided) = &mut self.0 {
            decided.without_gate(admission);
        }
    }

    /// What its Gate is told of how it ended.
    pub fn ended(&mut self, outcome: Outcome) {
        if let Some(decided) = &mut self.0 {
            decided.ended(outcome);
        }
    }
}
