//! One message to a Durable Object and its answer back, as bytes.

use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::RequestInit;
use worker::{Env, Response, ResponseBuilder};

/// Sends `message` to the object called `name` and returns what it answers. The error is for the log.
///
/// Every message that may be repeated is safe to repeat (admit and settle are keyed by the request's id), so a hop that
/// fails is tried once more with a fresh stub, unless the object said that it is overloaded.
pub async fn call(env: &Env, binding: &str, name: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    match once(env, binding, name, message).await {
        Err(error) if !is_overloaded(&error) => once(env, binding, name, message).await,
        result => result,
    }
    .map_err(|error| format!("{binding} {name}: {error:?}"))
}

/// An object's answer.
pub fn answer(message: Vec<u8>) -> worker::Result<Response> {
    Ok(ResponseBuilder::new().fixed(message))
}

#[wasm_bindgen]
extern "C" {
    /// A Durable Object's stub, called without a Request made and read back on the way: each crossing into JavaScript costs
    /// about a microsecond.
    type RawStub;

    #[wasm_bindgen(method, catch)]
    fn fetch(this: &RawStub, url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

async fn once(env: &Env, binding: &str, name: &str, message: &[u8]) -> Result<Vec<u8>, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&Uint8Array::from(message));
    let stub: RawStub = env.durable_object(binding)?.get_by_name(name)?.into_rpc();
    let response: web_sys::Response = JsFuture::from(stub.fetch("http://object/", &init)?).await?.unchecked_into();
    if !response.ok() {
        return Err(JsValue::from_str("the object failed; its log says why"));
    }
    let buffer = JsFuture::from(response.array_buffer()?).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// Cloudflare marks an object that has too much to do; asking it again makes that worse.
fn is_overloaded(error: &JsValue) -> bool {
    js_sys::Reflect::get(error.unchecked_ref(), &"overloaded".into()).is_ok_and(|value| value.is_truthy())
}
