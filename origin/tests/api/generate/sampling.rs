//! What a request says of sampling reaches the sampler: a model whose logits the test hands out, through the whole gate.

use crate::harness::{Harness, chat_with, json_of, parts, payloads, text_of};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;

const A: u32 = b'a' as u32;
const B: u32 = b'b' as u32;
const C: u32 = b'c' as u32;

async fn said(harness: &Harness, say: Say, members: &Value) -> String {
    harness.script.say(say);
    let (status, completion) = parts(harness.post(&chat_with("hi", members)).send().await.unwrap()).await;
    assert_eq!(status, 200, "{completion}");
    text_of(&completion).to_owned()
}

/// Five times the same logits: what differs is what the request asked for.
fn same(logits: &[(u32, f32)]) -> Say {
    Say::logits(vec![logits.to_vec(); 5])
}

#[tokio::test]
async fn every_member_changes_what_is_said() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let logits = [(A, 3.0), (B, 2.0), (C, 1.0)];
    for (members, expected) in [
        (json!({"temperature": 0}), "aaaaa"),
        (json!({"temperature": 0, "logit_bias": {A.to_string(): -5, C.to_string(): 3}}), "ccccc"),
        (json!({"temperature": 0, "presence_penalty": 1.5}), "abaaa"),
        (json!({"temperature": 0, "frequency_penalty": 0.75}), "aabab"),
        (json!({"temperature": 0, "repetition_penalty": 2.0}), "baaaa"),
        (json!({"top_k": 1}), "aaaaa"),
        (json!({"min_p": 0.5}), "aaaaa"),
        (json!({"top_p": 0.5}), "aaaaa"),
    ] {
        assert_eq!(said(&harness, same(&logits), &members).await, expected, "{members}");
    }
}

/// Repetition looks at the prompt too: the message holds the letter that is likeliest, and no other of the two.
#[tokio::test]
async fn the_prompt_counts_as_repeated() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    // The template's own words hold an `a` and no `z`.
    let z = u32::from(b'z');
    let logits = [(A, 3.0), (z, 2.0)];
    let penalty = |number: f64| json!({"temperature": 0, "max_tokens": 1, "repetition_penalty": number});
    assert_eq!(said(&harness, same(&logits), &penalty(1.0)).await, "a");
    assert_eq!(said(&harness, same(&logits), &penalty(2.0)).await, "z");
}

#[tokio::test]
async fn a_seed_decides_whatever_else_runs() {
    let harness = Harness::open(2, 0).await;
    let flat: Vec<(u32, f32)> = (A..A + 26).map(|token| (token, 1.0)).collect();
    let say = Say::logits(vec![flat; 40]);
    harness.script.allow_all();
    let seeded = json!({"seed": 7, "top_k": 20});
    let alone = said(&harness, say.clone(), &seeded).await;
    assert_eq!(said(&harness, say.clone(), &seeded).await, alone);
    assert_ne!(said(&harness, say.clone(), &json!({"seed": 8, "top_k": 20})).await, alone);
    harness.script.hold();
    harness.script.say(say.clone());
    harness.script.say(say);
    let first = harness.start(&chat_with("hi", &seeded));
    let second = harness.start(&chat_with("ho", &seeded));
    harness.until_wide(2).await;
    for answer in [first, second] {
        assert_eq!(text_of(&answer.await.unwrap().1), alone);
    }
}

#[tokio::test]
async fn what_the_model_does_not_have_is_refused() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let bias = |token: &str| chat_with("hi", &json!({"logit_bias": {token: 1}}));
    // 288 tokens, numbered from 0.
    let (status, body) = parts(harness.post(&bias("288")).send().await.unwrap()).await;
    assert_eq!((status, body["error"]["param"].as_str()), (400, Some("logit_bias")), "{body}");
    assert_eq!(body["error"]["message"], "`logit_bias` names the token 288; this model has 288.");
    assert_eq!(parts(harness.post(&bias("287")).send().await.unwrap()).await.0, 200);
    harness.until_places(1, 0).await;
}

/// A temperature that is next to nothing is greedy: divided by it, logits would be no numbers.
#[tokio::test]
async fn the_smallest_temperature_is_survived() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let members = json!({"temperature": 5e-324, "top_p": 0.5});
    assert_eq!(said(&harness, same(&[(A, 3.0), (B, 2.0)]), &members).await, "aaaaa");
    assert_eq!(harness.status("/ready").await, 200);
}

/// The likeliest first, before temperature, penalties and bias; the same in whole answers and streams; a stop string's
/// tokens too, a part of a character without bytes, and the ending token not at all.
#[tokio::test]
async fn log_probabilities_are_the_models_own() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let half = 0.5f32.ln();
    let quarter = 0.25f32.ln();
    // é is two tokens; then a stop string of which only the second letter shows that it is one.
    let [first, second] = "é".as_bytes() else { panic!("two bytes") };
    let certain = |byte: u8| vec![(u32::from(byte), 100.0)];
    let steps = vec![
        vec![(A, half), (B, quarter), (C, quarter)],
        certain(*first),
        certain(*second),
        certain(b'S'),
        certain(b'T'),
    ];
    let asked =
        json!({"logprobs": true, "top_logprobs": 2, "temperature": 0, "logit_bias": {C.to_string(): 5}, "stop": "ST"});
    harness.script.say(Say::logits(steps.clone()));
    let (_, completion) = parts(harness.post(&chat_with("hi", &asked)).send().await.unwrap()).await;
    assert_eq!(text_of(&completion), "cé");
    let content = completion["choices"][0]["logprobs"]["content"].as_array().unwrap();
    let tokens: Vec<&str> = content.iter().map(|entry| entry["token"].as_str().unwrap()).collect();
    assert_eq!(tokens, ["c", "\u{fffd}", "\u{fffd}", "S", "T"]);
    let near = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-4;
    // The bias made it the choice and is not in its number.
    assert!(near(&content[0]["logprob"], 0.25f64.ln()), "{content:?}");
    assert_eq!(content[0]["bytes"], json!([C]));
    let top = content[0]["top_logprobs"].as_array().unwrap();
    assert_eq!((top.len(), &top[0]["token"], &top[1]["token"]), (2, &json!("a"), &json!("b")));
    assert!(near(&top[0]["logprob"], 0.5f64.ln()) && near(&top[1]["logprob"], 0.25f64.ln()));
    // Parts of a character have their own bytes, which are the character once they are joined.
    assert_eq!((&content[1]["bytes"], &content[2]["bytes"]), (&json!([first]), &json!([second])));

    let mut streamed = asked.clone();
    streamed["stream"] = true.into();
    harness.script.say(Say::logits(steps.clone()));
    let all = payloads(harness.post(&chat_with("hi", &streamed)).send().await.unwrap()).await;
    let entries: Vec<Value> = all
        .iter()
        .filter(|payload| *payload != "[DONE]")
        .filter_map(|payload| json_of(payload)["choices"][0]["logprobs"]["content"].as_array().cloned())
        .flatten()
        .collect();
    assert_eq!(&entries, content);

    harness.script.say(Say::logits(steps.clone()));
    let (_, plain) = parts(harness.post(&chat_with("hi", &json!({"stop": "ST"}))).send().await.unwrap()).await;
    assert!(plain["choices"][0].get("logprobs").is_none());
    harness.script.say(Say::logits(steps));
    let alone = json!({"logprobs": true, "max_tokens": 1});
    let (_, alone) = parts(harness.post(&chat_with("hi", &alone)).send().await.unwrap()).await;
    assert_eq!(alone["choices"][0]["logprobs"]["content"][0]["top_logprobs"], json!([]));
}
