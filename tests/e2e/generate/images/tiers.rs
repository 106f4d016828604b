//! The tiers that are built in, as the mission has them: how many pictures in a day, how many at once, and who is first.

use super::{PATH, body};
use harness::caller::raw::{self, RawConnection, exchange};
use harness::caller::{Caller, bearer};
use harness::wait::{SOON, until, until_true};
use harness::{Answer, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;
use std::time::Instant;

/// The plans of an edge that is told of none.
const BUILT_IN: &str = include_str!("../../../../protocol/src/limit/built_in.json");
/// Ten pictures that are soon drawn.
const TEN: &str = r#"{"n": 10, "num_inference_steps": 1}"#;

/// Who asks: with a key, or from an address.
enum Who {
    Key(String),
    Address(&'static str),
}

impl Who {
    fn headers(&self) -> [String; 2] {
        let first = match self {
            Self::Key(key) => bearer(key),
            Self::Address(address) => format!("cf-connecting-ip: {address}"),
        };
        [first, "Content-Type: application/json".into()]
    }

    fn request(&self, members: &Value) -> Vec<u8> {
        raw::request("POST", PATH, &self.headers(), body(members).to_string().as_bytes())
    }

    fn ask(&self, stack: &RunningStack, members: &Value) -> Answer {
        exchange(stack.edge_address(), &self.request(members)).from_edge()
    }

    /// A stream of pictures that take long, if it is let in.
    fn begin(&self, stack: &RunningStack) -> Option<RawConnection> {
        let long = json!({"size": "256x256", "num_inference_steps": 50, "n": 10, "stream": true});
        let mut stream = RawConnection::send(stack.edge_address(), &self.request(&long));
        let head = stream.read_until("a head", |received| received.contains(&b'\n'));
        head.starts_with(b"HTTP/1.1 200").then_some(stream)
    }
}

fn stack() -> RunningStack {
    let mut table: Value = serde_json::from_str(BUILT_IN).expect("JSON");
    table["anonymous"] = json!("images-anonymous");
    Stack::new().drawing_origin().plans(table.to_string()).start()
}

/// Of each tier: who is in it, how many pictures it has in a day, and how many at once.
fn tiers(stack: &RunningStack) -> [(Who, Option<usize>, usize); 3] {
    let key = |plan| Who::Key(stack.edge.issue_key(plan).key);
    [(Who::Address("203.0.113.9"), Some(50), 1), (key("images-registered"), Some(200), 2), (key("images-vip"), None, 3)]
}

#[test]
fn each_tier_has_its_pictures_of_a_day() {
    let stack = stack();
    let ten: Value = serde_json::from_str(TEN).expect("JSON");
    for (who, day, _) in tiers(&stack) {
        // What has more than the widest of them has no end.
        for _ in 0..day.unwrap_or(220) / 10 {
            who.ask(&stack, &ten).ok();
        }
        let next = who.ask(&stack, &json!({"num_inference_steps": 1}));
        match day {
            Some(_) => {
                let refused = next.refused(Reason::RateLimited).json();
                assert!(refused["error"]["message"].as_str().is_some_and(|text| text.contains("images")), "{refused}");
            }
            None => drop(next.ok()),
        }
    }
    // Another address has a day of its own.
    Who::Address("198.51.100.1").ask(&stack, &ten).ok();
}

#[test]
fn each_tier_has_so_many_at_once_and_one_that_ends_makes_room() {
    let stack = stack();
    for (who, _, at_once) in tiers(&stack) {
        let mut drawing: Vec<_> = (0..at_once).map(|_| who.begin(&stack).expect("there is room")).collect();
        who.ask(&stack, &json!({})).refused(Reason::ParallelLimited);
        drawing.pop().expect("there is one").vanish();
        let (next, _) = until("there is room again", SOON, || who.begin(&stack));
        drawing.into_iter().chain([next]).for_each(RawConnection::vanish);
    }
}

#[test]
fn who_is_of_a_higher_tier_is_drawn_first() {
    let stack = stack();
    let [(anonymous, ..), (registered, ..), (vip, ..)] = tiers(&stack);
    // One is drawn, and the others come behind it, the lowest first.
    let first = Who::Key(stack.edge.issue_key("images-vip").key).begin(&stack).expect("there is room");
    let origin = Caller::new(stack.origin_address());
    let waiting = || {
        let text = origin.send(|http, base| http.get(format!("{base}/metrics"))).text().to_owned();
        let name = "sluice_image_requests_waiting ";
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the measure is there");
        line.parse::<f64>().expect("a number")
    };
    let callers = [("anonymous", anonymous), ("registered", registered), ("vip", vip)];
    let done = std::thread::scope(|scope| {
        let mut begun = Vec::new();
        for (place, (name, who)) in callers.iter().enumerate() {
            let stack = &stack;
            begun.push(scope.spawn(move || {
                // Long enough that two ends are told apart.
                who.ask(stack, &json!({"size": "128x128", "num_inference_steps": 20})).ok();
                (Instant::now(), *name)
            }));
            until_true("it waits", SOON, || waiting() >= place as f64 + 1.0);
        }
        first.vanish();
        let mut done: Vec<_> = begun.into_iter().map(|caller| caller.join().expect("it is drawn")).collect();
        done.sort_unstable();
        done.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    });
    assert_eq!(done, ["vip", "registered", "anonymous"]);
}
