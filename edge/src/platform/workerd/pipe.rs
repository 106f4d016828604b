//! An answer on its way from the origin to its caller: `pipe.js` has the platform's part.

use js_sys::{Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::ReadableStream;

#[wasm_bindgen(module = "/src/platform/workerd/js/pipe.js")]
extern "C" {
    /// A body that is being piped.
    pub type Pipe;

    /// Begins to pipe a body through `see`, which gives what passes of a chunk, or nothing for all of it; `rest` gives what is still
    /// held back at the end.
    #[wasm_bindgen(catch)]
    pub fn pipe(
        body: &ReadableStream,
        see: &Closure<dyn FnMut(JsValue) -> JsValue>,
        rest: &Closure<dyn FnMut() -> Uint8Array>,
    ) -> Result<Pipe, JsValue>;

    /// What the caller reads.
    #[wasm_bindgen(method, getter)]
    pub fn readable(this: &Pipe) -> ReadableStream;
    /// Resolves at the body's end, and rejects where it breaks off or the caller leaves.
    #[wasm_bindgen(method, getter)]
    pub fn ended(this: &Pipe) -> Promise;
    /// Whether the caller has taken all that came.
    #[wasm_bindgen(method)]
    pub fn is_taken(this: &Pipe) -> bool;
    /// Adds these bytes and ends what the caller reads, whatever the body does.
    #[wasm_bindgen(method)]
    pub fn end(this: &Pipe, bytes: &Uint8Array);
}
