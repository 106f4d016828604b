//! `POST /v1/chat/completions`: the walk on one page.

use crate::config::Config;
use crate::forward::{self, Ticket};
use crate::{auth, limit, relay, request};
use futures_channel::oneshot::{self, Sender};
use sluice_protocol::chat::ChatRequest;
use sluice_protocol::gate::Outcome;
use sluice_protocol::id::RequestId;
use sluice_protocol::key::ApiKey;
use sluice_protocol::refusal::{Reason, Refusal};
use std::rc::Rc;
use web_sys::{AbortSignal, Request, Response};
use worker::{Context, Env};

/// Serves one request. Once its Gate is asked, everything runs in a task of its own that the platform keeps alive when the
/// caller leaves, so that every admitted request is settled.
pub async fn serve(
    incoming: Request,
    env: Env,
    context: Context,
    config: Rc<Config>,
    id: RequestId,
) -> Result<Response, Refusal> {
    let key = auth::key(&incoming.headers(), &config)?;
    if let Some(refusal) = limit::refused_lately(key.id) {
        return Err(refusal);
    }
    request::require_json(&incoming)?;
    let body = request::body(&incoming, config.max_body).await?;
    let stream = ChatRequest::parse(&body, config.chat)?.stream;

    let (answer, answered) = oneshot::channel();
    let call = Call { key, id, body, stream, left: incoming.signal() };
    context.wait_until(async move { walk(&env, &config, call, answer).await });
    answered.await.unwrap_or_else(|_| Err(Refusal::new(Reason::Internal, "The request was lost. Send it again.")))
}

/// A request that is well formed.
struct Call {
    key: ApiKey,
    id: RequestId,
    body: Vec<u8>,
    stream: bool,
    /// Aborted when the caller leaves.
    left: AbortSignal,
}

/// limit -> forward -> stream -> settle. Sends the answer as soon as there is one; nobody listens if the caller has left.
async fn walk(env: &Env, config: &Config, call: Call, answer: Sender<Result<Response, Refusal>>) {
    let account = call.key.id.account;
    let admission = match limit::admit(env, &call.key, call.id).await {
        Ok(admission) => admission,
        Err(refusal) => {
            let unanswered = refusal.reason == Reason::GateUnavailable;
            let _ = answer.send(Err(refusal));
            if unanswered {
                // The Gate may have admitted it and only its answer was lost: the lease is not to last till its deadline.
                limit::settle(env, account, call.id, Outcome::NotServed).await;
            }
            return;
        }
    };
    if call.left.aborted() {
        return limit::settle(env, account, call.id, Outcome::NotServed).await;
    }
    let ticket = Ticket { request: call.id, key: call.key.id, admission };
    let outcome = match forward::chat(config, &ticket, &call.body, call.stream, &call.left).await {
        Ok((response, deadline)) => relay::relay(response, &deadline, &ticket, answer).await,
        Err((refusal, outcome)) => {
            let _ = answer.send(Err(refusal));
            outcome
        }
    };
    limit::settle(env, account, call.id, outcome).await;
}
