//! Messages to Durable Objects.
//!
//! A message and its answer travel as a header in base64url: a body would be a stream on each side, with a promise to
//! wait for each, and messages to a Gate are a few hundred bytes. Only what is long (plan tables, pages of keys) goes as
//! a body: the platform has 128 KB for headers. A URL would do as well, but the platform logs URLs, and it redacts
//! headers whose names hold the word "secret".

use super::calls;
use super::wait::promise::Settled;
use crate::platform::objects::{Cause, Unanswered};
use crate::platform::{Env, Fault};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use js_sys::Uint8Array;
use std::cell::RefCell;
use std::collections::HashMap;
use wasm_bindgen::JsValue;
use worker::ObjectNamespace;

/// Sends a message to the object of this name, once, and returns what it answers.
pub async fn call_object(env: &Env, kind: &'static str, name: &str, message: &[u8]) -> Result<Vec<u8>, Unanswered> {
    let unanswered =
        |error: JsValue| Unanswered { cause: cause(&error), why: format!("{kind} {name}: {}", Fault::from(error)) };
    send(env, kind, name, message).await.map_err(unanswered)
}

/// The message that an object was sent.
pub async fn message(request: &web_sys::Request) -> Result<Vec<u8>, Fault> {
    match request.headers().get(MESSAGE)? {
        Some(message) => message_of(&message),
        None => Ok(Uint8Array::new(&Settled::of(&request.array_buffer()?).await?).to_vec()),
    }
}

/// The message that came as this header.
pub fn message_of(header: &str) -> Result<Vec<u8>, Fault> {
    URL_SAFE_NO_PAD.decode(header).map_err(|_| "not a message of the edge".into())
}

/// An object's answer.
pub fn answer(message: &[u8]) -> Result<web_sys::Response, Fault> {
    Ok(calls::answer_hop(&to_js(message))?)
}

thread_local! {
    /// Namespaces are part of an isolate's environment, not of a request; stubs are part of a request and are not kept.
    static NAMESPACES: RefCell<HashMap<&'static str, ObjectNamespace>> = RefCell::default();
}

async fn send(env: &Env, kind: &'static str, name: &str, message: &[u8]) -> Result<Vec<u8>, JsValue> {
    let namespace = namespace(env, kind)?;
    let answer = Settled::of(&calls::hop(namespace.as_ref(), name, &to_js(message))?).await?;
    match answer.as_string() {
        Some(answer) => Ok(message_of(&answer)?),
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
            let namespace = env.0.durable_object(binding)?;
            known.insert(binding, namespace.clone());
            Ok(namespace)
        }
    })
}

/// By what Cloudflare marks an error with: `remote` where it comes from the object's side, `retryable` where the platform
/// has failed and not the object's code.
fn cause(error: &JsValue) -> Cause {
    let has = |mark: &str| js_sys::Reflect::get(error, &mark.into()).is_ok_and(|value| value.is_truthy());
    match () {
        () if has("overloaded") => Cause::Overloaded,
        () if has("retryable") || !has("remote") => Cause::Unreachable,
        () if has("durableObjectReset") => Cause::Reset,
        () => Cause::Own,
    }
}

/// The longest message that goes as a header, in bytes.
const MAX_IN_HEADER: usize = 16 * 1024;
/// As `calls.js` and `entry.js` have it.
const MESSAGE: &str = "secret-message";
