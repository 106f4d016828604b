//! A coding agent's conversation at the door of Messages, replayed through both gates: each request holds all that was said
//! before, and what was computed of it is not computed again.

use harness::caller::MODEL;
use harness::caller::agent::{Agent, HEADERS, Size};
use harness::wait::{SOON, until_true};
use harness::{Answer, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;

/// A turn's request, and how many calls the model then makes at once.
const CALLS: [usize; 6] = [1, 3, 2, 1, 4, 2];
/// Those that are sent of a hundred.
const SENT: [usize; 9] = [1, 2, 3, 4, 5, 10, 20, 50, 100];

fn send(stack: &RunningStack, key: &str, body: &Value) -> Answer {
    let send = |http: &reqwest::blocking::Client, base: &str| {
        let request = http.post(format!("{base}/v1/messages?beta=true")).bearer_auth(key).json(body);
        HEADERS.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    stack.edge.send(send).from_edge()
}

/// All events of a stream that has come to its end.
fn events(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = std::str::from_utf8(&answer.body).expect("events are texts");
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).expect("events are JSON"))
        .collect();
    assert_eq!(events.last().map(|event| &event["type"]), Some(&json!("message_stop")), "{text}");
    events
}

/// What the prompt was, computed and remembered.
fn prompt(event: &Value) -> (u64, u64) {
    let usage = if event["message"].is_object() { &event["message"]["usage"] } else { &event["usage"] };
    let count = |name: &str| usage[name].as_u64().unwrap_or_else(|| panic!("{event}"));
    (count("input_tokens"), count("cache_read_input_tokens"))
}

#[test]
fn a_hundred_turns_of_an_agent_are_answered_and_begin_alike() {
    let stack = Stack::new().limit("1000 per 1h").context(200_000).start();
    let key = stack.key();
    let mut agent = Agent::new(MODEL, Size::SMALL, 7);
    stack.script().allow_all();
    let mut turns = 0;
    for turn in 1..=100 {
        if SENT.contains(&turn) {
            turns += 1;
            let call = r#"{"name": "Read_0", "arguments": {"path": "src/a.rs"}}"#.bytes().map(u32::from);
            stack.script().say(Say::tokens([270].into_iter().chain(call).chain([271]).collect()));
            let events = events(&send(&stack, &key.key, &agent.request(4_096)));
            let pieces = events.iter().filter(|event| event["delta"]["type"] == "input_json_delta").count();
            assert!(pieces > 10, "{events:?}");
            let block = events.iter().find(|event| event["type"] == "content_block_start").expect("a block");
            assert_eq!(
                (&block["content_block"]["type"], &block["content_block"]["name"]),
                (&json!("tool_use"), &json!("Read_0"))
            );
        }
        agent.turn(CALLS[turn % CALLS.len()]);
    }
    // Marks that move change no prompt: each begins with the one before, but for where its answer was to begin.
    let prompts = stack.script().prompt_tokens();
    assert_eq!(prompts.len(), turns);
    for pair in prompts.windows(2) {
        let shared = pair[0].iter().zip(&pair[1]).take_while(|(one, other)| one == other).count();
        assert!(shared + 60 > pair[0].len(), "{shared} of {} tokens are the same", pair[0].len());
    }
    let counted = send_count(&stack, &key.key, &agent);
    assert!(counted > prompts[turns - 1].len() as u64, "{counted}");
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    let used = stack.edge.view(key.id).used;
    assert_eq!(used.prompt_tokens, prompts.iter().map(|prompt| prompt.len() as u64).sum::<u64>());
}

/// A count of the same conversation is what it would be charged.
fn send_count(stack: &RunningStack, key: &str, agent: &Agent) -> u64 {
    let mut body = agent.request(1);
    for name in ["stream", "max_tokens", "metadata"] {
        body.as_object_mut().expect("a request is an object").remove(name);
    }
    let send = |http: &reqwest::blocking::Client, base: &str| {
        http.post(format!("{base}/v1/messages/count_tokens?beta=true")).bearer_auth(key).json(&body)
    };
    stack.edge.send(send).ok().json()["input_tokens"].as_u64().expect("a count")
}

/// With a model that computes: each turn begins with what the one before left, and its answer says so when it begins.
#[test]
fn an_agent_s_turn_computes_what_is_new_in_it() {
    let stack = Stack::new().made_up_origin().context(16_384).slots(2).start();
    let key = stack.key();
    let mut agent = Agent::new(MODEL, Size::SMALL, 9);
    let mut before = 0;
    for turn in 1..=6 {
        let events = events(&send(&stack, &key.key, &agent.request(4)));
        let (computed, remembered) = prompt(&events[0]);
        let end = events.iter().find(|event| event["type"] == "message_delta").expect("an end");
        assert_eq!(prompt(end), (computed, remembered), "what is told at the beginning holds");
        if turn == 1 {
            assert_eq!(remembered, 0);
        } else {
            assert!(remembered + 30 > before, "{remembered} of {before} were remembered in turn {turn}");
            assert!(computed < 1_000, "{computed}");
        }
        before = computed + remembered;
        agent.turn(CALLS[turn % CALLS.len()]);
    }
    // Another account remembers nothing of it.
    let other = stack.key();
    let events = events(&send(&stack, &other.key, &agent.request(4)));
    assert_eq!(prompt(&events[0]).1, 0);
}
