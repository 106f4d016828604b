//! A naive count of windows: a list of all that was ever let through, looked at as a whole for each request. It reads
//! the log by itself, and shares no code with what it judges.

use crate::{example, replayed};
use serde_json::Value;
use sluice_replay::example::Example;
use std::collections::BTreeMap;

/// What the log was made by.
const MADE_BY: &str = r#"{"plans": {"a": {"limits": [
    {"name": "requests", "kind": "window", "limit": 12, "window": "20s"},
    {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 60000, "window": "30s"}]}}}"#;

/// Something that counts.
#[derive(Clone, Copy)]
struct Counted {
    at: u64,
    requests: u64,
    tokens: u64,
}

/// What a request is, as its line has it.
struct Asked<'a> {
    line: &'a Value,
    at: u64,
    over: u64,
}

impl Asked<'_> {
    fn number(&self, member: &str) -> Option<u64> {
        self.line[member].as_u64()
    }

    fn was_refused(&self) -> bool {
        !self.line["limits"].is_null()
    }

    fn second(&self) -> Option<u64> {
        self.line["counted"]["prompt_tokens"].as_u64()
    }
}

/// How many of each account's requests are refused: in all, by the first limit, and by the second.
fn naive(text: &str, (most, span): (u64, u64), (tokens, tokens_span): (u64, u64)) -> BTreeMap<String, [u64; 3]> {
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut accounts: BTreeMap<String, Vec<Asked<'_>>> = BTreeMap::new();
    for line in &lines {
        let asked = Asked {
            line,
            at: line["decided_at"].as_u64().unwrap(),
            over: line["at"].as_u64().unwrap() + line["ms"].as_u64().unwrap(),
        };
        accounts.entry(line["account"].as_str().unwrap().to_owned()).or_default().push(asked);
    }
    accounts
        .into_iter()
        .map(|(account, mut asked)| {
            asked.sort_by_key(|one| (one.at, one.was_refused()));
            let (completion, ms) = means(&asked);
            let mut counted: Vec<Counted> = Vec::new();
            let mut running: Vec<(u64, usize, u64, u64)> = Vec::new();
            let mut refused = [0; 3];
            for one in &asked {
                // What is over by now has used what it has used.
                running.retain(|(over, which, requests, tokens)| {
                    if *over <= one.at {
                        (counted[*which].requests, counted[*which].tokens) = (*requests, *tokens);
                    }
                    *over > one.at
                });
                let used = |span: u64, of: fn(&Counted) -> u64| {
                    counted.iter().filter(|other| other.at + span > one.at).map(of).sum::<u64>()
                };
                let (has, has_tokens) = (used(span, |one| one.requests), used(tokens_span, |one| one.tokens));
                let max = one.number("max_tokens").unwrap_or(1_024);
                let fits = |prompt: u64| (has < most, has_tokens + prompt + max <= tokens);
                let mut passes = fits(one.number("prompt_guess").unwrap());
                if let (true, true, Some(second)) = (passes.0, passes.1, one.second()) {
                    passes = fits(second);
                    if passes != (true, true) {
                        // The origin has counted it: it stays a request.
                        counted.push(Counted { at: one.at, requests: 1, tokens: 0 });
                    }
                }
                if passes != (true, true) {
                    // Asked once more, a request that stays counted counts for itself.
                    let again = if one.second().is_some() && has + 1 == most && passes.0 { 1 } else { 0 };
                    let all = [
                        1,
                        u64::from(!passes.0) + again * u64::from(fits(one.number("prompt_guess").unwrap()).1),
                        u64::from(!passes.1),
                    ];
                    refused.iter_mut().zip(all).for_each(|(sum, one)| *sum += one);
                    continue;
                }
                let reserved = one.second().unwrap_or(one.number("prompt_guess").unwrap()) + max;
                counted.push(Counted { at: one.at, requests: 1, tokens: reserved });
                let prompt = one.second().unwrap_or(0).max(one.number("prompt_guess").unwrap());
                let (over, requests, tokens) = match (one.was_refused(), one.number("prompt_tokens")) {
                    (true, _) => {
                        let asked = one.number("max_tokens").unwrap_or(u64::MAX);
                        (one.at + ms, 1, prompt + completion.min(asked).min(max))
                    }
                    (false, Some(prompt)) => {
                        (one.over, 1, reserved.min(prompt + one.number("completion_tokens").unwrap().min(max)))
                    }
                    (false, None) if one.line["given_back"] == true => (one.over, 0, 0),
                    (false, None) => (one.over, 1, reserved),
                };
                running.push((over, counted.len() - 1, requests, tokens));
            }
            (account, refused)
        })
        .collect()
}

/// The mean answer of an account, and how long its requests take.
fn means(asked: &[Asked<'_>]) -> (u64, u64) {
    let told = || asked.iter().filter(|one| !one.was_refused() && one.number("prompt_tokens").is_some());
    let mean = |of: &dyn Fn(&Asked<'_>) -> u64| told().map(of).sum::<u64>() / told().count().max(1) as u64;
    (mean(&|one| one.number("completion_tokens").unwrap()), mean(&|one| one.over - one.at))
}

#[test]
fn other_windows_refuse_what_a_naive_count_refuses() {
    let mut refused_in_all = 0;
    for seed in 0..12 {
        let text = example(Example { requests: 700, accounts: 6, every_ms: 500, seed }, MADE_BY);
        for ((most, seconds), (tokens, tokens_seconds)) in
            [((6, 20), (60_000, 30)), ((12, 40), (40_000, 30)), ((30, 10), (200_000, 60)), ((3, 7), (45_000, 9))]
        {
            let plans = format!(
                r#"{{"plans": {{"a": {{"limits": [
                    {{"name": "requests", "kind": "window", "limit": {most}, "window": "{seconds}s"}},
                    {{"name": "tokens", "kind": "window", "unit": "tokens", "limit": {tokens},
                        "window": "{tokens_seconds}s"}}
                ]}}}}}}"#
            );
            let told = replayed(&text, &plans, None).unwrap().part.candidate;
            let expected = naive(&text, (most, seconds * 1_000), (tokens, tokens_seconds * 1_000));
            for (account, expected) in expected {
                let (_, found) = told.accounts.iter().find(|(name, _)| *name == account).unwrap();
                let by = |limit: &str| found.limits.get(limit).map_or(0, |limit| limit.refused);
                let found = [found.tally.limited, by("requests"), by("tokens")];
                assert_eq!(
                    found, expected,
                    "seed {seed}, {account}, {most} in {seconds} s, {tokens} in {tokens_seconds} s"
                );
                refused_in_all += expected[0];
            }
        }
    }
    assert!(refused_in_all > 3_000, "{refused_in_all}");
}
