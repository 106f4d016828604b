//! Calls whose arguments come in pieces, through both gates, as the clients put them together that tell them as they come. What
//! the network makes of the pieces is chance: a splitter stands between.

use harness::Stack;
use harness::caller::MODEL;
use harness::caller::clients::{run_client, run_node_client};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;

const ARGUMENTS: &str = r#"{"path": "a \"b\"/é🦀.txt", "text": "</tool_call>{\"}\n and so on"}"#;
/// Tokens of the head of a call, its mark included.
const HEAD: usize = 1 + r#"{"name": "write", "arguments": "#.len();

/// A call as the model's own marks open and close it.
fn call() -> Say {
    let body = format!(r#"{{"name": "write", "arguments": {ARGUMENTS}}}"#);
    Say::tokens([270].into_iter().chain(body.bytes().map(u32::from)).chain([271]).collect())
}

fn input() -> Value {
    serde_json::from_str(ARGUMENTS).expect("arguments are JSON")
}

fn joined(pieces: &Value) -> String {
    pieces.as_array().into_iter().flatten().map(|piece| piece.as_str().expect("pieces are texts")).collect()
}

/// There are about as many as there are characters: what comes together is told together.
fn are_many(pieces: &Value) -> bool {
    pieces.as_array().is_some_and(|pieces| pieces.len() > 20)
}

#[test]
fn python_s_clients_put_calls_together_from_pieces() {
    let stack = Stack::new().limit("100 per 1h").start();
    let key = stack.key();
    for _ in 0..8 {
        stack.script().say(call());
    }
    stack.script().allow_all();
    let came = run_client("several/pieces.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    let cut = &ARGUMENTS[..(0..=70 - HEAD).rev().find(|at| ARGUMENTS.is_char_boundary(*at)).expect("0 is one")];
    assert!(cut.contains("\"path\": \"a \\\"b\\\"/é🦀.txt\", \"te"), "{cut}");
    for (way, end, cut_end) in [
        ("chat", "tool_calls", "length"),
        ("responses", "completed", "incomplete"),
        ("messages", "tool_use", "max_tokens"),
        ("langchain", "tool_calls", "length"),
    ] {
        let (whole, part) = (&came[way]["whole"], &came[way]["cut"]);
        assert_eq!(joined(&whole["pieces"]), ARGUMENTS, "{way}: {came}");
        assert_eq!(joined(&part["pieces"]), cut, "{way}: {came}");
        assert!(are_many(&whole["pieces"]), "{way}: {came}");
        assert_eq!((&whole["end"], &part["end"]), (&json!(end), &json!(cut_end)), "{way}: {came}");
        for text in [&whole["text"], &part["text"]] {
            assert!(text.as_str().unwrap_or_default().is_empty(), "{way}: {came}");
        }
        let objects = matches!(way, "messages" | "langchain");
        let expected = if objects { input() } else { ARGUMENTS.into() };
        assert_eq!(whole["calls"], json!([["write", expected]]), "{way}: {came}");
    }
    for way in ["chat", "responses"] {
        assert_eq!(came[way]["whole"]["done"], json!([ARGUMENTS]), "{came}");
        assert_eq!(came[way]["cut"]["calls"], json!([["write", cut]]), "{came}");
    }
    let states = |way: &str| came["responses"][way]["states"].clone();
    assert_eq!((states("whole"), states("cut")), (json!(["completed"]), json!(["incomplete"])), "{came}");
    // What is whole of it.
    let path = json!([["write", {"path": "a \"b\"/é🦀.txt"}]]);
    assert_eq!(came["messages"]["cut"]["calls"], path, "{came}");
    // A client that takes no half for a call, or none but what is whole of it.
    let langchain = &came["langchain"]["cut"];
    assert!(langchain["calls"] == path || langchain["broken"] == json!([["write", cut]]), "{came}");
}

#[test]
fn node_s_clients_put_calls_together_from_pieces() {
    let stack = Stack::new().limit("100 per 1h").start();
    let key = stack.key();
    for _ in 0..3 {
        stack.script().say(call());
        stack.script().say(Say::text("Done."));
    }
    stack.script().say(call());
    stack.script().allow_all();
    let came = run_node_client("several/pieces.mjs", &[&stack.edge.base_url(), &key.key, MODEL]);
    for way in ["tools", "compatible", "responses", "messages"] {
        assert_eq!(came[way]["ran"], json!([input()]), "{way}: {came}");
        assert_eq!(joined(&came[way]["pieces"]), ARGUMENTS, "{way}: {came}");
        assert!(are_many(&came[way]["pieces"]), "{way}: {came}");
        assert!(way == "messages" || came[way]["text"] == "Done.", "{way}: {came}");
    }
    for way in ["compatible", "responses"] {
        let order = ["tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result"];
        assert_eq!(came[way]["order"], json!(order), "{way}: {came}");
    }
    assert_eq!(came["messages"]["snapshots"], true, "{came}");
}
