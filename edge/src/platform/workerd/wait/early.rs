//! Answers that are there before their request's body is: `early.js` says why they wait for it.

use super::promise::Settled;
use super::turn::now;
use js_sys::Promise;
use sluice_protocol::time::Millis;
use std::cell::Cell;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(module = "/src/platform/workerd/js/early.js")]
extern "C" {
    fn body_passed(request: &web_sys::Request) -> Option<Promise>;
}

/// Waits until the body of a request that is answered has been read or passed over, for as long as it is worth that.
///
/// It costs a quarter of what a refusal does, so only so many answers a second wait: a flood is not to have it.
pub async fn pass(request: &web_sys::Request) {
    let mut second = SECOND.get();
    if now().abs_diff(second.began) >= 1_000 {
        second = Second { began: now(), waited: 0 };
    }
    if second.waited < MOST_A_SECOND
        && let Some(passed) = body_passed(request)
    {
        second.waited += 1;
        SECOND.set(second);
        // The answer is kept, whatever becomes of the body.
        let _ = Settled::of(&passed).await;
        return;
    }
    SECOND.set(second);
}

/// How many answers have waited in this second.
#[derive(Clone, Copy)]
struct Second {
    began: Millis,
    waited: u32,
}

thread_local! {
    static SECOND: Cell<Second> = const { Cell::new(Second { began: 0, waited: 0 }) };
}

const MOST_A_SECOND: u32 = 250;
