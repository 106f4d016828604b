//! Every shape that crosses a wire has a golden file. `SLUICE_BLESS=1 cargo test -p sluice-protocol` rewrites them; the diff
//! is then reviewed like any other, because somebody else's program reads these.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_protocol::admin::{CreatedKey, DeletedKey, KeyEntry, KeyList, KeyView, RegistryAnswer, RegistryCall};
use sluice_protocol::capacity::Capacity;
use sluice_protocol::chat::{
    ChatChunk, ChatCompletion, Choice, ChunkChoice, Delta, FinishReason, Message, ModelEntry, ModelList, Role, Usage,
};
use sluice_protocol::gate::{GateState, Outcome, Refused, RefusedKind, Totals};
use sluice_protocol::gate_call::{
    self, Admission, Answer, Call, Caller, CallerDescription, KeyDescription, KeyRecord, StorageCounters,
};
use sluice_protocol::grant::{GrantClaims, body_hash};
use sluice_protocol::id::{AccountId, KeyId, RequestId, hex};
use sluice_protocol::key::{ApiKey, Peppers};
use sluice_protocol::own::OwnKey;
use sluice_protocol::plan::{Limit, LimitKind, Plan};
use sluice_protocol::ratelimit::{Standing, StandingKind};
use sluice_protocol::refusal::{ErrorBody, Reason, Refusal};
use sluice_protocol::state;
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
    }
}

const STORAGE: StorageCounters = StorageCounters { calls: 3, rows_read: 2, rows_written: 1 };

fn standings() -> Vec<Standing> {
    let standing = |limit: &str, kind, quota, used, ends: Option<u64>| Standing {
        limit: limit.into(),
        kind,
        quota,
        used,
        more_at: ends.map(|end| 1_790_000_000_000 + end),
        whole_at: ends.map(|end| 1_790_000_000_000 + 2 * end),
    };
    vec![
        standing("minute", StandingKind::Window(60_000), 60, 2, Some(9_000)),
        standing("day", StandingKind::Window(86_400_000), 200, 0, None),
        standing("parallel", StandingKind::Parallel, 2, 1, Some(600_000)),
    ]
}

fn described() -> CallerDescription {
    CallerDescription {
        name: "laptop".into(),
        plan: "registered".into(),
        standings: standings(),
        live_leases: 1,
        used: Totals { served: 5, prompt_tokens: 60, completion_tokens: 15 },
        passes_at: Some(1_790_000_000_250),
        now: 1_790_000_000_000,
    }
}

#[test]
fn the_json_of_the_public_api() {
    json("own_key", &OwnKey::new(key_id(), described()));
    let refusal = Refusal::new(Reason::InvalidRequest, "`max_tokens` must be a whole number.").with_param("max_tokens");
    json::<ErrorBody>("error", &refusal.body());
    let usage = Usage::new(12, 3);
    json(
        "chat_completion",
        &ChatCompletion {
            id: "chatcmpl-1".into(),
            object: "chat.completion".into(),
            created: 1_790_000_000,
            model: "tiny".into(),
            choices: vec![Choice {
                index: 0,
                message: Message { role: Role::Assistant, content: "Hello.".into() },
                finish_reason: Some(FinishReason::Stop),
            }],
            usage,
        },
    );
    let chunk = |choices, usage| ChatChunk {
        id: "chatcmpl-1".into(),
        object: "chat.completion.chunk".into(),
        created: 1_790_000_000,
        model: "tiny".into(),
        choices,
        usage,
    };
    let delta = |delta, finish_reason| vec![ChunkChoice { index: 0, delta, finish_reason }];
    let role = Delta { role: Some(Role::Assistant), content: Some(String::new()) };
    let text = Delta { role: None, content: Some("Hello.".into()) };
    json(
        "chat_chunks",
        &vec![
            chunk(delta(role, None), None),
            chunk(delta(text, None), None),
            chunk(delta(Delta::default(), Some(FinishReason::Length)), None),
            chunk(Vec::new(), Some(usage)),
        ],
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
            }],
        },
    );
    json("capacity", &Capacity { slots: 4, free: 1, queued: 2, queue: 16, est_ms: Some(1_800) });
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
        },
    );
    json("admin_key_list", &KeyList { data: vec![entry()], next: Some(key_id()), storage: STORAGE });
    let used = Totals { served: 5, prompt_tokens: 60, completion_tokens: 15 };
    json("admin_key", &KeyView { key: entry(), live_leases: 1, used, storage: STORAGE });
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
            tok: 0,
            exp: 1_790_000_600,
            bh: body_hash(b"{}"),
        },
    );
}

/// Messages between versions: a change here needs a new version byte.
#[test]
fn the_messages_to_and_from_a_gate() {
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let minted = ApiKey::mint(&peppers, key_id().account, [0xb2; 20]);
    let secret_hash = minted.secret_hash();
    let caller = Caller { key: [0xb2; 4], secret_hash };
    let request = RequestId([7; 16]);
    let calls = vec![
        Call::Admit { caller: caller.clone(), request },
        Call::Identify { caller: caller.clone() },
        Call::DescribeCaller { caller },
        Call::Settle { request, outcome: Outcome::Served(Some(Usage::new(12, 3))) },
        Call::Settle { request, outcome: Outcome::NotServed },
        Call::PutKey(KeyRecord {
            key: [0xb2; 4],
            secret_hash,
            name: "laptop".into(),
            plan: "registered".into(),
            created_at: 1_790_000_000_000,
        }),
        Call::DeleteKey { key: [0xb2; 4] },
        Call::DescribeKey { key: [0xb2; 4] },
    ];
    let packed = gate_call::encode_calls(&calls);
    assert_eq!(gate_call::decode_calls(&packed).unwrap(), calls);

    let standings = standings();
    let admission = Admission {
        plan: "registered".into(),
        priority: 1,
        deadline: 1_790_000_600_000,
        standings: standings.clone(),
        now: 1_790_000_000_000,
    };
    let refused = |kind, at| Refused { limit: "minute".into(), kind, at };
    let answers = vec![
        Answer::Admitted(admission.clone()),
        Answer::Identified(admission),
        Answer::UnknownCaller,
        Answer::Limited {
            refused: vec![
                refused(RefusedKind::Window { limit: 60, window_ms: 60_000 }, Some(1_790_000_001_000)),
                refused(RefusedKind::Parallel { limit: 2 }, None),
            ],
            standings,
            now: 1_790_000_000_000,
        },
        Answer::UnknownPlan("gone".into()),
        Answer::Closed,
        Answer::Done(true),
        Answer::Key(Some(KeyDescription {
            name: "laptop".into(),
            plan: "registered".into(),
            created_at: 1_790_000_000_000,
            live_leases: 1,
            used: Totals::default(),
            storage: STORAGE,
        })),
        Answer::Caller(Box::new(described())),
    ];
    let packed_answers = gate_call::encode_answers(&answers);
    assert_eq!(gate_call::decode_answers(&packed_answers).unwrap(), answers);
    golden("gate_messages.v1.hex", &format!("{}\n{}\n", hex(&packed), hex(&packed_answers)));
}

/// What a Gate stores, as it lies on disks: a change here needs a new version byte and code that still reads this.
#[test]
fn the_rows_of_a_gate() {
    let window = LimitKind::Window { limit: 9, window_ms: 60_000 };
    let limits = vec![
        Limit { name: "minute".into(), kind: window },
        Limit { name: "parallel".into(), kind: LimitKind::Parallel { limit: 2 } },
    ];
    let plan = Plan { name: "p".into(), limits, priority: 1, lease_ms: 600_000 };
    let mut state = GateState::default();
    for (id, at) in [(1, 1_790_000_000_000), (2, 1_790_000_000_250), (3, 1_790_000_000_250)] {
        state.admit(&plan, RequestId([id; 16]), at);
    }
    state.settle(RequestId([1; 16]), Outcome::Served(Some(Usage::new(12, 3))), 1_790_000_000_300);
    let packed = state::encode(&state);
    assert_eq!(state::decode(&packed).unwrap(), state);

    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let minted = ApiKey::mint(&peppers, key_id().account, [0xb2; 20]);
    let keys = vec![KeyRecord {
        key: [0xb2; 4],
        secret_hash: minted.secret_hash(),
        name: "laptop".into(),
        plan: "registered".into(),
        created_at: 1_790_000_000_000,
    }];
    let packed_keys = gate_call::encode_keys(&keys);
    assert_eq!(gate_call::decode_keys(&packed_keys).unwrap(), keys);
    golden("gate_rows.v1.hex", &format!("{}\n{}\n", hex(&packed), hex(&packed_keys)));
}

#[test]
fn the_messages_to_and_from_the_registry() {
    json(
        "registry_calls",
        &vec![RegistryCall::Put(entry()), RegistryCall::Remove(key_id()), RegistryCall::List(Some(key_id()))],
    );
    let page = KeyList { data: vec![entry()], next: None, storage: STORAGE };
    json("registry_answers", &vec![RegistryAnswer::Done(true), RegistryAnswer::Page(page)]);
}

/// What each refusal of a Gate says to the caller.
#[test]
fn the_refusals_of_a_gate() {
    let window =
        |at| Refused { limit: "minute".into(), kind: RefusedKind::Window { limit: 60, window_ms: 60_000 }, at };
    let parallel = Refused { limit: "parallel".into(), kind: RefusedKind::Parallel { limit: 2 }, at: Some(900_000) };
    let limited = |refused| Answer::Limited { refused, standings: Vec::new(), now: 1_000 };
    let lines: String = [
        Answer::UnknownCaller,
        Answer::UnknownPlan("gone".into()),
        Answer::Closed,
        limited(vec![window(Some(3_417))]),
        limited(vec![parallel.clone()]),
        limited(vec![window(Some(4_000)), parallel]),
    ]
    .iter()
    .map(|answer| {
        let refusal = answer.refusal().unwrap();
        format!("{} {} {:?}\n", refusal.status(), refusal.message, refusal.headers())
    })
    .collect();
    golden("gate_refusals.txt", &lines);
}

/// The whole table of refusals, as the documentation shows it.
#[test]
fn the_table_of_refusals() {
    let lines: String = Reason::ALL
        .iter()
        .map(|reason| {
            let row = reason.row();
            format!("{} {} {} {:?}\n", row.status, row.code, row.kind, row.retry)
        })
        .collect();
    golden("refusals.txt", &lines);
}
