//! What parsing a body takes besides the body: WebAssembly's memory grows to the most that was ever needed, and does not shrink.

#![allow(unsafe_code)]

use sluice_protocol::auth::leak::LeakReport;
use sluice_protocol::request::bodies::chat::{ChatBounds, ChatRequest};
use sluice_protocol::request::bodies::completion::CompletionRequest;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what a thread holds. Growing a list holds the old and the new one for a moment, as it may in WebAssembly.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is the system's own; what is counted beside it touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().wrapping_add(layout.size()));
        MOST.set(MOST.get().max(HELD.get()));
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: the caller keeps to the contract of `dealloc`, and `place` came from `System.alloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 512, max_max_tokens: 1_000_000 };
const MIB: usize = 1 << 20;
/// How many times its own size a body may take.
const MOST_TIMES: usize = 4;

/// What `read` holds at most, in bytes, besides what it is given.
fn most(read: impl FnOnce()) -> usize {
    let before = HELD.get();
    MOST.set(before);
    read();
    MOST.get() - before
}

/// A mebibyte of this between these.
fn filled(begin: &str, item: &str, end: &str) -> Vec<u8> {
    let room = MIB - begin.len() - end.len() - item.len();
    let items = vec![item; room / (item.len() + 1)].join(",");
    format!("{begin}{items}{end}").into_bytes()
}

fn check(door: &str, bodies: &[(&str, Vec<u8>)], read: impl Fn(&[u8])) {
    let mut over = Vec::new();
    for (name, body) in bodies {
        let held = most(|| read(body));
        println!("{door}, {name}: {:.1} MiB for {:.1}", held as f64 / MIB as f64, body.len() as f64 / MIB as f64);
        if held > MOST_TIMES * body.len() {
            over.push(format!("{door}, {name}: {held} bytes for {}", body.len()));
        }
    }
    assert!(over.is_empty(), "{over:#?}");
}

#[test]
fn no_chat_takes_many_times_its_size() {
    let message = r#"{"model":"m","messages":[{"role":"user","content":"x"}]"#;
    let messages = |item: &str| filled(r#"{"model":"m","messages":["#, item, "]}");
    let parts = |begin: &str, item: &str| {
        filled(&format!(r#"{{"model":"m","messages":[{{"role":"user",{begin}:["#), item, "]}]}")
    };
    let bodies = [
        ("messages", messages(r#"{"role":"user","content":""}"#)),
        ("messages that are numbers", messages("0")),
        ("messages that are lists", messages("[]")),
        ("messages that are objects", messages("{}")),
        ("parts", parts("\"content\"", r#"{"type":"text","text":""}"#)),
        ("parts that are numbers", parts("\"content\"", "0")),
        ("calls", parts("\"tool_calls\"", "{}")),
        ("stop", filled(&format!("{message},\"stop\":["), "\"\"", "]}")),
        ("tools in a list", filled(&format!("{message},\"tools\":["), "0", "]}")),
        ("tools that are objects", filled(&format!("{message},\"tools\":["), "{}", "]}")),
        ("functions", filled(&format!("{message},\"functions\":["), "0", "]}")),
        ("biases", filled(&format!("{message},\"logit_bias\":{{"), "\"1\":1", "}}")),
        ("members", filled(&format!("{message},"), "\"a\":0", "}")),
        ("lists in a list", filled(&format!("{message},\"metadata\":["), "[0]", "]}")),
        ("a form", filled(&format!("{message},\"response_format\":["), "[0]", "]}")),
        ("a text with escapes", filled(r#"{"model":"m","messages":[{"role":"user","content":""#, "\\u0041", "\"}]}")),
        ("a model's name", filled("{\"model\":\"", "m", "\"}")),
        ("a tower", [vec![b'['; MIB / 2], vec![b']'; MIB / 2]].concat()),
    ];
    check("chat", &bodies, |body| drop(ChatRequest::parse(body, BOUNDS)));
}

#[test]
fn no_completion_takes_many_times_its_size() {
    let prompts = |item: &str| filled(r#"{"model":"m","prompt":["#, item, "]}");
    let bodies = [
        ("lists of one token", prompts("[0]")),
        ("empty lists", prompts("[]")),
        ("tokens", prompts("0")),
        ("texts", prompts("\"a\"")),
        ("empty texts", prompts("\"\"")),
        ("objects", prompts("{}")),
        ("one list of tokens", filled(r#"{"model":"m","prompt":[["#, "0", "]]}")),
        ("a text with escapes", filled(r#"{"model":"m","prompt":""#, "\\n", "\"}")),
        ("stop", filled(r#"{"model":"m","prompt":"x","stop":["#, "\"\"", "]}")),
        ("biases", filled(r#"{"model":"m","prompt":"x","logit_bias":{"#, "\"1\":1", "}}")),
        ("members", filled(r#"{"model":"m","prompt":"x","#, "\"a\":0", "}")),
    ];
    check("completions", &bodies, |body| drop(CompletionRequest::parse(body, BOUNDS)));
}

#[test]
fn no_report_of_leaks_takes_many_times_its_size() {
    let bodies = [
        ("matches", filled("[", r#"{"token":""}"#, "]")),
        ("matches with a kind", filled("[", r#"{"token":"a","type":"b"}"#, "]")),
        ("numbers", filled("[", "0", "]")),
    ];
    check("leaks", &bodies, |body| drop(LeakReport::parse_all(body)));
}
