//! Requests for calls at each door, and what their answers say.

use crate::harness::{Harness, json_of, parts, payloads};
use crate::request::messages::{order as message_order, send};
use crate::request::responses::order as response_order;
use reqwest::Response;
use serde_json::{Value, json};
use sluice_origin::models::scripted::{MODEL, Say};

/// A door, and how its requests and answers look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum At {
    Chat,
    Messages,
    Responses,
    Ollama,
}

/// All of them.
pub(super) const ALL: [At; 4] = [At::Chat, At::Messages, At::Responses, At::Ollama];

/// What came: the text, the calls, and why it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Read {
    pub(super) text: String,
    pub(super) calls: Vec<(String, String)>,
    pub(super) end: String,
}

impl At {
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::Responses => "/v1/responses",
            Self::Ollama => "/api/chat",
        }
    }

    /// Both tools are offered; `forced`: one of them has to be called.
    pub(super) fn body(self, forced: bool, max_tokens: usize, stream: bool) -> Value {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let names = ["write", "look"];
        let tools =
            names.map(|name| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}));
        let mut body = match self {
            Self::Chat => json!({"messages": messages, "tools": tools, "max_tokens": max_tokens,
                "temperature": 0, "enable_thinking": false}),
            Self::Messages => {
                let tools = names.map(|name| json!({"name": name, "input_schema": {"type": "object"}}));
                json!({"messages": messages, "tools": tools, "max_tokens": max_tokens})
            }
            Self::Responses => {
                let tools = names.map(|name| {
                    json!({"type": "function", "name": name, "strict": false,
                    "parameters": {"type": "object"}})
                });
                json!({"input": "hi", "tools": tools, "max_output_tokens": max_tokens, "temperature": 0,
                    "store": false})
            }
            Self::Ollama => json!({"messages": messages, "tools": tools, "think": false,
                "options": {"num_predict": max_tokens, "temperature": 0}}),
        };
        (body["model"], body["stream"]) = (MODEL.into(), stream.into());
        if forced {
            body["tool_choice"] = if self == Self::Messages { json!({"type": "any"}) } else { json!("required") };
        }
        body
    }

    /// Whether calls can be forced there.
    pub(super) fn forces(self) -> bool {
        self != Self::Ollama
    }

    pub(super) fn whole(self, answer: &Value) -> Read {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut read = Read::default();
        match self {
            Self::Chat => {
                let choice = &answer["choices"][0];
                (read.text, read.end) = (text(&choice["message"]["content"]), text(&choice["finish_reason"]));
                for call in choice["message"]["tool_calls"].as_array().into_iter().flatten() {
                    read.calls.push((text(&call["function"]["name"]), text(&call["function"]["arguments"])));
                }
            }
            Self::Messages => {
                read.end = text(&answer["stop_reason"]);
                for block in answer["content"].as_array().unwrap() {
                    match block["type"].as_str().unwrap() {
                        "text" => read.text += block["text"].as_str().unwrap(),
                        _ => read.calls.push((text(&block["name"]), block["input"].to_string())),
                    }
                }
            }
            Self::Responses => {
                read.end = text(&answer["status"]);
                for item in answer["output"].as_array().unwrap() {
                    match item["type"].as_str().unwrap() {
                        "message" => read.text += item["content"][0]["text"].as_str().unwrap(),
                        _ => read.calls.push((text(&item["name"]), text(&item["arguments"]))),
                    }
                }
            }
            Self::Ollama => {
                (read.text, read.end) = (text(&answer["message"]["content"]), text(&answer["done_reason"]));
                for call in answer["message"]["tool_calls"].as_array().into_iter().flatten() {
                    read.calls.push((text(&call["function"]["name"]), call["function"]["arguments"].to_string()));
                }
            }
        }
        read
    }

    /// What a stream says, put together; and how many pieces of arguments it had.
    async fn streamed(self, response: Response) -> (Read, usize) {
        let mut read = Read::default();
        let mut pieces = 0;
        match self {
            Self::Chat => {
                for chunk in
                    payloads(response).await.iter().filter(|payload| *payload != "[DONE]").map(|it| json_of(it))
                {
                    let choice = &chunk["choices"][0];
                    read.text += choice["delta"]["content"].as_str().unwrap_or_default();
                    read.end += choice["finish_reason"].as_str().unwrap_or_default();
                    let calls = choice["delta"]["tool_calls"].as_array();
                    assert!(calls.is_none_or(|calls| !calls.is_empty()), "{chunk}");
                    for call in calls.into_iter().flatten() {
                        let function = &call["function"];
                        let index = call["index"].as_u64().unwrap() as usize;
                        let is_first = index == read.calls.len();
                        assert!(is_first || index + 1 == read.calls.len(), "one call after the other: {chunk}");
                        for member in [&call["id"], &call["type"], &function["name"]] {
                            assert_eq!(member.is_string(), is_first, "{chunk}");
                        }
                        if is_first {
                            read.calls.push((function["name"].as_str().unwrap().to_owned(), String::new()));
                        }
                        let more = function["arguments"].as_str().unwrap();
                        assert!(is_first || !more.is_empty(), "{chunk}");
                        pieces += usize::from(!more.is_empty());
                        read.calls.last_mut().unwrap().1 += more;
                    }
                }
            }
            Self::Messages => {
                let stream = response.text().await.unwrap();
                pieces = stream.matches("input_json_delta").count();
                let told = message_order::Told::of(&stream);
                read = self.whole(&told.message);
                // As the client's own parser makes of them.
                for (call, input) in read.calls.iter_mut().zip(told.inputs) {
                    call.1 = input;
                }
            }
            Self::Responses => {
                let stream = response.text().await.unwrap();
                pieces = stream.matches("event: response.function_call_arguments.delta").count();
                let told = response_order::Told::of(&stream);
                read = self.whole(&told.response);
                for item in told.response["output"].as_array().unwrap() {
                    let cut = item["status"] == "incomplete";
                    assert!(!cut || told.response["status"] == "incomplete", "{item}");
                }
            }
            Self::Ollama => {
                for line in response.text().await.unwrap().lines().map(json_of) {
                    let one = self.whole(&line);
                    read.text += &one.text;
                    read.end += &one.end;
                    read.calls.extend(one.calls);
                }
                pieces = read.calls.len();
            }
        }
        (read, pieces)
    }

    /// Asks twice: whole, and in pieces.
    pub(super) async fn ask(
        self,
        harness: &Harness,
        say: &Say,
        forced: bool,
        max_tokens: usize,
    ) -> (Read, Read, usize) {
        harness.script.say(say.clone());
        let (status, answer) = parts(send(harness, self.path(), &self.body(forced, max_tokens, false)).await).await;
        assert_eq!(status, 200, "{answer}");
        harness.script.say(say.clone());
        let response = send(harness, self.path(), &self.body(forced, max_tokens, true)).await;
        let (streamed, pieces) = self.streamed(response).await;
        (self.whole(&answer), streamed, pieces)
    }
}
