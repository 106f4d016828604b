//! `POST /v1/chat/completions` and `/v1/completions`: the walk on one page.

use crate::auth::{self, Principal};
use crate::config::Config;
use crate::forward::{self, Failed, Ticket};
use crate::group::Due;
use crate::limit::{self, Let};
use crate::request::Incoming;
use crate::{denial, plans, relay, request, shield};
use futures_channel::oneshot::{self, Sender};
use sluice_protocol::chat::ChatRequest;
use sluice_protocol::completion::CompletionRequest;
use sluice_protocol::gate::Outcome;
use sluice_protocol::gate_call::Ask;
use sluice_protocol::header;
use sluice_protocol::id::RequestId;
use sluice_protocol::plan::{Endpoint, PlanTable};
use sluice_protocol::principal::Mark;
use sluice_protocol::refusal::{Reason, Refusal};
use std::rc::Rc;
use web_sys::{AbortSignal, Response};
use worker::{Context, Env};

/// Serves one request. Once its Gate is asked, everything runs in a task of its own that the platform keeps alive when the
/// caller leaves, so that every admitted request is settled.
pub async fn serve(
    incoming: &Incoming,
    env: Env,
    context: Context,
    config: Rc<Config>,
    id: RequestId,
    endpoint: Endpoint,
) -> Result<Response, Refusal> {
    let head = &incoming.head;
    shield::pass(&env, head).await?;
    let credential = auth::credential(head, &env, &context, &config).await?;
    let table = plans::current(&env, &config, &context).await?;
    let principal = auth::principal(&credential, head, &table)?;
    if let Some(refusal) = denial::of(&principal) {
        return Err(refusal);
    }
    request::require_json(head)?;
    let body = request::body(incoming, config.max_body).await?;
    let wanted = Wanted::read(endpoint, &body, &config)?;
    principal.check(Some(endpoint.into()), Some(&wanted.model))?;
    // A body may take its time, and the plans are to be those of now.
    let table = plans::current(&env, &config, &context).await?;
    let principal = auth::principal(&credential, head, &table)?;
    let ask = Ask {
        caller: principal.caller.clone(),
        request: id,
        endpoint,
        session: head.get(header::SESSION_ID).map(Mark::of),
        user: wanted.user.as_deref().map(Mark::of),
        body_bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
        prompt_tokens: wanted.prompt_tokens,
        prompt_is_counted: false,
        max_tokens: wanted.max_tokens,
        thinking: wanted.thinking,
        pressure: forward::pressure(),
        address: principal.address,
        model: wanted.model,
    };

    let (answer, answered) = oneshot::channel();
    let call = Call { principal, table, ask, body, stream: wanted.stream, left: incoming.request.signal() };
    context.wait_until(async move { walk(&env, &config, call, answer).await });
    answered.await.unwrap_or_else(|_| Err(Refusal::new(Reason::Internal, "The request was lost. Send it again.")))
}

/// What the gate needs to know of a request that is well formed.
struct Wanted {
    model: String,
    user: Option<String>,
    stream: bool,
    /// A guess.
    prompt_tokens: u32,
    /// If the caller names it.
    max_tokens: Option<u32>,
    thinking: bool,
}

impl Wanted {
    fn read(endpoint: Endpoint, body: &[u8], config: &Config) -> Result<Self, Refusal> {
        Ok(match endpoint {
            Endpoint::Chat => {
                let request = ChatRequest::parse(body, config.chat)?;
                Self {
                    prompt_tokens: request.guess_prompt_tokens(),
                    max_tokens: request.most_tokens(),
                    thinking: request.enable_thinking.unwrap_or(false),
                    stream: request.stream,
                    model: request.model,
                    user: request.user,
                }
            }
            Endpoint::Completions => {
                let request = CompletionRequest::parse(body, config.chat)?;
                Self {
                    prompt_tokens: request.guess_prompt_tokens(),
                    max_tokens: request.most_tokens(),
                    thinking: false,
                    stream: request.stream,
                    model: request.model,
                    user: request.user,
                }
            }
        })
    }
}

/// A request that is well formed, with its body.
struct Call {
    principal: Principal,
    table: Rc<PlanTable>,
    ask: Ask,
    body: Vec<u8>,
    stream: bool,
    /// Aborted when the caller leaves.
    left: AbortSignal,
}

/// limit -> forward -> stream -> settle. Sends the answer as soon as there is one; nobody listens if the caller has left.
async fn walk(env: &Env, config: &Config, call: Call, answer: Sender<Result<Response, Refusal>>) {
    let Call { principal, table, ask, body, stream, left } = call;
    let settle_when = |request, outcome, due| limit::settle(env, &table, &principal.account, request, outcome, due);
    let settle = |request, outcome| settle_when(request, outcome, Due::Soon);
    let first = ask.request;
    let mut admitted = limit::admit(env, &table, &principal, ask.clone()).await;
    for is_last in [false, true] {
        let request = if is_last { first.again() } else { first };
        let (admission, is_held) = match admitted {
            Ok(Let::ByGate(admission)) => (*admission, true),
            Ok(Let::BySpare(admission)) => (*admission, false),
            Err(refusal) => {
                let unanswered = refusal.reason == Reason::GateUnavailable;
                let _ = answer.send(Err(refusal));
                if unanswered {
                    // The Gate may have admitted it and only its answer was lost: the lease is not to last till its deadline.
                    settle(request, Outcome::NotServed).await;
                    if is_last {
                        // It may not even have learnt that the first reservation was given back.
                        settle(first, Outcome::NotServed).await;
                    }
                }
                return;
            }
        };
        if is_last && !is_held {
            settle(first, Outcome::NotServed).await;
        }
        if left.aborted() {
            return settle(request, Outcome::NotServed).await;
        }
        let ticket = Ticket {
            request,
            account: principal.account.clone(),
            subject: principal.subject(),
            admission,
            watch_capacity: table.feels_pressure(),
        };
        let outcome = match forward::generate(config, &ticket, ask.endpoint, &body, stream, &left).await {
            Ok((response, deadline)) => relay::relay(&response, &deadline, &ticket, answer).await,
            // What was reserved is too little for the prompt that the origin counted. The Gate decides anew.
            Err(Failed { counted: Some(prompt_tokens), .. }) if is_held && !is_last => {
                let ask = Ask { request: first.again(), prompt_tokens, prompt_is_counted: true, ..ask.clone() };
                admitted = limit::admit_again(env, &table, &principal, first, ask).await;
                continue;
            }
            Err(Failed { refusal, outcome, .. }) => {
                let _ = answer.send(Err(refusal));
                outcome
            }
        };
        let outcome = match outcome {
            Outcome::Served(None) => Outcome::Served(forward::cancel(config, &ticket).await),
            outcome => outcome,
        };
        // Also where its Gate could not be reached: it may have admitted it, and only its answer was lost.
        settle_when(request, outcome, limit::due(outcome, &ticket.admission)).await;
        return;
    }
}
