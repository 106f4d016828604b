//! Ollama's doors at an open origin: whole and in lines, thinking, calls, numbers, refusals, and what is beside them.

use crate::harness::{Harness, chat_with, parts};
use serde_json::{Value, json};
use sluice_origin::models::scripted::{Fault, MODEL, Say};

async fn open() -> Harness {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    harness
}

/// A request with more members; its status, and its answer's lines.
async fn ask(harness: &Harness, path: &str, members: &Value) -> (u16, Vec<Value>) {
    let mut body = match path {
        "/api/generate" => json!({"model": MODEL, "prompt": "hi"}),
        _ => chat_with("hi", &json!({})),
    };
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let request = harness.client.post(format!("{}{path}", harness.url)).header("content-type", "application/json");
    let response = request.body(body.to_string()).send().await.unwrap();
    let (status, kind) = (response.status().as_u16(), response.headers()["content-type"].clone());
    let text = response.text().await.unwrap();
    let is_stream = kind == "application/x-ndjson";
    assert_eq!(text.ends_with('\n'), is_stream, "{text}");
    assert!(is_stream || kind == "application/json");
    (status, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn joined(lines: &[Value], member: &str) -> String {
    lines.iter().filter_map(|line| line.pointer(member)?.as_str()).collect()
}

/// What an answer counted and why it ended.
fn counted(last: &Value) -> Value {
    for duration in ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"] {
        assert!(last[duration].as_u64().is_some_and(|ns| ns >= 1_000_000), "{last}");
    }
    json!([last["done"], last["done_reason"], last["prompt_eval_count"], last["eval_count"]])
}

#[tokio::test]
async fn an_answer_is_the_same_whole_in_lines_and_as_a_chat_s() {
    let harness = open().await;
    let said = "<think>\nOf\u{2028}it.\n</think>\n\nh\u{85}\u{e9}llo";
    for _ in 0..5 {
        harness.script.say(Say::text(said));
    }
    let (status, chat) = parts(harness.post(&chat_with("hi", &json!({"max_tokens": 90}))).send().await.unwrap()).await;
    assert_eq!(status, 200, "{chat}");
    let message = &chat["choices"][0]["message"];
    let options = json!({"options": {"num_predict": 90}});
    let whole = json!({"options": {"num_predict": 90}, "stream": false});
    let mut counts = Vec::new();
    for (path, content, thinking) in
        [("/api/chat", "/message/content", "/message/thinking"), ("/api/generate", "/response", "/thinking")]
    {
        let (status, one) = ask(&harness, path, &whole).await;
        assert_eq!((status, one.len()), (200, 1));
        let (status, lines) = ask(&harness, path, &options).await;
        assert_eq!(status, 200);
        assert!(lines.len() > 3, "{lines:?}");
        for lines in [&one, &lines] {
            assert_eq!(joined(lines, content), message["content"].as_str().unwrap());
            assert_eq!(joined(lines, thinking), message["reasoning_content"].as_str().unwrap());
            assert!(lines.iter().all(|line| line["model"] == MODEL && line["created_at"].as_str().is_some()));
            counts.push(counted(lines.last().unwrap()));
        }
        // The mark of each line, and of the last what a chat's usage says.
        assert!(lines.iter().all(|line| line["used"].is_string()) && one[0].get("used").is_none());
        let usage = &chat["usage"];
        let [prompt, completion] = ["prompt_tokens", "completion_tokens"].map(|name| usage[name].as_u64().unwrap());
        let thought = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
        assert_eq!(lines.last().unwrap()["used"], format!("{prompt}/{completion}/{thought} complete"));
        assert_eq!(*counts.last().unwrap(), json!([true, "stop", prompt, completion]));
    }
    assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{counts:?}");
    let prompts = harness.script.prompts();
    assert!(prompts.windows(2).all(|pair| pair[0] == pair[1]), "{prompts:?}");
}

#[tokio::test]
async fn calls_are_objects_on_one_line_and_numbers_are_told() {
    let harness = open().await;
    let said = "<tool_call>\n{\"name\": \"w\", \"arguments\": {\n \"used\": \"9/9/9 complete\"}}\n</tool_call>";
    for _ in 0..2 {
        harness.script.say(Say::text(said));
    }
    let tools = json!([{"type": "function", "function": {"name": "w", "parameters": {"type": "object"}}}]);
    for stream in [false, true] {
        let (_, lines) = ask(&harness, "/api/chat", &json!({"tools": tools, "stream": stream})).await;
        let calls: Vec<&Value> =
            lines.iter().filter_map(|line| line["message"]["tool_calls"].as_array()).flatten().collect();
        assert_eq!(calls.len(), 1, "{lines:?}");
        let function = json!({"index": 0, "name": "w", "arguments": {"used": "9/9/9 complete"}});
        assert_eq!(calls[0]["function"], function);
        assert!(calls[0]["id"].as_str().is_some_and(|id| id.starts_with("call_")));
        assert_eq!(lines.last().unwrap()["done_reason"], "stop");
    }
    harness.script.say(Say::text("ab"));
    let (_, lines) = ask(&harness, "/api/chat", &json!({"logprobs": true, "top_logprobs": 1, "stream": false})).await;
    assert_eq!(lines[0]["logprobs"][0]["token"], "a", "{lines:?}");
    harness.script.say(Say::text("abcdef"));
    let (_, lines) = ask(&harness, "/api/generate", &json!({"options": {"num_predict": 2}, "stream": false})).await;
    assert_eq!((&lines[0]["response"], &lines[0]["done_reason"]), (&json!("ab"), &json!("length")));
    let (_, lines) =
        ask(&harness, "/api/generate", &json!({"raw": true, "prompt": "<|im_start|>", "stream": false})).await;
    assert_eq!(lines[0]["prompt_eval_count"], 1, "{lines:?}");
}

/// A refusal before an answer has its status, and one within it is a line: a text, that tells names of Ollama's.
#[tokio::test]
async fn refusals_are_texts() {
    let harness = open().await;
    for (path, members, status, code, told) in [
        ("/api/chat", json!({"stream": "yes"}), 400, "invalid_request", "`stream`"),
        ("/api/chat", json!({"model": "other"}), 404, "model_not_found", "model"),
        ("/api/chat", json!({"format": {"not": {}}}), 400, "invalid_request", "`format`"),
        (
            "/api/generate",
            json!({"options": {"num_predict": 4_090}, "prompt": "x".repeat(200)}),
            400,
            "",
            "num_predict",
        ),
        ("/api/generate", json!({"images": ["aGk="]}), 422, "unsupported_parameter", "`images`"),
        ("/api/generate", json!({"prompt": "x".repeat(5_000)}), 400, "context_length_exceeded", "5000"),
    ] {
        let (found, lines) = ask(&harness, path, &members).await;
        assert_eq!(found, status, "{lines:?}");
        let text = lines[0]["error"].as_str().unwrap();
        assert!(text.contains(told) || told == "5000", "{text}");
        assert!(code.is_empty() || lines[0]["code"] == code, "{lines:?}");
    }
    harness.script.say(Say::fail_after("half", Fault::Row));
    let (status, lines) = ask(&harness, "/api/chat", &json!({})).await;
    let (last, before) = lines.split_last().unwrap();
    assert_eq!((status, joined(before, "/message/content").as_str()), (200, "half"));
    assert_eq!(last["code"], "internal_error", "{last}");
    assert!(last["error"].is_string() && last["used"].as_str().is_some_and(|used| used.ends_with(" internal_error")));
    for path in ["/api/pull", "/api/delete", "/api/nothing"] {
        let (status, refusal) =
            parts(harness.client.post(format!("{}{path}", harness.url)).send().await.unwrap()).await;
        assert_eq!((status, refusal["error"].is_string()), (404, true), "{path}: {refusal}");
    }
}

#[tokio::test]
async fn models_are_looked_at_as_ollama_s_clients_do() {
    let harness = open().await;
    let full = format!("{MODEL}:latest");
    for path in ["/api/tags", "/api/ps"] {
        let (status, list) = parts(harness.get(path).send().await.unwrap()).await;
        assert_eq!((status, &list["models"][0]["name"]), (200, &json!(full)), "{list}");
    }
    let show = async |body: Value| {
        let request =
            harness.client.post(format!("{}/api/show", harness.url)).header("content-type", "application/json");
        parts(request.body(body.to_string()).send().await.unwrap()).await
    };
    let (status, shown) = show(json!({"model": full})).await;
    assert_eq!(status, 200, "{shown}");
    assert_eq!(shown["capabilities"], json!(["completion", "tools", "thinking"]));
    assert_eq!(shown["model_info"]["qwen.context_length"], 4096);
    assert_eq!(show(json!({"model": "other"})).await.0, 404);
    assert_eq!(show(json!({})).await.0, 400);
    let root = harness.get("/").send().await.unwrap();
    assert_eq!((root.status().as_u16(), root.text().await.unwrap().as_str()), (200, "Ollama is running"));
    assert!(parts(harness.get("/api/version").send().await.unwrap()).await.1["version"].is_string());
}

/// Nothing is generated, and no slot is waited for.
#[tokio::test]
async fn an_empty_prompt_says_whether_its_model_is_there() {
    let harness = open().await;
    for (path, members, status, reason) in [
        ("/api/chat", json!({"messages": []}), 200, "load"),
        ("/api/generate", json!({"prompt": "", "keep_alive": 0}), 200, "unload"),
        ("/api/generate", json!({"prompt": "", "stream": false}), 200, "load"),
        ("/api/generate", json!({"prompt": "", "model": "other"}), 404, ""),
    ] {
        let (found, lines) = ask(&harness, path, &members).await;
        assert_eq!((found, lines.len()), (status, 1), "{lines:?}");
        assert_eq!(lines[0]["done_reason"].as_str().unwrap_or_default(), reason, "{lines:?}");
    }
    assert_eq!(harness.script.generated(), 0);
    harness.until_places(1, 0).await;
}
