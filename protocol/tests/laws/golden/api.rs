//! What callers and admins read.

use super::{
    STORAGE, USED, audit_page, bound, credits, denial, described, entry, failed_logins, json, key_id, settings,
    standings,
};
use sluice_protocol::admin::{
    AccountEntry, AccountList, AccountView, CreatedKey, DeletedAccount, DeletedKey, KeyList, KeyView, RotatedKey,
};
use sluice_protocol::auth::key::{ApiKey, Peppers};
use sluice_protocol::auth::principal;
use sluice_protocol::auth::token::DenialList;
use sluice_protocol::forward::capacity::{Capacity, CapacityReport, GpuFigures};
use sluice_protocol::forward::report::{RequestReport, RequestStatus};
use sluice_protocol::hop::gate_call::description::{AccountDescription, KeyDescription};
use sluice_protocol::hop::gate_call::own_key::OwnKey;
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::decision::Totals;
use sluice_protocol::refusal::{ErrorBody, Reason, Refusal};
use sluice_protocol::request::bodies::chat::{
    AnswerCall, AnswerMessage, CallDelta, Capability, ChatChunk, ChatCompletion, Choice, ChoiceLogprobs, ChunkChoice,
    Delta, FinishReason, FunctionCall, FunctionDelta, LEAST_LOGPROB, Likelihood, ModelEntry, ModelList, Role, Timings,
    TokenLogprob, ToolKind, Usage, UsageReport, Used,
};
use sluice_protocol::request::bodies::completion::{Completion, TextChoice, TextLogprobs};

#[test]
fn the_json_of_the_public_api() {
    let account = principal::AccountName::of_key(key_id().account);
    json("own_key", &OwnKey::new(&account, Some(key_id().key), described()));
    let refusal = Refusal::new(Reason::InvalidRequest, "`max_tokens` must be a whole number.").with_param("max_tokens");
    json::<ErrorBody>("error", &refusal.body());
    let usage = UsageReport::new(Usage::new(12, 3), 5, 2);
    let completion = |message, finish_reason| ChatCompletion {
        id: "chatcmpl-1".into(),
        object: "chat.completion".into(),
        created: 1_790_000_000,
        model: "tiny".into(),
        choices: vec![Choice { index: 0, message, logprobs: None, finish_reason: Some(finish_reason) }],
        usage,
    };
    let message = |content: &str, reasoning: &str, calls| AnswerMessage::new(content.into(), reasoning.into(), calls);
    json("chat_completion", &completion(message("Hello.", "", Vec::new()), FinishReason::Stop));
    let weather = FunctionCall { name: "weather".into(), arguments: r#"{"city": "Zürich"}"#.into() };
    let call = AnswerCall::new([7; 12], weather);
    json("chat_tool_calls", &completion(message("", "Ask.", vec![call.clone()]), FinishReason::ToolCalls));
    let chunk = |choices, usage| ChatChunk {
        id: "chatcmpl-1".into(),
        object: "chat.completion.chunk".into(),
        created: 1_790_000_000,
        model: "tiny".into(),
        choices,
        usage,
    };
    let delta = |delta, finish_reason| vec![ChunkChoice { index: 0, delta, logprobs: None, finish_reason }];
    let role = Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() };
    let thought = Delta { reasoning_content: Some("Ask.".into()), ..Delta::default() };
    let text = Delta { content: Some("Hello.".into()), ..Delta::default() };
    let piece = |id: Option<String>, name: Option<&str>, arguments: &str| {
        let function = FunctionDelta { name: name.map(str::to_owned), arguments: arguments.to_owned() };
        let kind = id.is_some().then_some(ToolKind::Function);
        Delta { tool_calls: Some(vec![CallDelta { index: 0, id, kind, function }]), ..Delta::default() }
    };
    let begun = piece(Some(call.id), Some("weather"), "");
    let more = piece(None, None, r#"{"city": "Zürich"}"#);
    json(
        "chat_chunks",
        &vec![
            chunk(delta(role, None), None),
            chunk(delta(thought, None), None),
            chunk(delta(text, None), None),
            chunk(delta(begun, None), None),
            chunk(delta(more, None), None),
            chunk(delta(Delta::default(), Some(FinishReason::Length)), None),
            chunk(Vec::new(), Some(usage)),
        ],
    );
    let likelihood = |token: &str, logprob, bytes| Likelihood { token: token.into(), logprob, bytes };
    let chosen = likelihood("\u{fffd}", -0.5, Some(vec![0xc3]));
    let ended = likelihood("", -1.5, None);
    let top_logprobs = vec![chosen.clone(), ended, likelihood("é", LEAST_LOGPROB, Some("é".into()))];
    let logprobs = Some(ChoiceLogprobs { content: vec![TokenLogprob { chosen, top_logprobs }] });
    let delta = Delta { content: Some(String::new()), ..Delta::default() };
    json("chat_logprobs", &chunk(vec![ChunkChoice { index: 0, delta, logprobs, finish_reason: None }], None));
    let id = RequestId([0xc3; 16]);
    json(
        "request_report",
        &RequestReport::new(id, RequestStatus::Ended, Used { reasoning_tokens: Some(2), ..Usage::new(11, 3).into() }),
    );
    let logprobs = Some(TextLogprobs::new(
        vec![TokenLogprob { chosen: likelihood("H", -0.25, None), top_logprobs: Vec::new() }],
        &mut 0,
    ));
    let choice = TextChoice { index: 0, text: "H".into(), logprobs, finish_reason: Some(FinishReason::Stop) };
    let timings = Timings { queue_ms: 1, prompt_ms: 2, completion_ms: 3 };
    json(
        "completion",
        &Completion {
            id: "cmpl-req_1".into(),
            object: "text_completion".into(),
            created: 1_790_000_000,
            model: "tiny".into(),
            choices: vec![choice],
            usage: Some(UsageReport::new(Usage::new(11, 3), 8, 0).with_timings(timings)),
        },
    );
    json(
        "models",
        &ModelList {
            object: "list".into(),
            data: vec![ModelEntry {
                id: "tiny".into(),
                object: "model".into(),
                created: 1_790_000_000,
                owned_by: "sluice".into(),
                context_length: 4096,
                capabilities: vec![Capability::Tools, Capability::Thinking],
            }],
        },
    );
    let capacity = Capacity { slots: 4, free: 1, queued: 2, queue: 16, est_ms: Some(1_800), mem: None };
    json("capacity", &CapacityReport { capacity, gpu: None });
    let gpu = GpuFigures {
        index: Some(0),
        uuid: "GPU-00112233-4455-6677-8899-aabbccddeeff".into(),
        utilization: Some(0.37),
        memory_used_bytes: Some(64 << 30),
        memory_total_bytes: Some(141 << 30),
        temperature_celsius: Some(61),
        power_watts: Some(412.5),
        age_ms: 312,
    };
    json("capacity_gpu", &CapacityReport { capacity: Capacity { mem: Some(12), ..capacity }, gpu: Some(gpu) });
}

#[test]
fn the_json_of_the_admin_api() {
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let minted = ApiKey::mint(&peppers, key_id().account, [0xb2; 20]);
    json(
        "admin_created_key",
        &CreatedKey {
            id: minted.id,
            account: minted.id.account.to_string(),
            key: minted.reveal(),
            name: "laptop".into(),
            plan: "registered".into(),
            created_at: 1_790_000_000_000,
            expires_at: Some(1_800_000_000_000),
        },
    );
    json("admin_rotated_key", &RotatedKey { id: minted.id, key: minted.reveal(), old_until: 1_790_003_600_000 });
    json("admin_key_list", &KeyList { data: vec![entry()], next: Some(key_id()), storage: STORAGE });
    let record = bound(minted.secret_hash());
    let described =
        KeyDescription { record, live_leases: 1, used: USED, used_by_key: Totals::default(), storage: STORAGE };
    json("admin_key", &KeyView::new(key_id(), described));
    let described = AccountDescription {
        settings: settings(),
        keys: vec![(key_id().key, USED)],
        live_leases: 1,
        used: USED,
        storage: STORAGE,
        budgets: standings().into_iter().filter(|standing| standing.kind.cycle().is_some()).collect(),
        credits: credits(),
        now: 1_790_000_000_000,
    };
    let account = principal::AccountName::of_key(key_id().account);
    let entry = AccountEntry::new(&account, &described.settings);
    json("admin_account_list", &AccountList { data: vec![entry], next: Some(account.to_string()) });
    json("admin_account", &AccountView::new(&account, described));
    json("admin_deleted_account", &DeletedAccount { account: account.to_string(), deleted: true });
    json("admin_audit", &audit_page());
    json("admin_failed_logins", &failed_logins());
    json("admin_denials", &DenialList { data: vec![denial()] });
    json("admin_deleted_key", &DeletedKey { id: key_id(), deleted: true });
}
