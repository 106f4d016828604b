//! A request's task: where everything runs that waits.
//!
//! The platform ends a request whose caller has left, or that was answered, and leaves whatever it waited for
//! unsettled; what waits in WebAssembly would be owned by the list of promises for ever. So a request that does not end
//! at once goes on in a task that the platform keeps alive until it is over. It also carries on what others wait for: a
//! message to an object, on its way for all of an account.

use crate::platform::deadline::with_one_timer;
use crate::platform::{Context, Response};
use futures_channel::oneshot::{self, Sender};
use sluice_protocol::refusal::{Reason, Refusal};
use std::future::{Future, poll_fn};
use std::task::Poll;

/// Where a request's answer goes, once: nobody may be there any more.
pub type Answer = Sender<Result<Response, Refusal>>;

/// Runs a request to its end, whether or not its caller stays, and returns its answer as soon as there is one.
pub async fn run<F: Future<Output = ()> + 'static>(
    context: &Context,
    request: impl FnOnce(Answer) -> F,
) -> Result<Response, Refusal> {
    let (answer, answered) = oneshot::channel();
    let mut task = Box::pin(with_one_timer(request(answer)));
    // What waits for nothing, most refusals, is over now and needs no task of its own.
    let is_over = poll_fn(|context| Poll::Ready(task.as_mut().poll(context).is_ready())).await;
    if !is_over {
        context.wait_until(task);
    }
    answered.await.unwrap_or_else(|_| Err(Refusal::new(Reason::Internal, "The request was lost. Send it again.")))
}
