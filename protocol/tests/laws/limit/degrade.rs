//! Degrading: levels rise at once and never flap, what a level makes of a request is told and charged, and what a plan
//! says of it is checked whole.

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::limit::degrade::{Bendable, Degrade, Degraded, Dial, Signal};
use sluice_protocol::limit::plan::PlanTable;

const HOLD_MS: u64 = 5_000;

fn setting(rungs: &str) -> Degrade {
    let text = format!(r#"{{"plans":{{"p":{{"limits":[],"degrade":{{"hold":"5s","ease":10,"rungs":[{rungs}]}}}}}}}}"#);
    PlanTable::parse(&text).unwrap().get("p").unwrap().degrade.clone().unwrap()
}

/// All five, by pressure, and the second by the wait too.
const ALL: &str = r#"{"do":"no_stream","pressure":50},{"do":"no_thinking","pressure":60,"wait":"2s"},
    {"do":"max_tokens","pressure":70,"most":100},{"do":"smaller_model","pressure":80,"models":{"big*":"small"}},
    {"do":"static_answer","pressure":90,"text":"Later.","breaker":true}"#;

fn pressure(pressure: u8) -> Signal {
    Signal { pressure, wait_ms: 0 }
}

proptest! {
    /// Whatever origins say, and whenever requests come: a level rises at once to what is said, and falls by a rung for
    /// each hold at most. Within the band below its beginning a rung is kept.
    #[test]
    fn levels_never_flap(said in vec((0u8..=100, 0u64..4_000, 0u64..9_000), 1..200)) {
        let setting = setting(ALL);
        let mut dial = Dial::default();
        let (mut now, mut before, mut risen_at) = (1_000, 0, 1_000);
        let mut falls: Vec<u64> = Vec::new();
        for (pressure, wait_ms, later) in said {
            now += later;
            let level = dial.turn(&setting, Signal { pressure, wait_ms }, now);
            let by_pressure = if pressure < 50 { 0 } else { ((pressure - 40) / 10).min(5) };
            let begins = by_pressure.max(if wait_ms >= 2_000 { 2 } else { 0 });
            let eased = if pressure < 40 { 0 } else { ((pressure - 30) / 10).min(5) };
            let eased = eased.max(if wait_ms >= 1_800 { 2 } else { 0 });
            prop_assert!(level >= begins, "it rises at once");
            prop_assert!(level <= before.max(begins), "and to no more than was said");
            prop_assert!(level >= before.min(eased), "within the band it is kept");
            if level > before {
                risen_at = now;
                falls.clear();
            }
            for _ in level..before {
                falls.push(now);
                prop_assert!(now - risen_at >= HOLD_MS * falls.len() as u64, "{falls:?} since {risen_at}");
            }
            before = level;
        }
    }

    /// After the wait that is told a level has fallen; one millisecond before it has not.
    #[test]
    fn the_wait_is_exact(said in vec((0u8..=100, 0u64..9_000), 1..40), level in 0u8..5) {
        let setting = setting(ALL);
        let (mut dial, mut now) = (Dial::default(), 1_000);
        for (said, later) in said {
            now += later;
            let held = dial.turn(&setting, pressure(said), now);
            let wait = dial.falls_in(&setting, level, now);
            prop_assert_eq!(wait == 0, held <= level);
            if wait > 0 {
                let mut early = dial;
                prop_assert!(early.turn(&setting, pressure(0), now + wait - 1) > level);
                prop_assert!(dial.clone().turn(&setting, pressure(0), now + wait) <= level);
            }
        }
    }
}

#[test]
fn a_clock_that_goes_back_keeps_the_level_and_begins_anew() {
    let setting = setting(ALL);
    let mut dial = Dial::default();
    assert_eq!(dial.turn(&setting, pressure(75), 1_000_000), 3);
    assert_eq!(dial.turn(&setting, pressure(0), 10_000), 3);
    assert_eq!(dial.turn(&setting, pressure(0), 10_000 + HOLD_MS), 2);
}

#[test]
fn each_level_makes_more_of_what_the_request_has() {
    let setting = setting(ALL);
    let all = Bendable { model: "big-1", streams: true, thinks: true, max_tokens: 500, may_change_model: true };
    let told = |level, asked| setting.bend(level, asked).to_string();
    for (level, expected) in [
        (0, ""),
        (1, "no-stream"),
        (2, "no-stream, no-thinking"),
        (3, "no-stream, no-thinking, max-tokens=100"),
        (4, "no-stream, no-thinking, max-tokens=100, model"),
        (5, "static-answer"),
        (u8::MAX, "static-answer"),
    ] {
        assert_eq!(told(level, all), expected);
    }
    assert_eq!(setting.bend(4, all).model.as_deref(), Some("small"));
    let nothing = Bendable { model: "small", streams: false, thinks: false, max_tokens: 100, may_change_model: true };
    assert!(!setting.bend(4, nothing).is_any(), "nothing is left to be bent");
    assert_eq!(told(4, Bendable { model: "big", may_change_model: false, ..nothing }), "");
    assert_eq!((setting.level_when_broken(), setting.text()), (5, Some("Later.")));
    let clamped = Degraded { clamped: Some(7), ..Degraded::default() };
    assert!(clamped.is_any() && clamped.to_string() == "clamp=7");
}

#[test]
fn thinking_is_kept_by_models_that_are_not_named() {
    let setting = setting(r#"{"do":"no_thinking","pressure":50,"models":["qwen3*"]}"#);
    let asked = |model| Bendable { model, streams: false, thinks: true, max_tokens: 1, may_change_model: true };
    assert!(setting.bend(1, asked("qwen3-8b")).no_thinking && !setting.bend(1, asked("r1")).no_thinking);
}

/// Every mistake is named, together with all others.
#[test]
fn every_mistake_of_the_setting_is_named() {
    let table = r#"{"plans": {"a": {"limits": [], "clamp": 0, "cache": {"ttl": "1500ms", "shared": 1, "price": 101, "x": 1},
        "degrade": {"hold": "10ms", "ease": 0, "rungs": []}},
      "b": {"limits": [], "cache": {"shared": true}, "degrade": {"rungs": [
        {"do": "max_tokens", "pressure": 70},
        {"do": "no_stream", "pressure": 60, "most": 3},
        {"do": "sleep", "pressure": 60},
        {"pressure": 1},
        {"do": "no_thinking", "pressure": 101, "wait": "0s", "breaker": "yes", "models": []}]}},
      "c": {"limits": [], "degrade": {"rungs": [
        {"do": "no_stream"},
        {"do": "max_tokens", "pressure": 70, "wait": "2s", "most": 0},
        {"do": "smaller_model", "wait": "1s", "models": {"a": "b", "b": "c"}},
        {"do": "static_answer", "pressure": 90, "text": ""}]}},
      "d": {"limits": [], "degrade": {"rungs": [
        {"do": "no_stream", "pressure": 60}, {"do": "no_thinking", "pressure": 50}, {"do": "no_thinking", "pressure": 70}]}},
      "e": {"limits": [], "degrade": {}, "cache": 5, "clamp": "x"}}}"#;
    let mistakes = PlanTable::parse(table).err().unwrap_or_default();
    let at: Vec<&str> = mistakes.iter().map(|mistake| mistake.at.as_str()).collect();
    for expected in [
        "plans.a.clamp",
        "plans.a.cache",
        "plans.a.cache.ttl",
        "plans.a.cache.shared",
        "plans.a.cache.price",
        "plans.a.degrade.hold",
        "plans.b.cache",
        "plans.b.degrade.rungs[0]",
        "plans.b.degrade.rungs[1]",
        "plans.b.degrade.rungs[2].do",
        "plans.b.degrade.rungs[3]",
        "plans.b.degrade.rungs[4].pressure",
        "plans.b.degrade.rungs[4].wait",
        "plans.b.degrade.rungs[4].breaker",
        "plans.b.degrade.rungs[4].models",
        "plans.c.degrade.rungs[0]",
        "plans.c.degrade.rungs[1].most",
        "plans.c.degrade.rungs[2].models.a",
        "plans.c.degrade.rungs[3].text",
        "plans.d.degrade.rungs[1]",
        "plans.d.degrade.rungs[2]",
        "plans.e.degrade.rungs",
        "plans.e.cache",
        "plans.e.clamp",
    ] {
        assert!(at.contains(&expected), "{expected} is not in {at:?}");
    }
}
