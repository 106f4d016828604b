//! A stream is never silent for long: an edge takes silence for death. A model that takes three seconds for a step is slow,
//! and alive.

use crate::harness::{Harness, chat_with, until};
use reqwest::Response;
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;
use std::time::{Duration, Instant};

/// What is promised, and what a busy machine may add.
const MOST: Duration = Duration::from_millis(2_000 + 1_500);

/// What an event of a text completion has that says nothing.
const NO_TEXT: &str = "\"text\":\"\",";

/// A stream that is read, and when something last came.
struct Listener {
    response: Response,
    heard: Instant,
    seen: String,
}

impl Listener {
    async fn new(harness: &Harness, path: &str, body: &Value) -> Self {
        let asked = Instant::now();
        let request = harness.client.post(format!("{}{path}", harness.url)).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(asked.elapsed() < MOST, "the head came after {:?}", asked.elapsed());
        Self { response, heard: Instant::now(), seen: String::new() }
    }

    /// Reads until this was told so many times; false at the end of the stream.
    async fn hear(&mut self, what: &str, times: usize) -> bool {
        while self.seen.matches(what).count() < times {
            let Some(chunk) = self.response.chunk().await.unwrap() else { return false };
            assert!(self.heard.elapsed() < MOST, "silent for {:?} after {:?}", self.heard.elapsed(), self.seen);
            self.heard = Instant::now();
            self.seen += std::str::from_utf8(&chunk).unwrap();
        }
        true
    }
}

/// Chats, text completions (which have no event before their first token), and several answers: while the prompt is read,
/// between two tokens, and between two answers.
#[tokio::test]
async fn a_slow_model_is_never_silent_for_more_than_two_seconds() {
    let chat = chat_with("hi", &json!({"stream": true}));
    let several = chat_with("hi", &json!({"stream": true, "n": 2}));
    let text = json!({"model": chat["model"], "prompt": "hi", "stream": true});
    let ollama = json!({"model": chat["model"], "messages": chat["messages"]});
    let prompt = json!({"model": chat["model"], "prompt": "hi"});
    let response = json!({"model": chat["model"], "input": "hi", "stream": true});
    // An event that says nothing: a comment behind an event with an id is taken for an event by OpenAI's client.
    let events = ("\"delta\":{},\"finish_reason\":null", "\"a\"", "data: [DONE]\n\n");
    let texts = (NO_TEXT, "\"a\"", "data: [DONE]\n\n");
    let numbered = ("event: keepalive\n", "\"delta\":\"a\"", "\n\n");
    // A line that says nothing is told from one that says something by its text.
    let lines = ("\"content\":\"\"},\"done\":false", "\"content\":\"a\"", " complete\"}\n");
    let responses = ("\"response\":\"\",\"done\":false", "\"response\":\"a\"", " complete\"}\n");
    let one = async |path: &str, body: &Value, (working, says, end): (&str, &str, &str)| {
        let harness = Harness::open(1, 0).await;
        harness.script.say(Say::text("ab"));
        let mut listener = Listener::new(&harness, path, body).await;
        until("the prompt is read", || harness.script.is_blocked()).await;
        assert!(listener.hear(working, 2).await);
        harness.script.allow(1);
        assert!(listener.hear(says, 1).await);
        assert!(listener.hear(working, 4).await);
        harness.script.allow_all();
        assert!(!listener.hear("never told", 1).await);
        assert!(listener.seen.ends_with(end), "{}", listener.seen);
        harness.until_places(1, 0).await;
    };
    tokio::join!(
        one("/v1/chat/completions", &chat, events),
        one("/v1/chat/completions", &several, events),
        one("/v1/completions", &text, texts),
        one("/api/chat", &ollama, lines),
        one("/api/generate", &prompt, responses),
        one("/v1/responses", &response, numbered)
    );
}

/// A model that is quick has no need to say that it lives.
#[tokio::test]
async fn a_quick_model_says_its_answer_alone() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let mut listener =
        Listener::new(&harness, "/v1/chat/completions", &chat_with("hi", &json!({"stream": true}))).await;
    assert!(!listener.hear("never told", 1).await);
    assert!(!listener.seen.contains("\"delta\":{},\"finish_reason\":null"), "{}", listener.seen);
    assert!(!listener.seen.contains("\n:") && !listener.seen.starts_with(':'), "{}", listener.seen);
}

/// The wait for a slot and what comes behind it are one silence.
#[tokio::test]
async fn who_waited_is_told_as_often_when_its_turn_has_come() {
    let harness = Harness::open(1, 1).await;
    let first = harness.start(&chat_with("first", &json!({"max_tokens": 1})));
    harness.until_places(0, 0).await;
    let body = json!({"model": "scripted", "prompt": "hi", "stream": true});
    let mut listener = Listener::new(&harness, "/v1/completions", &body).await;
    assert!(listener.hear(": queued, 0 ahead\n\n", 2).await);
    // One step ends the first; the next one stands.
    harness.script.allow(1);
    assert_eq!(first.await.unwrap().0, 200);
    assert!(listener.hear(NO_TEXT, 2).await);
    harness.script.allow_all();
    assert!(!listener.hear("never told", 1).await);
    assert!(listener.seen.ends_with("data: [DONE]\n\n"), "{}", listener.seen);
}
