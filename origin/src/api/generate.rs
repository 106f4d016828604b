//! request: from HTTP to a typed, bounded call, and through the walk: grant, queue, generate, stream.

use crate::allowance::{Ceilings, allowance};
use crate::answers::{Answers, Turn};
use crate::body::{DISCARD_BYTES, check_head, discard, read};
use crate::connections::Granted;
use crate::engine::grammar::Constraint;
use crate::engine::job_state::JobState;
use crate::generate::Answering;
use crate::grant;
use crate::listing::{list_models, one_model};
use crate::live::{LiveRequest, cancelled};
use crate::metrics;
use crate::origin::{Models, Shared};
use crate::queue::{Permit, Place};
use crate::respond::{RefusalCode, events, json, refuse, stamp, tell_usage, typed};
use crate::stream::{self, Accounting, Form, Head, Source, Waiting};
use crate::wanted::Wanted;
use crate::whole::whole;
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
use sluice_protocol::chat::Used;
use sluice_protocol::grant::GrantClaims;
use sluice_protocol::header;
use sluice_protocol::id::RequestId;
use sluice_protocol::plan::Endpoint;
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
        .route(Endpoint::Chat.path(), post(chat).fallback(only("POST")))
        .route(Endpoint::Completions.path(), post(complete).fallback(only("POST")))
        .route("/v1/models", get(models).fallback(only("GET, HEAD")))
        .route("/v1/models/{*model}", get(model).fallback(only("GET, HEAD")))
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
    let models = match shared.serving() {
        Ok(models) => models,
        Err(refusal) => return refuse(&refusal),
    };
    if let Some(down) = models.down() {
        return refuse(&starting_again().with_detail(down));
    }
    if let Some(hung) = models.hung(shared.config.heartbeat_timeout) {
        return refuse(&Refusal::new(Reason::OriginSilent, "An engine does not move.").with_detail(hung));
    }
    json(&serde_json::json!({"status": "ready"}))
}

async fn capacity(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match observe(&shared, &headers) {
        Ok(()) => json(&shared.queue.capacity()),
        Err(refusal) => refuse(&refusal),
    }
}

async fn measures(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = observe(&shared, &headers) {
        return refuse(&refusal);
    }
    let models = shared.models().into_iter().flat_map(Models::iter);
    let engines = models.map(|loaded| (loaded.name.as_str(), &loaded.engine));
    let text = shared.metrics.encode(shared.queue.capacity(), engines);
    typed(text, HeaderValue::from_static(metrics::CONTENT_TYPE))
}

/// Whether this caller may look at the origin: with a grant, or anybody if the settings say so.
fn observe(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    if shared.config.open_metrics {
        return Ok(());
    }
    let caller = caller(shared, headers)?;
    caller.claim(shared)?;
    caller.check_body(&[])
}

async fn models(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, list_models).await
}

async fn model(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, one_model).await
}

async fn chat(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, async |call, body| answer(Endpoint::Chat, call, body).await).await
}

async fn complete(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    walk(&shared, &parts, body, async |call, body| answer(Endpoint::Completions, call, body).await).await
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
pub(crate) struct Caller {
    id: RequestId,
    claims: Option<GrantClaims>,
    arrived: Instant,
    deadline: Option<Instant>,
}

/// One call on its way: what a step needs to know.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) models: &'a Models,
    pub(crate) parts: &'a Parts,
    pub(crate) caller: &'a Caller,
}

/// What the routes with grants have in common: the origin serves, the caller is known, a refusal leaves no body behind.
async fn walk<F>(shared: &Arc<Shared>, parts: &Parts, mut body: Body, step: F) -> Response
where
    F: AsyncFnOnce(Call<'_>, &mut Body) -> Result<Response, Refusal>,
{
    let span = info_span!("request", id = tracing::field::Empty);
    let mut id = None;
    let outcome = async {
        let models = shared.serving()?;
        let caller = caller(shared, &parts.headers)?;
        id = Some(caller.id);
        Span::current().record("id", tracing::field::display(caller.id));
        step(Call { shared, models, parts, caller: &caller }, &mut body).await
    }
    .instrument(span.clone())
    .await;
    let mut response = outcome.unwrap_or_else(|refusal| {
        discard(&parts.headers, body, shared.config.max_body);
        let mut response = span.in_scope(|| refuse(&refusal));
        // Of a request whose engine has not let go yet the edge asks.
        if let Some(usage) = id.and_then(|id| shared.live.final_usage(id)) {
            tell_usage(&mut response, usage);
        }
        response
    });
    if let Some(id) = id {
        stamp(&mut response, id, shared.queue.capacity());
        if shared.verifier.is_some() {
            response.extensions_mut().insert(Granted);
        }
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
    pub(crate) fn claim(&self, shared: &Shared) -> Result<(), Refusal> {
        match (&shared.verifier, &self.claims) {
            (Some(verifier), Some(claims)) => verifier.claim(self.id, claims.deadline_ms(), now_millis()),
            _ => Ok(()),
        }
    }

    /// Whose it is; on an open origin everybody is one.
    fn account(&self) -> &str {
        self.claims.as_ref().map_or("", |claims| &claims.acc)
    }

    pub(crate) fn check_body(&self, body: &[u8]) -> Result<(), Refusal> {
        self.claims.as_ref().map_or(Ok(()), |claims| grant::check_body(claims, body))
    }
}

async fn answer(endpoint: Endpoint, call: Call<'_>, body: &mut Body) -> Result<Response, Refusal> {
    let Call { shared, parts, caller, .. } = call;
    check_head(&parts.headers, shared.config.max_body)?;
    // A place before the first byte of the body: whoever is refused has cost nothing.
    let priority = caller.claims.as_ref().map_or(0, |claims| claims.pri);
    let place = shared.queue.ask(caller.account(), priority, caller.deadline)?;
    // Only who has a place uses its grant up: a caller that was refused may come back with it.
    caller.claim(shared)?;
    let (live, state) = shared.live.enter(caller.id, caller.account())?;
    let body = read(body, &shared.config).await?;
    caller.check_body(&body)?;
    let (wanted, place) = understand(shared, endpoint, body, place).await?;
    let loaded = Arc::clone(&wanted.loaded);
    if loaded.engine.is_down() {
        return Err(starting_again().with_detail(loaded.name.clone()));
    }
    // Before any wait: an edge that has to reserve again does so at once, and the place is free for it.
    let ceilings = Ceilings::of(caller.claims.as_ref());
    let lengths: Vec<usize> = wanted.prompts.iter().map(|prompt| prompt.tokens.len()).collect();
    let max_tokens = allowance(wanted.asked, &lengths, loaded.context, ceilings)?;
    let (stream, tells, include_usage) = (wanted.stream, wanted.logprobs.is_some(), wanted.include_usage);
    let (several, span) =
        (wanted.all_answers() > 1, if stream { info_span!("stream") } else { info_span!("generate") });
    let kind = match wanted.form {
        Form::Chat => "chatcmpl",
        Form::Text { .. } => "cmpl",
    };
    let head = Head {
        id: format!("{kind}-{}", caller.id),
        created: now_millis() / 1000,
        model: loaded.name.clone(),
        form: wanted.form.clone(),
    };
    let position = place.position();
    // The body has been read, so hyper notices a client that leaves from here on.
    let mut ready = Box::pin(turn(place, Arc::clone(&state)).instrument(info_span!("queue")));
    let so_far = Arc::clone(&state);
    let begin = begin(shared, caller, wanted, max_tokens, (live, state), span.clone());
    let refused = in_stream(shared, caller.id, span.clone());
    let stall = shared.config.stall_timeout;
    let permit = if stream {
        // Who waits for long is told so in the stream; who waits for a moment is answered with a status.
        match tokio::time::timeout_at((caller.arrived + MOMENT).into(), &mut ready).await {
            Ok(permit) => permit?,
            Err(_) => {
                let waiting = Waiting { ready, position, begin: Box::new(begin), several };
                let source = Source::Queue(waiting);
                return Ok(events(stream::body(head, source, include_usage, stall, Accounting { so_far, refused })));
            }
        }
    } else {
        ready.await?
    };
    let answers = begin(permit);
    if stream {
        let source = Source::Answers(Box::new(answers));
        return Ok(events(stream::body(head, source, include_usage, stall, Accounting { so_far, refused })));
    }
    whole(head, answers, tells).instrument(span).await
}

/// How long after its arrival a stream that has to wait keeps its status open.
const MOMENT: Duration = Duration::from_secs(2);

/// Waits for the slot, unless the request is cancelled before.
async fn turn(place: Place, state: Arc<JobState>) -> Result<Permit, Refusal> {
    tokio::select! {
        biased;
        () = state.cancelled() => Err(cancelled()),
        permit = place.ready() => permit,
    }
}

/// What is done as soon as there is a slot.
fn begin(
    shared: &Arc<Shared>,
    caller: &Caller,
    wanted: Wanted,
    max_tokens: u32,
    (live, state): (LiveRequest, Arc<JobState>),
    span: Span,
) -> impl FnOnce(Permit) -> Answers + Send + 'static {
    let (loaded, metrics, account) =
        (Arc::clone(&wanted.loaded), Arc::clone(&shared.metrics), caller.account().to_owned());
    let (arrived, deadline) = (caller.arrived, caller.deadline);
    let seed = wanted.sampling.seed.unwrap_or_else(crate::random_u64);
    move |permit| {
        metrics.slot_after(&loaded.name, arrived.elapsed());
        Answers::new(wanted.all_answers(), permit, live, move |turn: Turn| {
            // All answers to one prompt, then all to the next.
            let (which, number) = (turn.index / wanted.asked.answers, turn.index % wanted.asked.answers);
            let (before, prompt) = wanted.prompt(which);
            let text = || loaded.text.answer(wanted.stop.clone(), prompt.start, wanted.calls.clone());
            let generation = loaded.engine.submit(engine::Job {
                account: account.clone(),
                prompt: prompt.tokens.clone(),
                max_tokens,
                // Answers to one prompt differ, and a seed says how.
                seed: seed.wrapping_add(number.into()),
                sampling: wanted.sampling.clone(),
                logprobs: wanted.logprobs,
                constraint: wanted.constraint.as_ref().map(Constraint::fresh),
                over: (!wanted.stop.is_empty() || !wanted.calls.several).then(|| {
                    let mut text = text();
                    Box::new(move |token| text.push(token).1) as engine::Over
                }),
                deadline,
                state: Arc::clone(&state),
                is_first: number == 0,
                guard: turn.guard,
            });
            Answering::new(
                (generation, (turn.index == 0, turn.is_last)),
                (text(), Arc::clone(&loaded)),
                (before + prompt.tokens.len()) as u64,
                (arrived, deadline),
                Arc::clone(&metrics),
                span.clone(),
            )
        })
    }
}

/// Counts and logs a refusal that came when the status had been sent; gives what the request has used, if that is final.
fn in_stream(shared: &Arc<Shared>, id: RequestId, span: Span) -> impl Fn(&Refusal) -> Option<Used> + Send + 'static {
    let shared = Arc::clone(shared);
    move |refusal| {
        let code = refusal.reason.row().code;
        shared.metrics.refused(code);
        tracing::info!(parent: &span, code, detail = refusal.detail.as_deref(), "broke off");
        shared.live.final_usage(id)
    }
}

/// What is said of a model whose engine broke.
fn starting_again() -> Refusal {
    Refusal::new(Reason::ModelLoading, "The model failed and is being started again.")
}

/// Parses, finds the model, tokenises and compiles, away from the threads that serve connections. The place goes along: a caller
/// that leaves meanwhile gives it back when the work ends, and not before.
async fn understand(
    shared: &Arc<Shared>,
    endpoint: Endpoint,
    body: Bytes,
    place: Place,
) -> Result<(Wanted, Place), Refusal> {
    let shared = Arc::clone(shared);
    let work = move || {
        let wanted = Wanted::read(endpoint, &body, shared.config.bounds, shared.models(), now_millis())?;
        Ok((wanted, place))
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Refusal::new(Reason::Internal, "The origin failed on this request.").with_detail("tokenising panicked"))
    })
}
