//! Clients that speak with many servers, through both gates: LiteLLM's, by each protocol that it knows, and `llm`.

use super::ollama::Running;
use harness::Stack;
use harness::caller::MODEL;
use harness::caller::clients::run_client;
use serde_json::json;

const SAID: &str = "Grüße,\u{2028}世界\u{85} 🌍!";
const CALL: &str = "I ask.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Zürich\"}}\n</tool_call>";

#[test]
fn litellm_is_answered_the_same_at_every_door_that_it_knows() {
    let stack = Stack::new().limit("100 per 1h").start();
    let key = stack.key();
    let doors = ["openai", "ollama", "anthropic"];
    doors.iter().for_each(|_| stack.says(&[SAID, SAID, CALL]));
    stack.says(&[r#"{"city": "Bern"}"#]);
    let came = run_client("chat/litellm_chat.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    for door in doors {
        let told = &came[door];
        assert_eq!((&told["whole"], &told["streamed"]), (&json!(SAID), &json!(SAID)), "{door}: {came}");
        assert_eq!(told["usage"], SAID.len() + 1, "{door}: {came}");
        assert!(told["pieces"].as_u64() > Some(5), "{door}: {came}");
        assert_eq!(told["called"], json!(["weather", {"city": "Zürich"}]), "{door}: {came}");
    }
    assert_eq!(came["formed"], json!({"city": "Bern"}), "{came}");
    assert_eq!((&came["unknown"], &came["key"]), (&json!("NotFoundError"), &json!("AuthenticationError")), "{came}");
    // The one for a model that is not there was a request, too.
    assert_eq!(stack.edge.view(key.id).used.served, 11);
}

#[test]
fn llm_is_answered_and_told_where_keys_come_from() {
    let stack = Stack::new().limit("100 per 1h").start();
    let key = stack.key();
    stack.says(&[SAID, SAID]);
    let came = run_client("chat/llm_prompt.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    assert_eq!((&came["whole"], &came["streamed"]), (&json!(SAID), &json!(SAID)), "{came}");
    assert_eq!(came["usage"][1], SAID.len() + 1, "{came}");
    assert!(came["pieces"].as_u64() > Some(5), "{came}");
    assert!(came["refused"].as_str().is_some_and(|why| why.contains("`slc_`")), "{came}");
}
