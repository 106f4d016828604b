//! What a person sees meanwhile, on standard error: a line that ticks on a terminal, a line now and then elsewhere.

use crate::caller::Gateway;
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Runs something and says what it is doing if it takes longer than a moment.
pub(crate) fn while_running<T>(name: &str, gateway: &Gateway, run: impl FnOnce() -> T) -> T {
    let is_terminal = stderr().is_terminal();
    let (done, waiting) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let begun = Instant::now();
            let mut interval = QUIET;
            while waiting.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let (seconds, sent) = (begun.elapsed().as_secs(), gateway.sent.load(Ordering::Relaxed));
                if is_terminal {
                    eprint!("\r\x1b[2K{name:<12} {seconds:>4} s, {sent} requests so far");
                    let _ = stderr().flush();
                } else {
                    eprintln!("{name}: {seconds} s, {sent} requests so far");
                }
                interval = if is_terminal { TICK } else { PLAIN };
            }
            if is_terminal {
                eprint!("\r\x1b[2K");
            }
        });
        let result = run();
        drop(done);
        result
    })
}

/// Shorter than this, nothing is said.
const QUIET: Duration = Duration::from_secs(2);
/// How often a terminal's line is rewritten.
const TICK: Duration = Duration::from_millis(250);
/// How often a line is written elsewhere.
const PLAIN: Duration = Duration::from_secs(10);
