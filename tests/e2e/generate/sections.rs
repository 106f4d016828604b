//! Thinking and calls of tools, through both gates, as OpenAI's own client reads them.

use harness::Stack;
use harness::caller::MODEL;
use harness::caller::clients::run_client;
use serde_json::json;
use sluice_origin::models::endless;
use sluice_origin::models::scripted::Say;

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
    // Twice it would rather end, all the way; then an object.
    let body = r#"{"name": "weather", "arguments": {"city": "Bern"}}"#.bytes().map(u32::from);
    let reluctant = |token: u32| vec![(endless::IM_END, 100.0), (token, 90.0)];
    let [opens, closes] = [270, 271];
    let steps: Vec<_> = [opens].into_iter().chain(body).chain([closes]).map(reluctant).collect();
    for _ in 0..2 {
        stack.script().say(Say::logits(steps.clone()));
    }
    stack.script().say(Say::text(r#"{"rain": true}"#));
    stack.script().allow_all();
    let came = run_client("chat/openai_sections.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    let calls = json!([["weather", {"city": "Zürich"}], ["weather", {"city": "</tool_call>"}]]);
    let whole = json!({
        "content": "I ask.", "reasoning": "Both cities, 世界.", "calls": calls, "ids": 2, "finish": "tool_calls",
    });
    assert_eq!(came["whole"], whole, "{came}");
    assert_eq!(came["streamed"], whole, "{came}");
    assert_eq!(came["reasoning_tokens"], thinking.len());
    assert_eq!(came["after"], "Rain.");
    let forced = json!([["weather", {"city": "Bern"}]]);
    assert_eq!((&came["required"], &came["named"]), (&forced, &forced), "{came}");
    assert_eq!(came["formed"], r#"{"rain": true}"#);
    let last = stack.script().prompts().into_iter().nth(2).expect("more than three prompts came");
    assert!(last.contains("Zürich"), "what was called and what came of it is in the next prompt: {last}");
}
