//! Waiting for an answer to begin. A whole answer says nothing till it is there, so whether its origin still lives is
//! looked at now and then, where another one could serve.

use crate::platform::deadline::Deadline;
use crate::platform::head::Head;
use crate::platform::{Fault, Response};
use std::future::Future;
use std::pin::pin;

/// Who looks after requests that wait at an origin.
pub trait Watch {
    /// It has waited for a while: whether it does so in vain.
    fn is_in_vain(&self) -> bool;

    /// Its origin has answered.
    fn saw(&self, head: &Head);
}

/// What came of waiting.
pub(super) enum Waited {
    /// The answer begins.
    Answered(Response),
    /// The origin was not reached, or broke off.
    Failed(Fault),
    /// Nobody is heard there.
    InVain,
    /// The caller has left.
    Left,
    /// It was silent for as long as it may be.
    Silent,
}

/// Waits for `silence` milliseconds at most; the deadline is set to that.
pub(super) async fn for_head(
    deadline: &Deadline,
    silence: u32,
    watch: Option<&dyn Watch>,
    sent: impl Future<Output = Result<Response, Fault>>,
) -> Waited {
    let mut sent = pin!(sent);
    let Some(watch) = watch else {
        let came = deadline.limit(sent.as_mut()).await;
        return came.map_or_else(|| Waited::without(deadline), Waited::with);
    };
    // By what was waited for and not by clocks, which may be set meanwhile.
    let mut rest = silence;
    loop {
        deadline.set(rest.min(LOOK_MS));
        if let Some(came) = deadline.limit(sent.as_mut()).await {
            // What follows has the rest of the time.
            deadline.set(rest);
            return Waited::with(came);
        }
        if deadline.has_left() || rest <= LOOK_MS {
            return Waited::without(deadline);
        }
        if watch.is_in_vain() {
            return Waited::InVain;
        }
        rest -= LOOK_MS;
    }
}

impl Waited {
    fn with(came: Result<Response, Fault>) -> Self {
        came.map_or_else(Self::Failed, Self::Answered)
    }

    fn without(deadline: &Deadline) -> Self {
        if deadline.has_left() { Self::Left } else { Self::Silent }
    }
}

/// How long it waits between two looks, in milliseconds.
const LOOK_MS: u32 = 1_000;
