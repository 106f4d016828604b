//! Something of the Registry's that an isolate keeps for a few seconds: one request asks for all, and the others look on timers of
//! their own whether it has arrived (`group.rs` says why). When, [`sluice_protocol::hop::fresh`] decides.

use crate::platform::{self, Context, IsolateKey, sleep};
use sluice_protocol::hop::fresh::{Fresh, Need, TURN_MS};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::future::Future;

/// What is kept.
pub struct Kept<T> {
    value: Option<T>,
    fresh: Fresh,
}

/// Where an isolate keeps it.
pub type Place<T> = IsolateKey<RefCell<Kept<T>>>;

impl<T: Clone> Kept<T> {
    /// Nothing yet.
    pub fn nothing() -> RefCell<Self> {
        RefCell::new(Self { value: None, fresh: Fresh::default() })
    }

    /// What is kept, however old.
    pub fn value(&self) -> Option<T> {
        self.value.clone()
    }

    /// Keeps what was asked for at this time, unless something newer is kept; what is kept then.
    pub fn put(&mut self, value: T, asked_at: Millis) -> T {
        if self.fresh.keep(asked_at, platform::now()) {
            self.value = Some(value.clone());
        }
        self.value.clone().unwrap_or(value)
    }
}

/// What is kept, as fresh as it has to be; `None` if nothing is and the Registry cannot be asked. `ask` puts what it is answered
/// there. It runs to its end, also if the request that it is for leaves.
pub async fn current<T, A>(place: &'static Place<T>, context: &Context, ask: impl Fn() -> A) -> Option<T>
where
    T: Clone + 'static,
    A: Future<Output = Result<T, Refusal>> + 'static,
{
    let began = platform::now();
    loop {
        let now = platform::now();
        let need = place.with_borrow(|kept| kept.fresh.need(now));
        if matches!(need, Need::Ask | Need::AskMeanwhile) {
            begin(place, context, ask());
        }
        // A clock that was set back has nobody wait till it is there again.
        let waited = now.abs_diff(began);
        if matches!(need, Need::Nothing | Need::AskMeanwhile | Need::Unavailable) || waited >= PATIENCE_MS {
            return place.with_borrow(Kept::value);
        }
        sleep(1 + u32::try_from(waited / 4).unwrap_or(0).min(MAX_PAUSE_MS)).await;
    }
}

/// Asks, if what is kept is to be renewed and nobody asks. Nobody waits for the answer.
pub fn renew<T, A>(place: &'static Place<T>, context: &Context, ask: impl Fn() -> A)
where
    T: Clone + 'static,
    A: Future<Output = Result<T, Refusal>> + 'static,
{
    let now = platform::now();
    let need = place.with_borrow(|kept| kept.fresh.need(now));
    if matches!(need, Need::Ask | Need::AskMeanwhile) {
        begin(place, context, ask());
    }
}

fn begin<T, A>(place: &'static Place<T>, context: &Context, asked: A)
where
    T: Clone + 'static,
    A: Future<Output = Result<T, Refusal>> + 'static,
{
    place.with_borrow_mut(|kept| kept.fresh.begin(platform::now()));
    context.wait_until(async move {
        let is_answered = asked.await.is_ok();
        place.with_borrow_mut(|kept| kept.fresh.end(is_answered, platform::now()));
    });
}

/// How long a request waits, whatever becomes of those who ask: one who asks in vain, and another one.
const PATIENCE_MS: Millis = 2 * TURN_MS;
/// The longest pause between two looks, in milliseconds.
const MAX_PAUSE_MS: u32 = 10;
