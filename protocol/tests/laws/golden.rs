//! Every shape that crosses a wire has a golden file. `SLUICE_BLESS=1 cargo test -p sluice-protocol` rewrites them; the diff
//! is then reviewed like any other, because somebody else's program reads these.

mod between;
mod embeddings;
mod messages;
mod responses;

use crate::oracle::{facts, rules};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_protocol::account::Account;
use sluice_protocol::admin::audit::{self, AuditPage, Entry, Head, Note};
use sluice_protocol::admin::failed_logins::{FailedLogin, FailedLogins};
use sluice_protocol::admin::{
    AccountEntry, AccountFilter, AccountList, AccountPage, AccountView, Addressed, AuditFrom, AuditQuery,
    CommandOutcome, CreatedKey, DeletedAccount, DeletedKey, Executed, Idempotency, KeyEntry, KeyFilter, KeyList,
    KeyPage, KeyView, RegistryAnswer, RegistryCall, RotatedKey, StoredRefusal,
};
use sluice_protocol::auth::key::{ApiKey, Peppers, SecretHash, Seed};
use sluice_protocol::auth::leak::LeakReport;
use sluice_protocol::auth::pattern::Pattern;
use sluice_protocol::auth::permission::{Bounds, Denied, Permissions, Scope, Scopes, parse_models};
use sluice_protocol::auth::principal::{self, Mark, Network};
use sluice_protocol::auth::token::{CreateDenial, Denial, DenialList, ShortClaims, TokenAnswer};
use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::forward::grant::{GrantClaims, body_hash};
use sluice_protocol::forward::report::{RequestReport, RequestStatus};
use sluice_protocol::hop::gate_call::command::{Action, Command, Effect};
use sluice_protocol::hop::gate_call::description::{
    AccountDescription, CallerDescription, KeyDescription, StorageCounters,
};
use sluice_protocol::hop::gate_call::own_key::OwnKey;
use sluice_protocol::hop::gate_call::{
    self, AccountChange, Admission, Answer, Ask, Call, Caller, Envelope, Forbidden, Kept, KeyChange, KeyRecord,
    Retiring, Settings,
};
use sluice_protocol::id::{AccountId, CommandId, KeyId, RequestId, Version, hex};
use sluice_protocol::limit::decision::{Blanket, Outcome, Passes, Refused, Totals};
use sluice_protocol::limit::kind::bucket::{Bucket, BucketStanding, RefusedBucket};
use sluice_protocol::limit::kind::parallel::{Parallel, ParallelStanding};
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::{Window, WindowStanding};
use sluice_protocol::limit::kind::{StandingKind, Unit};
use sluice_protocol::limit::plan::{Limit, Per};
use sluice_protocol::limit::standing::Standing;
use sluice_protocol::limit::state;
use sluice_protocol::refusal::{ErrorBody, Reason, Refusal};
use sluice_protocol::request::bodies::chat::{
    AnswerCall, AnswerMessage, CallDelta, Capability, ChatChunk, ChatCompletion, Choice, ChoiceLogprobs, ChunkChoice,
    Delta, FinishReason, FunctionCall, FunctionDelta, LEAST_LOGPROB, Likelihood, ModelEntry, ModelList, Role, Timings,
    TokenLogprob, ToolKind, Usage, UsageReport, Used,
};
use sluice_protocol::request::bodies::completion::{Completion, TextChoice, TextLogprobs};
use sluice_protocol::request::endpoint::Endpoint;
use std::fmt::Debug;
use std::path::PathBuf;

fn golden(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{name} differs from its golden file");
}

fn json<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let text = serde_json::to_string_pretty(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *value, "{name} does not read back");
    golden(&format!("{name}.json"), &format!("{text}\n"));
}

fn key_id() -> KeyId {
    KeyId { account: AccountId([0xa1; 8]), key: [0xb2; 4] }
}

fn entry() -> KeyEntry {
    KeyEntry {
        id: key_id(),
        account: key_id().account.to_string(),
        name: "laptop".into(),
        plan: "registered".into(),
        created_at: 1_790_000_000_000,
        disabled: false,
        expires_at: Some(1_800_000_000_000),
    }
}

const STORAGE: StorageCounters = StorageCounters { calls: 3, rows_read: 2, rows_written: 1 };

const USED: Totals = Totals { served: 5, prompt_tokens: 60, completion_tokens: 15, cost: 120 };

fn record(secret_hash: SecretHash) -> KeyRecord {
    let own = Bucket { unit: Unit::Cost, capacity: 500, refill: Refill { amount: 2, every_ms: 1_500 } };
    KeyRecord {
        name: "laptop".into(),
        disabled: true,
        overrides: [("minute".into(), 90)].into(),
        limits: vec![Limit { per: Per::Key, ..Limit::new("own", own) }],
        ..KeyRecord::new([0xb2; 4], secret_hash, "registered", 1_790_000_000_000)
    }
}

/// A key with everything that can be set.
fn bound(secret_hash: SecretHash) -> KeyRecord {
    KeyRecord {
        permissions: permissions(),
        expires_at: Some(1_800_000_000_000),
        metadata: [("team".into(), "red".into())].into(),
        retiring: vec![Retiring { secret_hash, until: 1_790_003_600_000 }],
        version: 7,
        ..record(secret_hash)
    }
}

fn permissions() -> Permissions {
    Permissions {
        scopes: Scopes::parse(["chat", "models"]).unwrap(),
        models: Some(vec![Pattern("qwen3".into()), Pattern("small-*".into())]),
        addresses: vec![Network::parse("203.0.113.0/24").unwrap(), Network::parse("2001:db8::1").unwrap()],
    }
}

fn settings() -> Settings {
    Settings {
        plan: Some("vip".into()),
        overrides: [("minute".into(), 600)].into(),
        name: "red team".into(),
        owner: "ann".into(),
        created_at: Some(1_790_000_000_000),
        version: 3,
        disabled: false,
    }
}

/// Every command.
fn commands(secret_hash: SecretHash) -> Vec<Command> {
    let set = AccountChange { plan: Some(None), name: Some("red team".into()), ..AccountChange::default() };
    let change = KeyChange {
        disabled: Some(false),
        overrides: Some([("day".into(), 1)].into()),
        models: Some(None),
        ..KeyChange::default()
    };
    let key = [0xb2; 4];
    let actions = [
        Action::CreateAccount(set.clone()),
        Action::ChangeAccount(set),
        Action::DeleteAccount,
        Action::CreateKey(Box::new(bound(secret_hash))),
        Action::ChangeKey { key, change: Box::new(change) },
        Action::RotateKey { key, secret_hash, until: 1_790_003_600_000 },
        Action::DeleteKey { key },
    ];
    let command = |(id, action)| Command {
        id: CommandId([id; 8]),
        expects: (id == 4).then_some(7),
        at: 1_790_000_000_000,
        action,
    };
    (0..).zip(actions).map(command).collect()
}

fn standings() -> Vec<Standing> {
    let standing = |limit: &str, kind: StandingKind, quota, used, ends: Option<u64>| Standing {
        limit: limit.into(),
        kind,
        unit: if limit == "tokens" { Unit::Tokens } else { Unit::Requests },
        per: if limit == "tokens" { Per::Model } else { Per::Account },
        shadowed: (limit == "watched").then_some(7),
        quota,
        used,
        more_at: ends.map(|end| 1_790_000_000_000 + end),
        whole_at: ends.map(|end| 1_790_000_000_000 + 2 * end),
    };
    let window = |window_ms| WindowStanding { window_ms }.into();
    vec![
        standing("minute", window(60_000), 60, 2, Some(9_000)),
        standing("day", window(86_400_000), 200, 0, None),
        standing("tokens", BucketStanding { fills_in_ms: 30_000 }.into(), 4_000, 1_024, Some(10)),
        standing("watched", window(1_000), 1, 1, Some(900)),
        standing("parallel", ParallelStanding.into(), 2, 1, Some(600_000)),
    ]
}

fn described() -> CallerDescription {
    CallerDescription {
        name: "laptop".into(),
        plan: "registered".into(),
        standings: standings(),
        live_leases: 1,
        used: USED,
        passes_at: Some(1_790_000_000_250),
        now: 1_790_000_000_000,
    }
}

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
        &RequestReport::new(id, RequestStatus::Ended, Used { usage: Usage::new(11, 3), reasoning_tokens: Some(2) }),
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
    json("capacity", &Capacity { slots: 4, free: 1, queued: 2, queue: 16, est_ms: Some(1_800) });
}

fn note() -> Note {
    let note = Note::new("token:ops", audit::AuditAction::KeyCreate, key_id(), RequestId([7; 16]));
    note.from_address("203.0.113.9".parse().ok()).with_members(br#"{"plan": "vip", "name": "laptop"}"#)
}

fn denial() -> Denial {
    CreateDenial::parse(br#"{"issuer": "corp", "jti": "7", "ttl_s": 60}"#).unwrap().at(1_790_000_000_000)
}

/// Three entries, the chain's first; a clock that goes back.
fn failed_logins() -> FailedLogins {
    let row = |address: &str, not_noted_before| FailedLogin {
        address: address.into(),
        first: 1_790_000_000_000,
        last: 1_790_000_100_000,
        count: 10,
        not_noted_before,
    };
    FailedLogins { data: vec![row("2001:db8::/64", 370), row("203.0.113.9", 0), row("", 0)] }
}

fn audit_page() -> AuditPage {
    let notes = [
        note(),
        Note::new("unknown", audit::AuditAction::LoginFailed, "", RequestId([8; 16]))
            .from_address("2001:db8::1".parse().ok()),
        Note::new("access:ann@example.com", audit::AuditAction::PlansPut, "0011223344556677", RequestId([9; 16]))
            .with("plans", "a,\"ä"),
    ];
    let mut head = Head::default();
    let data: Vec<_> = notes
        .into_iter()
        .zip([1_790_000_000_000, 1_790_000_001_000, 1_790_000_000_500])
        .map(|(note, now)| {
            let entry = Entry::after(head, note, now);
            head = entry.head();
            entry
        })
        .collect();
    audit::verify(Head::default(), &data).unwrap();
    AuditPage { data, next: Some(3) }
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

#[test]
fn the_claims_of_a_grant() {
    json(
        "grant",
        &GrantClaims {
            jti: RequestId([7; 16]).to_string(),
            sub: key_id().to_string(),
            acc: key_id().account.to_string(),
            plan: "registered".into(),
            pri: 1,
            tok: 1_280,
            max: 1_024,
            inp: 0,
            exp: 1_790_000_600,
            bh: body_hash(b"{}"),
        },
    );
}

#[test]
fn what_a_short_token_says_and_how_it_is_handed_out() {
    let permissions = Permissions {
        scopes: [Scope::Chat, Scope::Tokens].into_iter().collect(),
        models: Some(parse_models(["tiny", "big-*"]).unwrap()),
        addresses: Vec::new(),
    };
    let claims = ShortClaims::new(key_id(), [0xc3; 8], &permissions, 900, [7; 16], 1_790_000_000_500);
    json("short_claims", &claims);
    let answer = TokenAnswer {
        access_token: "eyJ...".into(),
        token_type: "Bearer".into(),
        expires_in: 900,
        scope: claims.scope,
    };
    let text = serde_json::to_string_pretty(&answer).unwrap();
    assert!(serde_json::from_str::<TokenAnswer>(&text).unwrap() == answer);
    golden("short_token.json", &format!("{text}\n"));
}

#[test]
fn what_a_scanner_reports_and_learns() {
    let message =
        r#"[{"token": "slc_x", "type": "sluice_api_key", "url": "https://example.com/commit/1", "source": "content"}]"#;
    let reports = LeakReport::parse_all(message.as_bytes()).unwrap();
    json("leak_feedback", &vec![reports[0].feedback(true), reports[0].feedback(false)]);
}
