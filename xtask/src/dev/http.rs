//! Calls to our own gates on the loopback interface: no TLS, no proxy, bounded, and cut short by a signal.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use crate::host::process::{Interrupted, interrupted};

/// What came back, whatever its status.
pub(super) struct Reply {
    /// HTTP status.
    pub(super) status: u16,
    /// The `x-request-id` header.
    pub(super) request_id: Option<String>,
    /// The body as text.
    pub(super) body: String,
}

impl Reply {
    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body)
            .with_context(|| format!("status {} with a body that is not JSON: {}", self.status, self.body))
    }
}

/// GET `url`, with a bearer if one is given.
pub(super) fn get(url: &str, bearer: Option<&str>, timeout: Duration) -> Result<Reply> {
    call(url, bearer, None, timeout)
}

/// POST `body` to `url`.
pub(super) fn post(url: &str, bearer: &str, body: Value, timeout: Duration) -> Result<Reply> {
    call(url, Some(bearer), Some(body), timeout)
}

/// The request runs on a thread of its own, so that a signal is answered while it waits.
fn call(url: &str, bearer: Option<&str>, body: Option<Value>, timeout: Duration) -> Result<Reply> {
    let (sender, receiver) = mpsc::channel();
    let (target, bearer) = (url.to_owned(), bearer.map(|token| format!("Bearer {token}")));
    thread::spawn(move || {
        // The receiver is gone only after a signal; then nobody wants the answer.
        let _ = sender.send(exchange(&target, bearer.as_deref(), body.as_ref(), timeout));
    });
    loop {
        match receiver.recv_timeout(Duration::from_millis(20)) {
            Ok(reply) => return reply.with_context(|| format!("no answer from {url}")),
            Err(RecvTimeoutError::Timeout) if interrupted() => return Err(Interrupted.into()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("the call to {url} panicked")),
        }
    }
}

fn exchange(url: &str, bearer: Option<&str>, body: Option<&Value>, timeout: Duration) -> Result<Reply> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // A proxy set for the internet has no business between us and ourselves.
        .proxy(None)
        .timeout_global(Some(timeout))
        .build()
        .into();
    let mut reply = match body {
        Some(body) => {
            let mut request = agent.post(url);
            if let Some(bearer) = bearer {
                request = request.header("authorization", bearer);
            }
            request.send_json(body)?
        }
        None => {
            let mut request = agent.get(url);
            if let Some(bearer) = bearer {
                request = request.header("authorization", bearer);
            }
            request.call()?
        }
    };
    let header = |name: &str| reply.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Reply {
        status: reply.status().as_u16(),
        request_id: header("x-request-id"),
        body: reply.body_mut().read_to_string()?,
    })
}
