//! Sides that say nothing: connections to the origin, an origin inside a stream, and an origin that is stopped for a moment.

use super::{PATIENCE, Shape};
use crate::gates::Gates;
use crate::wire::{Heard, Wire, post};
use harness::caller::hello_stream;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

pub(super) fn shapes(gates: &Gates) -> Vec<Shape> {
    let (silent, origin, process) = (gates.before_silence, gates.origin, gates.origin_process());
    let key = gates.silent_caller.issue_key("patient").key;
    let request = post("/v1/chat/completions", &key, &[], hello_stream(20).to_string().as_bytes());
    let held = Mutex::new(Vec::new());
    vec![
        Shape::new("an origin that falls silent", 200, move |tally, time| {
            let Some(mut wire) = Wire::send(silent, &request) else { return tally.fault("no connection") };
            if time % 3 == 0 {
                // Who leaves meanwhile leaves nothing behind.
                wire.first_byte(Duration::from_millis(500));
                return wire.reset();
            }
            match wire.answer(PATIENCE) {
                Heard::Answer(200) if wire.text().contains("\"error\"") => tally.met("told of it"),
                Heard::Answer(200) => tally.fault("ended without a word"),
                read => tally.read(&read),
            }
        })
        .abreast(SILENT),
        Shape::new("connections that say nothing", 1_000, move |tally, _| {
            let mut held = held.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            held.extend((0..100).filter_map(|_| TcpStream::connect_timeout(&origin, Duration::from_secs(2)).ok()));
            let excess = held.len().saturating_sub(1_000);
            held.drain(..excess);
            tally.met("held");
        }),
        Shape::new("an origin that is stopped", 120_000, move |tally, time| {
            if time == 0 {
                return;
            }
            let signal = |name: &str| Command::new("kill").args([name, &process.to_string()]).status().is_ok();
            if signal("-STOP") {
                std::thread::sleep(Duration::from_secs(2));
                signal("-CONT");
                tally.met("went on");
            }
        }),
    ]
}

/// How many streams are silent at the same time. A stream ends after a second, so that some ten thousand of them are over in the
/// first third of an hour: workerd fills its heap with 40 KiB of each before it frees, and its growth would be theirs.
const SILENT: usize = 8;
