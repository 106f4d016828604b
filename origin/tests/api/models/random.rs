//! Made-up weights in a published shape, through the program: what load tests of the real sizes stand on.

use crate::harness::{client, parts, payloads, text_of, text_of_stream, until_then};
use crate::server::program::{program, signal};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

/// The smallest shape in the precision that is made fastest: half a billion weights, some seconds. Nothing is read from a
/// disk or a network.
#[tokio::test]
async fn a_published_shape_is_served_with_made_up_weights() {
    const NAME: &str = "Qwen1.5-0.5B";
    let state = tempfile::tempdir().unwrap();
    let log = state.path().join("log");
    let arguments =
        ["serve", "--open", "--bind", "127.0.0.1:0", "--random", NAME, "--slots", "1", "--kv-tokens", "512"];
    let mut command = program(&arguments);
    command.stderr(std::fs::File::create(&log).unwrap());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Making the weights takes longer than any other wait of these tests, on a busy machine above all.
    let line = tokio::time::timeout(Duration::from_secs(240), lines.next_line()).await.unwrap().unwrap();
    let line = line.unwrap_or_else(|| panic!("it ended: {}", std::fs::read_to_string(&log).unwrap()));
    let url = serde_json::from_str::<Value>(&line).unwrap()["url"].as_str().unwrap().to_owned();

    let (_, models) = parts(client().get(format!("{url}/v1/models")).send().await.unwrap()).await;
    assert_eq!(models["data"].as_array().unwrap().len(), 1);
    // What was allowed for keys and values, and not what the shape could hold.
    assert_eq!((&models["data"][0]["id"], &models["data"][0]["context_length"]), (&json!(NAME), &json!(512)));

    let ask = |members: Value| {
        let mut body = json!({"model": NAME, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 6});
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        let request = client().post(format!("{url}/v1/chat/completions")).header("content-type", "application/json");
        request.body(body.to_string()).send()
    };
    let (status, first) = parts(ask(json!({"seed": 7})).await.unwrap()).await;
    assert_eq!((status, &first["usage"]["completion_tokens"]), (200, &json!(6)), "{first}");
    assert!(!text_of(&first).is_empty());
    let streamed = payloads(ask(json!({"seed": 7, "stream": true})).await.unwrap()).await;
    assert_eq!(text_of_stream(&streamed), text_of(&first), "the same seed as a stream");
    let (_, other) = parts(ask(json!({"seed": 8})).await.unwrap()).await;
    assert_ne!(text_of(&other), text_of(&first));

    signal(&child, "TERM").await;
    let mut code = None;
    until_then("it ends", async || {
        code = child.try_wait().unwrap();
        code.is_some()
    })
    .await;
    assert_eq!(code.unwrap().code(), Some(0));
}
