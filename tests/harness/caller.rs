//! Callers: HTTP as an application sends it, and the admin.

pub mod agent;
pub mod browser;
pub mod clients;
pub mod raw;
pub mod splitter;

use crate::answer::Answer;
use crate::secrets::{ADMIN_TOKEN, PROMPT};
use crate::watch::Sent;
use reqwest::blocking::{Client, Request, RequestBuilder, Response};
use serde_json::{Value, json};
use sluice_protocol::admin::{CreatedKey, DeletedKey, KeyList, KeyView};
use sluice_protocol::hop::gate_call::own_key::{OwnKey, Told};
use sluice_protocol::id::KeyId;
use sluice_protocol::wire::header;
use std::net::SocketAddr;
use std::time::Duration;

/// An HTTP client for one gate. It keeps connections alive, as applications do.
#[derive(Clone)]
pub struct Caller {
    address: SocketAddr,
    base: String,
    http: Client,
}

impl Caller {
    /// A client of the gate that listens there.
    pub fn new(address: SocketAddr) -> Self {
        let http = Client::builder()
            // Whatever proxy the machine has, this is loopback.
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(16)
            .build()
            .expect("these options have no way to fail");
        Self { address, base: format!("http://{address}"), http }
    }

    /// Where an SDK of OpenAI's finds this gate.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.base)
    }

    /// Sends a request and reads the whole answer, without looking at it.
    pub fn send(&self, build: impl FnOnce(&Client, &str) -> RequestBuilder) -> Answer {
        let request = build(&self.http, &self.base).build().unwrap_or_else(|error| panic!("no request: {error:?}"));
        let sent = self.sent(&request);
        let answer = read(self.http.execute(request).unwrap_or_else(|error| panic!("no answer: {error:?}")));
        sent.iter().for_each(|sent| sent.answered(&answer));
        answer
    }

    fn sent(&self, request: &Request) -> Option<Sent> {
        let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        Sent::to(self.address, request.method().as_str(), request.url().path(), headers)
    }

    /// `GET`, with a key or without.
    pub fn get(&self, path: &str, key: Option<&str>) -> Answer {
        self.send(|http, base| with_key(http.get(format!("{base}{path}")), key)).from_edge()
    }

    /// `POST /v1/chat/completions`.
    pub fn chat(&self, key: Option<&str>, body: &Value) -> Answer {
        self.send(|http, base| with_key(http.post(format!("{base}/v1/chat/completions")), key).json(body)).from_edge()
    }

    /// `POST /v1/chat/completions` with these headers.
    pub fn chat_as(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send(|http, base| {
            let request = http.post(format!("{base}/v1/chat/completions")).json(body);
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
        })
        .from_edge()
    }

    /// What a key sees of itself; costs nothing.
    pub fn own(&self, key: &str) -> OwnKey {
        serde_json::from_value(self.get("/v1/key", Some(key)).ok().json()).expect("a caller's view of its key")
    }

    /// An admin route, with the right token.
    pub fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.admin_as(ADMIN_TOKEN, method, path, body)
    }

    /// An admin route, with this token.
    pub fn admin_as(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method's name");
        self.send(|http, base| {
            let request = http.request(method, format!("{base}/admin/v1{path}")).bearer_auth(token);
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        })
        .from_edge()
    }

    /// [`Self::admin`] with more headers.
    pub fn admin_with(&self, headers: &[(&str, &str)], method: &str, path: &str, body: Option<&Value>) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method's name");
        self.send(|http, base| {
            let request = http.request(method, format!("{base}/admin/v1{path}")).bearer_auth(ADMIN_TOKEN);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        })
        .from_edge()
    }

    /// Replaces the plan table; `replaces` is what `If-Match` says.
    pub fn put_plans(&self, replaces: Option<&str>, table: &str) -> Answer {
        self.send(|http, base| {
            let request = http.put(format!("{base}/admin/v1/plans")).bearer_auth(ADMIN_TOKEN);
            let request = request.header("content-type", "application/json").body(table.to_owned());
            match replaces {
                Some(replaces) => request.header("if-match", replaces),
                None => request,
            }
        })
        .from_edge()
    }

    /// Makes a key with this plan.
    pub fn issue_key(&self, plan: &str) -> CreatedKey {
        self.issue(&json!({"name": "e2e", "plan": plan}))
    }

    /// Makes a key.
    pub fn issue(&self, asked: &Value) -> CreatedKey {
        let answer = self.admin("POST", "/keys", Some(asked));
        assert_eq!(answer.status, 201, "{}", answer.text());
        serde_json::from_value(answer.json()).expect("a key")
    }

    /// What a key's Gate knows.
    pub fn view(&self, id: KeyId) -> KeyView {
        serde_json::from_value(self.admin("GET", &format!("/keys/{id}"), None).ok().json()).expect("a key's view")
    }

    /// The Registry's list.
    pub fn list(&self) -> KeyList {
        serde_json::from_value(self.admin("GET", "/keys", None).ok().json()).expect("a list of keys")
    }

    /// Ends a key.
    pub fn revoke(&self, id: KeyId) {
        let answer = self.admin("DELETE", &format!("/keys/{id}"), None).ok();
        let deleted: DeletedKey = serde_json::from_value(answer.json()).expect("what was deleted");
        assert_eq!(deleted, DeletedKey { id, deleted: true });
    }
}

/// A chat request with one message. The model is the one that every test origin serves.
pub fn hello(max_tokens: u32) -> Value {
    json!({"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": max_tokens})
}

/// [`hello`], streamed.
pub fn hello_stream(max_tokens: u32) -> Value {
    let mut body = hello(max_tokens);
    body["stream"] = true.into();
    body
}

/// What the test origins call their model.
pub const MODEL: &str = "tiny";

fn with_key(request: RequestBuilder, key: Option<&str>) -> RequestBuilder {
    match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    }
}

fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = response.bytes().unwrap_or_else(|error| panic!("{status}, and the body broke off: {error:?}"));
    Answer { status, headers, body: body.to_vec() }
}

/// `Authorization: Bearer ...` as a line, for requests by hand.
pub fn bearer(key: &str) -> String {
    format!("{}: Bearer {key}", header::AUTHORIZATION)
}

/// An amount that is no money.
pub trait Whole {
    /// It.
    fn whole(&self) -> u32;
}

impl Whole for Told {
    fn whole(&self) -> u32 {
        let number = self.number().unwrap_or_else(|| panic!("{self:?} is money"));
        u32::try_from(number).expect("tests count to less")
    }
}
