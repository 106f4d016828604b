//! A load of chats and streams while origins are killed, stand still, drain and start again, in turn.

use super::{Named, stack};
use harness::caller::Whole;
use harness::caller::{hello, hello_stream};
use harness::wait::{Over, SOON, until, until_true};
use harness::{Answer, RunningStack};
use serde_json::{Value, json};
use sluice_protocol::id::RequestId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Callers that ask again and again.
struct Load<'s> {
    stack: &'s RunningStack,
    key: &'s str,
    over: Over,
    answered: AtomicUsize,
    /// What was told of failures, and of streams that broke off.
    failed: Mutex<Vec<String>>,
    broken: Mutex<Vec<String>>,
}

impl Load<'_> {
    fn call(&self, caller: u32) {
        let mut number = caller;
        while !self.over.is_over() {
            number += CALLERS;
            let stream = number.is_multiple_of(2);
            let mut body = if stream { hello_stream(24) } else { hello(24) };
            body["messages"][0]["content"] = format!("Conversation {number}: say something.").into();
            let answer = self.stack.edge.chat(Some(self.key), &body);
            self.note(&answer, stream);
        }
    }

    fn note(&self, answer: &Answer, stream: bool) {
        let text = || format!("{} {}", answer.status, answer.text());
        let is_answered = match (answer.status, stream) {
            (200, false) => true,
            (200, true) => {
                let is_whole = answer.text().contains("data: [DONE]");
                if !is_whole {
                    self.broken.lock().unwrap_or_else(PoisonError::into_inner).push(text());
                }
                is_whole
            }
            _ => {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).push(text());
                false
            }
        };
        self.answered.fetch_add(usize::from(is_answered), Ordering::Relaxed);
    }

    /// Waits until so many more are answered.
    fn goes_on(&self, what: &str) {
        let before = self.answered.load(Ordering::Relaxed);
        until_true(what, PATIENCE, || self.answered.load(Ordering::Relaxed) >= before + MORE);
    }
}

#[test]
fn whoever_dies_hangs_drains_or_starts_again_nothing_that_had_not_begun_fails() {
    let mut origins = ["a", "b", "c"].map(Named::start);
    let addresses: Vec<_> = origins.iter().map(|origin| (origin.name, origin.origin.address())).collect();
    let stack = stack(&addresses)
        .lease("60s")
        .with(json!({"name": "tokens", "kind": "window", "unit": "tokens", "limit": 10_000_000, "window": "1d"}))
        .origin_idle_ms(4_000)
        .setting("REQUEST_LOG", "known")
        .start();
    let key = stack.key();
    let load = Load {
        stack: &stack,
        key: &key.key,
        over: Over::default(),
        answered: AtomicUsize::new(0),
        failed: Mutex::default(),
        broken: Mutex::default(),
    };
    std::thread::scope(|scope| {
        let load = &load;
        let callers: Vec<_> = (0..CALLERS).map(|caller| scope.spawn(move || load.call(caller))).collect();
        let ends = load.over.at_the_end();
        load.goes_on("all are well");
        // Whichever is slower at first is asked less.
        until_true("each has answered", PATIENCE, || origins.iter().all(|origin| origin.answered() > 0));
        origins[0].kill();
        load.goes_on("one was killed");
        origins[1].origin.signal("STOP");
        load.goes_on("one stands still");
        origins[0].start_again();
        let before = origins[0].answered();
        until_true("the one that was killed is used again", PATIENCE, || origins[0].answered() > before);
        origins[1].origin.signal("CONT");
        let before = origins[1].answered();
        until_true("the one that stood still is used again", PATIENCE, || origins[1].answered() > before + 1);
        origins[2].origin.signal("TERM");
        load.goes_on("one has drained");
        origins[2].kill();
        origins[2].start_again();
        let before = origins[2].answered();
        until_true("the one that drained is used again", PATIENCE, || origins[2].answered() > before);
        drop(ends);
        callers.into_iter().for_each(|caller| caller.join().expect("a caller does not panic"));
    });
    let (failed, broken) = (load.failed.into_inner().unwrap(), load.broken.into_inner().unwrap());
    assert!(failed.is_empty(), "{} failed before they began: {failed:#?}\n{}", failed.len(), stack.edge_log());
    assert!(broken.iter().all(|stream| stream.contains("\"error\"")), "{broken:#?}");
    until_true("every lease comes back", SOON, || stack.edge.view(key.id).live_leases == 0);
    exact(&stack, &key.key, &origins);
    println!("{} answered, {} streams broke off after they had begun", load.answered.into_inner(), broken.len());
}

/// What counts is what the edge settled, and that is what the origins wrote down of each request that they ended.
fn exact(stack: &RunningStack, key: &str, origins: &[Named]) {
    let window = || {
        let own = stack.edge.own(key);
        let window = own.limits.iter().find(|limit| limit.name == "tokens").expect("the plan has it");
        u64::from(window.used.whole())
    };
    let sum = |told: &BTreeMap<String, Settled>| told.values().map(|settled| settled.tokens).sum::<u64>();
    // A request's line is written when it is settled, or a moment later.
    let (told, _) = until("the window is what the edge wrote down", SOON, || {
        Some(settled(&stack.edge_log())).filter(|told| sum(told) == window())
    });
    let by_origins: BTreeMap<String, Vec<u64>> = origins.iter().fold(BTreeMap::new(), |mut all, origin| {
        ended(&origin.log()).into_iter().for_each(|(id, tokens)| all.entry(id).or_default().push(tokens));
        all
    });
    for (id, settled) in told.iter().filter(|(_, settled)| settled.is_whole) {
        // An origin knows it by its reservation: the first, or the one after it had counted the prompt.
        let request = RequestId::parse(id).expect("the edge writes its ids");
        let names = [request, request.again()].map(|id| id.to_string());
        let wrote: Vec<u64> = names.iter().filter_map(|name| by_origins.get(name)).flatten().copied().collect();
        assert!(
            wrote.contains(&settled.tokens) || wrote.iter().sum::<u64>() == settled.tokens,
            "{id}: {} counted, its origins wrote {wrote:?}",
            settled.tokens
        );
    }
    println!("{} requests, {} tokens, as their origins wrote them down", told.len(), sum(&told));
}

struct Settled {
    tokens: u64,
    is_whole: bool,
}

/// What the edge's log says of each request for an answer.
fn settled(log: &str) -> BTreeMap<String, Settled> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(&line[line.find('{')?..]).ok());
    let of_answers = lines.filter(|line| line["path"] == "/v1/chat/completions");
    let one = |line: Value| {
        let tokens = |name: &str| line[name].as_u64().unwrap_or_default();
        let tokens = tokens("prompt_tokens") + tokens("completion_tokens");
        Some((line["request"].as_str()?.to_owned(), Settled { tokens, is_whole: line["outcome"] == "served" }))
    };
    of_answers.filter_map(one).collect()
}

/// What an origin wrote down of each request that it ended: its id, and its tokens.
fn ended(log: &str) -> Vec<(String, u64)> {
    let number = |line: &str, name: &str| {
        let (_, after) = line.split_once(name)?;
        after.split([' ', '\n']).next()?.parse::<u64>().ok()
    };
    let one = |line: &str| {
        let (_, after) = line.split_once("request{id=")?;
        let tokens = number(line, "prompt_tokens=")? + number(line, "completion_tokens=")?;
        Some((after.split('}').next()?.to_owned(), tokens))
    };
    log.lines().filter(|line| line.contains("answered cause=")).filter_map(one).collect()
}

/// How many ask at once.
const CALLERS: u32 = 6;
/// How many answers make a turn.
const MORE: usize = 24;
/// How long a turn may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
