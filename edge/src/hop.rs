//! One message to a Durable Object and its answer back.
//!
//! Both travel as a header in base64url: a body would be a stream on each side, with a promise to wait for each, and
//! messages to a Gate are a few hundred bytes. Only what is long (plan tables, pages of keys) goes as a body: the platform
//! has 128 KB for headers. A URL would do as well, but the platform logs URLs, and it redacts headers whose names hold the
//! word "secret".

use crate::platform;
use crate::promise::Settled;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use js_sys::Uint8Array;
use std::cell::RefCell;
use std::collections::HashMap;
use wasm_bindgen::JsValue;
use web_sys::Response;
use worker::{Env, ObjectNamespace, Request};

/// Sends `message` to the object called `name` and returns what it answers. The error is for the log.
///
/// Every message that may be repeated is safe to repeat (admit and settle are keyed by the request's id), so a hop that
/// fails is tried once more with a fresh stub, unless the object said that it is overloaded.
pub async fn call(env: &Env, binding: &'static str, name: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    tell(env, binding, name, message).await.map_err(|failed| failed.why)
}

/// [`call`], for who wants to know whether it was the object that failed.
pub async fn tell(env: &Env, binding: &'static str, name: &str, message: &[u8]) -> Result<Vec<u8>, Failed> {
    match once(env, binding, name, message).await {
        Err(error) if !has(&error, OVERLOADED) => once(env, binding, name, message).await,
        result => result,
    }
    .map_err(|error| Failed {
        is_its_own: has(&error, "remote") && !has(&error, "retryable") && !has(&error, OVERLOADED),
        why: format!("{binding} {name}: {error:?}"),
    })
}

/// Why there is no answer.
pub struct Failed {
    /// The object was reached, and its code failed over the message. Otherwise it may never have had it.
    pub is_its_own: bool,
    /// For the log.
    pub why: String,
}

/// The message that an object was sent.
pub async fn message(request: &mut Request) -> worker::Result<Vec<u8>> {
    match request.headers().get(MESSAGE)? {
        Some(message) => Ok(from_header(&message)?),
        None => request.bytes().await,
    }
}

/// The message that came as this header.
pub fn from_header(message: &str) -> Result<Vec<u8>, JsValue> {
    URL_SAFE_NO_PAD.decode(message).map_err(|_| "not a message of the edge".into())
}

/// An object's answer.
pub fn answer(message: &[u8]) -> Result<Response, JsValue> {
    platform::answer_hop(&to_js(message))
}

thread_local! {
    /// Namespaces are part of an isolate's environment, not of a request; stubs are part of a request and are not kept.
    static NAMESPACES: RefCell<HashMap<&'static str, ObjectNamespace>> = RefCell::default();
}

async fn once(env: &Env, binding: &'static str, name: &str, message: &[u8]) -> Result<Vec<u8>, JsValue> {
    let namespace = namespace(env, binding)?;
    let answer = Settled::of(&platform::hop(namespace.as_ref(), name, &to_js(message))?).await?;
    match answer.as_string() {
        Some(answer) => from_header(&answer),
        None => Ok(Uint8Array::new(&answer).to_vec()),
    }
}

fn to_js(message: &[u8]) -> JsValue {
    if message.len() > MAX_IN_HEADER {
        return Uint8Array::from(message).into();
    }
    URL_SAFE_NO_PAD.encode(message).into()
}

fn namespace(env: &Env, binding: &'static str) -> worker::Result<ObjectNamespace> {
    NAMESPACES.with_borrow_mut(|known| match known.get(binding) {
        Some(namespace) => Ok(namespace.clone()),
        None => {
            let namespace = env.durable_object(binding)?;
            known.insert(binding, namespace.clone());
            Ok(namespace)
        }
    })
}

/// What Cloudflare marks an error with: `remote` where the object's own code has failed, `retryable` where the platform has.
fn has(error: &JsValue, mark: &str) -> bool {
    js_sys::Reflect::get(error, &mark.into()).is_ok_and(|value| value.is_truthy())
}

/// The mark of an object that has too much to do; asking it again makes that worse.
const OVERLOADED: &str = "overloaded";

/// The longest message that goes as a header, in bytes.
const MAX_IN_HEADER: usize = 16 * 1024;
/// As `platform.js` and `entry.js` have it.
const MESSAGE: &str = "secret-message";
