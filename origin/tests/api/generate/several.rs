//! `n` answers of one prompt: in their order, in one slot, and told together.

use crate::harness::{Harness, chat_with, json_of, parts, payloads, until};
use serde_json::{Value, json};
use sluice_origin::models::scripted::{Fault, Say};

fn texts(completion: &Value) -> Vec<&str> {
    let choices = completion["choices"].as_array().unwrap();
    choices
        .iter()
        .enumerate()
        .map(|(index, choice)| {
            assert_eq!(choice["index"], index);
            assert_eq!(choice["finish_reason"], "stop");
            choice["message"]["content"].as_str().unwrap()
        })
        .collect()
}

#[tokio::test]
async fn answers_come_in_order_and_the_prompt_counts_once() {
    let harness = Harness::open(4, 0).await;
    harness.script.allow_all();
    let said = ["a", "<think>b</think>bb", "ccc"];
    for say in said {
        harness.script.say(Say::text(say));
    }
    let (status, completion) = parts(harness.post(&chat_with("hi", &json!({"n": 3}))).send().await.unwrap()).await;
    assert_eq!(status, 200, "{completion}");
    assert_eq!(texts(&completion), ["a", "bb", "ccc"]);
    assert_eq!(completion["choices"][1]["message"]["reasoning_content"], "b");
    let usage = &completion["usage"];
    let prompts = harness.script.prompt_tokens();
    assert!(prompts.len() == 3 && prompts.iter().all(|prompt| *prompt == prompts[0]));
    let completed: usize = said.iter().map(|text| text.len() + 1).sum();
    assert_eq!(usage["prompt_tokens"], prompts[0].len());
    assert_eq!(usage["completion_tokens"], completed);
    assert_eq!(usage["total_tokens"], prompts[0].len() + completed);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], "<think>b</think>".len());
    // One slot, however many are free.
    assert_eq!(harness.script.widest_step(), 1);
    // One request.
    let metrics = harness.get("/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        "sluice_requests_total{model_name=\"scripted\",outcome=\"stop\"} 1",
        "sluice_time_to_first_token_seconds_count{model_name=\"scripted\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    harness.until_places(4, 0).await;
}

#[tokio::test]
async fn a_stream_names_the_answer_in_every_event() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    for include_usage in [false, true] {
        let said = ["a", "bé", ""];
        for say in said {
            harness.script.say(Say::text(say));
        }
        let members = json!({"n": 3, "stream": true, "stream_options": {"include_usage": include_usage}});
        let events = payloads(harness.post(&chat_with("hi", &members)).send().await.unwrap()).await;
        let [chunks @ .., done] = events.as_slice() else { panic!("no events") };
        assert_eq!(done, "[DONE]");
        let chunks: Vec<Value> = chunks.iter().map(|event| json_of(event)).collect();
        let (last, before) = chunks.split_last().unwrap();
        assert!(before.iter().all(|chunk| chunk.get("usage").is_none()), "{chunks:?}");
        assert_eq!(last["usage"]["completion_tokens"], said.len() + said.concat().len());
        assert_eq!(last["choices"].as_array().unwrap().is_empty(), include_usage);
        let mut told = Vec::new();
        for choice in chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap()) {
            let delta = &choice["delta"];
            let what = match (delta["role"].as_str(), choice["finish_reason"].as_str()) {
                (Some(role), None) => role,
                (None, Some(reason)) => reason,
                _ => delta["content"].as_str().unwrap(),
            };
            told.push((choice["index"].as_u64().unwrap(), what));
        }
        let a = "assistant";
        assert_eq!(told, [(0, a), (0, "a"), (0, "stop"), (1, a), (1, "b"), (1, "é"), (1, "stop"), (2, a), (2, "stop")]);
    }
    harness.until_places(1, 0).await;
}

#[tokio::test]
async fn each_answer_has_a_seed_of_its_own() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let flat: Vec<(u32, f32)> = (0..26).map(|letter| (u32::from(b'a') + letter, 1.0)).collect();
    let ask = async |members: Value| {
        (0..3).for_each(|_| harness.script.say(Say::logits(vec![flat.clone(); 12])));
        let (_, completion) = parts(harness.post(&chat_with("hi", &members)).send().await.unwrap()).await;
        let texts: Vec<String> = texts(&completion).into_iter().map(str::to_owned).collect();
        texts
    };
    let all = ask(json!({"n": 3, "seed": -2})).await;
    assert!(all[0] != all[1] && all[1] != all[2], "{all:?}");
    // What is left of the script is taken by nobody.
    for (seed, text) in [-2, -1, 0].into_iter().zip(&all) {
        let alone = Harness::open(1, 0).await;
        alone.script.allow_all();
        alone.script.say(Say::logits(vec![flat.clone(); 12]));
        let (_, completion) = parts(alone.post(&chat_with("hi", &json!({"seed": seed}))).send().await.unwrap()).await;
        assert_eq!(texts(&completion), [text.as_str()], "{seed}");
    }
}

#[tokio::test]
async fn what_breaks_off_breaks_all_of_it() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    for stream in [false, true] {
        harness.script.say(Say::text("a"));
        harness.script.say(Say::fail_after("b", Fault::Row));
        let response = harness.post(&chat_with("hi", &json!({"n": 3, "stream": stream}))).send().await.unwrap();
        if stream {
            let events = payloads(response).await;
            assert_eq!(json_of(events.last().unwrap())["error"]["code"], "internal_error", "{events:?}");
        } else {
            assert_eq!(parts(response).await.0, 500);
        }
        harness.until_places(1, 0).await;
    }
    assert_eq!(harness.script.prompts().len(), 4);
}

#[tokio::test]
async fn a_caller_that_leaves_in_the_middle_ends_all_of_it() {
    let harness = Harness::open(1, 0).await;
    for stream in [false, true] {
        let before = harness.script.prompts().len();
        harness.script.hold();
        harness.script.say(Say::text("a"));
        harness.script.say(Say::endless("b"));
        let mut request = tokio::spawn(harness.post(&chat_with("hi", &json!({"n": 3, "stream": stream}))).send());
        until("the second answer began", || {
            if harness.script.is_blocked() {
                harness.script.allow(1);
            }
            harness.script.prompts().len() == before + 2
        })
        .await;
        if stream {
            drop((&mut request).await.unwrap().unwrap());
        }
        request.abort();
        until("the slot is free", || {
            harness.script.allow(1);
            harness.script.occupied() == 0
        })
        .await;
        harness.until_places(1, 0).await;
        assert_eq!(harness.script.prompts().len(), before + 2);
    }
}
