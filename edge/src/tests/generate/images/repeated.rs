//! A request for pictures that comes again, where there are several origins.

use super::{Painter, plans};
use crate::platform::scripted::Asked;
use crate::tests::for_seeds;
use crate::tests::stage::{ADDRESS, Stage};
use serde_json::{Value, json};
use sluice_protocol::wire::header;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Where there are several origins, the one that keeps what it has drawn is asked again, as long as it has room.
#[test]
fn a_repetition_goes_to_the_origin_that_has_drawn_it() {
    let used = RefCell::new(BTreeMap::new());
    for_seeds(30, |seed| {
        let names = ["a", "b", "c"];
        let one = |name: &&str| json!({"name": name, "url": format!("http://{name}.test"), "private": true, "models": ["tiny-draw"]});
        let origins = Value::from(names.iter().map(one).collect::<Vec<_>>());
        let stage = Stage::at(seed, &plans(&json!([])), ("ORIGINS", origins.to_string()));
        let painters: BTreeMap<&str, Rc<Painter>> = names.iter().map(|name| (*name, Rc::default())).collect();
        let by_host = painters.clone();
        stage.world.set_server(Rc::new(move |asked: Asked| {
            let host = asked.url.strip_prefix("http://").and_then(|rest| rest.split('.').next());
            by_host[host.expect("origins are known by their hosts")].clone().server()(asked)
        }));
        let body = json!({"model": "tiny-draw", "prompt": "a red disc", "size": "512x512"}).to_string();
        let key = format!("key-{seed}");
        let headers = [("cf-connecting-ip", ADDRESS), (header::IDEMPOTENCY_KEY, key.as_str())];
        for _ in 0..4 {
            // At any isolate.
            let caller = stage.send(stage.place(), "POST", "/v1/images/generations", &headers, body.clone());
            stage.finish(&caller);
            assert_eq!(caller.status(), Some(200));
        }
        let drew = |name: &&str| painters[name].all().images > 0;
        let drawn: Vec<_> = names.into_iter().filter(drew).collect();
        let [name] = drawn.as_slice() else { panic!("repetitions of one request came to {drawn:?}") };
        *used.borrow_mut().entry(*name).or_insert(0) += 1;
    });
    assert!(used.borrow().len() > 1, "other requests go elsewhere: {used:?}");
}
