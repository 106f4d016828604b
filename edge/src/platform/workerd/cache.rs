//! The platform's cache, near to where a request came in: what is put there may be gone at any time.

use super::calls;
use super::wait::promise::Settled;
use crate::platform::{Body, Fault};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

/// What is kept under a key: a note, and a body.
pub async fn cache_match(key: &str) -> Result<Option<(String, Body)>, Fault> {
    let kept = Settled::of(&calls::cache_match(key)?).await?;
    let Ok(kept) = kept.dyn_into::<Array>() else { return Ok(None) };
    let note = kept.get(0).as_string().unwrap_or_default();
    let body: Uint8Array = kept.get(1).dyn_into().map_err(|_: JsValue| Fault::from("the cache gave no bytes"))?;
    Ok(Some((note, Body::of_js(body))))
}

/// Keeps a body and a note under a key, for so many seconds at most.
pub async fn cache_put(key: &str, seconds: u32, note: &str, body: &Body) -> Result<(), Fault> {
    Settled::of(&calls::cache_put(key, seconds, note, body.as_js())?).await?;
    Ok(())
}
