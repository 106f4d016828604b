//! Thinking and calls of tools, through both gates, as OpenAI's own client reads them.

use harness::Stack;
use harness::caller::MODEL;
use harness::python::run_client;
use serde_json::json;
use sluice_origin::scripted::Say;

#[test]
fn openais_python_client_reads_thinking_and_calls() {
    let stack = Stack::new().start();
    let key = stack.key();
    let thinking = "<think>\nBoth cities, 世界.\n</think>";
    let call = |city: &str| {
        format!("<tool_call>\n{{\"name\": \"weather\", \"arguments\": {{\"city\": \"{city}\"}}}}\n</tool_call>")
    };
    let said = format!("{thinking}\n\nI ask.\n{}\n{}", call("Zürich"), call("</tool_call>"));
    for _ in 0..2 {
        stack.script().say(Say::text(&said));
    }
    stack.script().say(Say::text("Rain."));
    stack.script().allow_all();
    let came = run_client("openai_sections.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    let calls = json!([["weather", {"city": "Zürich"}], ["weather", {"city": "</tool_call>"}]]);
    let whole = json!({
        "content": "I ask.", "reasoning": "Both cities, 世界.", "calls": calls, "ids": 2, "finish": "tool_calls",
    });
    assert_eq!(came["whole"], whole, "{came}");
    assert_eq!(came["streamed"], whole, "{came}");
    assert_eq!(came["reasoning_tokens"], thinking.len());
    assert_eq!(came["after"], "Rain.");
    let last = stack.script().prompts().pop().expect("three prompts came");
    assert!(last.contains("Zürich"), "what was called and what came of it is in the next prompt: {last}");
}
