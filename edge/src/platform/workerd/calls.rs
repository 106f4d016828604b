//! The platform's calls that `calls.js` joins. Many headers are one string.

use js_sys::{Array, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::{AbortSignal, CryptoKey, Request, Response};

/// What hears that a promise is settled: a slot's number and its holder's, whether it was kept, and what it gives.
pub type Settle = dyn Fn(usize, u32, bool, JsValue);
/// What hears a bell: its number and its holder's, and whether by a timer.
pub type Ring = dyn Fn(usize, u32, bool);

#[wasm_bindgen(module = "/src/platform/workerd/js/calls.js")]
extern "C" {
    /// A request's method, its URL and these headers, a line each.
    pub fn request_head(request: &Request, names: &JsValue) -> String;
    /// These headers of a request alone, a line each, behind an empty one.
    pub fn request_rest(request: &Request, names: &JsValue) -> String;
    /// A response's status and these headers, a line each: so many of them where it is a success.
    pub fn response_head(response: &Response, names: &JsValue, few: &JsValue) -> String;

    /// The continent that a request comes from, or an empty string.
    pub fn continent(request: &Request) -> String;

    /// An answer. Its headers are a JSON object.
    #[wasm_bindgen(catch)]
    pub fn respond(status: u16, headers: &str, body: &JsValue) -> Result<Response, JsValue>;
    /// An answer whose body is text.
    #[wasm_bindgen(catch, js_name = respond)]
    pub fn respond_text(status: u16, headers: &str, body: &str) -> Result<Response, JsValue>;
    /// An answer whose body is these bytes, one after the other.
    #[wasm_bindgen(catch)]
    pub fn respond_parts(status: u16, headers: &str, parts: &Array) -> Result<Response, JsValue>;

    /// A request to another server, which is not followed elsewhere. Its headers are a JSON object.
    #[wasm_bindgen(catch)]
    pub fn send(url: &str, method: &str, headers: &str, body: &JsValue) -> Result<Promise, JsValue>;
    /// The same to an origin, through the binding of this name if there is one.
    #[wasm_bindgen(catch)]
    pub fn send_to_origin(
        binding: &str,
        url: &str,
        method: &str,
        headers: &str,
        body: &JsValue,
    ) -> Result<Promise, JsValue>;

    /// What the cache has under a key: an array of a note and bytes, or nothing.
    #[wasm_bindgen(catch)]
    pub fn cache_match(key: &str) -> Result<Promise, JsValue>;
    /// Keeps bytes and a note in the cache, for so many seconds at most.
    #[wasm_bindgen(catch)]
    pub fn cache_put(key: &str, seconds: u32, note: &str, body: &JsValue) -> Result<Promise, JsValue>;

    /// A message to the object of this name: a string or bytes, and so is what the promise gives.
    #[wasm_bindgen(catch)]
    pub fn hop(namespace: &JsValue, name: &str, message: &JsValue) -> Result<Promise, JsValue>;
    /// What an object answers to a message: a string or bytes.
    #[wasm_bindgen(catch)]
    pub fn answer_hop(message: &JsValue) -> Result<Response, JsValue>;

    /// Runs a statement with these two values; how many rows were read, and how many written.
    #[wasm_bindgen(catch)]
    pub fn put_row(sql: &JsValue, statement: &str, id: f64, value: &JsValue) -> Result<Vec<f64>, JsValue>;

    /// Runs a function in a transaction of this storage: an error of it takes back what was written.
    #[wasm_bindgen(catch)]
    pub fn transaction(storage: &JsValue, body: &mut dyn FnMut() -> Result<(), JsValue>) -> Result<(), JsValue>;

    /// Calls this function when the promise settles: with these numbers, whether it was kept, and what it gives.
    pub fn watch(promise: &Promise, slot: usize, holder: u32, settle: &Closure<Settle>);
    /// Calls it after this many milliseconds, as for a promise that was kept.
    pub fn settle_in(ms: u32, slot: usize, holder: u32, settle: &Closure<Settle>);
    /// Calls this function after this many milliseconds, with these numbers.
    #[wasm_bindgen(catch)]
    pub fn ring_in(ms: i32, ring: &Closure<Ring>, number: usize, holder: u32) -> Result<(), JsValue>;
    /// Stops the timer that has this number and has not gone off.
    pub fn stop_ringing(number: usize);
    /// Calls it when the signal is aborted.
    #[wasm_bindgen(catch)]
    pub fn ring_on_abort(signal: &AbortSignal, ring: &Closure<Ring>, number: usize, holder: u32)
    -> Result<(), JsValue>;

    /// Signs with Ed25519.
    #[wasm_bindgen(catch)]
    pub fn sign(key: &CryptoKey, data: &JsValue) -> Result<Promise, JsValue>;
    /// The platform's form of a public key, for an algorithm by its name in a token's header. The promise fails where it
    /// takes no such key.
    #[wasm_bindgen(catch)]
    pub fn import_verifier(algorithm: &str, document: &JsValue) -> Result<Promise, JsValue>;
    /// Whether a signature is this key's; the promise gives a boolean.
    #[wasm_bindgen(catch)]
    pub fn verify(algorithm: &str, key: &CryptoKey, signature: &JsValue, data: &JsValue) -> Result<Promise, JsValue>;
}
