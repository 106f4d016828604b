//! Bodies, which `body.js` collects: JavaScript's own until somebody looks at them.

use crate::platform::Fault;
use crate::platform::body::{Bounds, Broken};
use crate::platform::deadline::Deadline;
use crate::platform::workerd::http::{Request, Response};
use crate::platform::workerd::wait::promise::Settled;
use js_sys::{ArrayBuffer, Promise, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen(module = "/src/platform/workerd/js/body.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn collect_body(request: &web_sys::Request, max: f64, ms: u32, room: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch)]
    fn collect_answer(response: &web_sys::Response, max: f64) -> Result<Promise, JsValue>;
}

/// A whole body. It lies in JavaScript's memory, which gives back what nobody uses; WebAssembly's only grows.
#[derive(Clone)]
pub struct Body(Uint8Array);

impl Body {
    /// A caller's; `length` is what its head declares.
    pub async fn of_request(request: &Request, length: Option<u64>, bounds: Bounds) -> Result<Self, Broken> {
        if length.is_some_and(|length| length <= AT_ONCE) {
            return at_once(request, bounds.ms).await;
        }
        collected(collect_body(request.read(), bounds.max as f64, bounds.ms, bounds.room as f64)).await
    }

    /// Somebody else's whole answer, at most `max` bytes of it. Its time is for whoever waits.
    pub async fn of_response(response: &Response, max: u64) -> Result<Self, Broken> {
        collected(collect_answer(&response.0, max as f64)).await
    }

    /// One that is made here.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Uint8Array::from(bytes))
    }

    /// How many bytes it has.
    pub fn size(&self) -> u32 {
        self.0.length()
    }

    /// A copy, to look at.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// One that lies there already.
    pub(in crate::platform::workerd) const fn of_js(bytes: Uint8Array) -> Self {
        Self(bytes)
    }

    /// For what the platform sends on.
    pub(in crate::platform::workerd) fn as_js(&self) -> &JsValue {
        self.0.as_ref()
    }
}

/// All of a body that is short: HTTP holds its sender to the length that it declared.
async fn at_once(request: &Request, ms: u32) -> Result<Body, Broken> {
    let off = |error: JsValue| Broken::Off(Fault::from(error));
    let deadline = Deadline::new(None).map_err(Broken::Off)?;
    deadline.set(ms);
    let read = Settled::of(&request.read().array_buffer().map_err(off)?);
    match deadline.limit(read).await {
        Some(read) => Ok(Body(Uint8Array::new(&read.map_err(off)?))),
        None => Err(Broken::Late),
    }
}

async fn collected(promise: Result<Promise, JsValue>) -> Result<Body, Broken> {
    let off = |error: JsValue| Broken::Off(Fault::from(error));
    let value = Settled::of(&promise.map_err(off)?).await.map_err(off)?;
    let bytes = match value.dyn_into::<ArrayBuffer>() {
        Ok(buffer) => Ok(Uint8Array::new(&buffer)),
        Err(value) => value.dyn_into(),
    };
    match bytes {
        Ok(bytes) => Ok(Body(bytes)),
        Err(why) => Err(match why.as_string().as_deref() {
            Some("large") => Broken::Large,
            Some("late") => Broken::Late,
            Some("full") => Broken::Full,
            _ => off(why),
        }),
    }
}

/// A body of at most so many bytes is read in one go and is not counted: it takes no more than its connection does.
const AT_ONCE: u64 = 16 * 1024;
