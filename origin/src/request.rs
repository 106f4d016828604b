//! request: from HTTP to a typed, bounded call, and through the walk: grant, queue, generate, stream.

use crate::allowance::{Ceilings, allowance};
use crate::answers::{Answers, Said, Turn};
use crate::body::{DISCARD_BYTES, check_head, discard, read};
use crate::generate::Answering;
use crate::grant;
use crate::live::cancelled;
use crate::metrics;
use crate::origin::{Loaded, Shared};
use crate::respond::{RefusalCode, events, json, refuse, stamp, typed};
use crate::stream;
use crate::text::Prompt;
use crate::text::sections::Calls;
use crate::{engine, now_millis};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{HeaderMap, HeaderValue};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post};
use bytes::Bytes;
use futures_util::FutureExt;
use sluice_protocol::chat::{
    AnswerCall, AnswerMessage, ChatCompletion, ChatRequest, Choice, ChoiceLogprobs, Delta, FinishReason, ModelEntry,
    ModelList, TokenLogprob,
};
use sluice_protocol::grant::GrantClaims;
use sluice_protocol::header;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{Instrument, Span, info_span};

/// All routes of an origin.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let only = |methods: &'static str| {
        move |request: Request| async move {
            let (parts, body) = request.into_parts();
            discard(&parts.headers, body, DISCARD_BYTES);
            let refusal = Refusal::new(Reason::MethodNotAllowed, "This path does not have this method.");
            refuse(&refusal.with_allow(methods))
        }
    };
    Router::new()
        .route("/v1/chat/completions", post(chat).fallback(only("POST")))
        .route("/v1/models", get(models).fallback(only("GET, HEAD")))
        .route("/v1/requests/{id}", delete(cancel).fallback(only("DELETE")))
        .route("/health", get(health).fallback(only("GET, HEAD")))
        .route("/ready", get(ready).fallback(only("GET, HEAD")))
        .route("/capacity", get(capacity).fallback(only("GET, HEAD")))
        .route("/metrics", get(measures).fallback(only("GET, HEAD")))
        .fallback(not_found)
        .layer(from_fn_with_state(Arc::clone(&shared), stamped))
        .with_state(shared)
}

/// Around every route: an id, the capacity of the moment the response is ready, and 500 instead of a dropped connection.
async fn stamped(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        refuse(&Refusal::new(Reason::Internal, "The origin failed on this request.").with_detail("a handler panicked"))
    });
    if let Some(RefusalCode(code)) = response.extensions().get() {
        shared.metrics.refused(code);
    }
    stamp(&mut response, RequestId(crate::random_bytes()), shared.queue.capacity());
    response
}

async fn not_found(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    discard(&parts.headers, body, DISCARD_BYTES);
    refuse(&Refusal::new(Reason::NotFound, "There is no such path."))
}

/// The process lives.
async fn health() -> Response {
    json(&serde_json::json!({"status": "ok"}))
}

/// Requests would be served now.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let age = match shared.serving() {
        Ok(loaded) => loaded.engine.beat_age(),
        Err(refusal) => return refuse(&refusal),
    };
    if age > shared.config.heartbeat_timeout {
        let hung = Refusal::new(Reason::OriginSilent, "The engine does not move.");
        return refuse(&hung.with_detail(format!("the last beat was {} ms ago", age.as_millis())));
    }
    json(&serde_json::json!({"status": "ready"}))
}

async fn capacity(State(shared): State<Arc<Shared>>) -> Response {
    json(&shared.queue.capacity())
}

async fn measures(State(shared): State<Arc<Shared>>) -> Response {
    let engine = shared.loaded().map(|loaded| &loaded.engine);
    let text = shared.metrics.encode(shared.queue.capacity(), engine);
    typed(text, HeaderValue::from_static(metrics::CONTENT_TYPE))
}

async fn models(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, list_models).await
}

async fn chat(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, answer).await
}

/// Ends a request by its id, and tells what it used. Works while the origin drains, too: those who leave then are settled.
async fn cancel(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    discard(&parts.headers, body, DISCARD_BYTES);
    let outcome = async {
        let caller = caller(&shared, &parts.headers)?;
        caller.claim(&shared)?;
        caller.check_body(&[])?;
        let id = parts.uri.path().rsplit('/').next().and_then(RequestId::parse);
        let report = match id {
            Some(id) => shared.live.cancel(id, caller.account()).await,
            None => None,
        };
        report.ok_or_else(|| Refusal::new(Reason::NotFound, "There is no such request of this account."))
    };
    outcome.await.map_or_else(|refusal| refuse(&refusal), |report| json(&report))
}

/// A caller, as its grant names it; or anybody, on an open origin.
struct Caller {
    id: RequestId,
    claims: Option<GrantClaims>,
    arrived: Instant,
    deadline: Option<Instant>,
}

/// One call on its way: what a step needs to know.
struct Call<'a> {
    shared: &'a Arc<Shared>,
    loaded: &'a Arc<Loaded>,
    parts: &'a Parts,
    caller: &'a Caller,
}

/// What the routes with grants have in common: the origin serves, the caller is known, a refusal leaves no body behind.
async fn walk<F>(shared: &Arc<Shared>, parts: &Parts, mut body: Body, step: F) -> Response
where
    F: AsyncFnOnce(Call<'_>, &mut Body) -> Result<Response, Refusal>,
{
    let span = info_span!("request", id = tracing::field::Empty);
    let mut id = None;
    let outcome = async {
        let loaded = shared.serving()?;
        let caller = caller(shared, &parts.headers)?;
        id = Some(caller.id);
        Span::current().record("id", tracing::field::display(caller.id));
        step(Call { shared, loaded, parts, caller: &caller }, &mut body).await
    }
    .instrument(span.clone())
    .await;
    let mut response = outcome.unwrap_or_else(|refusal| {
        discard(&parts.headers, body, shared.config.max_body);
        span.in_scope(|| refuse(&refusal))
    });
    if let Some(id) = id {
        stamp(&mut response, id, shared.queue.capacity());
    }
    response
}

fn caller(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let _span = info_span!("grant").entered();
    let arrived = Instant::now();
    let Some(verifier) = &shared.verifier else {
        return Ok(Caller { id: RequestId(crate::random_bytes()), claims: None, arrived, deadline: None });
    };
    let now = now_millis();
    let grant = headers.get(header::GRANT).map(HeaderValue::as_bytes);
    let (claims, id) = verifier.verify(grant, now)?;
    let deadline = arrived + Duration::from_millis(claims.deadline_ms().saturating_sub(now));
    Ok(Caller { id, claims: Some(claims), arrived, deadline: Some(deadline) })
}

impl Caller {
    /// Uses the grant up.
    fn claim(&self, shared: &Shared) -> Result<(), Refusal> {
        match (&shared.verifier, &self.claims) {
            (Some(verifier), Some(claims)) => verifier.claim(self.id, claims.deadline_ms(), now_millis()),
            _ => Ok(()),
        }
    }

    /// Whose it is; on an open origin everybody is one.
    fn account(&self) -> &str {
        self.claims.as_ref().map_or("", |claims| &claims.acc)
    }

    fn check_body(&self, body: &[u8]) -> Result<(), Refusal> {
        self.claims.as_ref().map_or(Ok(()), |claims| grant::check_body(claims, body))
    }
}

async fn list_models(call: Call<'_>, body: &mut Body) -> Result<Response, Refusal> {
    call.caller.claim(call.shared)?;
    let body = read(body, &call.shared.config).await?;
    call.caller.check_body(&body)?;
    let entry = ModelEntry {
        id: call.loaded.name.clone(),
        object: "model".into(),
        created: call.loaded.since,
        owned_by: "sluice".into(),
        context_length: call.loaded.context as u64,
    };
    Ok(json(&ModelList { object: "list".into(), data: vec![entry] }))
}

async fn answer(call: Call<'_>, body: &mut Body) -> Result<Response, Refusal> {
    let Call { shared, loaded, parts, caller } = call;
    check_head(&parts.headers, shared.config.max_body)?;
    // A place before the first byte of the body: whoever is refused has cost nothing.
    let priority = caller.claims.as_ref().map_or(0, |claims| claims.pri);
    let place = shared.queue.ask(caller.account(), priority, caller.deadline)?;
    // Only who has a place uses its grant up: a caller that was refused may come back with it.
    caller.claim(shared)?;
    let (live, state) = shared.live.enter(caller.id, caller.account());
    let body = read(body, &shared.config).await?;
    caller.check_body(&body)?;
    let (request, prompt) = understand(shared, loaded, body).await?;
    // Before any wait: an edge that has to reserve again does so at once, and the place is free for it.
    let ceilings = Ceilings::of(caller.claims.as_ref());
    let max_tokens = allowance(&request, prompt.tokens.len(), loaded.context, ceilings)?;
    // The body has been read, so hyper notices a client that leaves from here on.
    let permit = tokio::select! {
        biased;
        () = state.cancelled() => return Err(cancelled()),
        permit = place.ready().instrument(info_span!("queue")) => permit?,
    };
    shared.metrics.slot_after(caller.arrived.elapsed());
    let prompt_tokens = prompt.tokens.len() as u64;
    let calls = Calls {
        functions: request.tools.iter().map(|tool| tool.name().to_owned()).collect(),
        several: request.parallel_tool_calls,
    };
    let span = if request.stream { info_span!("stream") } else { info_span!("generate") };
    let seed = request.sampling.seed.unwrap_or_else(crate::random_u64);
    let begin = {
        let (loaded, metrics, span) = (Arc::clone(loaded), Arc::clone(&shared.metrics), span.clone());
        let (account, arrived, deadline) = (caller.account().to_owned(), caller.arrived, caller.deadline);
        let (sampling, logprobs, stop) = (request.sampling, request.logprobs, request.stop);
        move |turn: Turn| {
            let generation = loaded.engine.submit(engine::Job {
                account: account.clone(),
                prompt: prompt.tokens.clone(),
                max_tokens,
                // Answers differ, and a seed says how.
                seed: seed.wrapping_add(turn.index.into()),
                sampling: sampling.clone(),
                logprobs,
                deadline,
                state: Arc::clone(&state),
                guard: turn.guard,
            });
            Answering::new(
                (generation, (turn.index == 0, turn.is_last)),
                (loaded.text.answer(stop.clone(), prompt.start, calls.clone()), Arc::clone(&loaded)),
                prompt_tokens,
                (arrived, deadline),
                Arc::clone(&metrics),
                span.clone(),
            )
        }
    };
    let answers = Answers::new(request.answers, permit, live, begin);
    let head = stream::Head {
        id: format!("chatcmpl-{}", caller.id),
        created: now_millis() / 1000,
        model: loaded.name.clone(),
    };
    if request.stream {
        let refused = in_stream(shared, span);
        let stall = shared.config.stall_timeout;
        return Ok(events(stream::body(head, answers, request.include_usage, stall, refused)));
    }
    whole(head, answers, request.logprobs.is_some()).instrument(span).await.map(|completion| json(&completion))
}

/// Counts and logs a refusal that came when the status had been sent.
fn in_stream(shared: &Arc<Shared>, span: Span) -> impl Fn(&Refusal) + Send + 'static {
    let metrics = Arc::clone(&shared.metrics);
    move |refusal| {
        let code = refusal.reason.row().code;
        metrics.refused(code);
        tracing::info!(parent: &span, code, detail = refusal.detail.as_deref(), "broke off");
    }
}

/// Parses and tokenises, away from the threads that serve connections.
async fn understand(shared: &Arc<Shared>, loaded: &Arc<Loaded>, body: Bytes) -> Result<(ChatRequest, Prompt), Refusal> {
    let (bounds, loaded) = (shared.config.bounds, Arc::clone(loaded));
    let work = move || {
        let request = ChatRequest::parse(&body, bounds)?;
        if request.model != loaded.name {
            let message = "There is no such model; GET /v1/models lists them.";
            return Err(Refusal::new(Reason::ModelNotFound, message).with_param("model"));
        }
        if let Some(id) = request.sampling.logit_bias.keys().find(|id| **id as usize >= loaded.vocab) {
            let message = format!("`logit_bias` names the token {id}; this model has {}.", loaded.vocab);
            return Err(Refusal::new(Reason::InvalidRequest, message).with_param("logit_bias"));
        }
        let prompt = loaded.text.prompt(&request, now_millis())?;
        Ok((request, prompt))
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Refusal::new(Reason::Internal, "The origin failed on this request.").with_detail("tokenising panicked"))
    })
}

/// All answers, whole. The slot is free as soon as the last token is there.
///
/// `tells`: whether they say how likely their tokens were.
async fn whole(head: stream::Head, mut answers: Answers, tells: bool) -> Result<ChatCompletion, Refusal> {
    let mut choices = Vec::new();
    let mut gathered = Gathered::default();
    let usage = loop {
        match answers.next().await {
            Said::New(_, delta, logprobs) => gathered.add(delta, logprobs),
            Said::End(index, reason, usage) => {
                choices.push(std::mem::take(&mut gathered).choice(index, reason, tells));
                if let Some(usage) = usage {
                    break usage;
                }
            }
            Said::Broken(refusal) => return Err(refusal),
        }
    };
    Ok(ChatCompletion {
        id: head.id,
        object: "chat.completion".into(),
        created: head.created,
        model: head.model,
        choices,
        usage,
    })
}

/// All parts of one answer, put together as a reader of a stream does.
#[derive(Default)]
struct Gathered {
    content: String,
    reasoning: String,
    calls: Vec<AnswerCall>,
    logprobs: Vec<TokenLogprob>,
}

impl Gathered {
    fn add(&mut self, delta: Delta, logprobs: Vec<TokenLogprob>) {
        self.content.extend(delta.content);
        self.reasoning.extend(delta.reasoning_content);
        self.calls.extend(delta.tool_calls.into_iter().flatten().map(|delta| delta.call));
        self.logprobs.extend(logprobs);
    }

    fn choice(self, index: u32, reason: FinishReason, tells: bool) -> Choice {
        Choice {
            index,
            message: AnswerMessage::new(self.content, self.reasoning, self.calls),
            logprobs: tells.then_some(ChoiceLogprobs { content: self.logprobs }),
            finish_reason: Some(reason),
        }
    }
}
