//! What clients send: the same to every gateway.

use harness::caller::{self, raw};
use serde_json::{Value, json};

/// Where a chat request goes, at every gateway.
pub(crate) const CHAT: &str = "/v1/chat/completions";

/// A chat request of some 340 bytes with this key.
pub(crate) fn chat(key: &str) -> Vec<u8> {
    post(CHAT, key, &question(0.7))
}

/// The same question, which has the same answer each time.
pub(crate) fn repeated(key: &str) -> Vec<u8> {
    post(CHAT, key, &question(0.0))
}

fn question(temperature: f64) -> Value {
    json!({
        "model": MODEL, "max_tokens": 64, "temperature": temperature,
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": USER},
        ],
    })
}

/// A request with this key and this body.
pub(crate) fn post(path: &str, key: &str, body: &Value) -> Vec<u8> {
    let headers = [caller::bearer(key), "Content-Type: application/json".into()];
    keep_alive(raw::request("POST", path, &headers, body.to_string().as_bytes()))
}

/// A request without a key or a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    keep_alive(raw::request("GET", path, &[], b""))
}

/// The same key with its last character changed: the right form, the wrong tag.
pub(crate) fn forge(key: &str) -> String {
    let (front, last) = key.split_at(key.len() - 1);
    format!("{front}{}", if last == "0" { "1" } else { "0" })
}

/// What the model is told to be.
pub(crate) const SYSTEM: &str = "You are a helpful assistant that answers in one short paragraph of plain text.";
/// What it is asked.
pub(crate) const USER: &str =
    "Explain what a sliding window rate limiter does and why it differs from a fixed window, in two sentences.";
/// The model that the stub origin serves.
pub(crate) const MODEL: &str = "stub";

/// The harness closes after each request; a client under load does not.
fn keep_alive(request: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(request).expect("the load's requests are ASCII");
    text.replace("Connection: close", "Connection: keep-alive").into_bytes()
}
