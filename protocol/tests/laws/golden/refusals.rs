//! Refusals: those of a Gate, the table of all, and the shape that each protocol gives them.

use super::golden;
use sluice_protocol::auth::permission::{Denied, Scope};
use sluice_protocol::dialect::{BrokenOff, Dialect};
use sluice_protocol::forward::report::UsageMark;
use sluice_protocol::hop::gate_call::{Answer, Forbidden};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::calendar::{Cycle, Period, Zone};
use sluice_protocol::limit::decision::{Blanket, Passes, Refused};
use sluice_protocol::limit::kind::bucket::RefusedBucket;
use sluice_protocol::limit::kind::budget::Budget;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::kind::{Kind, Unit};
use sluice_protocol::limit::plan::Per;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::cost::money::Currency;

/// What each refusal of a Gate says to the caller.
#[test]
fn the_refusals_of_a_gate() {
    let refused = |limit: &str, kind, amount, used, passes| Refused {
        limit: limit.into(),
        kind,
        amount,
        used,
        passes,
        blanket: Blanket::No,
    };
    let minute = Window { unit: Unit::Requests, limit: 60, window_ms: 60_000 };
    let window = |at| refused("minute", minute.into(), 1, 60, Passes::At(at));
    let parallel = refused("parallel", Parallel { limit: 2 }.into(), 1, 2, Passes::At(900_000));
    let tokens = Window { unit: Unit::Tokens, limit: 1_000, window_ms: 60_000 };
    let burst = RefusedBucket { unit: Unit::Cost, capacity: 900 };
    let month = Cycle { period: Period::Month, zone: Zone::parse("Europe/Zurich").unwrap() };
    let budget = |cycle, per| {
        let limit = 25_000_000_000;
        Budget { unit: Unit::Money, limit, currency: Currency::parse("USD"), cycle }.refused(limit, per)
    };
    let closed = Window { unit: Unit::Requests, limit: 0, window_ms: 60_000 };
    let limited = |refused| Answer::Limited { plan: "p".into(), refused, standings: Vec::new(), now: 1_000 };
    let not_allowed = |forbidden| Answer::NotAllowed { plan: "p".into(), forbidden };
    let lines: String = [
        Answer::UnknownCaller,
        Answer::UnknownPlan("gone".into()),
        Answer::Disabled,
        Answer::Expired,
        Answer::Denied(Denied::Address),
        Answer::Denied(Denied::Scope(Scope::Completions)),
        Answer::Denied(Denied::Model),
        Answer::NotFound,
        Answer::OtherVersion,
        not_allowed(Forbidden::Model),
        not_allowed(Forbidden::InputBytes(1_000)),
        not_allowed(Forbidden::MaxTokens(100)),
        Answer::UnknownTable,
        Answer::Unusable("There is no such limit.".into()),
        Answer::Closed,
        Answer::TooFull("p".into()),
        limited(vec![window(3_417)]),
        limited(vec![parallel.clone()]),
        limited(vec![window(4_000), parallel]),
        limited(vec![refused("tokens", tokens.into(), 300, 850, Passes::At(9_000))]),
        limited(vec![refused("tokens", tokens.into(), 1_300, 850, Passes::Never)]),
        limited(vec![refused("burst", burst.into(), 300, 850, Passes::LessFull)]),
        limited(vec![refused("office", closed.into(), 1, 0, Passes::At(3_601_000))]),
        limited(vec![refused("month", budget(month, Per::Key), 3_100_000, 24_998_000_000, Passes::At(805_601_000))]),
        limited(vec![refused("month", budget(month, Per::User), 30_000_000_000, 0, Passes::Never)]),
        limited(vec![
            refused("month", budget(month, Per::Model), 3_100_000, 24_998_000_000, Passes::At(805_601_000)),
            window(3_417),
        ]),
        limited(vec![refused("credits", budget(Cycle::EVER, Per::Account), 3_100_000, 25_000_000_000, Passes::Never)]),
        limited(vec![
            refused("credits", budget(Cycle::EVER, Per::Account), 3_100_000, 25_000_000_000, Passes::Never),
            refused("tokens", tokens.into(), 1_300, 850, Passes::Never),
        ]),
        Answer::Uncounted("month".into()),
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

/// Every refusal in each protocol's shape, and what ends a stream with it: after what it had used for certain, and after
/// what was seen of it.
#[test]
fn refusals_have_each_protocol_s_shape() {
    for (name, path) in [
        ("openai", "/v1/chat/completions"),
        ("ollama", "/api/chat"),
        ("anthropic", "/v1/messages"),
        ("responses", "/v1/responses"),
    ] {
        let dialect = Dialect::of(path);
        let used = Used { reasoning_tokens: Some(2), ..Usage::new(57, 12).into() };
        let lines: String = Reason::ALL
            .iter()
            .map(|reason| {
                let refusal = Refusal::new(*reason, "Say \"why\".").with_param("model").with_retry_after_ms(1_500);
                let headers: Vec<String> = dialect
                    .refusal_headers(&refusal, 0)
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}"))
                    .collect();
                let request = RequestId([7; 16]);
                let broken =
                    |mark| dialect.broken(&refusal, BrokenOff { request, events: 7, mark }).escape_debug().to_string();
                let by_origin = [Some(used), None].map(|told| broken(Some(UsageMark::refused(*reason, told, used))));
                let by_edge = broken(None);
                let body = dialect.body(&refusal, Some(request));
                format!(
                    "{} {body}\n  {}\n  {by_edge}\n  {}\n",
                    refusal.status(),
                    headers.join("; "),
                    by_origin.join("\n  ")
                )
            })
            .collect();
        golden(&format!("refusals_{name}.txt"), &lines);
    }
    // Between the gates all of them are OpenAI's.
    let refusal = Refusal::new(Reason::Draining, "x");
    assert_eq!(Dialect::between_gates().body(&refusal, None), Dialect::of("/v1/models").body(&refusal, None));
}
