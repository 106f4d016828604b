//! What a request says of sampling reaches the sampler: a model whose logits the test hands out, through the whole gate.

use crate::harness::{Harness, chat_with, parts, text_of};
use serde_json::{Value, json};
use sluice_origin::scripted::Say;

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
