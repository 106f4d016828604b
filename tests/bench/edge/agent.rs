//! A coding agent's conversation through both gates: how soon a turn's answer begins, beside two other times of its new tokens.
//! The model computes: made-up weights of the built-in model's shape, with room for the whole conversation.
//!
//! One is what the engine took to compute them after all that is remembered: what is above it are the gates, the
//! reading of the whole conversation and its tokens. The other is what they take as a conversation of their own: each of them
//! then sees a few hundred tokens and not 47,000, so no engine that attends to the whole conversation comes near it.

use crate::figures::{interval, median};
use crate::options::Options;
use harness::caller::MODEL;
use harness::caller::agent::{Agent, HEADERS, Size};
use harness::{RunningStack, Stack};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::time::Instant;

/// The turn that is looked at.
const TURN: usize = 20;
/// Room for 20,000 tokens of system and tools, and for the turns.
const CONTEXT: usize = 65_536;
/// Calls that are made at once in a turn.
const CALLS: [usize; 4] = [1, 3, 2, 1];
/// Of each answer: it is its beginning that is looked at.
const TOKENS: u32 = 4;

/// How an answer began.
struct Begun {
    ms: f64,
    computed: f64,
    remembered: f64,
}

/// A line for each turn that is told, and the ratio.
pub(crate) fn run(options: &Options) -> Value {
    let stack = Stack::new().made_up_origin().context(CONTEXT).slots(2).start();
    let (mut first, mut last, mut ratios, mut walks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut sizes = (0.0, 0.0);
    for round in 0..options.rounds {
        let key = stack.key().key;
        let mut agent = Agent::new(MODEL, Size::FULL, round as u64);
        for turn in 1..=TURN {
            let before = prefill_ms(&stack);
            let begun = ask(&stack, &key, &agent.request(TOKENS));
            let computing = prefill_ms(&stack) - before;
            match turn {
                1 => {
                    sizes.0 = begun.computed + begun.remembered;
                    first.push(begun.ms);
                }
                TURN => {
                    // Of an account that has said nothing before, so that nothing of it is remembered.
                    let alone = ask(&stack, &stack.key().key, &agent.last_turn_alone(TOKENS));
                    assert!(alone.remembered == 0.0, "an account remembers nothing of another's");
                    walks.push(begun.ms / computing);
                    ratios.push(begun.ms / (alone.ms * begun.computed / alone.computed));
                    sizes.1 = begun.computed + begun.remembered;
                    println!(
                        "round {round}: turn {TURN} of {:.0} tokens, {:.0} of them new, began after {:.1} ms; computing them took {computing:.1} ms; {:.0} tokens alone began after {:.1} ms",
                        sizes.1, begun.computed, begun.ms, alone.computed, alone.ms
                    );
                    last.push(begun.ms);
                }
                _ => {}
            }
            agent.turn(CALLS[turn % CALLS.len()]);
        }
    }
    let all = |values: &[f64]| median(values.iter().copied());
    let (low, high) = interval(ratios.iter().copied());
    let (least, most) = interval(walks.iter().copied());
    println!(
        "\nan agent's conversation at the door of Messages, through both gates\nturn 1, {:.0} tokens: begins after {:.0} ms\nturn {TURN}, {:.0} tokens: begins after {:.1} ms, {:.2} times what computing its new tokens takes ({least:.2}-{most:.2}), {:.2} times what they take as a conversation of their own ({low:.2}-{high:.2})",
        sizes.0,
        all(&first),
        sizes.1,
        all(&last),
        all(&walks),
        all(&ratios)
    );
    json!({
        "turn_1_tokens": sizes.0, "turn_1_ms": all(&first), "turn_20_tokens": sizes.1, "turn_20_ms": all(&last),
        "turn_20_of_computing_its_new_tokens": {"median": all(&walks), "low": least, "high": most},
        "turn_20_of_its_new_tokens": {"median": all(&ratios), "low": low, "high": high},
    })
}

/// How long the origin has computed for prompts so far, in milliseconds, as its metrics say.
fn prefill_ms(stack: &RunningStack) -> f64 {
    let url = format!("http://{}/metrics", stack.origin_address());
    let http = reqwest::blocking::Client::builder().no_proxy().build().expect("options without a fault");
    let text = http.get(url).send().and_then(reqwest::blocking::Response::text).expect("the origin tells its metrics");
    let sums = text.lines().filter(|line| line.starts_with("sluice_request_prefill_time_seconds_sum"));
    sums.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() * 1_000.0
}

/// When an answer's first block began, or the answer was over.
fn ask(stack: &RunningStack, key: &str, body: &Value) -> Begun {
    let url = format!("{}/messages?beta=true", stack.edge.base_url());
    let body = body.to_string();
    let http = reqwest::blocking::Client::builder().no_proxy().timeout(None).build().expect("options without a fault");
    let request = http.post(url).bearer_auth(key).header("content-type", "application/json").body(body);
    let request = HEADERS.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let start = Instant::now();
    let response = request.send().expect("the edge answers");
    assert_eq!(response.status().as_u16(), 200, "{}", response.text().unwrap_or_default());
    let (mut begun, mut usage) = (None, Value::Null);
    for line in BufReader::new(response).lines().map(|line| line.expect("a stream comes to its end")) {
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let event: Value = serde_json::from_str(data).expect("an event is JSON");
        match event["type"].as_str().unwrap_or_default() {
            "content_block_start" | "message_delta" if begun.is_none() => {
                begun = Some(start.elapsed().as_secs_f64() * 1_000.0);
            }
            "error" => panic!("{event}"),
            _ => {}
        }
        if event["type"] == "message_delta" {
            usage = event["usage"].clone();
        }
    }
    let count = |name: &str| usage[name].as_f64().unwrap_or_else(|| panic!("no {name}: {usage}"));
    let ms = begun.expect("an answer begins or ends");
    Begun { ms, computed: count("input_tokens"), remembered: count("cache_read_input_tokens") }
}
