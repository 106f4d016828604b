//! `bind WASM DIRECTORY`: what `wasm-bindgen --target module` writes, into `DIRECTORY/index.js` and its wasm.
//!
//! wasm-bindgen's program is the same library with a web server and a client for tests around it; a fresh clone would
//! compile those for minutes to run this once.

use std::env;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let (wasm, directory) = arguments.next().zip(arguments.next()).context("usage: bind WASM DIRECTORY")?;
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(&wasm)
        .out_name("index")
        .module(true)?
        .typescript(false)
        // The front makes the module anew after a panic: edge/src/platform/workerd/js/entry.js.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate(&directory)
        .with_context(|| format!("cannot bind {}", wasm.display()))
}
