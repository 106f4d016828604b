//! Every shape that crosses a wire has a golden file. `SLUICE_BLESS=1 cargo test -p sluice-protocol` rewrites them; the diff
//! is then reviewed like any other, because somebody else's program reads these.

mod api;
mod between;
mod embeddings;
mod images;
mod jobs;
mod messages;
mod refusals;
mod responses;
mod rows;
mod telemetry;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_protocol::admin::KeyEntry;
use sluice_protocol::admin::audit::{self, AuditPage, Entry, Head, Note};
use sluice_protocol::admin::failed_logins::{FailedLogin, FailedLogins};
use sluice_protocol::auth::key::SecretHash;
use sluice_protocol::auth::leak::LeakReport;
use sluice_protocol::auth::pattern::Pattern;
use sluice_protocol::auth::permission::{Permissions, Scope, Scopes, parse_models};
use sluice_protocol::auth::principal::{Mark, Network};
use sluice_protocol::auth::token::{CreateDenial, Denial, ShortClaims, TokenAnswer};
use sluice_protocol::forward::grant::{GrantClaims, body_hash};
use sluice_protocol::hop::gate_call::command::{Action, Command};
use sluice_protocol::hop::gate_call::description::{CallerDescription, StorageCounters};
use sluice_protocol::hop::gate_call::{AccountChange, Credit, KeyChange, KeyRecord, Retiring, Settings};
use sluice_protocol::id::{AccountId, CommandId, KeyId, RequestId};
use sluice_protocol::limit::calendar::{Cycle, Period, Span, Zone};
use sluice_protocol::limit::decision::Totals;
use sluice_protocol::limit::kind::bucket::{Bucket, BucketStanding};
use sluice_protocol::limit::kind::budget::Budget;
use sluice_protocol::limit::kind::parallel::ParallelStanding;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::WindowStanding;
use sluice_protocol::limit::kind::{LimitKind, StandingKind, Unit};
use sluice_protocol::limit::plan::{Limit, Per};
use sluice_protocol::limit::standing::Standing;
use sluice_protocol::request::cost::money::Currency;
use sluice_protocol::request::drawing::Drawing;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::usage::report::GroupName;
use sluice_protocol::usage::{Sum, User};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;

pub(crate) fn golden(name: &str, found: &str) {
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
        Action::AddCredits { limit: "credits".into(), amount: 10_000_000_000, currency: Currency::parse("USD") },
    ];
    let command = |(id, action)| Command {
        id: CommandId([id; 8]),
        expects: (id == 4).then_some(7),
        at: 1_790_000_000_000,
        action,
    };
    (0..).zip(actions).map(command).collect()
}

/// A month of Zurich's that holds the times of these tests.
const USAGE: Sum = Sum {
    served: 3,
    failed: 1,
    lapsed: 2,
    prompt_tokens: 1_200,
    cached_tokens: 400,
    completion_tokens: 300,
    thinking_tokens: 50,
    images: 7,
    image_steps: 56,
    cost: 1_500,
    money: 188_000,
};

fn group() -> GroupName {
    GroupName {
        hour: Some(497_222),
        key: Some(Mark::of_key([0xb2; 4])),
        model: Some("tiny".into()),
        endpoint: Some(Endpoint::Chat),
        user: Some(User::One(Mark::of("ann"))),
    }
}

const MONTH: Span = Span { began: 1_788_213_600_000, ends: 1_790_805_600_000 };

fn budget() -> LimitKind {
    let cycle = Cycle { period: Period::Month, zone: Zone::parse("Europe/Zurich").unwrap() };
    Budget { unit: Unit::Money, limit: 25_000_000_000, currency: Currency::parse("USD"), cycle }.into()
}

/// What was added to an account's credits.
fn credits() -> BTreeMap<String, Credit> {
    let credit = Credit { unit: Unit::Money, currency: Currency::parse("USD"), amount: 10_000_000_000 };
    [("credits".into(), credit)].into()
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
        Standing {
            unit: Unit::Money,
            ..standing("budget", budget().standing(0, Some(MONTH)), 25_000_000_000, 3_141_500_000, Some(805_600_000))
        },
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
fn the_claims_of_a_grant() {
    let claims = GrantClaims {
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
        aud: None,
        idle: false,
        img: None,
    };
    json("grant", &claims);
    let img = Some(Drawing { n: 2, steps: 8, pixels: 1_048_576 });
    json("grant_for_pictures", &GrantClaims { img, ..claims.clone() });
    json("grant_for_one", &GrantClaims { aud: Some("gpu-1".into()), ..claims });
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
