//! Answers in the shape of OpenAI's responses: whole, and as events.

use super::golden;
use sluice_protocol::auth::pattern::Pattern;
use sluice_protocol::hop::responses_call::{self, KeptCount, KeptResponse, ResponsesAnswer, ResponsesCall};
use sluice_protocol::id::{RequestId, ResponseId, hex};
use sluice_protocol::request::bodies::chat::{Likelihood, TokenLogprob, Usage, UsageReport};
use sluice_protocol::request::bodies::responses::{
    Answer, Event, Incomplete, ItemPage, ItemStatus, OutputItem, Part, Referred, Repeated, Status, Turn, What,
    kept_input, kind, repeated, sealed,
};

fn asked() -> Repeated {
    let body = r#"{"model": "qwen3", "input": "Rain?", "instructions": "Be brief.", "store": true,
        "previous_response_id": "resp_req_6", "metadata": {"run": "7"},
        "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": false}]}"#;
    repeated(body.as_bytes()).unwrap()
}

fn answer<'a>(repeated: &'a Repeated, output: &'a [OutputItem], status: Status) -> Answer<'a> {
    let usage = UsageReport::new(Usage::new(57, 12), 40, 5);
    let is_over = matches!(status, Status::Completed | Status::Incomplete);
    Answer {
        id: "resp_req_7".into(),
        object: "response",
        created_at: 1_795_946_591,
        status,
        background: false,
        error: None,
        incomplete_details: (status == Status::Incomplete).then_some(Incomplete::LENGTH),
        max_tool_calls: None,
        model: "qwen3",
        output,
        service_tier: "default",
        truncation: "disabled",
        usage: is_over.then_some(usage.into()),
        repeated: &repeated.members,
    }
}

fn output() -> Vec<OutputItem> {
    let likely = Likelihood { token: "I ask.".into(), logprob: -0.5, bytes: Some(b"I ask.".to_vec()) };
    let logprobs = vec![TokenLogprob { chosen: likely.clone(), top_logprobs: vec![likely] }];
    vec![
        OutputItem::Reasoning {
            id: "rs_req_7_0".into(),
            summary: Vec::new(),
            content: vec![Part::ReasoningText { text: "Rain?".into() }],
            encrypted_content: Some(sealed("Rain?")),
            status: ItemStatus::Completed,
        },
        OutputItem::Message {
            id: "msg_req_7_1".into(),
            status: ItemStatus::Completed,
            role: "assistant",
            content: vec![Part::OutputText { annotations: [], logprobs, text: "I ask.".into() }],
        },
        OutputItem::FunctionCall {
            id: "fc_req_7_2".into(),
            call_id: "call_1".into(),
            name: "weather".into(),
            arguments: r#"{"city": "Zürich"}"#.into(),
            status: ItemStatus::Completed,
        },
    ]
}

fn pretty(value: &impl serde::Serialize) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

#[test]
fn answers_have_the_shape_of_responses() {
    let (repeated, output) = (asked(), output());
    golden("response.json", &pretty(&answer(&repeated, &output, Status::Completed)));
    golden("response_cut.json", &pretty(&answer(&repeated, &output[..1], Status::Incomplete)));
    let [item_id, text] = ["i", "Rain?"];
    let (output_index, content_index, summary_index) = (1, 0, 0);
    let OutputItem::Message { content, .. } = &output[1] else { unreachable!() };
    let Part::OutputText { logprobs, .. } = &content[0] else { unreachable!() };
    let summary = Part::SummaryText { text: text.into() };
    let whole = |status| What::Answer { response: Box::new(answer(&repeated, &[], status)) };
    let events = [
        (kind::CREATED, whole(Status::Queued)),
        (kind::QUEUED, whole(Status::Queued)),
        (kind::IN_PROGRESS, whole(Status::InProgress)),
        (kind::KEEPALIVE, What::Alive {}),
        (kind::ITEM_ADDED, What::Item { output_index, item: &output[1] }),
        (kind::PART_ADDED, What::Part { item_id, output_index, content_index, part: &content[0] }),
        (kind::TEXT_DELTA, What::TextDelta { item_id, output_index, content_index, delta: text, logprobs }),
        (kind::TEXT_DONE, What::Text { item_id, output_index, content_index, text, logprobs }),
        (kind::PART_DONE, What::Part { item_id, output_index, content_index, part: &content[0] }),
        (kind::THOUGHT_DELTA, What::ThoughtDelta { item_id, output_index, content_index, delta: text }),
        (kind::THOUGHT_DONE, What::Thought { item_id, output_index, content_index, text }),
        (kind::SUMMARY_ADDED, What::Summary { item_id, output_index, summary_index, part: &summary }),
        (kind::SUMMARY_TEXT_DELTA, What::SummaryDelta { item_id, output_index, summary_index, delta: text }),
        (kind::SUMMARY_TEXT_DONE, What::SummaryText { item_id, output_index, summary_index, text }),
        (kind::SUMMARY_DONE, What::Summary { item_id, output_index, summary_index, part: &summary }),
        (kind::ARGUMENTS_DELTA, What::ArgumentsDelta { item_id, output_index, delta: "{}" }),
        (kind::ARGUMENTS_DONE, What::Arguments { item_id, output_index, name: "weather", arguments: "{}" }),
        (kind::ITEM_DONE, What::Item { output_index, item: &output[2] }),
        (kind::INCOMPLETE, whole(Status::Incomplete)),
        (kind::COMPLETED, whole(Status::Completed)),
    ];
    let events: Vec<Event<'_>> =
        (0..).zip(events).map(|(sequence_number, (kind, what))| Event { kind, sequence_number, what }).collect();
    golden("response_events.json", &pretty(&events));
}

/// What the edge and an account's kept responses say to each other, and what lies in a row: a change here needs a new version
/// byte.
#[test]
fn the_messages_and_rows_of_kept_responses() {
    let id = ResponseId(RequestId([7; 16]));
    let kept = KeptResponse {
        model: "tiny".into(),
        previous: Some(ResponseId(RequestId([6; 16]))),
        input: kept_input(r#""Rain?""#, id.0).unwrap(),
        answer: format!(r#"{{"id":"{id}","store":true,"output":[]}}"#),
    };
    let models = vec![vec![Pattern("qwen*".into())]];
    let calls = [
        ResponsesCall::Keep { id, kept: kept.clone() },
        ResponsesCall::Get { id, models: models.clone() },
        ResponsesCall::Delete { id, models: models.clone(), request: RequestId([9; 16]) },
        ResponsesCall::Recall { previous: Some(id), named: vec![id], models, most: 1_048_576 },
        ResponsesCall::Count,
        ResponsesCall::Clear,
    ];
    let turn = Turn { input: kept.input.clone(), output: "[]".into() };
    let answers = [
        ResponsesAnswer::Kept,
        ResponsesAnswer::Response(kept.clone()),
        ResponsesAnswer::Missing,
        ResponsesAnswer::Deleted,
        ResponsesAnswer::Recalled { turns: vec![turn.clone()], named: vec![Referred { id, turn }] },
        ResponsesAnswer::TooLong,
        ResponsesAnswer::Counted(KeptCount { count: 3, bytes: 12_345 }),
    ];
    let calls = calls.iter().map(|call| hex(&responses_call::encode_call(call)));
    let answers = answers.iter().map(|answer| hex(&responses_call::encode_answer(answer)));
    let rows = [hex(&responses_call::encode_row(&kept))];
    let lines: Vec<String> = calls.chain(answers).chain(rows).collect();
    golden(&format!("responses.v{}.hex", responses_call::VERSION), &format!("{}\n", lines.join("\n")));
    golden("response_items.json", &format!("{}\n", ItemPage::parse("").unwrap().of(&kept.input).unwrap()));
}
