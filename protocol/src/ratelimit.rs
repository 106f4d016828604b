//! What an answer says of its caller's limits, in both languages that clients read.
//!
//! Three different times are told, and they are three different things:
//! - `retry-after(-ms)`: when *this very request* would pass (only on a refusal);
//! - IETF `RateLimit`'s `t`: when there will be *more* quota than now;
//! - OpenAI's `x-ratelimit-reset-requests`: when the quota will be *whole* again.
//!
//! After draft-ietf-httpapi-ratelimit-headers-10 (`RateLimit-Policy`, `RateLimit`) and OpenAI's published headers.

use crate::Millis;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// One limit of a plan, as it stands for one account at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The limit's name.
    pub limit: String,
    /// What kind it is.
    pub kind: StandingKind,
    /// The most that it lets through.
    pub quota: u32,
    /// What counts now.
    pub used: u32,
    /// When the first of what counts stops counting; absent if nothing does.
    pub more_at: Option<Millis>,
    /// When the last of what counts stops counting; absent if nothing does.
    pub whole_at: Option<Millis>,
}

/// What kind of limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StandingKind {
    /// Requests in any span of this many milliseconds.
    Window(u64),
    /// Requests at once.
    Parallel,
}

impl Standing {
    /// What is left. Nothing, where a plan was made stricter than what counts.
    pub const fn remaining(&self) -> u32 {
        self.quota.saturating_sub(self.used)
    }
}

/// The headers that tell these standings at `now`. None for a plan without limits.
pub fn headers(standings: &[Standing], now: Millis) -> Vec<(&'static str, String)> {
    if standings.is_empty() {
        return Vec::new();
    }
    let mut headers = vec![
        (crate::header::RATELIMIT_POLICY, list(standings, policy)),
        (crate::header::RATELIMIT, list(standings, |item, standing| state(item, standing, now))),
    ];
    let windows = standings.iter().filter(|standing| matches!(standing.kind, StandingKind::Window(_)));
    // OpenAI's headers know one window of requests: the one that will refuse first.
    if let Some(tightest) = windows.min_by_key(|standing| (standing.remaining(), standing.quota)) {
        let whole = tightest.whole_at.unwrap_or(now).saturating_sub(now);
        headers.push((crate::header::LIMIT_REQUESTS, tightest.quota.to_string()));
        headers.push((crate::header::REMAINING_REQUESTS, tightest.remaining().to_string()));
        headers.push((crate::header::RESET_REQUESTS, go_duration(whole)));
    }
    headers
}

/// A duration as Go writes and parses it: `6m0s`, `1.5s`, `12ms`.
pub fn go_duration(ms: u64) -> String {
    if ms < 1000 {
        return format!("{ms}ms");
    }
    let (hours, minutes, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms % 60_000);
    let mut text = String::new();
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    let seconds = format!("{}.{:03}", rest / 1000, rest % 1000);
    text + seconds.trim_end_matches('0').trim_end_matches('.') + "s"
}

fn list(standings: &[Standing], item: impl Fn(&mut String, &Standing)) -> String {
    let mut text = String::new();
    for standing in standings {
        if !text.is_empty() {
            text.push_str(", ");
        }
        item(&mut text, standing);
    }
    text
}

/// `"minute";q=60;w=60`, and `"parallel";q=2;qu="concurrent-requests"`. A window in milliseconds is rounded up: the draft
/// knows whole seconds, and a caller that believes in a longer window is not refused for it.
fn policy(text: &mut String, standing: &Standing) {
    let _ = match standing.kind {
        StandingKind::Window(ms) => write!(text, "\"{}\";q={};w={}", standing.limit, standing.quota, ms.div_ceil(1000)),
        StandingKind::Parallel => {
            write!(text, "\"{}\";q={};qu=\"concurrent-requests\"", standing.limit, standing.quota)
        }
    };
}

/// `"minute";r=12;t=9`. A lease's end is not told: a place most likely comes free much sooner.
fn state(text: &mut String, standing: &Standing, now: Millis) {
    let _ = write!(text, "\"{}\";r={}", standing.limit, standing.remaining());
    if let (StandingKind::Window(_), Some(at)) = (standing.kind, standing.more_at) {
        let _ = write!(text, ";t={}", at.saturating_sub(now).div_ceil(1000));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_that_go_parses() {
        for (ms, text) in [
            (0, "0ms"),
            (12, "12ms"),
            (1_000, "1s"),
            (1_500, "1.5s"),
            (48_200, "48.2s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
            (90_061_001, "25h1m1.001s"),
        ] {
            assert_eq!(go_duration(ms), text);
        }
    }

    #[test]
    fn both_languages_tell_the_same_standing() {
        let standing = |limit: &str, kind, quota, used, more_at, whole_at| Standing {
            limit: limit.into(),
            kind,
            quota,
            used,
            more_at,
            whole_at,
        };
        let standings = [
            standing("second", StandingKind::Window(500), 5, 0, None, None),
            standing("minute", StandingKind::Window(60_000), 60, 58, Some(1_001), Some(49_200)),
            standing("parallel", StandingKind::Parallel, 2, 1, Some(9_000), Some(9_000)),
        ];
        let expected = [
            ("ratelimit-policy", r#""second";q=5;w=1, "minute";q=60;w=60, "parallel";q=2;qu="concurrent-requests""#),
            ("ratelimit", r#""second";r=5, "minute";r=2;t=1, "parallel";r=1"#),
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "2"),
            ("x-ratelimit-reset-requests", "48.2s"),
        ];
        let found = headers(&standings, 1_000);
        assert_eq!(found.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), expected);
        assert_eq!(headers(&[], 0), []);
    }
}
