//! Kept responses through both gates: OpenAI's own clients go on from them, and who may not see them does not.

use crate::generate::ollama::Running;
use harness::caller::MODEL;
use harness::caller::clients::{run_client, run_node_client};
use harness::wait::{SOON, until_true};
use harness::{Answer, PLAN, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;

fn ask(stack: &RunningStack, key: &str, members: &Value) -> Answer {
    let mut body = json!({"model": MODEL, "max_output_tokens": 16});
    body.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
    let send = |http: &reqwest::blocking::Client, base: &str| {
        http.post(format!("{base}/v1/responses")).bearer_auth(key).json(&body)
    };
    stack.edge.send(send).from_edge()
}

fn get(stack: &RunningStack, key: &str, id: &str) -> Answer {
    stack.edge.get(&format!("/v1/responses/{id}"), Some(key)).from_edge()
}

fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().expect("an answer has an id").to_owned()
}

#[test]
fn openai_s_python_client_keeps_answers_and_goes_on_from_them() {
    let stack = Stack::new().limit("100 per 1h").start();
    let (key, other) = (stack.key(), stack.key());
    stack.says(&["One 世界", "Two", "Three", "Three", "So.", "abc"]);
    let came = run_client("responses/openai_stored.py", &[&stack.edge.base_url(), &key.key, &other.key, MODEL]);
    assert_eq!(came["said"], json!(["One 世界", "Two", "Three", "Three", "So."]), "{came}");
    assert_eq!((&came["kept"], &came["previous"]), (&json!([true, true, false]), &json!([true, true])), "{came}");
    assert_eq!((&came["got"], &came["streamed"]), (&json!(true), &json!(true)), "{came}");
    let usage = came["usage"].as_array().expect("two counts");
    assert!(usage[0] == usage[1] && usage[0].as_u64() > Some(5), "{came}");
    assert_eq!(came["listed"], json!({"asc": ["a", "b", "c"], "desc": ["c", "b", "a"]}), "{came}");
    assert_eq!(
        came["types"],
        json!([["message", "user", true], ["message", "user", true], ["message", "user", true]]),
        "{came}"
    );
    // Whatever is not there is not there in the same words.
    let missing = &came["never"];
    assert_eq!((&missing[0], &missing[1]), (&json!("NotFoundError"), &json!("response_not_found")), "{came}");
    for name in ["gone", "deleted_again", "not_kept"] {
        assert_eq!(&came[name], missing, "{name}: {came}");
    }
    assert_eq!(&came["others"][0], missing, "{came}");
    assert_eq!((&came["others"][1], &came["gone_on"][1]), (&came["gone_on"], &json!("response_not_found")), "{came}");
    assert_eq!(came["background"][1], "invalid_request", "{came}");
}

#[test]
fn openai_s_node_client_keeps_answers_and_goes_on_from_them() {
    let stack = Stack::new().limit("100 per 1h").start();
    let (key, other) = (stack.key(), stack.key());
    stack.says(&["One 世界", "Two", "Three"]);
    let came = run_node_client("responses/openai_stored.mjs", &[&stack.edge.base_url(), &key.key, &other.key, MODEL]);
    assert_eq!(came["said"], json!(["One 世界", "Two", "Three"]), "{came}");
    assert_eq!((&came["kept"], &came["previous"]), (&json!([true, true, false]), &json!(true)), "{came}");
    assert_eq!((&came["got"], &came["listed"]), (&json!(true), &json!(["More"])), "{came}");
    for name in ["gone", "others"] {
        assert_eq!(came[name], json!(["NotFoundError", "response_not_found"]), "{name}: {came}");
    }
}

/// What was called and what it gave may lie in two requests: only all of it is a conversation.
#[test]
fn a_call_is_answered_from_what_is_kept() {
    const CALL: &str = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Bern\"}}\n</tool_call>";
    let stack = Stack::new().start();
    let key = stack.key();
    stack.says(&[CALL, "Rain."]);
    let tools = json!([{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": false}]);
    let members = json!({"input": "Weather?", "tools": tools, "store": true, "max_output_tokens": 256});
    let called = ask(&stack, &key.key, &members).ok();
    let call = called.json()["output"][0]["call_id"].clone();
    let gave = json!([{"type": "function_call_output", "call_id": call, "output": "Rain"}]);
    ask(&stack, &key.key, &json!({"input": gave})).refused(Reason::InvalidRequest);
    let told = ask(&stack, &key.key, &json!({"input": gave, "tools": tools, "previous_response_id": id(&called)})).ok();
    assert_eq!(told.json()["output"][0]["content"][0]["text"], "Rain.");
}

/// Who is not let in, or may not ask for answers or not of that model, sees none.
#[test]
fn who_may_not_see_an_answer_does_not() {
    let stack = Stack::new().start();
    stack.script().allow_all();
    let key = stack.key();
    let account = &key.account;
    let issue = |bounds: Value| {
        let mut asked = json!({"plan": PLAN, "account": account});
        asked.as_object_mut().expect("an object").extend(bounds.as_object().expect("an object").clone());
        stack.edge.issue(&asked)
    };
    let kept = id(&ask(&stack, &key.key, &json!({"input": "x", "store": true})).ok());
    // Another key of the same account's.
    get(&stack, &issue(json!({})).key, &kept).ok();
    let of_other_model = issue(json!({"models": ["other"]}));
    get(&stack, &of_other_model.key, &kept).refused(Reason::ResponseNotFound);
    let path = format!("/v1/responses/{kept}");
    let delete =
        |key: &str| stack.edge.send(|http, base| http.delete(format!("{base}{path}")).bearer_auth(key)).from_edge();
    delete(&of_other_model.key).refused(Reason::ResponseNotFound);
    get(&stack, &issue(json!({"scopes": ["models"]})).key, &kept).refused(Reason::NotAllowed);
    let gone = issue(json!({}));
    stack.edge.revoke(gone.id);
    for answer in [get(&stack, &gone.key, &kept), delete(&gone.key), stack.edge.get(&path, Some("slc_no")).from_edge()]
    {
        answer.refused(Reason::InvalidKey);
    }
    stack.edge.get(&path, None).refused(Reason::MissingKey);
    let goes_on = json!({"input": "x", "previous_response_id": kept});
    ask(&stack, &gone.key, &goes_on).refused(Reason::InvalidKey);
    ask(&stack, &issue(json!({"scopes": ["completions"]})).key, &goes_on).refused(Reason::NotAllowed);
    get(&stack, &key.key, &kept).ok();
    let counted =
        || stack.edge.admin("GET", &format!("/accounts/{account}"), None).ok().json()["kept_responses"].clone();
    assert_eq!((&counted()["count"], counted()["bytes"].as_u64() > Some(100)), (&json!(1), true));
    delete(&key.key).ok();
    assert_eq!(counted(), json!({"count": 0, "bytes": 0}));
    get(&stack, &key.key, &kept).refused(Reason::ResponseNotFound);
}

/// A served request writes what it wrote before, and so do those that look at what is kept: nothing.
#[test]
fn a_gate_has_no_more_to_write_for_what_is_kept() {
    let stack = Stack::new().limit("100 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    let rows = || {
        until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
        stack.edge.view(key.id).storage.rows_written
    };
    ask(&stack, &key.key, &json!({"input": "x"})).ok();
    let before = rows();
    ask(&stack, &key.key, &json!({"input": "x"})).ok();
    let plain = rows() - before;
    let kept = ask(&stack, &key.key, &json!({"input": "x", "store": true})).ok();
    assert_eq!(rows() - before, 2 * plain);
    ask(&stack, &key.key, &json!({"input": "x", "previous_response_id": id(&kept)})).ok();
    assert_eq!(rows() - before, 3 * plain);
    get(&stack, &key.key, &id(&kept)).ok();
    assert_eq!(rows() - before, 3 * plain);
}

/// What is kept outlives the edge's process, ends in its time, and is nowhere else; what is not to be kept is nowhere.
#[test]
fn what_is_kept_is_in_its_place_alone_and_for_its_time() {
    let mut stack = Stack::new().setting("RESPONSES_KEPT_MS", "3000").start();
    stack.script().allow_all();
    let key = stack.key();
    ask(&stack, &key.key, &json!({"input": "words-that-nobody-keeps"})).ok();
    let kept = id(&ask(&stack, &key.key, &json!({"input": "words-that-are-kept", "store": true})).ok());
    let files = stack.dumps();
    let holding = |text: &str| -> Vec<bool> {
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        files.iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path.contains("/responses/")).collect()
    };
    assert_eq!(holding("words-that-nobody-keeps"), [] as [bool; 0]);
    let found = holding("words-that-are-kept");
    assert!(!found.is_empty() && found.iter().all(|is_in_place| *is_in_place), "{found:?}");
    assert!(!stack.edge_log().contains("words-that"), "{}", stack.edge_log());
    until_true("its time is over", SOON, || get(&stack, &key.key, &kept).status != 200);
    get(&stack, &key.key, &kept).refused(Reason::ResponseNotFound);
    // Nothing is kept where the setting says so.
    stack.restart_edge_with("RESPONSES_KEPT_MS", "0");
    let refused = ask(&stack, &key.key, &json!({"input": "x", "store": true})).refused(Reason::UnsupportedParameter);
    assert_eq!(refused.json()["error"]["param"], "store");
    ask(&stack, &key.key, &json!({"input": "x", "previous_response_id": kept})).refused(Reason::UnsupportedParameter);
    ask(&stack, &key.key, &json!({"input": "x", "store": false})).ok();
}

/// A body is bounded with all that it goes on from.
#[test]
fn a_conversation_is_bounded_like_a_body() {
    let stack = Stack::new().max_body(4_000).start();
    stack.script().allow_all();
    let key = stack.key();
    let long = "x".repeat(1_500);
    let first = ask(&stack, &key.key, &json!({"input": long, "store": true})).ok();
    let second = ask(&stack, &key.key, &json!({"input": long, "store": true, "previous_response_id": id(&first)})).ok();
    let third = json!({"input": long, "previous_response_id": id(&second)});
    ask(&stack, &key.key, &third).refused(Reason::BodyTooLarge);
    for (input, wrong) in [(json!([]), false), (json!(5), true)] {
        let answer = ask(&stack, &key.key, &json!({"input": input, "previous_response_id": id(&first)}));
        assert_eq!(answer.status != 200, wrong, "{answer:?}");
    }
    let named = json!([{"type": "item_reference", "id": "msg_1"}]);
    ask(&stack, &key.key, &json!({"input": named})).refused(Reason::ResponseNotFound);
}
