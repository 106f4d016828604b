//! What an answer says of its caller's limits, in both languages that clients read.
//!
//! Three different times are told, and they are three different things:
//! - `retry-after(-ms)`: when *this very request* would pass (only on a refusal);
//! - IETF `RateLimit`'s `t`: when there will be *more* quota than now;
//! - OpenAI's `x-ratelimit-reset-requests`: when the quota will be *whole* again.
//!
//! After draft-ietf-httpapi-ratelimit-headers-10 (`RateLimit-Policy`, `RateLimit`) and OpenAI's published headers.

use super::Standing;
use crate::limit::kind::Unit;
use crate::time::Millis;
use crate::wire::header;
use std::fmt::Write;

/// The headers that tell these standings at `now`. Limits that are only watched are not told; none for a plan without
/// others.
pub fn headers(standings: &[Standing], now: Millis) -> Vec<(&'static str, String)> {
    let told: Vec<&Standing> = standings.iter().filter(|standing| standing.shadowed.is_none()).collect();
    if told.is_empty() {
        return Vec::new();
    }
    let mut headers = vec![
        (header::RATELIMIT_POLICY, list(&told, policy)),
        (header::RATELIMIT, list(&told, |item, standing| state(item, standing, now))),
    ];
    const REQUESTS: [&str; 3] = [header::LIMIT_REQUESTS, header::REMAINING_REQUESTS, header::RESET_REQUESTS];
    const TOKENS: [&str; 3] = [header::LIMIT_TOKENS, header::REMAINING_TOKENS, header::RESET_TOKENS];
    for (unit, [limit, remaining, reset]) in [(Unit::Requests, REQUESTS), (Unit::Tokens, TOKENS)] {
        let logs = told.iter().filter(|told| told.unit == unit && told.kind.is_timed());
        // OpenAI's headers know one limit of each unit: the one that will refuse first.
        if let Some(tightest) = logs.min_by_key(|standing| (standing.remaining(), standing.quota)) {
            let whole = tightest.whole_at.unwrap_or(now).saturating_sub(now);
            headers.push((limit, tightest.quota.to_string()));
            headers.push((remaining, tightest.remaining().to_string()));
            headers.push((reset, go_duration(whole)));
        }
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

/// Reads what [`go_duration`] writes, and nothing else.
pub fn read_go_duration(text: &str) -> Option<u64> {
    let mut ms: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, unit) = rest.split_at(digits);
        let (unit, behind) = unit.split_at(unit.find(|letter: char| letter.is_ascii_digit()).unwrap_or(unit.len()));
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let of = |ms: u64| whole.parse::<u64>().ok()?.checked_mul(ms);
        let more = match (unit, part) {
            ("h", "") => of(3_600_000)?,
            ("m", "") => of(60_000)?,
            ("ms", "") => of(1)?,
            ("s", part) if part.len() <= 3 => of(1_000)?.checked_add(format!("{part:0<3}").parse().ok()?)?,
            _ => return None,
        };
        ms = ms.checked_add(more)?;
        rest = behind;
    }
    (go_duration(ms) == text).then_some(ms)
}

fn list(standings: &[&Standing], item: impl Fn(&mut String, &Standing)) -> String {
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
/// knows whole seconds, and a caller that believes in a longer window is not refused for it. A bucket's window is the time
/// in which it fills.
fn policy(text: &mut String, standing: &Standing) {
    let _ = write!(text, "\"{}\";q={}", standing.limit, standing.kind.in_headers(standing.quota));
    if let Some(ms) = standing.kind.span_ms() {
        let _ = write!(text, ";w={}", ms.div_ceil(1000));
    }
    if let Some(unit) = standing.kind.quota_unit(standing.unit) {
        let _ = write!(text, ";qu=\"{unit}\"");
    }
}

/// `"minute";r=12;t=9`. A lease's end is not told: a place most likely comes free much sooner.
fn state(text: &mut String, standing: &Standing, now: Millis) {
    let _ = write!(text, "\"{}\";r={}", standing.limit, standing.kind.in_headers(standing.remaining()));
    if let Some(at) = standing.more_at.filter(|_| standing.kind.is_timed()) {
        let _ = write!(text, ";t={}", at.saturating_sub(now).div_ceil(1000));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::kind::StandingKind;
    use crate::limit::kind::bucket::BucketStanding;
    use crate::limit::kind::parallel::ParallelStanding;
    use crate::limit::kind::window::WindowStanding;

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
            assert_eq!(read_go_duration(text), Some(ms));
        }
        for ms in [0, 1, 999, 1_001, 59_999, 60_000, 3_599_999, 86_400_000, 123_456_789_012] {
            assert_eq!(read_go_duration(&go_duration(ms)), Some(ms));
        }
        for wrong in
            ["", "1", "s", "1.5", "1.s", "01s", "1s1m", "61s", "1h", "1.5ms", "-1s", "1.5000s", "99999999999999999999s"]
        {
            assert_eq!(read_go_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn both_languages_tell_the_same_standing() {
        let standing = |limit: &str, kind: StandingKind, unit, quota, used, more_at, whole_at| Standing {
            limit: limit.into(),
            kind,
            unit,
            per: crate::limit::plan::Per::Account,
            quota,
            used,
            more_at,
            whole_at,
            shadowed: None,
        };
        let requests = Unit::Requests;
        let window = |window_ms| WindowStanding { window_ms }.into();
        let watched = Standing {
            shadowed: Some(3),
            ..standing("watched", window(1_000), requests, 1, 1, Some(1_500), Some(1_500))
        };
        let standings = [
            standing("second", window(500), requests, 5, 0, None, None),
            standing("minute", window(60_000), requests, 60, 58, Some(1_001), Some(49_200)),
            watched,
            standing(
                "burst",
                BucketStanding { fills_in_ms: 30_000 }.into(),
                Unit::Tokens,
                900,
                400,
                Some(1_033),
                Some(14_334),
            ),
            standing("parallel", ParallelStanding.into(), requests, 2, 1, Some(9_000), Some(9_000)),
        ];
        let expected = [
            (
                "ratelimit-policy",
                r#""second";q=5;w=1, "minute";q=60;w=60, "burst";q=900;w=30;qu="tokens", "parallel";q=2;qu="concurrent-requests""#,
            ),
            ("ratelimit", r#""second";r=5, "minute";r=2;t=1, "burst";r=500;t=1, "parallel";r=1"#),
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "2"),
            ("x-ratelimit-reset-requests", "48.2s"),
            ("x-ratelimit-limit-tokens", "900"),
            ("x-ratelimit-remaining-tokens", "500"),
            ("x-ratelimit-reset-tokens", "13.334s"),
        ];
        let found = headers(&standings, 1_000);
        assert_eq!(found.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), expected);
        assert_eq!(headers(&[], 0), []);
    }
}
