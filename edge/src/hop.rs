//! One message to a Durable Object and its answer back.
//!
//! Both travel as a header in base64url: a body would be a stream on each side, with a promise to wait for each, and
//! messages to a Gate are a few hundred bytes. Only what is long (plan tables, pages of keys) goes as a body: the platform
//! has 128 KB for headers. A URL would do as well, but the platform logs URLs, and it redacts headers whose names hold the
//! word "secret".

use crate::respond::HeaderList;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use js_sys::{Promise, Uint8Array};
use std::cell::RefCell;
use std::collections::HashMap;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::RequestInit;
use worker::{Env, ObjectNamespace, Request, Response, ResponseBuilder};

/// Sends `message` to the object called `name` and returns what it answers. The error is for the log.
///
/// Every message that may be repeated is safe to repeat (admit and settle are keyed by the request's id), so a hop that
/// fails is tried once more with a fresh stub, unless the object said that it is overloaded.
pub async fn call(env: &Env, binding: &'static str, name: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    match once(env, binding, name, message).await {
        Err(error) if !is_overloaded(&error) => once(env, binding, name, message).await,
        result => result,
    }
    .map_err(|error| format!("{binding} {name}: {error:?}"))
}

/// The message that an object was sent.
pub async fn message(request: &mut Request) -> worker::Result<Vec<u8>> {
    match request.headers().get(MESSAGE)? {
        Some(message) => URL_SAFE_NO_PAD.decode(message).map_err(|_| "not a message of the edge".into()),
        None => request.bytes().await,
    }
}

/// An object's answer.
pub fn answer(message: &[u8]) -> worker::Result<Response> {
    if message.len() > MAX_IN_HEADER {
        return Response::from_bytes(message.to_vec());
    }
    Ok(ResponseBuilder::new().with_header(ANSWER, &URL_SAFE_NO_PAD.encode(message))?.empty())
}

#[wasm_bindgen]
extern "C" {
    /// A Durable Object's stub, called without a Request made and read back on the way.
    type RawStub;

    #[wasm_bindgen(method, catch)]
    fn fetch(this: &RawStub, url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

thread_local! {
    /// Namespaces are part of an isolate's environment, not of a request; stubs are part of a request and are not kept.
    static NAMESPACES: RefCell<HashMap<&'static str, ObjectNamespace>> = RefCell::default();
}

async fn once(env: &Env, binding: &'static str, name: &str, message: &[u8]) -> Result<Vec<u8>, JsValue> {
    let stub: RawStub = namespace(env, binding)?.get_by_name(name)?.into_rpc();
    let init = RequestInit::new();
    if message.len() > MAX_IN_HEADER {
        init.set_method("POST");
        init.set_body(&Uint8Array::from(message));
    } else {
        let mut headers = HeaderList::new();
        headers.set(MESSAGE, URL_SAFE_NO_PAD.encode(message));
        init.set_headers(&headers.to_js()?);
    }
    let response: web_sys::Response = JsFuture::from(stub.fetch("http://object/", &init)?).await?.unchecked_into();
    let failed = || JsValue::from_str("the object failed; its log says why");
    if !response.ok() {
        return Err(failed());
    }
    match response.headers().get(ANSWER)? {
        Some(answer) => URL_SAFE_NO_PAD.decode(answer).map_err(|_| failed()),
        None => Ok(Uint8Array::new(&JsFuture::from(response.array_buffer()?).await?).to_vec()),
    }
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

/// Cloudflare marks an object that has too much to do; asking it again makes that worse.
fn is_overloaded(error: &JsValue) -> bool {
    js_sys::Reflect::get(error, &"overloaded".into()).is_ok_and(|value| value.is_truthy())
}

/// The longest message that goes as a header, in bytes.
const MAX_IN_HEADER: usize = 16 * 1024;
const MESSAGE: &str = "secret-message";
const ANSWER: &str = "secret-answer";
