//! `bind WASM DIRECTORY`: what `wasm-bindgen --target module` writes, into `DIRECTORY/index.js` and its wasm.
//!
//! wasm-bindgen's program is the same library with a web server and a client for tests around it; a fresh clone would
//! compile those for minutes to run this once.
//!
//! `bind --shorten-names WASM`: leaves out of each function's name what tells its copies apart.

mod names;

use std::{env, ffi::OsStr, fs};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let two = arguments.next().zip(arguments.next());
    let (wasm, directory) = two.context("usage: bind WASM DIRECTORY, or bind --shorten-names WASM")?;
    if wasm == "--shorten-names" {
        return shorten_names(&directory);
    }
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

fn shorten_names(wasm: &OsStr) -> Result<()> {
    let module = fs::read(wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
    let shortened = names::shorten(&module).with_context(|| format!("{} is no module", wasm.display()))?;
    fs::write(wasm, shortened).with_context(|| format!("cannot write {}", wasm.display()))
}
