//! Batches and responses in the background whose origin is taken out of the list while something of theirs is there.

use super::{ME, batch, lines, results, wait};
use crate::platform::scripted::Faults;
use crate::tests::for_seeds;
use crate::tests::route::Several;
use crate::tests::stage::{ADDRESS, ADMIN_TOKEN};
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn an_origin_that_is_taken_out_is_asked_about_what_it_had() {
    for_seeds(60, |seed| {
        let several = Several::new(seed, 2);
        let (stage, first) = (&several.stage, &several.origins[0]);
        stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        several.origins.iter().for_each(|origin| origin.step_ms.set(1_500));
        let id = batch(stage, ME, &lines(12));
        let is_at_first = || first.work().values().any(|work| work.runs && work.used.total_tokens > 0);
        assert!(stage.world.run_until(120_000, is_at_first), "no line came to the first origin");
        let list = json!([{"name": "b", "url": "http://b.test", "private": true, "models": ["tiny", "large"]}]);
        let admin = format!("Bearer {ADMIN_TOKEN}");
        let headers = [("authorization", admin.as_str()), ("if-match", "*")];
        let put = stage.send(stage.places[0], "PUT", "/admin/v1/origins", &headers, list.to_string());
        stage.finish(&put);
        assert_eq!(put.status(), Some(200), "{}", put.body());
        // Longer than any isolate goes by the old list, and than the object can have forgotten it by itself.
        if seed % 2 == 0 {
            stage.world.run_for(1_000);
        }
        stage.world.end_object("JOBS", &format!("ip:{ADDRESS}"));
        let over = wait(stage, ME, &id, 600_000);
        assert_eq!(over["status"], "completed", "{over}");
        assert_eq!(results(stage, ME, &over).len(), 12);
        let mut whole = BTreeMap::<_, usize>::new();
        for work in several.origins.iter().flat_map(|origin| origin.work().into_values()).filter(|work| work.is_whole) {
            *whole.entry(work.mark).or_default() += 1;
        }
        assert!(whole.values().all(|times| *times == 1), "a line was answered twice: {whole:?}");
        several.calm();
        assert_eq!(stage.standing().live_leases, 0);
        assert_eq!(stage.used("tokens"), several.computed(), "what it had computed is counted");
    });
}
