//! The platform's calls that `calls.js` joins, and what it passes: many headers in one string.

pub mod deadline;
pub mod respond;
pub mod rows;
pub mod sign;
pub mod task;
pub mod workerd;

use js_sys::{Array, Promise, Uint8Array};
use sluice_protocol::header;
use sluice_protocol::telemetry::Severity;
use sluice_protocol::time::Millis;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::{AbortSignal, CryptoKey, Request, Response, WritableStream};

#[wasm_bindgen(module = "/src/platform/workerd/js/calls.js")]
extern "C" {
    fn request_head(request: &Request, names: &JsValue) -> String;
    fn response_head(response: &Response, names: &JsValue) -> String;

    /// An answer. Its headers are a JSON object.
    #[wasm_bindgen(catch)]
    pub fn respond(status: u16, headers: &str, body: &JsValue) -> Result<Response, JsValue>;
    /// An answer whose body is text.
    #[wasm_bindgen(catch, js_name = respond)]
    pub fn respond_text(status: u16, headers: &str, body: &str) -> Result<Response, JsValue>;

    /// A request to another server, which is not followed elsewhere. Its headers are a JSON object.
    #[wasm_bindgen(catch)]
    pub fn send(url: &str, method: &str, headers: &str, body: &JsValue) -> Result<Promise, JsValue>;
    /// The same to the origin, through its binding if it has one.
    #[wasm_bindgen(catch)]
    pub fn send_to_origin(url: &str, method: &str, headers: &str, body: &JsValue) -> Result<Promise, JsValue>;

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
    pub fn watch(promise: &Promise, slot: usize, holder: u32, settle: &Closure<dyn Fn(usize, u32, bool, JsValue)>);
    /// Writes these bytes to a stream and ends it, without waiting for whoever reads.
    #[wasm_bindgen(catch)]
    pub fn end_with(writable: &WritableStream, bytes: &Uint8Array) -> Result<(), JsValue>;
    /// A promise that is kept after this many milliseconds.
    pub fn pause(ms: i32) -> Promise;
    /// Calls this function when the signal is aborted.
    #[wasm_bindgen(catch)]
    pub fn on_abort(signal: &AbortSignal, listener: &Closure<dyn FnMut()>) -> Result<(), JsValue>;
    /// Undoes that.
    #[wasm_bindgen(catch)]
    pub fn off_abort(signal: &AbortSignal, listener: &Closure<dyn FnMut()>) -> Result<(), JsValue>;

    /// Signs with Ed25519.
    #[wasm_bindgen(catch)]
    pub fn sign(key: &CryptoKey, data: &JsValue) -> Result<Promise, JsValue>;
    /// The platform's form of a public key, for an algorithm by its name in a token's header. The promise fails where it takes no
    /// such key.
    #[wasm_bindgen(catch)]
    pub fn import_verifier(algorithm: &str, document: &JsValue) -> Result<Promise, JsValue>;
    /// Whether a signature is this key's; the promise gives a boolean.
    #[wasm_bindgen(catch)]
    pub fn verify(algorithm: &str, key: &CryptoKey, signature: &JsValue, data: &JsValue) -> Result<Promise, JsValue>;
}

/// Writes a line to the Worker's log.
pub fn log(severity: Severity, line: &str) {
    match severity {
        Severity::Info => worker::console_log!("{line}"),
        Severity::Warning => worker::console_warn!("{line}"),
        Severity::Error => worker::console_error!("{line}"),
    }
}

/// The time. It stands still while no promise settles.
pub fn now() -> Millis {
    js_sys::Date::now() as Millis
}

/// Fresh random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // In a Worker this is crypto.getRandomValues, which does not fail for so few bytes.
    getrandom::fill(&mut bytes).expect("the platform has randomness");
    bytes
}

/// What stands before a body: two words of the platform's, or one, and the headers that we look at.
pub struct Head {
    text: String,
    /// How many lines come before the headers.
    first: usize,
    names: &'static [&'static str],
}

impl Head {
    /// A caller's.
    pub fn of_request(request: &Request) -> Self {
        thread_local! {
            static NAMES: JsValue = array(REQUEST);
        }
        Self { text: NAMES.with(|names| request_head(request, names)), first: 2, names: REQUEST }
    }

    /// An origin's.
    pub fn of_response(response: &Response) -> Self {
        thread_local! {
            static NAMES: JsValue = array(RESPONSE);
        }
        Self { text: NAMES.with(|names| response_head(response, names)), first: 1, names: RESPONSE }
    }

    /// One header's value; several of one name arrive joined by commas.
    pub fn get(&self, name: &str) -> Option<&str> {
        let index = self.names.iter().position(|other| *other == name);
        debug_assert!(index.is_some(), "{name} is not read");
        self.line(self.first + index?).strip_prefix('=')
    }

    /// A request's method. `HEAD` is `GET` to us: the platform sends what stands before the body, and leaves the body out.
    pub fn method(&self) -> &str {
        match self.line(0) {
            "HEAD" => "GET",
            method => method,
        }
    }

    /// A request's URL.
    pub fn url(&self) -> &str {
        self.line(1)
    }

    /// A response's status.
    pub fn status(&self) -> u16 {
        // It is the platform that says so.
        self.line(0).parse().unwrap_or_default()
    }

    fn line(&self, index: usize) -> &str {
        self.text.split('\n').nth(index).unwrap_or_default()
    }
}

fn array(names: &[&str]) -> JsValue {
    names.iter().map(|name| JsValue::from_str(name)).collect::<Array>().into()
}

/// All that is looked at in a caller's request.
const REQUEST: &[&str] = &[
    header::AUTHORIZATION,
    header::API_KEY,
    header::CONNECTING_IP,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::SESSION_ID,
    header::IF_MATCH,
    header::IDEMPOTENCY_KEY,
];
/// All that is looked at in an origin's response.
const RESPONSE: &[&str] = &[
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::CAPACITY,
    header::PROMPT_TOKENS,
    header::RETRY_AFTER_MS,
    header::USAGE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_line_by_line() {
        let text = "POST\nhttps://h/?a=b\n=Bearer x=y\n\n=\n\n\n\n\n".to_owned();
        let head = Head { text, first: 2, names: REQUEST };
        assert_eq!((head.method(), head.url()), ("POST", "https://h/?a=b"));
        assert_eq!(head.get(header::AUTHORIZATION), Some("Bearer x=y"));
        assert_eq!(head.get(header::API_KEY), None);
        assert_eq!(head.get(header::CONNECTING_IP), Some(""));
        assert_eq!(head.get(header::IF_MATCH), None);
        let head = Head { text: "HEAD\nhttps://h/\n".to_owned(), first: 2, names: REQUEST };
        assert_eq!(head.method(), "GET");
    }

    #[test]
    fn whatever_reaches_a_caller_is_read() {
        assert!(header::ORIGIN_TO_CALLER.iter().all(|name| RESPONSE.contains(name)));
    }
}
