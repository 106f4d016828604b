//! Bodies, which `body.js` collects: JavaScript's own until somebody looks at them.

use crate::platform::workerd::promise::Settled;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Request, Response};

#[wasm_bindgen(module = "/src/platform/workerd/js/body.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn collect_body(request: &Request, length: f64, max: f64, ms: u32, room: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch)]
    fn collect_answer(response: &Response, max: f64) -> Result<Promise, JsValue>;
}

/// A whole body. It lies in JavaScript's memory, which gives back what nobody uses; WebAssembly's only grows.
#[derive(Clone)]
pub struct Body(Uint8Array);

/// Why there is no body.
pub enum Broken {
    /// It is larger than it may be.
    Large,
    /// It was not there in time.
    Late,
    /// There is no room for all that are sent at this moment.
    Full,
    /// It broke off.
    Off(JsValue),
}

/// What bounds a caller's body.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// The most bytes of it.
    pub max: u64,
    /// How long it may take, in milliseconds.
    pub ms: u32,
    /// The most bytes of all bodies that this isolate is reading.
    pub room: u64,
}

impl Body {
    /// A caller's; `length` is what its head declares.
    pub async fn of_request(request: &Request, length: Option<u64>, bounds: Bounds) -> Result<Self, Broken> {
        let length = length.map_or(-1.0, |length| length as f64);
        collected(collect_body(request, length, bounds.max as f64, bounds.ms, bounds.room as f64)).await
    }

    /// Somebody else's whole answer, at most `max` bytes of it. Its time is for whoever waits.
    pub async fn of_response(response: &Response, max: u64) -> Result<Self, Broken> {
        collected(collect_answer(response, max as f64)).await
    }

    /// How many bytes it has.
    pub fn len(&self) -> u32 {
        self.0.length()
    }

    /// A copy, to look at.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// For what the platform sends on.
    pub fn as_js(&self) -> &JsValue {
        self.0.as_ref()
    }
}

async fn collected(promise: Result<Promise, JsValue>) -> Result<Body, Broken> {
    let value = Settled::of(&promise.map_err(Broken::Off)?).await.map_err(Broken::Off)?;
    match value.dyn_into::<Uint8Array>() {
        Ok(bytes) => Ok(Body(bytes)),
        Err(why) => Err(match why.as_string().as_deref() {
            Some("large") => Broken::Large,
            Some("late") => Broken::Late,
            Some("full") => Broken::Full,
            _ => Broken::Off(why),
        }),
    }
}
