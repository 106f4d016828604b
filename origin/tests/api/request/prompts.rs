//! Several prompts of one text completion: answered each as alone, in one slot, counted together.

use crate::harness::{Edge, Harness, claims, json_of, parts, payloads, until};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::{MODEL, Say};
use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::request::bodies::chat::ChatBounds;

fn body(members: &Value) -> Value {
    let mut body = json!({"model": MODEL, "prompt": ["ab", "c"], "max_tokens": 16});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

fn request(harness: &Harness, members: &Value) -> RequestBuilder {
    let url = format!("{}/v1/completions", harness.url);
    harness.client.post(url).header("content-type", "application/json").body(body(members).to_string())
}

async fn ask(harness: &Harness, members: &Value) -> Value {
    let (status, completion) = parts(request(harness, members).send().await.unwrap()).await;
    assert_eq!(status, 200, "{completion}");
    completion
}

fn texts(completion: &Value) -> Vec<&str> {
    let mut texts = Vec::new();
    for (index, choice) in completion["choices"].as_array().unwrap().iter().enumerate() {
        assert_eq!(choice["index"], index);
        texts.push(choice["text"].as_str().unwrap());
    }
    texts
}

fn counts(completion: &Value) -> [u64; 3] {
    ["prompt_tokens", "completion_tokens", "total_tokens"].map(|name| completion["usage"][name].as_u64().unwrap())
}

#[tokio::test]
async fn answers_come_prompt_by_prompt_and_each_prompt_counts_once() {
    let harness = Harness::open(4, 0).await;
    harness.script.allow_all();
    let said = ["1", "22", "", "4444"];
    let say = || said.iter().for_each(|text| harness.script.say(Say::text(text)));
    say();
    let whole = ask(&harness, &json!({"n": 2})).await;
    assert_eq!(texts(&whole), said);
    // Two prompts of two tokens and of one; every answer has one that ends it.
    assert_eq!(counts(&whole), [3, 7 + 4, 14]);
    let [ab, c]: [Vec<u32>; 2] = ["ab", "c"].map(|text| text.bytes().map(u32::from).collect());
    assert_eq!(harness.script.prompt_tokens(), [ab.clone(), ab, c.clone(), c]);
    // One slot, however many are free; one request.
    assert_eq!(harness.script.widest_step(), 1);
    let metrics = harness.get("/metrics").send().await.unwrap().text().await.unwrap();
    // One of the four has no token: it never began.
    for line in [
        "sluice_requests_total{model_name=\"scripted\",outcome=\"stop\"} 1\n",
        "sluice_request_prefill_time_seconds_count{model_name=\"scripted\"} 3\n",
        "sluice_request_decode_time_seconds_count{model_name=\"scripted\"} 3\n",
        "sluice_prefix_cache_queries_total{model_name=\"scripted\"} 5\n",
        "sluice_prefix_cache_hits_total{model_name=\"scripted\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    // The same prompts as tokens, with themselves before their answers.
    say();
    let echoed = ask(&harness, &json!({"n": 2, "echo": true, "prompt": [[97, 98], [99]]})).await;
    assert_eq!(texts(&echoed), ["ab1", "ab22", "c", "c4444"]);
    assert_eq!(counts(&echoed), counts(&whole));
    // A stream says the same, each answer with its index, one after another.
    for echo in [false, true] {
        say();
        let members = json!({"n": 2, "echo": echo, "stream": true, "stream_options": {"include_usage": true}});
        let events = payloads(request(&harness, &members).send().await.unwrap()).await;
        let [chunks @ .., last, done] = events.as_slice() else { panic!("{events:?}") };
        let (mut streamed, mut order) = (vec![String::new(); 4], Vec::new());
        for choice in chunks.iter().map(|event| json_of(event)["choices"][0].clone()) {
            let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
            streamed[index] += choice["text"].as_str().unwrap();
            order.push((index, choice["finish_reason"].is_string()));
        }
        assert_eq!(streamed, texts(if echo { &echoed } else { &whole }));
        assert!(order.is_sorted() && order.iter().filter(|(_, ends)| *ends).count() == 4, "{order:?}");
        assert_eq!((counts(&json_of(last)), done.as_str()), (counts(&whole), "[DONE]"));
    }
    harness.until_places(4, 0).await;
}

/// A seed says the same of a prompt, whatever stands beside it.
#[tokio::test]
async fn each_prompt_is_answered_as_alone() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let flat: Vec<(u32, f32)> = (0..26).map(|letter| (u32::from(b'a') + letter, 1.0)).collect();
    let ask = async |members: Value, answers: usize| {
        (0..answers).for_each(|_| harness.script.say(Say::logits(vec![flat.clone(); 12])));
        let completion = ask(&harness, &members).await;
        texts(&completion).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let together = ask(json!({"prompt": ["a", "b", "a"], "n": 2, "seed": 5}), 6).await;
    assert_ne!(together[0], together[1]);
    let alone = ask(json!({"prompt": "b", "n": 2, "seed": 5}), 2).await;
    assert_eq!((&together[2..4], &together[4..]), (&alone[..], &together[..2]));
}

/// What is told of a request that was ended in the middle: the prompts that were begun with, and no other.
#[tokio::test]
async fn who_is_cancelled_has_used_the_prompts_that_were_begun_with() {
    let harness = Harness::open(1, 0).await;
    for say in [Say::text("1"), Say::text("2"), Say::endless("x")] {
        harness.script.say(say);
    }
    let members = json!({"prompt": ["ab", "c", "defg"], "n": 2, "stream": true});
    let response = request(&harness, &members).send().await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    until("the second prompt has begun", || {
        if harness.script.is_blocked() && harness.script.generated() < 6 {
            harness.script.allow(1);
        }
        harness.script.generated() == 6 && harness.script.is_blocked()
    })
    .await;
    let asked = tokio::spawn(harness.client.delete(format!("{}/v1/requests/{id}", harness.url)).send());
    until("it is over", || {
        harness.script.allow(1);
        asked.is_finished()
    })
    .await;
    let (status, report) = parts(asked.await.unwrap().unwrap()).await;
    assert_eq!((status, report["usage"]["prompt_tokens"].as_u64()), (200, Some(3)), "{report}");
    assert_eq!(report["usage"]["completion_tokens"], harness.script.generated());
    harness.until_places(1, 0).await;
    assert_eq!(harness.script.prompts(), ["ab", "ab", "c"]);
}

/// A grant is about all of them together: too small for their sum, it comes back with the sum.
#[tokio::test]
async fn a_grant_holds_for_all_prompts_together() {
    let edge = Edge::new("k1");
    let bounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 100 };
    let config = Config { slots: 1, queue: 0, bounds, access: edge.access(), ..Config::local() };
    let harness = Harness::with(config).await;
    harness.script.allow_all();
    let send = async |(tok, max, inp): (u64, u32, u32)| {
        let bytes = body(&json!({"max_tokens": 10})).to_string().into_bytes();
        let grant = edge.sign(&GrantClaims { tok, max, inp, ..claims(&bytes) });
        let response = request(&harness, &json!({"max_tokens": 10})).header("x-sluice-grant", grant).send().await;
        let response = response.unwrap();
        let counted = response.headers().get("x-sluice-prompt-tokens").map(|value| value.to_str().unwrap().to_owned());
        let (status, body) = parts(response).await;
        (status, counted, body)
    };
    for (grant, expected, counted) in
        [((3 + 20, 20, 3), 200, None), ((3 + 20 - 1, 20, 0), 409, Some("3")), ((0, 0, 2), 403, None)]
    {
        let (status, told, answer) = send(grant).await;
        assert_eq!((status, told.as_deref()), (expected, counted), "{grant:?}: {answer}");
    }
}
