//! Text completions: a prompt as it is, and what is written after it, whole and streamed.

use crate::harness::{Harness, json_of, parts, payloads};
use serde_json::{Value, json};
use sluice_origin::models::scripted::{MODEL, Say};

fn request(harness: &Harness, members: &Value) -> reqwest::RequestBuilder {
    let mut body = json!({"model": MODEL, "prompt": "once <|im_start|>", "max_tokens": 16});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let url = format!("{}/v1/completions", harness.url);
    harness.client.post(url).header("content-type", "application/json").body(body.to_string())
}

async fn open() -> Harness {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    harness
}

#[tokio::test]
async fn what_is_written_comes_back_as_it_is() {
    let harness = open().await;
    let said = "\n\n<think>upon</think> a <tool_call>time\n";
    harness.script.say(Say::text(said));
    let (status, whole) = parts(request(&harness, &json!({"max_tokens": 200})).send().await.unwrap()).await;
    assert_eq!(status, 200, "{whole}");
    let choice = &whole["choices"][0];
    assert_eq!((&whole["object"], &choice["text"]), (&json!("text_completion"), &json!(said)));
    assert_eq!((&choice["finish_reason"], &choice["logprobs"]), (&json!("stop"), &Value::Null));
    assert!(whole["id"].as_str().unwrap().starts_with("cmpl-req_"));
    assert_eq!(whole["usage"]["completion_tokens"], said.len() + 1);
    harness.script.say(Say::text(said));
    let streamed = payloads(request(&harness, &json!({"max_tokens": 200, "stream": true})).send().await.unwrap()).await;
    let (done, events) = streamed.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let events: Vec<Value> = events.iter().map(|payload| json_of(payload)).collect();
    let text: String = events.iter().map(|event| event["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(text, said);
    let last = events.last().unwrap();
    assert_eq!((&last["choices"][0]["finish_reason"], &last["object"]), (&json!("stop"), &json!("text_completion")));
    for count in ["prompt_tokens", "completion_tokens", "total_tokens"] {
        assert_eq!(last["usage"][count], whole["usage"][count], "{count}");
    }
}

#[tokio::test]
async fn control_tokens_are_themselves_and_ids_are_taken_as_they_are() {
    let harness = open().await;
    request(&harness, &json!({})).send().await.unwrap();
    request(&harness, &json!({"prompt": [7, 8, 9]})).send().await.unwrap();
    request(&harness, &json!({"prompt": ["once"]})).send().await.unwrap();
    let prompts = harness.script.prompt_tokens();
    // The stand-in tokenizer has a token for each byte and one for each control token.
    assert_eq!(prompts[0].len(), "once ".len() + 1);
    assert_eq!(prompts[1], [7, 8, 9]);
    assert_eq!(prompts[2].len(), "once".len());
}

#[tokio::test]
async fn the_prompt_comes_first_if_asked_for_and_stop_strings_end_it() {
    let harness = open().await;
    for stream in [false, true] {
        harness.script.say(Say::text("upon a time"));
        let members = json!({"prompt": "once ", "echo": true, "stop": [" a"], "stream": stream});
        let response = request(&harness, &members).send().await.unwrap();
        let text: String = match stream {
            false => parts(response).await.1["choices"][0]["text"].as_str().unwrap().to_owned(),
            true => payloads(response)
                .await
                .iter()
                .filter(|payload| *payload != "[DONE]")
                .map(|payload| json_of(payload)["choices"][0]["text"].as_str().unwrap().to_owned())
                .collect(),
        };
        assert_eq!(text, "once upon", "stream: {stream}");
    }
}

#[tokio::test]
async fn several_answers_and_how_likely_they_were() {
    let harness = open().await;
    for text in ["ab", "c"] {
        harness.script.say(Say::text(text));
    }
    let (status, whole) = parts(request(&harness, &json!({"n": 2, "logprobs": 1})).send().await.unwrap()).await;
    assert_eq!(status, 200, "{whole}");
    assert_eq!((&whole["choices"][0]["text"], &whole["choices"][1]["text"]), (&json!("ab"), &json!("c")));
    let logprobs = &whole["choices"][0]["logprobs"];
    assert_eq!((&logprobs["tokens"], &logprobs["text_offset"]), (&json!(["a", "b"]), &json!([0, 1])));
    assert_eq!(logprobs["token_logprobs"].as_array().unwrap().len(), 2);
    assert!(logprobs["top_logprobs"][0]["a"].is_number());
    assert_eq!(whole["choices"][1]["logprobs"]["text_offset"], json!([0]));
    for text in ["ab", "c"] {
        harness.script.say(Say::text(text));
    }
    let members = json!({"n": 2, "logprobs": 1, "stream": true});
    let streamed = payloads(request(&harness, &members).send().await.unwrap()).await;
    let offsets: Vec<(u64, u64)> = streamed
        .iter()
        .filter(|payload| *payload != "[DONE]")
        .map(|payload| json_of(payload)["choices"][0].clone())
        .filter(|choice| choice["logprobs"].is_object())
        .map(|choice| (choice["index"].as_u64().unwrap(), choice["logprobs"]["text_offset"][0].as_u64().unwrap()))
        .collect();
    assert_eq!(offsets, [(0, 0), (0, 1), (1, 0)], "offsets go on within an answer and begin anew with the next");
}

#[tokio::test]
async fn what_cannot_be_continued_is_refused_by_name() {
    let harness = open().await;
    let table = [
        (json!({"prompt": [1_000_000]}), 400, "prompt"),
        (json!({"prompt": ""}), 400, "prompt"),
        (json!({"prompt": ["a", ""]}), 400, "prompt"),
        (json!({"prompt": ["a", "x".repeat(100_000)]}), 400, "prompt"),
        (json!({"prompt": [[1], [1_000_000]]}), 400, "prompt"),
        (json!({"prompt": vec!["a"; 17]}), 400, "prompt"),
        (json!({"prompt": "x".repeat(100_000)}), 400, "prompt"),
        (json!({"model": "other"}), 404, "model"),
        (json!({"logit_bias": {"999999": 1}}), 400, "logit_bias"),
    ];
    for (members, status, param) in table {
        let (found, body) = parts(request(&harness, &members).send().await.unwrap()).await;
        assert_eq!((found, &body["error"]["param"]), (status, &json!(param)), "{body}");
    }
    assert_eq!(harness.status("/v1/completions").await, 405);
}
