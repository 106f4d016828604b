//! An answer on its way from the origin to its caller: `pipe.js` has the platform's part.

use crate::platform::Fault;
use crate::platform::workerd::http::Stream;
use crate::platform::workerd::wait::promise::Settled;
use crate::platform::workerd::wait::turn::turn;
use js_sys::{Promise, Uint8Array};
use sluice_protocol::wire::sse::Passed;
use std::future::Future;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::ReadableStream;

#[wasm_bindgen(module = "/src/platform/workerd/js/pipe.js")]
extern "C" {
    type JsPipe;

    /// Begins to pipe a body through `see`, which gives what passes of a chunk, or nothing for all of it; `rest` gives
    /// what is still held back at the end, unless it waits there for `end`.
    #[wasm_bindgen(catch)]
    fn pipe(body: &ReadableStream, see: &Closure<See>, rest: &Closure<Rest>, waits: bool) -> Result<JsPipe, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn readable(this: &JsPipe) -> ReadableStream;
    #[wasm_bindgen(method, getter)]
    fn ended(this: &JsPipe) -> Promise;
    #[wasm_bindgen(method)]
    fn is_taken(this: &JsPipe) -> bool;
    #[wasm_bindgen(method)]
    fn end(this: &JsPipe, bytes: &Uint8Array);
}

type See = dyn FnMut(JsValue) -> JsValue;
type Rest = dyn FnMut() -> Uint8Array;

/// A body that is being piped. What it calls goes with it.
pub struct Pipe {
    pipe: JsPipe,
    _see: Closure<See>,
    _rest: Closure<Rest>,
}

impl Pipe {
    /// Begins to pipe a body through `see`, which says what passes of a chunk; `rest` gives what is still held back at
    /// the end. Where it `waits`, the body's end is not the answer's: [`Self::end`] writes that.
    pub fn begin(
        body: &Stream,
        mut see: impl FnMut(&[u8]) -> Passed + 'static,
        mut rest: impl FnMut() -> Vec<u8> + 'static,
        waits: bool,
    ) -> Result<Self, Fault> {
        let see = Closure::<See>::new(move |chunk: JsValue| {
            turn();
            match see(&Uint8Array::new(&chunk).to_vec()) {
                Passed::Whole => JsValue::UNDEFINED,
                Passed::Part(part) => Uint8Array::from(part.as_slice()).into(),
            }
        });
        let rest = Closure::<Rest>::new(move || {
            turn();
            Uint8Array::from(rest().as_slice())
        });
        let pipe = pipe(&body.0, &see, &rest, waits)?;
        Ok(Self { pipe, _see: see, _rest: rest })
    }

    /// What the caller reads.
    pub(super) fn readable(&self) -> ReadableStream {
        self.pipe.readable()
    }

    /// Settles at the body's end, and fails where it breaks off or the caller leaves.
    pub fn ended(&self) -> impl Future<Output = Result<(), Fault>> + use<> {
        let ended = Settled::of(&self.pipe.ended());
        async { Ok(ended.await.map(drop)?) }
    }

    /// Whether the caller has taken all that came.
    pub fn is_taken(&self) -> bool {
        self.pipe.is_taken()
    }

    /// Adds these bytes and ends what the caller reads, whatever the body does.
    pub fn end(&self, bytes: &[u8]) {
        self.pipe.end(&Uint8Array::from(bytes));
    }
}
