//! Responses in the background through both gates: OpenAI's own client asks for some, and many come through kills of
//! both gates.

use super::ollama::Running;
use harness::caller::MODEL;
use harness::caller::clients::run_client;
use harness::wait::{SOON, until_true};
use harness::{RunningStack, Stack, secrets};
use serde_json::{Value, json};

fn begin(stack: &RunningStack, key: &str, input: &str) -> String {
    let body = json!({"model": MODEL, "max_output_tokens": 8, "input": input, "store": true, "background": true});
    let send = |http: &reqwest::blocking::Client, base: &str| {
        http.post(format!("{base}/v1/responses")).bearer_auth(key).json(&body)
    };
    let begun = stack.edge.send(send).from_edge().ok().json();
    assert_eq!((&begun["status"], &begun["background"]), (&json!("queued"), &json!(true)), "{begun}");
    begun["id"].as_str().expect("a response has an id").to_owned()
}

fn get(stack: &RunningStack, key: &str, id: &str) -> Value {
    stack.edge.get(&format!("/v1/responses/{id}"), Some(key)).from_edge().ok().json()
}

#[test]
fn openai_s_python_client_comes_back_for_its_answers() {
    let stack = Stack::new().limit("100 per 1h").start();
    let (key, other) = (stack.key(), stack.key());
    stack.says(&["One 世界", "Two", "Three", "x"]);
    let came = run_client("responses/openai_background.py", &[&stack.edge.base_url(), &key.key, &other.key, MODEL]);
    assert_eq!(came["begun"], json!(["queued", true, "", "Be brief."]), "{came}");
    assert_eq!(came["said"], json!(["One 世界", "Two", "Three"]), "{came}");
    assert_eq!(came["status"], json!(["completed", "completed"]), "{came}");
    assert_eq!((&came["same_id"], &came["usage"]), (&json!([true, true]), &json!([true, true])), "{came}");
    assert_eq!((&came["previous"], &came["items"]), (&json!(true), &json!(["Hello"])), "{came}");
    assert_eq!(came["cancelled"], json!(true), "what is over stays as it is: {came}");
    let missing = json!(["NotFoundError", "response_not_found", null]);
    assert_eq!((&came["gone"], &came["others"]), (&missing, &json!([missing, missing])), "{came}");
    assert_eq!(came["not_cancelled"], json!(["BadRequestError", "invalid_request", null]), "{came}");
    assert_eq!(came["not_kept"], json!(["BadRequestError", "invalid_request", "background"]), "{came}");
    assert_eq!(came["streamed"], json!(["UnprocessableEntityError", "unsupported_parameter", "stream"]), "{came}");
    assert_eq!(stack.edge.view(key.id).used.served, 4);
}

/// Many through kills of workerd and of the origin: each is told to be completed or lost, and all leases come back.
#[test]
fn many_come_through_kills_of_both_gates() {
    const MANY: usize = 24;
    let mut stack = Stack::new().limit("100000 per 1h").lease("20s").slots(2).start();
    let key = stack.key();
    let ids: Vec<_> = (0..MANY).map(|number| begin(&stack, &key.key, &format!("response {number}"))).collect();
    let [grant_key, _] = secrets::grant_publics();
    until_true("some run", SOON, || stack.capacity().free == 0);
    stack.restart_edge();
    stack.script().allow_all();
    let over = |stack: &RunningStack| ids.iter().filter(|id| is_over(&get(stack, &key.key, id))).count();
    until_true("some are answered", 6 * SOON, || over(&stack) >= MANY / 4);
    stack.restart_origin_with(std::slice::from_ref(&grant_key));
    stack.script().allow_all();
    until_true("all are over", 12 * SOON, || over(&stack) == MANY);
    let told: Vec<_> = ids.iter().map(|id| get(&stack, &key.key, id)).collect();
    let is_told = |told: &Value| told["status"] == "completed" || told["status"] == "incomplete";
    let is_lost = |told: &Value| told["error"]["code"] == "answer_lost";
    assert!(told.iter().all(|told| is_told(told) || is_lost(told)), "{told:?}");
    assert!(told.iter().filter(|told| is_told(told)).count() >= MANY - 4, "{told:?}");
    until_true("leases come back", 6 * SOON, || stack.edge.view(key.id).live_leases == 0);
}

fn is_over(told: &Value) -> bool {
    !["queued", "in_progress"].iter().any(|status| told["status"] == *status)
}
