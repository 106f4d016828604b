//! What the parts of the edge say to each other, and what lies on disks: Gates, the Registry, rows.

use super::{
    STORAGE, USED, audit_page, bound, commands, denial, described, entry, failed_logins, golden, json, key_id, note,
    permissions, record, settings, standings,
};
use crate::oracle::{facts, rules};
use sluice_protocol::account::Account;
use sluice_protocol::admin::audit;
use sluice_protocol::admin::{
    AccountFilter, AccountList, AccountPage, Addressed, AuditFrom, AuditQuery, CommandOutcome, Executed, Idempotency,
    KeyFilter, KeyList, KeyPage, RegistryAnswer, RegistryCall, StoredRefusal,
};
use sluice_protocol::auth::key::{ApiKey, Peppers, Seed};
use sluice_protocol::auth::pattern::Pattern;
use sluice_protocol::auth::permission::{Bounds, Denied, Scope};
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::auth::token::DenialList;
use sluice_protocol::hop::gate_call::command::Effect;
use sluice_protocol::hop::gate_call::description::{AccountDescription, KeyDescription};
use sluice_protocol::hop::gate_call::{
    self, Admission, Answer, Ask, Bending, Call, Caller, Envelope, Forbidden, Kept, PlanLevel, Settings,
};
use sluice_protocol::id::{CommandId, RequestId, Version, hex};
use sluice_protocol::limit::decision::{Blanket, Outcome, Passes, Refused, Totals};
use sluice_protocol::limit::degrade::Degraded;
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::bucket::{Bucket, RefusedBucket};
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::plan::{Limit, Per};
use sluice_protocol::limit::state;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::route::fact::Fact;
use sluice_protocol::route::list::{OriginState, OriginsView, Source};

/// Messages between versions: a change here needs a new version byte.
#[test]
fn the_messages_to_and_from_a_gate() {
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let minted = ApiKey::mint(&peppers, key_id().account, [0xb2; 20]);
    let secret_hash = minted.secret_hash();
    let caller = Caller::Key { key: [0xb2; 4], secret_hash };
    let request = RequestId([7; 16]);
    let ask = Ask {
        caller: caller.clone(),
        request,
        endpoint: Endpoint::Chat,
        batch: false,
        model: "tiny".into(),
        session: Some(Mark::of("session")),
        user: None,
        body_bytes: 340,
        prompt_tokens: 90,
        prompt_is_counted: false,
        max_tokens: Some(64),
        thinking: true,
        pressure: 50,
        address: Some("2001:db8::1".parse().unwrap()),
        bending: Bending {
            may: true,
            streams: true,
            keeps_model: false,
            levels: vec![PlanLevel { plan: "registered".into(), level: 2 }],
            broken_until: Some(1_790_000_001_000),
        },
    };
    let anonymous = Caller::Known { subject: Mark::default(), plan: "anonymous".into() };
    let address = Some("203.0.113.9".parse().unwrap());
    let used = Used { usage: Usage::new(12, 7), reasoning_tokens: Some(5) };
    let calls = vec![
        Call::Admit(Box::new(ask.clone())),
        Call::Identify { caller: anonymous, scope: Some(Scope::Models), address },
        Call::Identify {
            caller: Caller::Short { key: [0xb2; 4], mark: secret_hash.mark() },
            scope: None,
            address: None,
        },
        Call::DescribeCaller { caller, address: None },
        Call::Settle { request, outcome: Outcome::Served(Some(Usage::new(12, 3).into())) },
        Call::Settle { request, outcome: Outcome::NotServed },
        Call::DescribeKey { key: [0xb2; 4] },
        Call::DescribeAccount,
        Call::Settle { request, outcome: Outcome::Served(Some(used)) },
        Call::Readmit {
            first: request,
            ask: Box::new(Ask { request: request.again(), prompt_is_counted: true, ..ask }),
        },
    ];
    let calls = calls.into_iter().chain(commands(secret_hash).into_iter().map(|one| Call::Do(Box::new(one)))).collect();
    let message = Envelope { account: "acct:a1a1a1a1a1a1a1a1".into(), table: Version([9; 8]), calls };
    let packed = gate_call::encode_envelope(&message);
    assert_eq!(gate_call::decode_envelope(&packed).unwrap(), message);

    let standings = standings();
    let admission = Admission {
        plan: "registered".into(),
        priority: 1,
        deadline: 1_790_000_600_000,
        tokens: 154,
        max_tokens: 64,
        max_prompt_tokens: 8_000,
        standings: standings.clone(),
        shadowed: vec!["watched".into()],
        bounds: Some(Box::new(Bounds { permissions: permissions(), until: 1_790_003_600_000 })),
        models: vec![vec![Pattern("qwen*".into())]],
        now: 1_790_000_000_000,
        degraded: Some(Box::new(Degraded {
            no_stream: true,
            no_thinking: false,
            max_tokens: Some(256),
            model: Some("small".into()),
            static_answer: false,
            clamped: Some(64),
        })),
    };
    let refused =
        |kind, passes| Refused { limit: "minute".into(), kind, amount: 1, used: 60, passes, blanket: Blanket::Caller };
    let window = Window { unit: Unit::Requests, limit: 60, window_ms: 60_000 };
    let answers = vec![
        Answer::Admitted(Box::new(admission.clone())),
        Answer::Identified(Box::new(admission)),
        Answer::UnknownCaller,
        Answer::Disabled,
        Answer::Expired,
        Answer::Denied(Denied::Scope(Scope::Tokens)),
        Answer::NotAllowed(Forbidden::MaxTokens(4_096)),
        Answer::Limited {
            refused: vec![
                refused(window.into(), Passes::At(1_790_000_001_000)),
                refused(RefusedBucket { unit: Unit::Tokens, capacity: 9 }.into(), Passes::Never),
                refused(Parallel { limit: 2 }.into(), Passes::LessFull),
            ],
            standings,
            now: 1_790_000_000_000,
        },
        Answer::UnknownPlan("gone".into()),
        Answer::UnknownTable,
        Answer::Unusable("no".into()),
        Answer::NotFound,
        Answer::OtherVersion,
        Answer::Closed,
        Answer::Done(true),
        Answer::Did(Effect::Gone(true)),
        Answer::Key(Some(Box::new(KeyDescription {
            record: record(secret_hash),
            live_leases: 1,
            used: Totals::default(),
            used_by_key: Totals::default(),
            storage: STORAGE,
        }))),
        Answer::Account(Box::new(AccountDescription {
            settings: Settings::default(),
            keys: vec![([0xb2; 4], USED)],
            live_leases: 1,
            used: Totals::default(),
            storage: STORAGE,
        })),
        Answer::Caller(Box::new(described())),
        Answer::TooFull("registered".into()),
    ];
    let packed_answers = gate_call::encode_answers(&answers);
    assert_eq!(gate_call::decode_answers(&packed_answers).unwrap(), answers);
    golden("gate_messages.v5.hex", &format!("{}\n{}\n", hex(&packed), hex(&packed_answers)));
}

/// What a Gate stores, as it lies on disks: a change here needs a new version byte and code that still reads this.
#[test]
fn the_rows_of_a_gate() {
    let limits = [
        Limit::new("minute", Window { unit: Unit::Requests, limit: 9, window_ms: 60_000 }),
        Limit {
            per: Per::Session,
            ..Limit::new("tokens", Window { unit: Unit::Tokens, limit: 90, window_ms: 60_000 })
        },
        Limit {
            shadow: true,
            ..Limit::new(
                "burst",
                Bucket { unit: Unit::Cost, capacity: 1, refill: Refill { amount: 1, every_ms: 1_000 } },
            )
        },
        Limit::new("parallel", Parallel { limit: 2 }),
    ];
    let rules = rules(&limits);
    let mut account = Account::default();
    for (id, at) in [(1, 1_790_000_000_000), (2, 1_790_000_000_250), (3, 1_790_000_000_250)] {
        let rate = sluice_protocol::request::cost::Rate { prompt_token: 1, ..Default::default() };
        account.state.admit(&rules, 600_000, &sluice_protocol::limit::ask::Facts { rate, ..facts(id) }, at);
    }
    account.state.settle(RequestId([1; 16]), Outcome::Served(Some(Usage::new(1, 3).into())), 1_790_000_000_300);
    let packed = state::encode(&account.state);
    assert_eq!(state::decode(&packed).unwrap(), account.state);

    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let minted = ApiKey::mint(&peppers, key_id().account, [0xb2; 20]);
    let done = vec![CommandId([7; 8])];
    let kept = Kept { settings: settings(), keys: vec![bound(minted.secret_hash())], done };
    let packed_kept = gate_call::encode_kept(&kept);
    assert_eq!(gate_call::decode_kept(&packed_kept).unwrap(), kept);
    golden("gate_rows.v4.hex", &format!("{}\n{}\n", hex(&packed), hex(&packed_kept)));
}

/// Rows of a golden file, as bytes.
fn rows(file: &str) -> [Vec<u8>; 2] {
    let bytes = |line: &str| -> Vec<u8> {
        (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect()
    };
    file.lines().map(bytes).collect::<Vec<_>>().try_into().unwrap()
}

/// What rows of the state from before say, however old: they are read, and written anew as what they are now.
fn old_state(row: &[u8]) {
    let mut read = state::decode(row).unwrap();
    assert_eq!(state::decode(&state::encode(&read)).unwrap(), read);
    let used = Totals { served: 1, prompt_tokens: 1, completion_tokens: 3, cost: 1 };
    assert_eq!((read.live_leases(1_790_000_000_300), read.totals()), (1, used));
    assert!(read.settle(RequestId([2; 16]), Outcome::Served(None), 1_790_000_000_400));
    assert_eq!((read.live_leases(1_790_000_000_400), read.totals().served), (0, 2));
}

/// Rows that lie on disks since version 2.
#[test]
fn the_rows_of_version_2() {
    let [state, keys] = rows(include_str!("../../golden/gate_rows.v2.hex"));
    old_state(&state);
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let secret_hash = ApiKey::mint(&peppers, key_id().account, [0xb2; 20]).secret_hash();
    let overrides = [("minute".into(), 600)].into();
    let settings = Settings { disabled: true, plan: Some("vip".into()), overrides, ..Settings::default() };
    let kept = Kept { settings, keys: vec![record(secret_hash)], done: Vec::new() };
    assert_eq!(gate_call::decode_kept(&keys).unwrap(), kept);
}

/// Rows of version 3: that of keys is the same still.
#[test]
fn the_rows_of_version_3() {
    let [state, keys] = rows(include_str!("../../golden/gate_rows.v3.hex"));
    old_state(&state);
    let [_, now] = rows(include_str!("../../golden/gate_rows.v4.hex"));
    assert_eq!(keys, now);
    assert!(gate_call::decode_kept(&keys).is_ok());
}

#[test]
fn the_messages_to_and_from_the_registry() {
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let secret_hash = ApiKey::mint(&peppers, key_id().account, [0xb2; 20]).secret_hash();
    let addressed =
        |command| Addressed { account: "acct:a1a1a1a1a1a1a1a1".into(), joins: false, command, note: note() };
    let seed = Seed { salt: [5; 32], epoch: 1, at: 1_790_000_000_000 };
    json(
        "registry_calls",
        &vec![
            RegistryCall::Execute {
                commands: commands(secret_hash).into_iter().map(addressed).collect(),
                seed,
                idempotency: Some(Idempotency { name: [1; 32], request: [2; 32] }),
            },
            RegistryCall::Keys(KeyPage {
                filter: KeyFilter { plan: Some("vip".into()), ..KeyFilter::default() },
                after: Some(key_id()),
                limit: 100,
            }),
            RegistryCall::Accounts(AccountPage { filter: AccountFilter::default(), after: None, limit: 100 }),
            RegistryCall::Plans { known: Some(Version([9; 8])) },
            RegistryCall::PlansOf(Version([9; 8])),
            RegistryCall::PutPlans { json: "{}".into(), replaces: None },
            RegistryCall::Noted { note: note(), call: Box::new(RegistryCall::RemoveDenial(denial().id)) },
            RegistryCall::LoginFailed { address: "203.0.113.9".parse().ok(), unnoted: 2 },
            RegistryCall::FailedLogins,
            RegistryCall::Audit(AuditQuery::default()),
            RegistryCall::Audit(AuditQuery {
                from: AuditFrom::Before(300),
                action: Some(audit::AuditAction::KeyRotate),
                account: Some("a1a1a1a1a1a1a1a1".into()),
            }),
            RegistryCall::PutDenial(denial()),
            RegistryCall::PutDenialOnce {
                denial: denial(),
                idempotency: Idempotency { name: [1; 32], request: [2; 32] },
                seed,
            },
            RegistryCall::RemoveDenial(denial().id),
            RegistryCall::ListDenials,
            RegistryCall::Denials { known: Some(Version([9; 8])) },
            RegistryCall::OnlyNote,
            RegistryCall::ForgetAnswers { account: Some("acct:a1a1a1a1a1a1a1a1".into()) },
            RegistryCall::Forgotten { known: Some(Version([9; 8])) },
        ],
    );
    let refused = StoredRefusal::new(&Refusal::new(Reason::InvalidRequest, "No.").with_param("account"));
    let outcomes = vec![CommandOutcome::Waits, CommandOutcome::Gone(true), CommandOutcome::Refused(refused)];
    let answers = vec![
        RegistryAnswer::Done(true),
        RegistryAnswer::Executed(Executed { seed, outcomes }),
        RegistryAnswer::OtherRequest,
        RegistryAnswer::TooMany,
        RegistryAnswer::Keys(KeyList { data: vec![entry()], next: None, storage: STORAGE }),
        RegistryAnswer::Accounts(AccountList { data: Vec::new(), next: None }),
        RegistryAnswer::Plans(Some("{}".into())),
        RegistryAnswer::Unchanged,
        RegistryAnswer::Audit(audit_page()),
        RegistryAnswer::LoginFailed(Some(60_000)),
        RegistryAnswer::FailedLogins(failed_logins()),
        RegistryAnswer::ListedDenials(DenialList { data: vec![denial()] }),
        RegistryAnswer::Denials { version: Version([9; 8]), all: vec![(denial().id, denial().until)] },
        RegistryAnswer::OtherPlans(Some(Version([9; 8]))),
        RegistryAnswer::PlanInUse { plan: "vip".into(), key: Some(key_id()) },
        RegistryAnswer::Before(seed),
        RegistryAnswer::Forgotten { version: Version([9; 8]), all: vec![(String::new(), 1_790_000_000_000)] },
    ];
    json("registry_answers", &answers);
}

/// What isolates tell each other of origins, through the Registry.
#[test]
fn what_is_found_out_of_origins() {
    let down = Fact { origin: "a".into(), model: None, down_until: Some(1_790_000_001_000), at: 1_790_000_000_000 };
    let up = Fact { origin: "b".into(), model: Some("qwen".into()), down_until: None, at: 1_790_000_000_500 };
    json("registry_origins_call", &RegistryCall::Origins { told: vec![down.clone()] });
    json("registry_origins_answer", &RegistryAnswer::Origins(vec![down, up]));
}

#[test]
fn a_list_of_origins_that_is_put() {
    let version = Some(Version::of("[]"));
    let list = r#"[{"name": "a", "url": "https://a.example"}]"#;
    let put = |json: Option<&str>| RegistryCall::PutOriginList { json: json.map(str::to_owned), replaces: version };
    let calls = [
        RegistryCall::OriginList { known: None },
        RegistryCall::OriginList { known: version },
        put(Some(list)),
        put(None),
    ];
    json("registry_origin_list_calls", &calls);
    let answers =
        [RegistryAnswer::OriginList(Some(list.into())), RegistryAnswer::OriginList(None), RegistryAnswer::OtherOrigins];
    json("registry_origin_list_answers", &answers);
    let view = OriginsView {
        source: Source::Admin,
        origins: serde_json::from_str(list).unwrap(),
        state: vec![OriginState { name: "a".into(), takes_requests: true }],
    };
    json("admin_origins", &view);
}
