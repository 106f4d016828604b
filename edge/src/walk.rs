//! `POST /v1/chat/completions` and `/v1/completions`: the walk on one page.

use crate::auth::{self, Principal};
use crate::config::Config;
use crate::ending::Ending;
use crate::forward::{self, Failed, Ticket};
use crate::group::Due;
use crate::limit::{self, Let};
use crate::platform::body::Body;
use crate::request::Incoming;
use crate::task::Answer;
use crate::{denial, plans, platform, relay, request, shield};
use sluice_protocol::chat::{ChatRequest, Used};
use sluice_protocol::completion::CompletionRequest;
use sluice_protocol::gate::Outcome;
use sluice_protocol::gate_call::Ask;
use sluice_protocol::header;
use sluice_protocol::id::RequestId;
use sluice_protocol::plan::{Endpoint, PlanTable};
use sluice_protocol::principal::Mark;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::remembered::Want;
use std::rc::Rc;
use web_sys::AbortSignal;
use worker::{Context, Env};

/// Serves one request, and goes on when it is answered or its caller has left, so that every admitted request is settled.
pub async fn serve(
    incoming: &Incoming,
    env: &Env,
    context: &Context,
    config: &Config,
    id: RequestId,
    endpoint: Endpoint,
    answer: Answer,
) {
    match prepare(incoming, env, context, config, id, endpoint).await {
        Ok(call) => walk(env, config, call, answer).await,
        // It is for nobody if the caller has left.
        Err(refusal) => drop(answer.send(Err(refusal))),
    }
}

/// request -> auth: what the Gate is to be asked.
async fn prepare(
    incoming: &Incoming,
    env: &Env,
    context: &Context,
    config: &Config,
    id: RequestId,
    endpoint: Endpoint,
) -> Result<Call, Refusal> {
    let head = &incoming.head;
    shield::pass(env, head).await?;
    let credential = auth::credential(head, env, context, config).await?;
    let table = plans::for_caller(env, config, context).await;
    let principal = auth::principal(&credential, head, &table)?;
    if let Some(refusal) = denial::of(&table, &principal, Want::Admission) {
        return Err(refusal);
    }
    request::require_json(head)?;
    let body = request::body(incoming, config, config.max_body).await?;
    // The copy that is read ends here.
    let wanted = Wanted::read(endpoint, &body.bytes(), config)?;
    principal.check(Some(endpoint.into()), Some(&wanted.model))?;
    // A body may take its time, and the plans are to be those of now.
    let table = plans::for_caller(env, config, context).await;
    let principal = auth::principal(&credential, head, &table)?;
    let ask = Ask {
        caller: principal.caller.clone(),
        request: id,
        endpoint,
        session: head.get(header::SESSION_ID).map(Mark::of),
        user: wanted.user.as_deref().map(Mark::of),
        body_bytes: body.len(),
        prompt_tokens: wanted.prompt_tokens,
        prompt_is_counted: false,
        max_tokens: wanted.max_tokens,
        thinking: wanted.thinking,
        pressure: forward::pressure(),
        address: principal.address,
        model: wanted.model,
    };
    Ok(Call { principal, table, ask, body, stream: wanted.stream, left: incoming.request.signal() })
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
                    // A template that nobody tells otherwise lets its model think.
                    thinking: request.enable_thinking.unwrap_or(true),
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
                    // All of it is the caller's text: nobody looks for thinking in it, nor charges it as such.
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
    body: Body,
    stream: bool,
    /// Aborted when the caller leaves.
    left: AbortSignal,
}

/// limit -> forward -> stream -> settle. Sends the answer as soon as there is one; nobody listens if the caller has left.
async fn walk(env: &Env, config: &Config, call: Call, answer: Answer) {
    let Call { principal, table, ask, body, stream, left } = call;
    let settle_when = |request, outcome, due| limit::settle(env, &table, &principal.account, request, outcome, due);
    let settle = |request, outcome| settle_when(request, outcome, Due::Soon);
    let first = ask.request;
    let mut admitted = limit::admit(env, &table, &principal, ask.clone()).await;
    for is_last in [false, true] {
        let request = if is_last { first.again() } else { first };
        // What the origin had to count stays counted, whatever comes after it: it would be free otherwise.
        let left_unserved = if is_last { Outcome::Served(Some(Used::NOTHING)) } else { Outcome::NotServed };
        let (admission, is_held) = match admitted {
            Ok(Let::ByGate(admission)) => (*admission, true),
            Ok(Let::BySpare(admission)) => (*admission, false),
            Err(refusal) => {
                let unanswered = refusal.reason == Reason::GateUnavailable;
                let _ = answer.send(Err(refusal));
                if unanswered {
                    // The Gate may have admitted it and only its answer was lost: the lease is not to last till its deadline.
                    settle(request, left_unserved).await;
                    if is_last {
                        // It may not even have learnt that the first reservation is over.
                        settle(first, left_unserved).await;
                    }
                }
                return;
            }
        };
        if left.aborted() {
            if is_last && !is_held {
                settle(first, left_unserved).await;
            }
            return settle(request, left_unserved).await;
        }
        let ticket = Ticket {
            request,
            account: principal.account.clone(),
            subject: principal.subject(),
            admission,
            watch_capacity: table.feels_pressure(),
            since: platform::now(),
        };
        let ending = match forward::generate(config, &ticket, ask.endpoint, &body, stream, &left).await {
            Ok((response, deadline)) => {
                // The origin has it, and nobody asks again.
                drop(body);
                relay::relay(&response, &deadline, &ticket, config.origin_idle_ms, answer).await
            }
            // What was reserved is too little for the prompt that the origin counted. The Gate decides anew.
            Err(Failed { counted: Some(prompt_tokens), .. }) if is_held && !is_last => {
                let ask = Ask { request: first.again(), prompt_tokens, prompt_is_counted: true, ..ask.clone() };
                admitted = limit::admit_again(env, &table, &principal, first, ask).await;
                continue;
            }
            Err(Failed { refusal, ending, .. }) => {
                let _ = answer.send(Err(refusal));
                ending
            }
        };
        let outcome = match ending {
            Ending::Certain(outcome) => outcome,
            Ending::Ask(_) => ending.settled(forward::cancel(config, &ticket).await),
        };
        if is_last && !is_held {
            // Its Gate may not have learnt of the second reservation: the first is all that it knows of this request.
            settle(first, outcome).await;
        }
        // Also where its Gate could not be reached: it may have admitted it, and only its answer was lost.
        settle_when(request, outcome, limit::due(outcome, &ticket.admission)).await;
        return;
    }
}
