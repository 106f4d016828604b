//! What a grant says of tokens: a ceiling that holds, and a count for the edge where it is too low.

use crate::harness::{Edge, Harness, chat_with, claims, parts, text_of};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::Say;
use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::request::bodies::chat::ChatBounds;

/// `max_tokens` where a request of these tests names none.
const DEFAULT: u64 = 40;

struct Metered {
    edge: Edge,
    harness: Harness,
}

impl Metered {
    /// One slot and a model that never ends by itself.
    async fn new(queue: usize) -> Self {
        let edge = Edge::new("k1");
        let bounds = ChatBounds { default_max_tokens: u32::try_from(DEFAULT).unwrap(), max_max_tokens: 1000 };
        let config = Config { slots: 1, queue, bounds, access: edge.access(), ..Config::local() };
        let harness = Harness::with(config).await;
        harness.script.allow_all();
        Self { edge, harness }
    }

    fn request(&self, members: &Value, (tok, max, inp): (u64, u32, u32)) -> RequestBuilder {
        let body = chat_with("hi", members).to_string().into_bytes();
        let grant = self.edge.sign(&GrantClaims { tok, max, inp, ..claims(&body) });
        self.harness.post_bytes(body).header("x-sluice-grant", grant)
    }

    async fn ask(&self, members: &Value, grant: (u64, u32, u32)) -> Response {
        self.request(members, grant).send().await.unwrap()
    }

    /// An answer that must be there, and how many tokens it took: as it says, and as the model counted.
    async fn served(&self, members: &Value, grant: (u64, u32, u32)) -> (Value, u64) {
        let before = self.harness.script.generated();
        self.harness.script.say(Say::endless("x"));
        let (status, completion) = parts(self.ask(members, grant).await).await;
        assert_eq!(status, 200, "{completion}");
        let answer = completion["usage"]["completion_tokens"].as_u64().unwrap();
        assert_eq!(self.harness.script.generated() - before, answer);
        assert_eq!(completion["choices"][0]["finish_reason"], "length");
        assert_eq!(text_of(&completion).len() as u64, answer);
        (completion, answer)
    }

    /// The prompt's length, learned under a grant without limits.
    async fn prompt(&self) -> u64 {
        let (completion, answer) = self.served(&json!({}), (0, 0, 0)).await;
        assert_eq!(answer, DEFAULT);
        completion["usage"]["prompt_tokens"].as_u64().unwrap()
    }
}

fn code(body: &Value) -> Option<&str> {
    body["error"]["code"].as_str()
}

#[tokio::test]
async fn a_grant_that_is_too_small_says_how_much_would_do() {
    let metered = Metered::new(0).await;
    let prompt = metered.prompt().await;
    let steps = metered.harness.script.steps();
    let named = json!({"max_tokens": 50});
    for (members, tok) in [(&named, prompt + 49), (&named, prompt), (&named, 1), (&json!({}), prompt + DEFAULT / 2 - 1)]
    {
        let refused = metered.request(members, (tok, 0, 0));
        let response = refused.try_clone().unwrap().send().await.unwrap();
        assert_eq!(response.status(), 409, "{tok}");
        assert_eq!(response.headers()["x-sluice-prompt-tokens"], prompt.to_string().as_str());
        assert_eq!(response.headers()["x-should-retry"], "false");
        // The place is free before the answer leaves.
        assert!(response.headers()["x-sluice-capacity"].to_str().unwrap().contains("free=1"));
        let (_, body) = parts(response).await;
        assert_eq!(code(&body), Some("grant_too_small"));
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("{prompt} tokens")) && message.contains(&format!("granted {tok} ")));
        // The grant is used up; another one is needed.
        assert_eq!(refused.send().await.unwrap().status(), 401);
    }
    assert_eq!(metered.harness.script.steps(), steps, "none of them reached the model");
    let (completion, answer) = metered.served(&named, (prompt + 50, 50, 0)).await;
    assert_eq!((completion["usage"]["total_tokens"].as_u64(), answer), (Some(prompt + 50), 50));
    let measures = metered.harness.get("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(measures.contains("sluice_refusals_total{code=\"grant_too_small\"} 4"), "{measures}");
}

#[tokio::test]
async fn a_grant_that_is_too_small_waits_for_nobody() {
    let metered = Metered::new(1).await;
    let prompt = metered.prompt().await;
    metered.harness.script.hold();
    let running = metered.harness.start_request(metered.request(&json!({}), (0, 0, 0)));
    metered.harness.until_places(0, 0).await;
    let response = metered.ask(&json!({"max_tokens": 5}), (prompt + 4, 0, 0)).await;
    assert_eq!(response.status(), 409);
    let capacity = response.headers()["x-sluice-capacity"].to_str().unwrap();
    assert!(capacity.starts_with("slots=1, free=0, queued=0, queue=1"), "{capacity}");
    // Its place in the queue is there for who comes back.
    let again = metered.harness.start_request(metered.request(&json!({"max_tokens": 5}), (prompt + 5, 0, 0)));
    metered.harness.until_places(0, 1).await;
    metered.harness.script.allow_all();
    assert_eq!(running.await.unwrap().0, 200);
    assert_eq!(again.await.unwrap().0, 200);
}

#[tokio::test]
async fn a_caller_that_named_no_number_gets_what_is_left() {
    let metered = Metered::new(0).await;
    let prompt = metered.prompt().await;
    for left in [DEFAULT / 2, DEFAULT - 1, DEFAULT, DEFAULT + 100] {
        let (completion, answer) = metered.served(&json!({}), (prompt + left, 0, 0)).await;
        assert_eq!(answer, left.min(DEFAULT));
        assert!(completion["usage"]["total_tokens"].as_u64().unwrap() <= prompt + left);
    }
    // Half of what the grant lets it have, and not of the default.
    assert_eq!(metered.served(&json!({}), (prompt + 3, 6, 0)).await.1, 3);
    assert_eq!(metered.ask(&json!({}), (prompt + 2, 6, 0)).await.status(), 409);
}

#[tokio::test]
async fn an_answer_is_never_longer_than_its_grant_says() {
    let metered = Metered::new(0).await;
    let prompt = metered.prompt().await;
    assert_eq!(metered.served(&json!({}), (0, 7, 0)).await.1, 7);
    assert_eq!(metered.served(&json!({}), (prompt + 1000, 7, 0)).await.1, 7);
    assert_eq!(metered.served(&json!({}), (0, 1000, 0)).await.1, DEFAULT);
    // An edge refuses a number above the ceiling; one that does not is not believed either.
    assert_eq!(metered.served(&json!({"max_tokens": 50}), (0, 7, 0)).await.1, 7);
    assert_eq!(metered.served(&json!({"max_tokens": 50}), (prompt + 7, 7, 0)).await.1, 7);
    assert_eq!(metered.served(&json!({"max_tokens": 1}), (prompt + 1, 1, 0)).await.1, 1);
}

#[tokio::test]
async fn a_stream_keeps_to_its_grant_too() {
    let metered = Metered::new(0).await;
    let prompt = metered.prompt().await;
    metered.harness.script.say(Say::endless("x"));
    let response = metered.ask(&json!({"stream": true}), (prompt + 30, 0, 0)).await;
    let all = crate::harness::payloads(response).await;
    assert_eq!(crate::harness::text_of_stream(&all), "x".repeat(30));
    let end = crate::harness::json_of(&all[all.len() - 2]);
    assert_eq!(end["usage"]["total_tokens"], prompt + 30);
    let refused = metered.ask(&json!({"stream": true, "max_tokens": 31}), (prompt + 30, 0, 0)).await;
    assert_eq!(refused.status(), 409, "before the stream begins");
}

#[tokio::test]
async fn what_no_reservation_would_change_is_refused_for_good() {
    let metered = Metered::new(0).await;
    let prompt = metered.prompt().await;
    let longest = u32::try_from(prompt).unwrap();
    assert_eq!(metered.served(&json!({}), (0, 0, longest)).await.1, DEFAULT);
    let (status, body) = parts(metered.ask(&json!({}), (1, 0, longest - 1)).await).await;
    assert_eq!((status, code(&body)), (403, Some("not_allowed")));
    assert_eq!(body["error"]["param"], "messages");
    let told = format!("This key may send prompts of at most {} tokens; this one has {prompt}.", prompt - 1);
    assert_eq!(body["error"]["message"], told);
    // The context comes before the grant.
    let edge = &metered.edge;
    let script = sluice_origin::models::scripted::Script::with_context(1, usize::try_from(prompt).unwrap() + 5);
    let small = Harness::with_script(Config { slots: 1, access: edge.access(), ..Config::local() }, script).await;
    let body = chat_with("hi", &json!({"max_tokens": 6})).to_string().into_bytes();
    let grant = edge.sign(&GrantClaims { tok: 1, inp: 1, ..claims(&body) });
    let response = small.post_bytes(body).header("x-sluice-grant", grant).send().await.unwrap();
    assert!(!response.headers().contains_key("x-sluice-prompt-tokens"));
    let (status, body) = parts(response).await;
    assert_eq!((status, code(&body)), (400, Some("context_length_exceeded")));
}

/// What a grant says is about all answers together, and they share it alike.
#[tokio::test]
async fn several_answers_share_what_was_granted() {
    let metered = Metered::new(0).await;
    let prompt = metered.prompt().await;
    for (members, (tok, max), each) in [
        (json!({"n": 3, "max_tokens": 5}), (0, 0), 5),
        (json!({"n": 3, "max_tokens": 5}), (prompt + 15, 15), 5),
        // Nobody named a number: what there is, in equal parts.
        (json!({"n": 3}), (prompt + 3 * DEFAULT - 1, 0), DEFAULT - 1),
        (json!({"n": 3}), (0, 20), 6),
    ] {
        let before = metered.harness.script.generated();
        (0..3).for_each(|_| metered.harness.script.say(Say::endless("x")));
        let (status, completion) = parts(metered.ask(&members, (tok, max, 0)).await).await;
        assert_eq!(status, 200, "{completion}");
        assert_eq!(completion["usage"]["completion_tokens"], 3 * each, "{members}");
        assert_eq!(completion["usage"]["total_tokens"], prompt + 3 * each);
        assert_eq!(metered.harness.script.generated() - before, 3 * each);
        for choice in completion["choices"].as_array().unwrap() {
            assert_eq!(choice["message"]["content"].as_str().unwrap().len() as u64, each);
        }
    }
    // One token short, and the edge is told how long the prompt is.
    let response = metered.ask(&json!({"n": 3, "max_tokens": 5}), (prompt + 14, 15, 0)).await;
    assert_eq!(response.headers()["x-sluice-prompt-tokens"], prompt.to_string());
    assert_eq!(parts(response).await.1["error"]["code"], "grant_too_small");
    let (_, refusal) = parts(metered.ask(&json!({"n": 3}), (0, 2, 0)).await).await;
    assert_eq!((&refusal["error"]["code"], &refusal["error"]["param"]), (&json!("not_allowed"), &json!("n")));
}
