//! Pictures at an account's Gate: the tiers of the built-in plans, the bucket of docs/limits.md, and that what was not drawn is
//! given back to the step, whatever was reserved.

use super::{account, caller, record, setting};
use proptest::prelude::*;
use sluice_protocol::account::Account;
use sluice_protocol::hop::gate_call::{Answer, Ask, Call, Kept};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::decision::{Outcome, Passes, Refused};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::drawing::{Drawing, Drawn};
use sluice_protocol::request::endpoint::Endpoint;

const START: u64 = 1_790_000_000_000;
const DAY: u64 = 86_400_000;

fn pictures(id: u16, n: u16, side: u32) -> Ask {
    let mut request = [0; 16];
    request[..2].copy_from_slice(&id.to_le_bytes());
    Ask {
        request: RequestId(request),
        endpoint: Endpoint::Images,
        model: "z-image-turbo".into(),
        prompt_tokens: 12,
        max_tokens: Some(0),
        drawing: Drawing { n, steps: 8, pixels: side * side },
        ..Ask::smallest(caller(1))
    }
}

fn admit(account: &mut Account, table: &PlanTable, ask: Ask, now: u64) -> Result<u8, Vec<Refused>> {
    match account.answer(&Call::Admit(Box::new(ask)), setting(table), now).0 {
        Answer::Admitted(admission) => Ok(admission.priority),
        Answer::Limited { refused, .. } => Err(refused),
        other => panic!("{other:?}"),
    }
}

fn settle(account: &mut Account, table: &PlanTable, ask: &Ask, drawn: Drawn, now: u64) {
    let outcome = Outcome::Served(Some(Used::of_pictures(12, drawn)));
    let answer = account.answer(&Call::Settle { request: ask.request, outcome }, setting(table), now).0;
    assert_eq!(answer, Answer::Done(true));
}

/// Which limits refuse, and when this very request would pass.
fn refused(result: Result<u8, Vec<Refused>>) -> Vec<(String, Passes)> {
    result.unwrap_err().into_iter().map(|refused| (refused.limit, refused.passes)).collect()
}

fn of_plan(plan: &str) -> Account {
    Account { kept: Kept { keys: vec![record(1, plan)], ..Kept::default() }, ..Account::default() }
}

/// 50 images a day and one at once, 200 and two, any number and three; whoever pays goes first.
#[test]
fn the_built_in_tiers_are_those_of_an_image_service() {
    let table = PlanTable::built_in();
    for (plan, a_day, at_once, priority) in
        [("images-anonymous", Some(50), 1, 0), ("images-registered", Some(200), 2, 1), ("images-vip", None, 3, 2)]
    {
        let (mut account, mut id, mut now) = (of_plan(plan), 0, START);
        let mut next = |n| {
            id += 1;
            pictures(id, n, 512)
        };
        let open: Vec<Ask> = (0..at_once).map(|_| next(1)).collect();
        for ask in &open {
            assert_eq!(admit(&mut account, &table, ask.clone(), now), Ok(priority), "{plan}");
        }
        let names: Vec<_> =
            refused(admit(&mut account, &table, next(1), now)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["parallel"], "{plan}: one more at once");
        open.iter().for_each(|ask| settle(&mut account, &table, ask, ask.drawing.whole(), now));
        // Ten at a time, until the day's are drawn.
        let mut drawn = at_once;
        while a_day.is_none_or(|most| drawn + 10 <= most) && drawn < 500 {
            let ask = next(10);
            assert_eq!(admit(&mut account, &table, ask.clone(), now), Ok(priority), "{plan} after {drawn}");
            settle(&mut account, &table, &ask, ask.drawing.whole(), now);
            (drawn, now) = (drawn + 10, now + 1);
        }
        match a_day {
            None => assert!(drawn >= 500),
            Some(most) => {
                // What would be the day's last and one more waits until the first are a day old, to the millisecond.
                let left = u16::try_from(most - drawn).unwrap();
                let too_many = next(left + 1);
                assert_eq!(
                    refused(admit(&mut account, &table, too_many.clone(), now)),
                    [("images".to_owned(), Passes::At(START + DAY))],
                    "{plan}"
                );
                assert!(admit(&mut account, &table, next(left), now).is_ok());
                assert!(admit(&mut account, &table, too_many, START + DAY).is_ok() || at_once == 1);
            }
        }
        // Texts are no images.
        let text = Ask { endpoint: Endpoint::Chat, drawing: Drawing::default(), ..next(1) };
        let names = |result: Result<u8, Vec<Refused>>| result.err().map(|refused| refused[0].limit.clone());
        assert_ne!(names(admit(&mut account, &table, text, now)), Some("images".into()), "{plan}");
    }
}

/// Three tokens of 4,200 units, one more in two seconds, and 1,024 x 1,024 in eight steps takes two: docs/limits.md.
#[test]
fn the_bucket_of_the_page_is_the_seeds() {
    let page = include_str!("../../../../docs/limits.md");
    let bucket = r#"{"name": "burst", "kind": "bucket", "unit": "cost", "capacity": 12600, "refill": 2100}"#;
    let price = r#""costs": [{"when": {"endpoint": "images"}, "image_kilopixel_step": 1}]"#;
    assert!(page.contains(bucket) && page.contains(price), "the page has the example that is tried here");
    let table = PlanTable::parse(&format!(r#"{{"plans": {{"p": {{"limits": [{bucket}]}}}}, {price}}}"#)).unwrap();
    let mut account = account("p");
    // 8,389 of 12,600 units, and 4,211 are left: one of 720 x 720 takes 4,148.
    assert!(admit(&mut account, &table, pictures(1, 1, 1_024), START).is_ok());
    assert!(admit(&mut account, &table, pictures(2, 1, 720), START).is_ok());
    // 63 are left, and 2,100 come in a second: 8,389 are there after 3,965 ms and a part of one.
    let again = pictures(3, 1, 1_024);
    let at = START + (8_389_u64 - 63).saturating_mul(1_000).div_ceil(2_100);
    assert_eq!(refused(admit(&mut account, &table, again.clone(), START)), [("burst".to_owned(), Passes::At(at))]);
    assert!(admit(&mut account, &table, again.clone(), at - 1).is_err());
    assert!(admit(&mut account, &table, again.clone(), at).is_ok(), "waiting so long suffices");
    // One of which three steps were run gives five back: 8,389 - 3,146.
    settle(&mut account, &table, &again, Drawn { images: 1, steps: 3, pixel_steps: 3 * 1_024 * 1_024 }, at);
    assert!(admit(&mut account, &table, pictures(4, 1, 720), at).is_ok());
    assert!(admit(&mut account, &table, pictures(5, 1, 720), at).is_err());
    // Two of 1,024 x 1,024 at once never fit.
    assert_eq!(refused(admit(&mut account, &table, pictures(6, 2, 1_024), at)), [("burst".to_owned(), Passes::Never)]);
    // What is no picture costs nothing here.
    assert!(
        admit(
            &mut account,
            &table,
            Ask { drawing: Drawing::default(), endpoint: Endpoint::Chat, ..pictures(7, 1, 64) },
            at
        )
        .is_ok()
    );
}

fn drawing() -> impl Strategy<Value = Drawing> {
    let pixels = (4_u32..=128, 4_u32..=128).prop_map(|(width, height)| width * height * 256);
    (1..=10_u16, 1..=50_u16, pixels).prop_map(|(n, steps, pixels)| Drawing { n, steps, pixels })
}

/// Any part of it: so many pictures begun, so many steps run.
fn part(drawing: Drawing, run: u32, pixels: u32) -> Drawn {
    let steps = run % (drawing.whole().steps + 1);
    let pixels = 4_096.max(pixels % (drawing.pixels + 1)).min(drawing.pixels);
    let images = steps.div_ceil(drawing.steps.into());
    Drawn { images, steps, pixel_steps: u64::from(steps) * u64::from(pixels) }
}

proptest! {
    /// What is counted before a request ends is all that it may cost, and after it what it did; nothing in between is free, and
    /// nothing that was not run is paid.
    #[test]
    fn steps_that_were_not_run_are_given_back_exactly(
        drawing in drawing(),
        run: u32,
        pixels: u32,
        weights in [0_u32..5, 0_u32..5, 0_u32..200, 0_u32..9],
        price in 0_u32..1_000_000,
        known: bool,
    ) {
        let [step, kilopixel, kilopixel_step, token] = weights;
        let table = format!(
            r#"{{"plans": {{"p": {{"limits": [
                {{"name": "images", "kind": "window", "unit": "images", "limit": 1000, "window": "1d"}},
                {{"name": "requests", "kind": "window", "limit": 1000, "window": "1d"}},
                {{"name": "tokens", "kind": "window", "unit": "tokens", "limit": 1000, "window": "1d"}},
                {{"name": "units", "kind": "window", "unit": "cost", "limit": 999999999, "window": "1d"}},
                {{"name": "money", "kind": "budget", "unit": "cost", "currency": "USD", "limit": "100000000", "period": "ever"}}
            ]}}}}, "costs": [
                {{"request": 1, "image_step": {step}, "image_kilopixel": {kilopixel},
                  "image_kilopixel_step": {kilopixel_step}, "prompt_token": {token}}},
                {{"currency": "USD", "image_kilopixel_step": "0.{price:06}", "prompt": "0.5", "completion": "1"}}
            ]}}"#
        );
        let table = PlanTable::parse(&table).unwrap();
        let mut account = account("p");
        let ask = Ask { drawing, ..pictures(1, 1, 64) };
        prop_assert!(admit(&mut account, &table, ask.clone(), START).is_ok());
        let used = |account: &Account| -> Vec<u64> {
            let call = Call::DescribeCaller { caller: caller(1), address: None };
            match account.clone().answer(&call, setting(&table), START).0 {
                Answer::Caller(described) => described.standings.iter().map(|standing| standing.used).collect(),
                other => panic!("{other:?}"),
            }
        };
        // Counted anew, one thing after the other.
        let expected = |drawn: Drawn, tokens: u64| -> Vec<u64> {
            let each = if drawn.steps == 0 { 0 } else { drawn.pixel_steps / u64::from(drawn.steps) };
            let units = 1
                + u64::from(step) * u64::from(drawn.steps)
                + u64::from(kilopixel) * (each * u64::from(drawn.images)).div_ceil(1_000)
                + u64::from(kilopixel_step) * drawn.pixel_steps.div_ceil(1_000)
                + u64::from(token) * tokens;
            // Billionths: 0.5 for a million tokens, and the price for a million thousands of pixels.
            let thousandths = 500_u64 * 1_000_000 * tokens + u64::from(price) * drawn.pixel_steps;
            vec![drawn.images.into(), 1, tokens, units, thousandths.div_ceil(1_000_000)]
        };
        prop_assert_eq!(used(&account), expected(drawing.whole(), 12));
        let drawn = part(drawing, run, pixels);
        let told = Used { usage: Usage::new(12, 0), ..Used::of_pictures(12, drawn) };
        let outcome = Outcome::Served(known.then_some(told));
        account.answer(&Call::Settle { request: ask.request, outcome }, setting(&table), START + 5);
        prop_assert_eq!(used(&account), expected(if known { drawn } else { drawing.whole() }, 12));
        // What we failed is taken back from all.
        let again = Ask { drawing, ..pictures(2, 1, 64) };
        let before = used(&account);
        prop_assert!(admit(&mut account, &table, again.clone(), START + 6).is_ok());
        account.answer(&Call::Settle { request: again.request, outcome: Outcome::NotServed }, setting(&table), START + 7);
        prop_assert_eq!(used(&account), before);
    }

    /// What a class is goes by what is asked for in all, and never overflows.
    #[test]
    fn a_class_grows_with_what_is_drawn(drawing in drawing(), more in drawing()) {
        let classes = PlanTable::built_in().classes;
        let both = Drawing {
            n: drawing.n.max(more.n),
            steps: drawing.steps.max(more.steps),
            pixels: drawing.pixels.max(more.pixels),
        };
        let rank = |drawing| classes.class(100, 0, drawing) as u8;
        prop_assert!(rank(both) >= rank(drawing).max(rank(more)));
    }
}
