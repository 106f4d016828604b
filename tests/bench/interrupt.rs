//! Ctrl-C and SIGTERM: whatever is under way stops, and every program and directory goes as if the run had ended.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{panic, thread};

use tokio::signal::unix::{SignalKind, signal};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// What unwinds the run.
struct Interrupted;

/// Runs `work`. On a signal [`check`] unwinds it, so that everything it holds is dropped: the programs end and their
/// directories go.
pub(crate) fn guard(work: impl FnOnce() + panic::UnwindSafe) -> ExitCode {
    listen();
    match panic::catch_unwind(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(payload) if payload.is::<Interrupted>() => ExitCode::from(130),
        // The panic's own message stands on standard error.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Whether a signal has come. Loops that are too busy to be unwound leave by it.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Unwinds if a signal has come.
pub(crate) fn check() {
    if requested() {
        panic::resume_unwind(Box::new(Interrupted));
    }
}

/// Ends soon after a signal has come.
pub(crate) async fn wait() {
    while !requested() {
        tokio::time::sleep(SLICE).await;
    }
}

/// Waits, and unwinds at once when a signal comes.
pub(crate) fn pause(span: Duration) {
    let end = Instant::now() + span;
    loop {
        check();
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(SLICE));
    }
}

/// The first signal asks; the second ends this process at once, and its programs with it: they hold a pipe to it.
fn listen() {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime of one thread starts").block_on(async {
            let listen = |kind| signal(kind).expect("these three signals may be caught");
            let (mut interrupt, mut terminate, mut hangup) =
                (listen(SignalKind::interrupt()), listen(SignalKind::terminate()), listen(SignalKind::hangup()));
            loop {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {}, _ = hangup.recv() => {} }
                if REQUESTED.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
                eprintln!("stopping");
            }
        });
    });
}

const SLICE: Duration = Duration::from_millis(50);
