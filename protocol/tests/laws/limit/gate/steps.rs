//! Steps, facts and limits as chance makes them.

use crate::oracle::facts;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sluice_protocol::auth::pattern::Pattern;
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::limit::ask::{Exact, Facts};
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::gate::CLOSED_MS;
use sluice_protocol::limit::kind::bucket::Bucket;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::kind::{LimitKind, Unit};
use sluice_protocol::limit::plan::schedule::{Schedule, ScheduleRule};
use sluice_protocol::limit::plan::{Limit, Per, Pressure, When};
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::cost::work::Work;
use sluice_protocol::request::cost::{Class, Rate};
use sluice_protocol::request::drawing::{Drawing, Drawn};

#[derive(Clone, Debug)]
pub(super) enum Step {
    Clock(i64),
    Admit(u8, Box<Facts>),
    Settle(u8, Outcome),
    /// The second in place of the first, as the origin counted it.
    Readmit(u8, u8, Box<Facts>),
    Reload,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let drawn = (0u32..4, 0u32..7, 1u64..1_500).prop_map(|(images, steps, pixels)| Drawn {
        images,
        steps,
        pixel_steps: u64::from(steps) * pixels,
    });
    let drawn = prop_oneof![2 => Just(Drawn::NOTHING), 1 => drawn];
    let usage = (0u64..9, 0u64..9, option::of(0u64..11), drawn);
    let usage = usage.prop_map(|(prompt, answer, reasoning_tokens, drawn)| Used {
        usage: Usage::new(prompt, answer),
        reasoning_tokens,
        cached_tokens: 0,
        drawn,
    });
    let outcome = prop_oneof![
        2 => option::of(usage).prop_map(Outcome::Served),
        1 => Just(Outcome::NotServed),
    ];
    prop_oneof![
        3 => (-40i64..120).prop_map(Step::Clock),
        1 => prop_oneof![Just(-5_000i64), Just(6_000), Just(60_000), Just(CLOSED_MS as i64)].prop_map(Step::Clock),
        6 => (0u8..40, some_facts()).prop_map(|(id, facts)| Step::Admit(id, Box::new(facts))),
        4 => (0u8..40, outcome).prop_map(|(id, outcome)| Step::Settle(id, outcome)),
        2 => (0u8..40, 40u8..50, some_facts()).prop_map(|(first, id, facts)| Step::Readmit(first, id, Box::new(facts))),
        1 => Just(Step::Reload),
    ]
}

pub(super) fn some_facts() -> impl Strategy<Value = Facts> {
    let class = prop_oneof![Just(Class::Light), Just(Class::Medium), Just(Class::Heavy)];
    let value = || option::of((0u8..3).prop_map(|n| Mark([n + 1; 8])));
    let drawing = (1u16..4, 1u16..3, 1u32..1_500).prop_map(|(n, steps, pixels)| Drawing { n, steps, pixels });
    let drawing = prop_oneof![2 => Just(Drawing::default()), 1 => drawing];
    let work = (1u32..7, 1u32..7, any::<bool>(), drawing);
    let exact = (any::<bool>(), any::<bool>()).prop_map(|(prompt, max_tokens)| Exact { prompt, max_tokens });
    let full = prop_oneof![Just(0u8), Just(60), Just(100)];
    (class, 0u8..2, 0u8..2, value(), value(), work, exact, full).prop_map(
        |(class, key, model, session, user, (prompt_tokens, max_tokens, thinking, drawing), exact, pressure)| Facts {
            key: Mark::of_key([key; 4]),
            model: ["m", "n"][usize::from(model)].into(),
            session,
            user,
            class,
            work: Work { prompt_tokens, max_tokens, thinking, drawing },
            exact,
            rate: Rate {
                request: 1,
                prompt_token: 2,
                completion_token: 1,
                thinking_token: 3,
                image_kilopixel_step: 2,
                ..Rate::default()
            },
            pressure,
            ..facts(0)
        },
    )
}

pub(super) fn limit() -> impl Strategy<Value = Limit> {
    let unit =
        prop_oneof![2 => Just(Unit::Requests), 2 => Just(Unit::Tokens), 1 => Just(Unit::Cost), 1 => Just(Unit::Images)];
    let kind = (unit, 1u32..7, 1u64..300, 0u8..4).prop_map(|(unit, few, span, kind)| {
        let most = if matches!(unit, Unit::Requests | Unit::Images) { few } else { few * 5 };
        match kind {
            0 => LimitKind::from(Parallel { limit: few }),
            1 => Bucket { unit, capacity: most, refill: Refill { amount: few, every_ms: span } }.into(),
            _ => Window { unit, limit: most, window_ms: span }.into(),
        }
    });
    let per = prop_oneof![3 => Just(Per::Account), 1 => Just(Per::Key), 1 => Just(Per::Model), 1 => Just(Per::Session), 1 => Just(Per::User)];
    let when = prop_oneof![
        3 => Just(When::default()),
        1 => Just(When { classes: vec![Class::Light, Class::Heavy], ..When::default() }),
        1 => Just(When { models: vec![Pattern("n".into())], ..When::default() }),
    ];
    let minutes = prop_oneof![Just((0u16, 1u16)), Just((1, 3)), Just((23 * 60 + 59, 0))];
    let rule = (minutes, prop_oneof![Just(0u16), Just(50), Just(250)]).prop_map(|((from, to), percent)| ScheduleRule {
        days: 0b111_1111,
        from,
        to,
        percent,
    });
    let schedule = prop_oneof![
        3 => Just(Schedule::default()),
        1 => vec(rule, 1..3).prop_map(|rules| Schedule { offset_minutes: 0, rules }),
    ];
    let pressure = prop_oneof![3 => Just(None), 1 => Just(Some(Pressure { from: 50, percent: 20 }))];
    (kind, per, when, schedule, pressure, prop::bool::weighted(0.15)).prop_map(
        |(kind, per, when, schedule, pressure, shadow)| Limit {
            per,
            when,
            schedule,
            pressure,
            shadow,
            ..Limit::new("", kind)
        },
    )
}

pub(super) fn limits() -> impl Strategy<Value = Vec<Limit>> {
    vec(limit(), 0..5).prop_map(|mut limits| {
        for (index, limit) in limits.iter_mut().enumerate() {
            limit.name = format!("l{index}");
        }
        limits
    })
}
