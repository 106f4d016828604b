//! Budgets at a Gate: credits that are added once, and that nothing is let through that cannot be counted.

use super::{account, ask, command, is_done, record, setting};
use sluice_protocol::account::{Account, DecisionContext};
use sluice_protocol::admin::{AccountView, AddCredits};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::command::{Action, Effect};
use sluice_protocol::hop::gate_call::{AccountChange, Answer, Ask, Call, KeyChange, decode_kept, encode_kept};
use sluice_protocol::id::AccountId;
use sluice_protocol::limit::calendar::{Calendar, Span};
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::plan::{PlanTable, limits_from_json};
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::Usage;
use sluice_protocol::request::cost::money::Currency;

/// A dollar for each token: what is left is easily seen.
fn table(limits: &str) -> PlanTable {
    let price = r#"{"currency": "USD", "prompt": "1", "completion": "1", "per": "1"}"#;
    PlanTable::parse(&format!(
        r#"{{"plans": {{"p": {{"limits": [{limits}]}}, "q": {{"limits": []}}}}, "costs": [{price}]}}"#
    ))
    .unwrap()
}

const CREDITS: &str = r#"{"name": "c", "kind": "budget", "unit": "cost", "currency": "USD", "period": "ever"}"#;
const DAY: &str =
    r#"{"name": "d", "kind": "budget", "unit": "cost", "currency": "USD", "limit": "12", "period": "day"}"#;

fn add(amount: u64, currency: &str) -> Action {
    Action::AddCredits { limit: "c".into(), amount: amount * 1_000_000_000, currency: Currency::parse(currency) }
}

/// Asks for four tokens more than the prompt's one, and uses them all.
fn spend(account: &mut Account, setting: DecisionContext<'_>, id: u16) -> Answer {
    let ask = Ask { prompt_is_counted: true, ..ask(1, id) };
    let request = ask.request;
    let answer = account.answer(&Call::Admit(Box::new(ask)), setting, 1_000).0;
    let outcome = Outcome::Served(Some(Usage::new(1, 4).into()));
    account.answer(&Call::Settle { request, outcome }, setting, 1_000);
    answer
}

#[test]
fn credits_are_added_once_and_used_once() {
    let table = table(CREDITS);
    let (mut account, setting) = (account("p"), setting(&table));
    let refused = spend(&mut account, setting, 1).refusal().unwrap();
    assert_eq!((refused.reason, refused.retry_after_ms), (Reason::InsufficientCredits, None));
    let call = command(add(11, "USD"));
    for is_first in [true, false, false] {
        let (answer, changed) = account.answer(&call, setting, 1_000);
        assert!(is_done(&answer) && changed.kept == is_first, "{answer:?}");
        account.kept = decode_kept(&encode_kept(&account.kept)).unwrap();
    }
    let passed: Vec<_> = (2..6).map(|id| matches!(spend(&mut account, setting, id), Answer::Admitted(_))).collect();
    assert_eq!(passed, [true, true, false, false], "five each, of eleven");
    assert!(is_done(&account.answer(&command(add(4, "USD")), setting, 1_000).0));
    assert!(matches!(spend(&mut account, setting, 7), Answer::Admitted(_)));
    let Answer::Did(Effect::Account(described)) = account.answer(&command(add(1, "USD")), setting, 1_000).0 else {
        panic!("described")
    };
    let view = AccountView::new(&AccountName::of_key(AccountId([1; 8])), *described);
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(json["credits"]["c"], serde_json::json!({"amount": "16.00", "unit": "cost", "currency": "USD"}));
    let standing = &json["budgets"][0];
    let told = ["limit", "used", "remaining", "currency", "period"].map(|member| standing[member].as_str().unwrap());
    assert_eq!(told, ["16.00", "15.00", "1.00", "USD", "ever"]);
    assert_eq!(standing.get("zone"), None);
    account.answer(&command(Action::DeleteAccount), setting, 1_000);
    assert!(account.kept.credits.is_empty());
}

#[test]
fn credits_that_no_budget_takes_are_refused_and_change_nothing() {
    let day = DAY;
    let per_key = CREDITS.replace("\"period\"", "\"per\": \"key\", \"period\"");
    for (limits, action) in [
        (CREDITS, add(1, "EUR")),
        (CREDITS, add(1, "")),
        (CREDITS, add(100_000_001, "USD")),
        (day, add(1, "USD")),
        (per_key.as_str(), add(1, "USD")),
        ("", add(1, "USD")),
    ] {
        let table = table(limits);
        let mut account = account("p");
        let before = account.clone();
        let answer = account.answer(&command(action), setting(&table), 1_000).0;
        assert!(matches!(answer, Answer::Unusable(_)), "{limits}: {answer:?}");
        assert_eq!(account, before);
    }
    for (body, param) in [
        (r#"{"limit": "c", "amount": "0", "currency": "USD"}"#, "amount"),
        (r#"{"limit": "c", "amount": "-5", "currency": "USD"}"#, "amount"),
        (r#"{"limit": "c", "amount": 5, "currency": "USD"}"#, "amount"),
        (r#"{"limit": "c", "amount": "5"}"#, "amount"),
        (r#"{"limit": "c", "amount": 1e30}"#, "amount"),
        (r#"{"limit": "c", "amount": "999999999999999999999999999999", "currency": "USD"}"#, "amount"),
        (r#"{"limit": "c", "amount": "5", "currency": "usd"}"#, "currency"),
        (r#"{"limit": "C!", "amount": 5}"#, "limit"),
    ] {
        assert_eq!(AddCredits::parse(body.as_bytes()).unwrap_err().param.as_deref(), Some(param), "{body}");
    }
}

/// Whoever decides does not guess when a period ends, nor what a euro is in dollars.
#[test]
fn nothing_passes_that_cannot_be_counted() {
    let table = table(DAY);
    let mut calendar = Calendar::default();
    let cycle = table.cycles().next().unwrap();
    calendar.add(cycle, Span { began: 500, ends: 5_000 });
    let known = DecisionContext { calendar: &calendar, ..setting(&table) };
    let mut account = account("p");
    assert_eq!(account.cycles(&table).collect::<Vec<_>>(), [cycle]);
    assert_eq!(spend(&mut account, setting(&table), 1), Answer::Uncounted("d".into()));
    let passed: Vec<_> = (2..5).map(|id| matches!(spend(&mut account, known, id), Answer::Admitted(_))).collect();
    assert_eq!(passed, [true, true, false]);
    let before = account.clone();
    let later = Call::Admit(Box::new(Ask { prompt_is_counted: true, ..ask(1, 9) }));
    assert_eq!(account.answer(&later, known, 5_000).0, Answer::Uncounted("d".into()), "another day");
    assert_eq!(account, before, "and nothing has changed");

    let own = serde_json::json!([{"name": "o", "kind": "budget", "unit": "cost", "currency": "EUR", "limit": "5", "period": "ever"}]);
    let limits = limits_from_json("limits", &own).unwrap();
    let change = KeyChange { limits: Some(limits.clone()), ..KeyChange::default() };
    let answer = account.answer(&command(Action::ChangeKey { key: [1; 4], change: Box::new(change) }), known, 1_000).0;
    assert!(matches!(answer, Answer::Unusable(_)), "{answer:?}");
    // As after a table with other prices was put.
    account.kept.keys[0].limits = limits;
    assert_eq!(spend(&mut account, known, 8), Answer::Uncounted("o".into()));
    assert_eq!(record(1, "p").limits, []);
}

#[test]
fn there_is_no_other_number_for_money() {
    let table = table(CREDITS);
    let mut account = account("p");
    let overrides = Some([("c".into(), 5)].into());
    let change = AccountChange { overrides: overrides.clone(), ..AccountChange::default() };
    let of_key = Box::new(KeyChange { overrides, ..KeyChange::default() });
    for action in [Action::ChangeAccount(change), Action::ChangeKey { key: [1; 4], change: of_key }] {
        let answer = account.answer(&command(action), setting(&table), 1_000).0;
        assert!(matches!(answer, Answer::Unusable(_)), "{answer:?}");
    }
    // As after the limit of that name has become one of money.
    account.kept.settings.overrides = [("c".into(), 1_000_000_000)].into();
    assert_eq!(spend(&mut account, setting(&table), 1).refusal().unwrap().reason, Reason::InsufficientCredits);
}
