//! What is sent of a request, byte by byte, and whatever is in it.

use crate::golden::golden;
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_protocol::hop::gate_call::{Ask, Caller};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::degrade::Degraded;
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::door::Door;
use sluice_protocol::telemetry::trace::json::{Service, export};
use sluice_protocol::telemetry::trace::parent::{SpanId, TraceId};
use sluice_protocol::telemetry::trace::request::{Told, operation};
use sluice_protocol::telemetry::trace::span::{Kind, Span};
use sluice_protocol::telemetry::{Decided, RequestOutcome};

const AT: u64 = 1_790_000_000_000;
const SERVICE: Service = Service { name: "sluice-edge", version: "1.2.3" };

fn span(kind: Kind, name: &str) -> Span {
    Span {
        trace: TraceId::of([0x4b; 16]),
        id: SpanId::of([0xab; 8]),
        parent: None,
        state: None,
        kind,
        name: name.to_owned(),
        start: AT,
        end: AT + 1_234,
        attributes: Vec::new(),
        has_failed: false,
    }
}

fn decided() -> Decided {
    let ask = Ask {
        model: "m".repeat(100),
        max_tokens: Some(64),
        ..Ask::smallest(Caller::Short { key: [7; 4], mark: [9; 8] })
    };
    let mut decided = Decided::of("acct:0707070707070707", "key_070707070707070707070707".into(), &ask);
    decided.degraded = Some(Box::new(Degraded { no_thinking: true, max_tokens: Some(256), ..Degraded::default() }));
    decided
}

fn told(door: Door, outcome: RequestOutcome) -> Told<'static> {
    Told {
        request: RequestId([7; 16]),
        door,
        account: "",
        plan: "",
        model: "",
        decided: None,
        limits: &[],
        cache: None,
        outcome,
        status: None,
        code: None,
        used: None,
        first_token_ms: None,
    }
}

/// Collectors of others read these.
#[test]
fn spans_as_they_are_sent() {
    let (decided, limits) = (decided(), ["minute".to_owned(), "a \"b\\c\nd".to_owned()]);
    let used = Used { reasoning_tokens: Some(5), cached_tokens: 4, ..Usage::new(12, 34).into() };
    let mut served = span(Kind::Server, "POST /v1/chat/completions");
    (served.parent, served.state) = (Some(SpanId::of([0xcd; 8])), Some("a=\"1\"".to_owned()));
    let of_server = Told {
        account: &decided.account,
        plan: "team",
        model: "small",
        decided: Some(&decided),
        cache: Some("miss"),
        status: Some(200),
        used: Some(used),
        first_token_ms: Some(1_050),
        ..told(Door::Chat, RequestOutcome::Served)
    };
    of_server.write(&mut served);
    let mut refused = span(Kind::Server, "POST /v1/embeddings");
    let of_refused = Told {
        limits: &limits,
        plan: "team",
        status: Some(429), // not a status: what is told of one
        code: Some("rate_limit_exceeded"),
        ..told(Door::Embeddings, RequestOutcome::Refused)
    };
    of_refused.write(&mut refused);
    let mut failed = span(Kind::Internal, "JOB /v1/completions");
    failed.end = AT - 5;
    Told { code: Some("origin_failed"), ..told(Door::Completions, RequestOutcome::Failed) }.write(&mut failed);
    let mut client = span(Kind::Client, "POST /v1/chat/completions");
    client.word("error.type", "left");
    client.word("error.type", "given_up");
    client.name("sluice.origin", "");
    let text = export(SERVICE, &[served, refused, failed, client]);
    let read: Value = serde_json::from_str(&text).expect("it is JSON");
    golden("otlp_spans.json", &format!("{}\n", serde_json::to_string_pretty(&read).unwrap()));
}

#[test]
fn a_door_is_told_by_a_word_of_the_conventions_where_there_is_one() {
    let words = ["chat", "text_completion", "embeddings", "rerank", "image_generation"];
    for door in Door::ALL {
        let asks_no_model = matches!(door, Door::CountTokens | Door::Tokenize | Door::Detokenize);
        assert_eq!(operation(*door).is_none(), asks_no_model, "{door:?}");
        assert!(operation(*door).is_none_or(|word| words.contains(&word)), "{door:?}");
    }
}

proptest! {
    #![proptest_config(crate::cases(300))]

    /// Names of callers' choosing.
    #[test]
    fn whatever_names_hold_it_is_json_and_short(
        name in "\\PC{0,200}|[\\x00-\\x1f\"\\\\\u{2028}\u{fffd}😀]{0,100}",
        start: u64,
        end: u64,
        count in 0_usize..4,
    ) {
        let limits = vec![name.clone(); count * 20];
        let mut one = span(Kind::Server, "POST /v1/messages");
        (one.start, one.end, one.state) = (start, end, Some(name.clone()));
        let told = Told { account: &name, plan: &name, model: &name, limits: &limits, ..told(Door::Messages, RequestOutcome::Served) };
        told.write(&mut one);
        let read: Value = serde_json::from_str(&export(SERVICE, &vec![one; count])).expect("it is JSON");
        let spans = read["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("a list");
        prop_assert_eq!(spans.len(), count);
        for span in spans {
            prop_assert_eq!(&span["traceState"], &json!(name));
            let [start, end] = ["startTimeUnixNano", "endTimeUnixNano"]
                .map(|member| span[member].as_str().expect("a text").parse::<u64>().expect("of 64 bits"));
            prop_assert!(start <= end);
            let cut: String = name.chars().take(64).collect();
            let all = span["attributes"].as_array().expect("a list");
            let of = |key: &str| all.iter().find(|one| one["key"] == key).map(|one| &one["value"]["stringValue"]);
            for key in ["sluice.account", "sluice.plan", "gen_ai.request.model"] {
                prop_assert_eq!(of(key).cloned(), Some(json!(cut)).filter(|_| !name.is_empty()), "{}", key);
            }
            let limits = all.iter().find(|one| one["key"] == "sluice.limits").expect("they refused");
            prop_assert_eq!(limits["value"]["arrayValue"]["values"].as_array().expect("a list").len(), 16);
            let mut keys: Vec<_> = all.iter().map(|one| one["key"].as_str().expect("a text")).collect();
            keys.sort_unstable();
            let known = keys.len();
            keys.dedup();
            prop_assert_eq!(keys.len(), known, "no key is there twice");
        }
    }
}
