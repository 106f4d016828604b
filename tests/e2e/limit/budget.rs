//! budgets on workerd: the last cent, credits that are added once, time zones by the platform's own tables; and its calendar
//! against the IANA's, over ten years.

use harness::caller::{hello, hello_stream};
use harness::secrets::PROMPT;
use harness::wait::{SOON, until_true};
use harness::{Answer, Stack, tools};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;
use std::process::Command;

/// What the prompt of [`hello`] comes to: its bytes and the template around them.
const HELLO: u64 = PROMPT.len() as u64 + 19;

/// A thousandth of a dollar for each token.
fn prices() -> Value {
    json!([{"currency": "USD", "prompt": "0.001", "completion": "0.001", "per": "1"}])
}

fn budget(members: &Value) -> Value {
    let mut budget = json!({"name": "money", "kind": "budget", "unit": "cost", "currency": "USD"});
    budget.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
    budget
}

#[test]
fn credits_are_added_once_and_refuse_at_their_last_cent() {
    let mut stack = Stack::new().with(budget(&json!({"period": "ever"}))).table("costs", prices()).slots(16).start();
    stack.script().allow_all();
    let key = stack.key();
    let refused = |answer: Answer| {
        let answer = answer.refused(Reason::InsufficientCredits);
        assert_eq!((answer.status, answer.header("x-should-retry")), (402, Some("false")));
        answer
    };
    refused(stack.edge.chat(Some(&key.key), &hello(4)));
    let path = format!("/accounts/{}/credits", key.account);
    let add = |stack: &harness::RunningStack, once: &str, amount: &str| {
        let body = json!({"limit": "money", "amount": amount, "currency": "USD"});
        stack.edge.admin_with(&[("idempotency-key", once)], "POST", &path, Some(&body))
    };
    // Ten requests of four tokens each, and one cent too little for another.
    let cents = 10 * (HELLO + 4);
    let amount = format!("{}.{:03}", cents / 1_000, cents % 1_000);
    let first = add(&stack, "order-1", &amount);
    assert_eq!(first.status, 200, "{}", first.text());
    stack.restart_edge();
    let again = add(&stack, "order-1", &amount);
    assert_eq!((again.status, again.json()), (200, first.json()));
    assert_eq!(add(&stack, "order-1", "5").status, Reason::IdempotencyKeyReused.row().status);

    let statuses: Vec<_> = std::thread::scope(|scope| {
        let send = || stack.edge.chat(Some(&key.key), &hello_stream(4)).status;
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().expect("the request's thread does not panic")).collect()
    });
    assert!(statuses.iter().all(|status| matches!(status, 200 | 402)), "{statuses:?}");
    until_true("all is settled", SOON, || stack.edge.own(&key.key).live_leases == 0);
    while stack.edge.chat(Some(&key.key), &hello(4)).status == 200 {}
    until_true("all is settled", SOON, || stack.edge.own(&key.key).live_leases == 0);
    let view = stack.edge.admin("GET", &format!("/accounts/{}", key.account), None).json();
    let standing = &view["budgets"][0];
    let money = |member: &str| standing[member].as_str().expect("a decimal").to_owned();
    let mills = |member: &str| -> u64 {
        let (whole, part) = money(member).split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a point");
        format!("{whole}{part:0<3}").parse().expect("a number")
    };
    let (limit, used, left) = (mills("limit"), mills("used"), mills("remaining"));
    assert_eq!((limit, left), (cents, limit - used));
    // Too little for another one.
    assert!(left < HELLO + 4, "{standing}");
    assert_eq!(standing["period"], "ever");
    assert_eq!(view["credits"]["money"]["amount"], standing["limit"]);
    let answer = refused(stack.edge.chat(Some(&key.key), &hello(4)));
    assert!(
        answer.text().contains("of this account")
            && answer.text().contains(&format!("{} USD are left", money("remaining"))),
        "{}",
        answer.text()
    );
    let actions = stack.edge.admin("GET", "/audit?action=account.credit", None).json();
    assert_eq!(actions["data"].as_array().map(Vec::len), Some(1), "the log tells of it once");
    assert_eq!(add(&stack, "order-2", "1").status, 200);
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
}

#[test]
fn a_month_s_budget_says_when_it_opens_and_its_zone_must_exist() {
    let zone = "Asia/Kathmandu";
    let limit = budget(&json!({"limit": "0.01", "period": "month", "zone": zone}));
    let stack = Stack::new().with(limit).table("costs", prices()).start();
    stack.script().allow_all();
    let refused = stack.edge.chat(Some(&stack.key().key), &hello(4)).refused(Reason::NeverFits);
    assert!(
        refused.text().contains("a budget of 0.01 USD a month (Asia/Kathmandu) of this account"),
        "{}",
        refused.text()
    );

    let table = |zone: &str, limit: u64| {
        let limit = json!({"name": "b", "kind": "budget", "limit": limit, "period": "month", "zone": zone});
        json!({"plans": {"p": {"limits": [limit]}, harness::PLAN: {"limits": []}}}).to_string()
    };
    let wrong = stack.edge.put_plans(Some("*"), &table("Asia/Atlantis", 1)).refused(Reason::InvalidRequest);
    assert!(wrong.text().contains("plans.p.limits[0].zone"), "{}", wrong.text());
    assert_eq!(stack.edge.put_plans(Some("*"), &table(zone, 1)).status, 200);
    let key = stack.edge.issue_key("p");
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    let refused = stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::BudgetExceeded);
    // The first of the next month, by the clocks of Kathmandu.
    let now = Timestamp::now();
    let here = now.to_zoned_datetime(TimeZone::get(zone).expect("a zone"));
    let next = here.date().first_of_month().checked_add(1.month()).expect("a date");
    let opens = next.to_zoned_datetime(TimeZone::get(zone).expect("a zone")).expect("a time").timestamp();
    let wait = refused.retry_after_ms().expect("a budget says when");
    let told = now.as_millisecond() as u64 + wait;
    assert!(told.abs_diff(opens.as_millisecond() as u64) < 20_000, "{told} is not {opens}");
}

/// The Worker's calendar is JavaScript, and this is the same engine's.
#[test]
fn the_calendar_is_the_iana_s() {
    let zones = ["Europe/Zurich", "America/New_York", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe"];
    // Each day of ten years that are over, a little later each time: of those to come editions of the table may differ.
    let times: Vec<u64> = (0..3_660).map(|number| 1_420_070_400_000 + number * (86_400_000 + 23_597)).collect();
    let script = format!(
        "import {{ period }} from {:?};\nconst told = {{}};\nfor (const zone of {zones:?}) told[zone] = {times:?}.map((at) => \
         [\"day\", \"week\", \"month\"].map((name) => period(zone, name, at)));\nif (period(\"Europe/Atlantis\", \"day\", 0).length \
         !== 0) throw new Error(\"a zone that is not there\");\nconsole.log(JSON.stringify(told));",
        tools::root().join("edge/src/platform/workerd/js/calendar.js")
    );
    let output = Command::new(tools::node()).args(["--input-type=module", "-e", &script]).output().expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for name in zones {
        let zone = TimeZone::get(name).expect("a zone");
        let begins = |day: Date| {
            let midnight = day.to_zoned_datetime(zone.clone()).and_then(|day| day.start_of_day()).expect("a day");
            midnight.timestamp().as_millisecond()
        };
        for (at, told) in times.iter().zip(told[name].as_array().expect("a list")) {
            let date = Timestamp::from_millisecond(*at as i64).expect("a time").to_zoned_datetime(zone.clone()).date();
            let monday = date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days()).expect("a date");
            let month = date.first_of_month();
            let after = |day: Date, days: i64| day.checked_add(days.days()).expect("a date");
            let expected = json!([
                [begins(date), begins(after(date, 1))],
                [begins(monday), begins(after(monday, 7))],
                [begins(month), begins(month.checked_add(1.month()).expect("a date"))],
            ]);
            assert_eq!(*told, expected, "{name} at {at}");
        }
    }
}
