//! Whether what the headers say agrees with itself, with the claim and with what the gateway does. What is not said is
//! no fault; what is contradicted is.

mod parse;

use crate::observation::{Claim, Decision, Observation, grain};
use parse::{go_duration, items};
use serde_json::Value;
use std::time::Duration;

/// One answer and the request that got it. They come from one key alone, one after the other, the first on a window that
/// is not used.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// When, and what was decided.
    pub(crate) observation: Observation,
    /// All headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// Headers that tell a quota, and those that tell what is left of it.
const FAMILIES: [(&str, &str); 3] = [
    ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"),
    ("x-ratelimit-limit", "x-ratelimit-remaining"),
    ("ratelimit-limit", "ratelimit-remaining"),
];

/// All headers that are looked at.
const KNOWN: [&str; 12] = [
    "ratelimit-policy",
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-remaining",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
];

/// The headers that some answer had, and those that none had.
pub(crate) fn present_and_absent(told: &[Told]) -> (Vec<&'static str>, Vec<&'static str>) {
    KNOWN.iter().partition(|name| told.iter().any(|told| told.header(name).is_some()))
}

/// All contradictions, each in words.
pub(crate) fn contradictions(told: &[Told], claim: &Claim) -> Vec<String> {
    let mut found = Vec::new();
    for told in told {
        found.extend(told.quota_against(claim));
        if told.observation.is_refused() {
            found.extend(told.waits());
            found.extend(told.shape());
        }
    }
    let counted = told.iter().map(|told| told.left_by_policy(claim)).collect::<Vec<_>>();
    found.extend(countdown("RateLimit r", told, &counted, claim));
    for (quota, left) in FAMILIES {
        let of_claim = |told: &&Told| told.number(quota).is_none_or(|quota| quota == claim.limit as u64);
        let counted = told.iter().map(|told| Some(told).filter(of_claim)?.number(left)).collect::<Vec<_>>();
        found.extend(countdown(left, told, &counted, claim));
    }
    found.sort();
    found.dedup();
    found
}

/// What is left falls by one with each admission, from one below the limit, and is nothing when the window refuses.
fn countdown(name: &str, told: &[Told], left: &[Option<u64>], claim: &Claim) -> Vec<String> {
    let Some(first) = told.first() else { return Vec::new() };
    let end = first.observation.sent + claim.window.saturating_sub(grain(claim.window));
    let mut found = Vec::new();
    let mut admitted = 0;
    // What an error counts for is not known, so nothing after it is judged.
    let known =
        |told: &Told| told.observation.answered < end && !matches!(told.observation.decision, Decision::Other(_));
    for (told, left) in told.iter().zip(left).take_while(|(told, _)| known(told)) {
        if told.observation.is_admitted() {
            admitted += 1;
        }
        let expected = (claim.limit as u64).saturating_sub(admitted);
        let by_window = told.observation.is_admitted() || told.observation.wait().is_some();
        if let Some(left) = left.filter(|left| by_window && *left != expected) {
            let refused = if told.observation.is_refused() { " and a refusal" } else { "" };
            found.push(format!("{name} is {left} after {admitted} admissions{refused}, not {expected}"));
        }
    }
    found
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.trim())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.parse().ok()
    }

    /// The quotas and whole seconds of the windows in `ratelimit-policy`, with their names.
    fn policies(&self) -> Vec<(String, u64, u64)> {
        let policy = |item: parse::Item| Some((item.name.clone(), item.number("q")?, item.number("w")?));
        items(self.header("ratelimit-policy").unwrap_or_default()).into_iter().filter_map(policy).collect()
    }

    /// What `ratelimit` says is left of the claimed window.
    fn left_by_policy(&self, claim: &Claim) -> Option<u64> {
        let policies = self.policies();
        let (name, ..) = policies.iter().find(|(_, quota, window)| claim.is(*quota, *window))?;
        items(self.header("ratelimit")?).into_iter().find(|item| item.name == *name)?.number("r")
    }

    fn quota_against(&self, claim: &Claim) -> Vec<String> {
        let policies = self.policies();
        let shown = format!("{} per {:?}", claim.limit, claim.window);
        let mut found = Vec::new();
        if !policies.is_empty() && !policies.iter().any(|(_, quota, window)| claim.is(*quota, *window)) {
            let said = self.header("ratelimit-policy").unwrap_or_default();
            found.push(format!("RateLimit-Policy says {said}; the claim is {shown}"));
        }
        for (name, _) in FAMILIES {
            let named =
                |quota: u64| quota == claim.limit as u64 || policies.iter().any(|(_, other, _)| *other == quota);
            if let Some(quota) = self.number(name).filter(|quota| !named(*quota)) {
                found.push(format!("{name} is {quota}; the claim is {shown}"));
            }
        }
        for (name, _, window) in &policies {
            let more = items(self.header("ratelimit").unwrap_or_default());
            let time = more.into_iter().find(|item| item.name == *name).and_then(|item| item.number("t"));
            if let Some(time) = time.filter(|time| time > window) {
                found.push(format!("RateLimit says t={time} of a window of {window} s"));
            }
        }
        let whole = self.header("x-ratelimit-reset-requests").and_then(go_duration);
        if let Some(whole) = whole.filter(|whole| policies.len() < 2 && *whole > claim.window + Duration::from_secs(1))
        {
            found.push(format!("x-ratelimit-reset-requests is {whole:?}; the claim is {shown}"));
        }
        found
    }

    fn waits(&self) -> Vec<String> {
        let mut found = Vec::new();
        let (seconds, milliseconds) = (self.number("retry-after"), self.number("retry-after-ms"));
        if let (Some(seconds), Some(milliseconds)) = (seconds, milliseconds)
            && seconds != milliseconds.div_ceil(1000)
        {
            found.push(format!("retry-after is {seconds} and retry-after-ms is {milliseconds}"));
        }
        match self.header("x-should-retry") {
            None | Some("true") => {}
            // Nobody is to be sent to sleep inside of a call for longer than a minute.
            Some("false") if self.observation.wait().is_none_or(|wait| wait.time > Duration::from_secs(60)) => {}
            Some(other) => found.push(format!("x-should-retry is {other} on a refusal that says when to come back")),
        }
        found
    }

    /// OpenAI's shape of an error, which SDKs read.
    fn shape(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        let error = &body["error"];
        let good = error["message"].is_string()
            && error["type"].is_string()
            && ["param", "code"].iter().all(|member| error.get(member).is_some());
        let words = String::from_utf8_lossy(&self.body).split_whitespace().collect::<Vec<_>>().join(" ");
        let begin: String = words.chars().take(50).collect();
        (!good).then(|| format!("a refusal's body is not {{\"error\":{{message,type,param,code}}}}: {begin}"))
    }
}

impl Claim {
    /// Whether a told policy is this claim; the headers know whole seconds.
    fn is(&self, quota: u64, seconds: u64) -> bool {
        quota == self.limit as u64 && seconds == self.window.as_millis().div_ceil(1000) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::by_hand::{admitted, claim, refused};

    const BODY: &str = r#"{"error":{"message":"no","type":"rate_limit_error","param":null,"code":"x"}}"#;

    fn told(observation: Observation, headers: &[(&str, &str)]) -> Told {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Told { observation, headers, body: BODY.into() }
    }

    fn found(told: &[Told]) -> Vec<String> {
        contradictions(told, &claim(2, 1_500, None))
    }

    #[test]
    fn consistent_headers_pass() {
        let policy = ("ratelimit-policy", r#""a, b";q=2;w=2, "day";q=9;w=86400, "parallel";q=1"#);
        let all = [
            told(admitted(0, 9), &[policy, ("ratelimit", r#""a, b";r=1;t=2, "day";r=8;t=86400, "parallel";r=0"#)]),
            told(admitted(10, 19), &[policy, ("ratelimit", r#""a, b";r=0;t=2"#), ("x-ratelimit-limit-requests", "9")]),
            told(
                refused(20, 29, Some(1_400)),
                &[policy, ("ratelimit", r#""a, b";r=0;t=2"#), ("retry-after", "2"), ("retry-after-ms", "1400")],
            ),
        ];
        assert_eq!(found(&all), Vec::<String>::new());
        assert_eq!(found(&[told(admitted(0, 9), &[])]), Vec::<String>::new(), "what is absent is no fault");
    }

    #[test]
    fn every_contradiction_is_found() {
        let once = |observation: Observation, headers: &[(&str, &str)]| found(&[told(observation, headers)]);
        for (headers, words) in [
            (&[("ratelimit-policy", r#""a";q=3;w=2"#)][..], "RateLimit-Policy says"),
            (&[("x-ratelimit-limit-requests", "3")], "x-ratelimit-limit-requests is 3"),
            (&[("x-ratelimit-remaining", "2")], "x-ratelimit-remaining is 2 after 1 admissions"),
            (&[("x-ratelimit-reset-requests", "1m0s")], "x-ratelimit-reset-requests is 60s"),
            (&[("ratelimit-policy", r#""a";q=2;w=2"#), ("ratelimit", r#""a";r=1;t=9"#)], "t=9 of a window of 2 s"),
            (&[("ratelimit-policy", r#""a";q=2;w=2"#), ("ratelimit", r#""a";r=2"#)], "RateLimit r is 2"),
        ] {
            let found = once(admitted(0, 9), headers);
            assert!(found.len() == 1 && found[0].contains(words), "{headers:?}: {found:?}");
        }
        for (headers, words) in [
            (&[("retry-after", "1"), ("retry-after-ms", "1400")][..], "retry-after is 1"),
            (&[("x-should-retry", "false")], "x-should-retry is false"),
        ] {
            let found = once(refused(0, 9, Some(1_400)), headers);
            assert!(found.len() == 1 && found[0].contains(words), "{headers:?}: {found:?}");
        }
        assert_eq!(once(refused(0, 9, Some(60_001)), &[("x-should-retry", "false")]), Vec::<String>::new());
        let mut plain = told(refused(0, 9, None), &[]);
        plain.body = b"Too Many Requests".to_vec();
        assert!(found(&[plain])[0].contains("Too Many Requests"));
    }

    #[test]
    fn a_count_that_does_not_fall_is_found_and_one_of_a_new_window_is_not() {
        let left = |at: u64, left: &'static str| told(admitted(at, at + 5), &[("x-ratelimit-remaining", left)]);
        assert_eq!(found(&[left(0, "1"), left(10, "1")]).len(), 1);
        assert_eq!(found(&[left(0, "1"), left(1_600, "1")]).len(), 0);
    }
}
