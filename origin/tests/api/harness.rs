//! One origin per test, and what tests ask of it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use sluice_origin::config::{Access, Config};
use sluice_origin::grant::generate_key;
use sluice_origin::models::Backends;
use sluice_origin::models::scripted::{MODEL, Script};
use sluice_origin::server::{Origin, RunningOrigin};
use sluice_protocol::forward::grant::{GrantClaims, body_hash};
use sluice_protocol::id::RequestId;
use sluice_protocol::wire::sse::SseParser;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinHandle;

/// No wait in these tests is longer.
pub(crate) const BOUND: Duration = Duration::from_secs(30);
/// Between two looks.
const POLL: Duration = Duration::from_millis(2);

pub(crate) struct Harness {
    pub(crate) origin: Option<RunningOrigin>,
    pub(crate) script: Script,
    pub(crate) client: Client,
    pub(crate) url: String,
}

impl Harness {
    /// An open origin with this many slots and places in the queue.
    pub(crate) async fn open(slots: usize, queue: usize) -> Self {
        Self::with(Config { slots, queue, ..Config::local() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let script = Script::new(config.slots);
        Self::with_script(config, script).await
    }

    /// Its capacity may be looked at without a grant.
    pub(crate) async fn with_script(config: Config, script: Script) -> Self {
        let backend = script.backend();
        Self::with_backend(Config { open_metrics: true, ..config }, script, backend).await
    }

    /// `backend`: made of the script's, with another text side.
    pub(crate) async fn with_backend(config: Config, script: Script, backend: impl Into<Backends>) -> Self {
        let origin = Origin::start(config, backend).await.unwrap();
        Self { url: origin.url(), origin: Some(origin), script, client: client() }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub(crate) fn post(&self, body: &Value) -> RequestBuilder {
        self.post_bytes(body.to_string().into_bytes())
    }

    pub(crate) fn post_bytes(&self, body: Vec<u8>) -> RequestBuilder {
        let url = format!("{}/v1/chat/completions", self.url);
        self.client.post(url).header("content-type", "application/json").body(body)
    }

    /// Sends a request in the background.
    pub(crate) fn start(&self, body: &Value) -> JoinHandle<(u16, Value)> {
        self.start_request(self.post(body))
    }

    pub(crate) fn start_request(&self, request: RequestBuilder) -> JoinHandle<(u16, Value)> {
        tokio::spawn(async move { parts(request.send().await.unwrap()).await })
    }

    pub(crate) async fn capacity(&self) -> Value {
        self.get("/capacity").send().await.unwrap().json().await.unwrap()
    }

    /// Waits until the capacity has these numbers of free slots and queued requests.
    pub(crate) async fn until_places(&self, free: u64, queued: u64) {
        until_then(&format!("free={free}, queued={queued}"), async || {
            let capacity = self.capacity().await;
            capacity["free"] == free && capacity["queued"] == queued
        })
        .await;
    }

    /// Steps until this many sequences were in one step, and then lets the model run freely.
    pub(crate) async fn until_wide(&self, sequences: usize) {
        until(&format!("{sequences} sequences in one step"), || {
            if self.script.is_blocked() {
                self.script.allow(1);
            }
            self.script.widest_step() >= sequences
        })
        .await;
        self.script.allow_all();
    }

    pub(crate) async fn status(&self, path: &str) -> u16 {
        self.get(path).send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn until_status(&self, path: &str, status: u16) {
        until_then(&format!("{path} answers {status}"), async || self.status(path).await == status).await;
    }
}

pub(crate) fn client() -> Client {
    // No connection is shared, so that dropping a request closes one.
    Client::builder().timeout(BOUND).pool_max_idle_per_host(0).no_proxy().build().unwrap()
}

/// Polls until it holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_then(what, async || holds()).await;
}

/// Polls until it holds, where looking takes a request: the one place in which a test waits for the clock.
pub(crate) async fn until_then(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < BOUND, "never: {what}");
        tokio::time::sleep(POLL).await;
    }
}

pub(crate) fn chat(content: &str) -> Value {
    json!({"model": MODEL, "messages": [{"role": "user", "content": content}]})
}

/// The same with more members.
pub(crate) fn chat_with(content: &str, members: &Value) -> Value {
    let mut body = chat(content);
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub(crate) async fn parts(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// What an answer counted. Where its time went is told too, and is never the same twice.
pub(crate) fn counts(told: &Value) -> Value {
    let mut usage = told["usage"].clone();
    let timings = usage.as_object_mut().unwrap().remove("timings").unwrap();
    for member in ["queue_ms", "prompt_ms", "completion_ms"] {
        assert!(timings[member].is_u64(), "{timings}");
    }
    usage
}

pub(crate) fn text_of(completion: &Value) -> &str {
    completion["choices"][0]["message"]["content"].as_str().unwrap()
}

/// All payloads of a stream.
pub(crate) async fn payloads(response: Response) -> Vec<String> {
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let bytes = response.bytes().await.unwrap();
    let mut found = Vec::new();
    SseParser::new(1 << 20).push(&bytes, |payload| found.push(String::from_utf8(payload.to_vec()).unwrap()));
    found
}

pub(crate) fn json_of(payload: &str) -> Value {
    serde_json::from_str(payload).unwrap()
}

/// The text of a stream, of all its events.
pub(crate) fn text_of_stream(payloads: &[String]) -> String {
    payloads
        .iter()
        .filter(|payload| *payload != "[DONE]")
        .filter_map(|payload| json_of(payload)["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect()
}

/// Signs grants as an edge does.
pub(crate) struct Edge {
    pub(crate) kid: String,
    pub(crate) key: EncodingKey,
    pub(crate) setting: String,
}

impl Edge {
    pub(crate) fn new(kid: &str) -> Self {
        let (private, public) = generate_key();
        let seed = URL_SAFE_NO_PAD.decode(private).unwrap();
        // RFC 8410: the fixed head of a PKCS #8 Ed25519 key.
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend(seed);
        Self { kid: kid.into(), key: EncodingKey::from_ed_der(&der), setting: format!("{kid}={public}") }
    }

    pub(crate) fn access(&self) -> Access {
        Access::Granted(vec![self.setting.parse().unwrap()])
    }

    pub(crate) fn header(&self) -> Header {
        Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) }
    }

    pub(crate) fn sign(&self, claims: &GrantClaims) -> String {
        encode(&self.header(), claims, &self.key).unwrap()
    }
}

/// A good grant for a body: one minute, no limit of tokens, a new id.
pub(crate) fn claims(body: &[u8]) -> GrantClaims {
    let mut id = [0; 16];
    getrandom::fill(&mut id).unwrap();
    GrantClaims {
        jti: RequestId(id).to_string(),
        sub: "key_1".into(),
        acc: "acct".into(),
        plan: "vip".into(),
        pri: 0,
        tok: 0,
        max: 0,
        inp: 0,
        exp: now_s() + 60,
        bh: body_hash(body),
        aud: None,
        idle: false,
        img: None,
    }
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
