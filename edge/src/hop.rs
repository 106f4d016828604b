//! One message to a Durable Object and its answer back.
//!
//! Both travel as a header in base64url: a body would be a stream on each side, with a promise to wait for each, and
//! messages to a Gate are a few hundred bytes. Only what is long (plan tables, pages of keys) goes as a body: the platform
//! has 128 KB for headers. A URL would do as well, but the platform logs URLs, and it redacts headers whose names hold the
//! word "secret".

pub mod gate;
pub mod group;
pub mod kept;
pub mod registry;

use crate::platform;
use crate::platform::deadline::Deadline;
use crate::platform::workerd::promise::Settled;
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
/// Every message that may be repeated is safe to repeat (admit and settle are keyed by the request's id), so a hop on which
/// the object was not reached is tried once more with a fresh stub. One that has too much to do, or that has failed over this
/// very message, is not asked again.
pub async fn call(env: &Env, binding: &'static str, name: &str, message: &[u8]) -> Result<Vec<u8>, Failed> {
    let result = match once(env, binding, name, message).await {
        Err(error) if matches!(fault(&error), Fault::Unreachable | Fault::Reset) => {
            once(env, binding, name, message).await
        }
        result => result,
    };
    result.map_err(|error| Failed { fault: fault(&error), why: format!("{binding} {name}: {error:?}") })
}

/// [`call`] for a request of the Worker's, which may not wait for ever. An object that has not answered within `ms`
/// milliseconds has too much to do. (An object that asks another sets no timer: a pending one keeps it in memory.)
pub async fn call_within(
    env: &Env,
    binding: &'static str,
    name: &str,
    message: &[u8],
    ms: u32,
) -> Result<Vec<u8>, Failed> {
    let deadline = Deadline::new(None).map_err(|error| Failed::own(format!("{error:?}")))?;
    deadline.set(ms);
    deadline.limit(call(env, binding, name, message)).await.unwrap_or_else(|| {
        Err(Failed { fault: Fault::Overloaded, why: format!("{binding} {name}: no answer within {ms} ms") })
    })
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Failed {
    /// Whose fault it is.
    pub fault: Fault,
    /// For the log.
    pub why: String,
}

/// What became of a message without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The object could not be reached, or its answer was lost: it may have had the message, or not.
    Unreachable,
    /// The object is there and has too much to do.
    Overloaded,
    /// The object was started anew while it had the message: with other code, or because the message was too much for it.
    Reset,
    /// The object was reached, and its code failed over the message.
    Own,
}

impl Failed {
    /// An answer that is none.
    pub fn own(why: impl Into<String>) -> Self {
        Self { fault: Fault::Own, why: why.into() }
    }
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

/// By what Cloudflare marks an error with: `remote` where it comes from the object's side, `retryable` where the platform has
/// failed and not the object's code.
fn fault(error: &JsValue) -> Fault {
    let has = |mark: &str| js_sys::Reflect::get(error, &mark.into()).is_ok_and(|value| value.is_truthy());
    match () {
        () if has("overloaded") => Fault::Overloaded,
        () if has("retryable") || !has("remote") => Fault::Unreachable,
        () if has("durableObjectReset") => Fault::Reset,
        () => Fault::Own,
    }
}

/// The longest message that goes as a header, in bytes.
const MAX_IN_HEADER: usize = 16 * 1024;
/// As `calls.js` and `entry.js` have it.
const MESSAGE: &str = "secret-message";
