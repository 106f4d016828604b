//! Callers whose base URL is wrong are told where they meant to go.

use harness::Stack;
use sluice_protocol::refusal::Reason;

#[test]
fn who_lacks_v1_or_has_it_twice_is_told_where_to_go() {
    let stack = Stack::new().start();
    for (path, meant) in [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/v1/models/", "/v1/models"),
        ("/key", "/v1/key"),
    ] {
        let answer = stack.edge.get(path, None).refused(Reason::NotFound);
        let told = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(told.contains(&format!("Did you mean {meant}?")), "{path}: {told}");
    }
}
