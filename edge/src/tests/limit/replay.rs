//! The lines that the edge writes are all that a replay needs: by the plans in force it gives what was decided.

use crate::platform::scripted::Faults;
use crate::tests::for_seeds;
use crate::tests::origin::Fate;
use crate::tests::stage::{ADDRESS, Stage};
use serde_json::json;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::replay::request::{Decision, Request};
use sluice_replay::log;
use sluice_replay::replay::{Named, replay};
use std::cell::Cell;

#[test]
fn the_lines_of_a_run_give_its_decisions_again() {
    let (counted, refused) = (Cell::new(0), Cell::new(0));
    for_seeds(40, |seed| {
        let plans = json!({
            "plans": {"open": {"lease": "30s", "limits": [
                {"name": "requests", "kind": "window", "limit": 9, "window": "30s"},
                {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 90, "window": "10s", "per": "user"},
                {"name": "parallel", "kind": "parallel", "limit": 2}]}},
            "anonymous": "open",
        });
        let stage = Stage::new(seed, &plans);
        stage.world.set_faults(Faults { delay_ms: 9, ..Faults::default() });
        let place = stage.places[0];
        let fates = [Fate::Well, Fate::Well, Fate::Longer, Fate::Full, Fate::Cut];
        let mut asked = 0;
        for _ in 0..12 {
            let fate = fates[stage.world.below(fates.len() as u64) as usize];
            stage.origin.always.set(Some(fate));
            // Some at once, and the next when they are over: settles have come to the Gate by then.
            let more = if fate == Fate::Well { stage.world.below(4) } else { 0 };
            let crowd: Vec<_> = (0..=more).map(|_| chat(&stage, stage.world.below(3))).collect();
            crowd.iter().for_each(|caller| stage.finish(caller));
            asked += crowd.len();
            stage.world.run_for(1_000 + stage.world.below(9_000));
        }
        stage.finish(&stage.send(place, "POST", "/v1/chat/completions", &[], "{}".to_owned()));
        stage.calm();
        let text: Vec<String> = stage.world.log().into_iter().map(|(_, line)| line).collect();
        let log = log::read(text.join("\n").as_bytes(), |_| {}).expect("each line is one of ours");
        assert!(log.seen.undecided >= 1, "who has no address has no plan");
        // What an isolate remembers to be refused is not decided, and has no line of a decision.
        assert!(log.requests.len() <= asked && log.requests.len() > asked / 2);
        let plans = PlanTable::parse(&plans.to_string()).expect("they are in force");
        let told = replay(&log, Named { name: "plans", table: &plans }, None, |_, _| {}).expect("a log of ours");
        let (all, as_logged) = (told.part.candidate.all, told.part.candidate.as_logged);
        // Which of two limits refuses may depend on which of those was first that one message brought.
        let is_at_once = |at: u64| log.requests.iter().filter(|request| request.at == at).count() > 1;
        let is_unsure = |request: &&Request| request.decision == Decision::Limited && is_at_once(request.at);
        let unsure = log.requests.iter().filter(is_unsure).count() as u64;
        assert!(as_logged + unsure >= all.asked, "{as_logged} and {unsure}: {:?}", told.part.candidate.accounts);
        let refused_in_log = log.requests.iter().filter(|request| request.decision == Decision::Limited).count();
        assert_eq!(all.refused(), refused_in_log as u64, "as many are refused");
        assert!(all.through > 5, "{all:?}");
        refused.set(refused.get() + all.refused());
        counted.set(counted.get() + log.requests.iter().filter(|request| request.counted_at > 0).count());
        let accounts: Vec<_> = told.part.candidate.accounts.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(accounts, [format!("ip:{ADDRESS}")]);
        assert_eq!(
            all.prompt_tokens + all.completion_tokens,
            stage.origin.computed(),
            "all that was computed is in it"
        );
    });
    assert!(counted.get() > 0 && refused.get() > 0, "{} and {}", counted.get(), refused.get());
}

fn chat(stage: &Stage, user: u64) -> crate::platform::scripted::Caller {
    let body = json!({
        "model": "tiny", "max_tokens": 8, "user": user.to_string(), "stream": user == 0,
        "messages": [{"role": "user", "content": "x"}],
    });
    let address = [("cf-connecting-ip", ADDRESS)];
    stage.send(stage.places[0], "POST", "/v1/chat/completions", &address, body.to_string())
}
