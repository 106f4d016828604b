//! A strict reader of the streams of OpenAI's responses: whatever comes where it may not come fails the test.

use serde_json::{Value, json};

/// What a stream told, put together.
pub(crate) struct Told {
    /// The response as it began.
    pub(crate) began: Value,
    /// As its last event has it.
    pub(crate) response: Value,
    /// The names of its events.
    pub(crate) names: Vec<String>,
}

/// What is open.
#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Between,
    /// An item without its part, or whose part is whole.
    Item,
    Part,
    /// All of the part's text has been told.
    Said,
    Ended,
}

impl Told {
    /// Reads a stream that is complete.
    pub(crate) fn of(stream: &str) -> Self {
        let events = events(stream);
        let (first, rest) = events.split_first().expect("a stream has events");
        assert_eq!(first["type"], "response.created", "{first}");
        let began = first["response"].clone();
        assert_eq!((&began["output"], &began["usage"], &began["error"]), (&json!([]), &Value::Null, &Value::Null));
        let mut reader = Reader { began, response: Value::Null, output: Vec::new(), text: String::new() };
        let mut phase = Phase::Between;
        for event in rest.iter().filter(|event| event["type"] != "keepalive") {
            phase = reader.read(phase, event);
        }
        assert_eq!(phase, Phase::Ended, "a stream ends with the response");
        assert_eq!(reader.response["output"], json!(reader.output), "the last event has what was told");
        let names = events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
        Self { began: reader.began, response: reader.response, names }
    }
}

struct Reader {
    began: Value,
    response: Value,
    /// Items that are whole.
    output: Vec<Value>,
    /// What came of the open part.
    text: String,
}

impl Reader {
    fn read(&mut self, phase: Phase, event: &Value) -> Phase {
        let kind = event["type"].as_str().unwrap();
        if kind.contains("output_item") || event.get("item_id").is_some() {
            assert_eq!(event["output_index"], self.output.len(), "{event}");
        }
        for index in ["content_index", "summary_index"] {
            assert!(event.get(index).is_none_or(|index| index == 0), "{event}");
        }
        let text = |name: &str| event[name].as_str().unwrap_or_else(|| panic!("{event}")).to_owned();
        match (phase, kind) {
            (Phase::Between, "response.queued" | "response.in_progress") => {
                assert_eq!(event["response"]["id"], self.began["id"]);
                Phase::Between
            }
            (Phase::Between, "response.output_item.added") => {
                let item = &event["item"];
                assert_eq!(item["status"], "in_progress");
                assert!(["content", "summary"].iter().all(|name| item.get(name).is_none_or(|list| *list == json!([]))));
                self.text.clear();
                if item["type"] == "function_call" {
                    assert_eq!(item["arguments"], "");
                    return Phase::Part;
                }
                Phase::Item
            }
            (Phase::Item, "response.content_part.added" | "response.reasoning_summary_part.added") => {
                assert_eq!(event["part"]["text"], "");
                Phase::Part
            }
            (
                Phase::Part,
                "response.output_text.delta"
                | "response.reasoning_text.delta"
                | "response.reasoning_summary_text.delta"
                | "response.function_call_arguments.delta",
            ) => {
                assert!(!text("delta").is_empty());
                self.text += &text("delta");
                Phase::Part
            }
            (
                Phase::Part,
                "response.output_text.done"
                | "response.reasoning_text.done"
                | "response.reasoning_summary_text.done"
                | "response.function_call_arguments.done",
            ) => {
                let name = if kind.contains("arguments") { "arguments" } else { "text" };
                assert_eq!(text(name), self.text, "{event}");
                if name == "arguments" { Phase::Item } else { Phase::Said }
            }
            (Phase::Said, "response.content_part.done" | "response.reasoning_summary_part.done") => {
                assert_eq!(event["part"]["text"], self.text.as_str());
                Phase::Item
            }
            (Phase::Item, "response.output_item.done") => {
                self.output.push(event["item"].clone());
                Phase::Between
            }
            (Phase::Between, "response.completed" | "response.incomplete") => {
                self.response = event["response"].clone();
                assert_eq!(format!("response.{}", self.response["status"].as_str().unwrap()), kind);
                assert!(self.response["usage"].is_object());
                Phase::Ended
            }
            (phase, kind) => panic!("{kind} in {phase:?}: {event}"),
        }
    }
}

/// All events, whose names are their types and whose numbers are consecutive. No comment stands alone: openai's client for
/// Python takes one behind an `id` for an event.
pub(crate) fn events(stream: &str) -> Vec<Value> {
    assert!(!stream.contains("[DONE]") && !stream.contains("\n\n:") || stream.contains("\nevent: "), "{stream}");
    let mut found: Vec<Value> = Vec::new();
    for event in stream.split("\n\n").filter(|event| !event.is_empty()) {
        let (mut name, mut data, mut id) = (None, None, None);
        for line in event.lines().filter(|line| !line.starts_with(':')) {
            let (field, value) = line.split_once(": ").unwrap();
            let place = match field {
                "event" => &mut name,
                "data" => &mut data,
                "id" => &mut id,
                other => panic!("{other}"),
            };
            assert!(place.replace(value).is_none(), "{event}");
        }
        assert!(id.is_some(), "each event says what was used: {event}");
        let data: Value = serde_json::from_str(data.expect("no comment stands alone")).unwrap();
        assert_eq!(data["type"], name.unwrap(), "{event}");
        assert_eq!(data["sequence_number"], found.len(), "{event}");
        found.push(data);
    }
    found
}
