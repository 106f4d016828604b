//! Answers in Anthropic's shape: whole, as events, and a count.

use super::golden;
use serde::Serialize;
use sluice_protocol::request::bodies::chat::{Usage, UsageReport};
use sluice_protocol::request::bodies::messages::{
    AnswerBlock, BlockDelta, BlockStart, Counted, Ended, Event, Message, MessageUsage, StopReason,
};

fn written(name: &str, value: &impl Serialize) {
    golden(&format!("{name}.json"), &format!("{}\n", serde_json::to_string_pretty(value).unwrap()));
}

fn message(content: Vec<AnswerBlock>, stop_reason: Option<StopReason>, usage: MessageUsage) -> Message {
    Message {
        id: "msg_req_7".into(),
        kind: "message".into(),
        role: "assistant".into(),
        model: "qwen3".into(),
        content,
        stop_reason,
        stop_sequence: None,
        usage,
    }
}

#[test]
fn answers_have_anthropics_shape() {
    // 57 tokens, of which 40 were remembered.
    let usage = MessageUsage::from(UsageReport::new(Usage::new(57, 12), 40, 5));
    assert_eq!((usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens), (17, 40, 12));
    let (id, name) = ("toolu_1".to_owned(), "weather".to_owned());
    let content = vec![
        AnswerBlock::Thinking { thinking: "Rain?".into(), signature: "req_7".into() },
        AnswerBlock::Text { text: "I ask.".into() },
        AnswerBlock::call(id.clone(), name.clone(), r#"{"city": "Zürich"}"#),
    ];
    written("message", &message(content, Some(StopReason::ToolUse), usage));
    written("message_counted", &Counted { input_tokens: 57 });
    let (thinking, signature, text) = ("Rain?".to_owned(), "req_7".to_owned(), "I ask.".to_owned());
    let block = |index, content_block| Event::ContentBlockStart { index, content_block };
    let delta = |index, delta| Event::ContentBlockDelta { index, delta };
    let events = [
        Event::MessageStart { message: message(Vec::new(), None, MessageUsage::begun(57, 40)) },
        Event::Ping,
        block(0, BlockStart::Thinking { thinking: String::new(), signature: String::new() }),
        delta(0, BlockDelta::ThinkingDelta { thinking }),
        delta(0, BlockDelta::SignatureDelta { signature }),
        Event::ContentBlockStop { index: 0 },
        block(1, BlockStart::Text { text: String::new() }),
        delta(1, BlockDelta::TextDelta { text }),
        Event::ContentBlockStop { index: 1 },
        block(2, BlockStart::ToolUse { id, name, input: serde_json::Map::new() }),
        delta(2, BlockDelta::InputJsonDelta { partial_json: r#"{"city": "Zü"#.into() }),
        delta(2, BlockDelta::InputJsonDelta { partial_json: r#"rich"}"#.into() }),
        Event::ContentBlockStop { index: 2 },
        Event::MessageDelta {
            delta: Ended { stop_reason: StopReason::StopSequence, stop_sequence: Some("END".into()) },
            usage,
        },
        Event::MessageStop,
    ];
    for event in &events {
        // Clients tell events apart by either.
        assert_eq!(serde_json::to_value(event).unwrap()["type"], event.name());
    }
    written("message_events", &events);
}
