//! A strict reader of Anthropic's streams: whatever comes where it may not come fails the test.

use serde_json::{Value, json};

/// What a stream told, put together.
pub(crate) struct Told {
    /// The message as it began.
    pub(crate) began: Value,
    /// As it is at the end.
    pub(crate) message: Value,
    /// What came of each call's input, as it was written.
    pub(crate) inputs: Vec<String>,
}

impl Told {
    /// Reads a stream that is complete.
    pub(crate) fn of(stream: &str) -> Self {
        let events = events(stream);
        let mut events = events.iter().filter(|(name, _)| name != "ping").map(|(_, data)| data);
        let began = &events.next().expect("a stream has events")["message"];
        assert_eq!(began["content"], json!([]), "nothing is in it yet");
        assert_eq!((&began["type"], &began["role"]), (&json!("message"), &json!("assistant")));
        assert!(began["stop_reason"].is_null() && began["stop_sequence"].is_null(), "{began}");
        let mut message = began.clone();
        let mut inputs = Vec::new();
        let mut phase = Phase::Between;
        for data in events {
            phase = phase.after(data, &mut message, &mut inputs);
        }
        assert_eq!(phase, Phase::Stopped, "the last event is message_stop");
        Self { began: began.clone(), message, inputs }
    }
}

/// Stands in for an input that is not whole, until the answer's end.
const CUT: &str = "cut off";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Between,
    In(u64),
    /// Of a block of thoughts whose signature has come, or of a call that is whole.
    Signed(u64),
    Ended,
    Stopped,
}

impl Phase {
    fn after(self, data: &Value, message: &mut Value, inputs: &mut Vec<String>) -> Self {
        let blocks = message["content"].as_array_mut().unwrap();
        let index = data["index"].as_u64();
        match (data["type"].as_str().unwrap(), self) {
            ("content_block_start", Self::Between) => {
                assert_eq!(index, Some(blocks.len() as u64), "{data}");
                let block = &data["content_block"];
                let empty = match block["type"].as_str().unwrap() {
                    "text" => json!({"type": "text", "text": ""}),
                    "thinking" => json!({"type": "thinking", "thinking": "", "signature": ""}),
                    "tool_use" => json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}),
                    other => panic!("{other}"),
                };
                assert_eq!(*block, empty);
                if empty["type"] == "tool_use" {
                    inputs.push(String::new());
                }
                blocks.push(empty);
                Self::In(index.unwrap())
            }
            ("content_block_delta", Self::In(open)) => {
                assert_eq!(index, Some(open), "{data}");
                let (block, delta) = (blocks.last_mut().unwrap(), &data["delta"]);
                let text = |name: &str| delta[name].as_str().unwrap();
                let append = |block: &mut Value, name: &str| {
                    let all = [block[name].as_str().unwrap(), text(name)].concat();
                    assert!(!text(name).is_empty(), "{data}");
                    block[name] = all.into();
                };
                match (block["type"].as_str().unwrap(), delta["type"].as_str().unwrap()) {
                    ("text", "text_delta") => append(block, "text"),
                    ("thinking", "thinking_delta") => append(block, "thinking"),
                    ("thinking", "signature_delta") => {
                        append(block, "signature");
                        return Self::Signed(open);
                    }
                    ("tool_use", "input_json_delta") => {
                        assert!(!text("partial_json").is_empty(), "{data}");
                        inputs.last_mut().unwrap().push_str(text("partial_json"));
                    }
                    other => panic!("{other:?}"),
                }
                self
            }
            ("content_block_stop", Self::In(open) | Self::Signed(open)) => {
                assert_eq!(index, Some(open), "{data}");
                let block = blocks.last_mut().unwrap();
                match block["type"].as_str().unwrap() {
                    // One that was cut off is none; then the answer has to say so.
                    "tool_use" => {
                        let input = serde_json::from_str(inputs.last().unwrap());
                        block["input"] = input.unwrap_or_else(|_| json!({CUT: true}));
                    }
                    "thinking" => assert!(matches!(self, Self::Signed(_)), "a signature ends thoughts"),
                    _ => {}
                }
                Self::Between
            }
            ("message_delta", Self::Between) => {
                for name in ["stop_reason", "stop_sequence"] {
                    message[name] = data["delta"][name].clone();
                }
                assert!(message["stop_reason"].is_string(), "{data}");
                let blocks = message["content"].as_array().unwrap();
                if let Some(at) = blocks.iter().position(|block| block["input"].get(CUT).is_some()) {
                    assert!(at + 1 == blocks.len() && message["stop_reason"] == "max_tokens", "{message}");
                    message["content"][at]["input"] = json!({});
                }
                message["usage"] = data["usage"].clone();
                Self::Ended
            }
            ("message_stop", Self::Ended) => Self::Stopped,
            (other, phase) => panic!("{other} in {phase:?}"),
        }
    }
}

/// All events with their names, which are their types; comments are passed over.
fn events(stream: &str) -> Vec<(String, Value)> {
    assert!(!stream.contains("[DONE]"), "{stream}");
    let mut found: Vec<(String, Value)> = Vec::new();
    for event in stream.split("\n\n").filter(|event| !event.is_empty() && !event.starts_with(':')) {
        let (mut name, mut data, mut id) = (None, None, None);
        for line in event.lines() {
            let (field, value) = line.split_once(": ").unwrap();
            let place = match field {
                "event" => &mut name,
                "data" => &mut data,
                "id" => &mut id,
                other => panic!("{other}"),
            };
            assert!(place.replace(value).is_none(), "{event}");
        }
        let data: Value = serde_json::from_str(data.unwrap()).unwrap();
        assert_eq!(data["type"], name.unwrap(), "{event}");
        found.push((name.unwrap().to_owned(), data));
    }
    let first = found.iter().find(|(name, _)| name != "ping").expect("an event");
    assert_eq!(first.0, "message_start", "{stream}");
    assert_eq!(found.iter().filter(|(name, _)| name == "message_start").count(), 1);
    found
}
