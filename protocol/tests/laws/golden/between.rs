//! What the parts of the edge say to each other: Gates, the Registry.

use super::{
    MONTH, STORAGE, USAGE, USED, audit_page, budget, commands, credits, denial, described, entry, failed_logins,
    golden, group, json, key_id, note, permissions, record, standings,
};
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
    self, Admission, Answer, Answers, Ask, Asker, Bending, Call, Caller, Envelope, Forbidden, PlanLevel, Settings,
};
use sluice_protocol::id::{RequestId, Version, hex};
use sluice_protocol::limit::decision::{Blanket, Outcome, Passes, Refused, Totals};
use sluice_protocol::limit::degrade::Degraded;
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::bucket::RefusedBucket;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::plan::Per;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::drawing::{Drawing, Drawn};
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::route::fact::Fact;
use sluice_protocol::route::list::{OriginState, OriginsView, Source};
use sluice_protocol::usage::Whose;
use sluice_protocol::usage::refusals::RefusalCount;
use sluice_protocol::usage::report::{By, Group, UsageQuery, UsageReport};

/// Messages between versions: a change here needs a new version byte.
#[test]
fn the_messages_to_and_from_a_gate() {
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let minted = ApiKey::mint(&peppers, key_id().account, [0xb2; 20]);
    let secret_hash = minted.secret_hash();
    let caller = Caller::Key { key: [0xb2; 4], secret_hash };
    let asker = caller.clone();
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
        drawing: Drawing { n: 2, steps: 8, pixels: 1_048_576 },
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
    let used = Used {
        reasoning_tokens: Some(5),
        drawn: Drawn { images: 1, steps: 3, pixel_steps: 3_145_728 },
        ..Usage::new(12, 7).into()
    };
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
        Call::NoteRefusals {
            id: request,
            refusals: vec![RefusalCount {
                hour: 497_222,
                whose: Whose::of_key(Mark::of_key([0xb2; 4])),
                limit: "minute".into(),
                count: 12,
            }],
        },
        Call::DescribeUsage {
            asker: Some(Box::new(Asker { caller: asker, address })),
            query: Box::new(UsageQuery {
                hours: 497_222..497_246,
                by: vec![By::Day, By::Model],
                key: Some(Mark::of_key([0xb2; 4])),
                after: Some(group()),
            }),
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
        is_to_be_listed: true,
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
        Answer::NotAllowed { plan: "p".into(), forbidden: Forbidden::MaxTokens(4_096) },
        Answer::Limited {
            plan: "p".into(),
            refused: vec![
                refused(window.into(), Passes::At(1_790_000_001_000)),
                refused(RefusedBucket { unit: Unit::Tokens, capacity: 9 }.into(), Passes::Never),
                refused(Parallel { limit: 2 }.into(), Passes::LessFull),
                refused(budget().refused(25_000_000_000, Per::Key), Passes::At(MONTH.ends)),
            ],
            standings: standings.clone(),
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
            budgets: standings,
            credits: credits(),
            now: 1_790_000_000_000,
        })),
        Answer::Caller(Box::new(described())),
        Answer::TooFull("registered".into()),
        Answer::Uncounted("month".into()),
        Answer::Usage(Box::new(UsageReport {
            groups: vec![Group { name: group(), sum: USAGE, refused: [("minute".into(), 3)].into() }],
            is_cut: true,
        })),
    ];
    let answers = Answers { answers, rows_written: 300, lapsed: 2 };
    let packed_answers = gate_call::encode_answers(&answers);
    assert_eq!(gate_call::decode_answers(&packed_answers).unwrap(), answers);
    golden("gate_messages.v9.hex", &format!("{}\n{}\n", hex(&packed), hex(&packed_answers)));
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
            RegistryCall::ListSubject { account: "jwt:corp:49915e0d7d4b402e3017d010bc1c0e83".into() },
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
