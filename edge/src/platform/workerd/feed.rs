//! An answer that the edge writes itself, piece by piece: `feed.js` has the platform's part.

use crate::platform::Fault;
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::ReadableStream;

#[wasm_bindgen(module = "/src/platform/workerd/js/feed.js")]
extern "C" {
    type JsFeed;

    /// A body that is empty yet.
    #[wasm_bindgen(catch)]
    fn feed() -> Result<JsFeed, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn readable(this: &JsFeed) -> ReadableStream;
    #[wasm_bindgen(method)]
    fn is_taken(this: &JsFeed) -> bool;
    #[wasm_bindgen(method)]
    fn is_left(this: &JsFeed) -> bool;
    #[wasm_bindgen(method)]
    fn push(this: &JsFeed, bytes: &Uint8Array);
    #[wasm_bindgen(method)]
    fn end(this: &JsFeed);
}

/// A body that is being written.
pub struct Feed(JsFeed);

impl Feed {
    /// Nothing is written yet.
    pub fn begin() -> Result<Self, Fault> {
        Ok(Self(feed()?))
    }

    /// What the caller reads.
    pub(super) fn readable(&self) -> ReadableStream {
        self.0.readable()
    }

    /// Writes a piece; to nobody, if the caller has left.
    pub fn push(&self, bytes: &[u8]) {
        self.0.push(&Uint8Array::from(bytes));
    }

    /// Whether the caller has taken all that was written.
    pub fn is_taken(&self) -> bool {
        self.0.is_taken()
    }

    /// Whether the caller has left.
    pub fn is_left(&self) -> bool {
        self.0.is_left()
    }

    /// Nothing more is written.
    pub fn end(&self) {
        self.0.end();
    }
}
