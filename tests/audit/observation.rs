//! What was seen of a gateway, and what it claims. Times are distances from the audit's beginning, on one clock.
//!
//! A gateway's decision is never seen itself: it lies somewhere between the first byte sent and the first byte answered.
//! All judgement keeps to that: a violation is claimed only if it holds wherever in between the decisions were.

use std::time::Duration;

/// What the gateway says that it does.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// At most so many requests ...
    pub(crate) limit: usize,
    /// ... in any span of this length.
    pub(crate) window: Duration,
    /// At most so many requests at once, if that is claimed too.
    pub(crate) parallel: Option<usize>,
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    /// Before its first byte left.
    pub(crate) sent: Duration,
    /// When the first byte of the answer was there.
    pub(crate) answered: Duration,
    /// When the whole answer was there, or the connection was closed.
    pub(crate) ended: Duration,
    /// What the gateway decided.
    pub(crate) decision: Decision,
}

/// What an answer's status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// 2xx.
    Admitted,
    /// The status of refusals, and the wait that it told.
    Refused(Option<Wait>),
    /// Any other status: nobody knows whether it was counted.
    Other(u16),
}

/// How long a refusal tells its caller to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// How long.
    pub(crate) time: Duration,
    /// Whether it was told in milliseconds, and not in whole seconds.
    pub(crate) exact: bool,
}

impl Observation {
    /// Whether it was let through.
    pub(crate) fn is_admitted(&self) -> bool {
        self.decision == Decision::Admitted
    }

    /// Whether it was refused.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.decision, Decision::Refused(_))
    }

    /// The wait that it was told.
    pub(crate) fn wait(&self) -> Option<Wait> {
        match self.decision {
            Decision::Refused(wait) => wait,
            _ => None,
        }
    }
}

impl Wait {
    /// Reads `retry-after-ms`, or else `retry-after` in seconds. A date is not read.
    pub(crate) fn from_headers(milliseconds: Option<&str>, seconds: Option<&str>) -> Option<Self> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| (0.0..1e9).contains(number));
        let exact =
            milliseconds.and_then(number).map(|ms| Self { time: Duration::from_secs_f64(ms / 1e3), exact: true });
        let whole = || Some(Self { time: Duration::from_secs_f64(seconds.and_then(number)?), exact: false });
        exact.or_else(whole)
    }
}

/// How many were let through.
pub(crate) fn admitted(observations: &[Observation]) -> usize {
    observations.iter().filter(|observation| observation.is_admitted()).count()
}

/// How many were refused.
pub(crate) fn refused(observations: &[Observation]) -> usize {
    observations.iter().filter(|observation| observation.is_refused()).count()
}

/// What a gateway is forgiven over such a span: its clock may count whole milliseconds, and ours may run differently by
/// 500 parts in a million.
pub(crate) fn grain(span: Duration) -> Duration {
    Duration::from_millis(2) + drift(span)
}

/// How far two clocks may come apart over such a span.
pub(crate) fn drift(span: Duration) -> Duration {
    span / 2000
}

/// Observations by hand, for the judgements' tests. Times are in milliseconds.
#[cfg(test)]
pub(crate) mod by_hand {
    use super::*;

    /// A claim.
    pub(crate) fn claim(limit: usize, window: u64, parallel: Option<usize>) -> Claim {
        Claim { limit, window: Duration::from_millis(window), parallel }
    }

    /// A request that was let through.
    pub(crate) fn admitted(sent: u64, answered: u64) -> Observation {
        observation(sent, answered, Decision::Admitted)
    }

    /// A request that was refused and told to wait so many milliseconds.
    pub(crate) fn refused(sent: u64, answered: u64, wait: Option<u64>) -> Observation {
        let wait = wait.map(|wait| Wait { time: Duration::from_millis(wait), exact: true });
        observation(sent, answered, Decision::Refused(wait))
    }

    fn observation(sent: u64, answered: u64, decision: Decision) -> Observation {
        let [sent, answered] = [sent, answered].map(Duration::from_millis);
        Observation { sent, answered, ended: answered, decision }
    }
}
