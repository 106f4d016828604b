//! The route table: what each path and method leads to.

use crate::admin::keys::leaks;
use crate::admin::{self, live};
use crate::api::{batches, files, key, models, ollama, responses, token, usage};
use crate::call::{Answered, Call};
use crate::config::config_of;
use crate::hop::{meter, traces};
use crate::platform::task::{self, Answer};
use crate::platform::{Context, Env, Fault, Request, Response, random, respond};
use crate::request::cors::Page;
use crate::request::path::{methods, path_and_query, route_of};
use crate::request::{Incoming, refuse_method};
use crate::route::in_force;
use crate::telemetry::{self, Noted, measures};
use crate::{platform, walk};
use sluice_protocol::dialect::Dialect;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::ollama::models::unserved;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::elsewhere::no_path;
use sluice_protocol::telemetry::{Line, RequestEnd};
use std::rc::Rc;

/// request: gives it an id, routes it, and turns a refusal into an answer. A browser's question whether a page may call is
/// answered before anything else, and each answer says whose pages may read it.
pub async fn serve(request: Request, env: Env, context: Context) -> Result<Response, Fault> {
    let id = RequestId(random());
    let incoming = Incoming::new(request);
    let page = config_of(&env).ok().and_then(|config| Page::of(&incoming, &config.origins));
    if let Some(answer) = page.as_ref().and_then(|page| page.preflight(&incoming, id)) {
        return answer;
    }
    let path = path_and_query(incoming.head.url()).0.to_owned();
    let context = Rc::new(context);
    let to_its_end = |answer| run(incoming, env, context.clone(), id, answer);
    let response = match task::run(&context, to_its_end).await {
        Ok(response) => response,
        Err(refusal) => {
            note(&refusal, id);
            respond::refuse(&refusal, Dialect::of(&path), id)?
        }
    };
    if let Some(page) = page {
        page.tell(&response)?;
    }
    Ok(response)
}

/// Serves one request to its end, which may come after its answer.
async fn run(incoming: Incoming, env: Env, context: Rc<Context>, id: RequestId, answer: Answer) {
    let (path, _) = path_and_query(incoming.head.url());
    let (route, named) = route_of(path);
    let method = incoming.head.method();
    let allowed = methods(route).filter(|allow| !allow.split(", ").any(|allowed| allowed == method));
    let answered = match (method, route, allowed) {
        ("GET", "/healthz", _) => Ok(respond::json(200, &Health { status: "ok" }, id)),
        (_, _, Some(allow)) => Err(refuse_method(allow)),
        _ => match config_of(&env) {
            Err(refusal) => Err(refusal),
            Ok(config) => {
                let since = platform::now();
                let call = Call { incoming: &incoming, env: &env, context: &context, config: &config, id, since };
                match Door::of(route) {
                    // Each in a place of its own: whoever is refused at once is not to carry them all about.
                    Some(door) => {
                        // Twice: what is in flight is told while it is, and what became of it afterwards.
                        hand_over(&call);
                        Box::pin(walk::serve(&call, door, answer)).await;
                        traces::hand_over(&context, config.traces.as_ref());
                        return hand_over(&call);
                    }
                    None => {
                        let answered = Box::pin(step_aside(&call, route, named)).await;
                        telemetry::over(config.lines, id, shown(route), Noted::default(), end_of(&answered), since);
                        if measures::has_news() {
                            hand_over(&call);
                        }
                        answered
                    }
                }
            }
        },
    };
    let not_built = |fault: Fault| {
        Refusal::new(Reason::Internal, "The answer could not be built. Try again.").with_detail(fault.to_string())
    };
    // It is for nobody if the caller has left.
    drop(answer.send(answered.and_then(|answer: Result<Response, Fault>| answer.map_err(not_built))));
}

/// Sees to it that what is counted is handed on.
fn hand_over(call: &Call<'_>) {
    let of_settings = call.config.route.clone();
    meter::hand_over(call.env, call.context, move || in_force::known(&of_settings).seen(), call.config.measured());
}

/// A path as the log may have it. Whoever is lost may have put a key into theirs, and an admin's has a line of its own.
fn shown(route: &str) -> &str {
    match methods(route) {
        _ if route.starts_with("/admin/") => "/admin/v1",
        Some(_) => route,
        None => "(no such path)",
    }
}

/// How a request ended that is answered at once.
fn end_of(answered: &Answered) -> RequestEnd {
    match answered {
        Ok(answer) => RequestEnd::Answered { is_whole: answer.is_ok(), used: None },
        Err(refusal) => RequestEnd::Refused { reason: refusal.reason, used: None },
    }
}

/// The routes besides the walk. `of`: what a path names.
async fn step_aside(call: &Call<'_>, route: &str, of: &str) -> Answered {
    match (call.incoming.head.method(), route) {
        ("GET", "/v1/key") => key::serve(call).await,
        ("GET", "/v1/usage") => usage::serve(call).await,
        ("GET", "/v1/models") => models::list(call).await.map(Ok),
        ("GET", "/v1/models/{model}") => models::one(call, of).await.map(Ok),
        ("GET", "/v1/responses/{response}") => responses::one(call, of).await.map(Ok),
        ("DELETE", "/v1/responses/{response}") => responses::delete(call, of).await.map(Ok),
        ("GET", "/v1/responses/{response}/input_items") => responses::input_items(call, of).await.map(Ok),
        ("POST", "/v1/responses/{response}/cancel") => responses::cancel(call, of).await.map(Ok),
        ("POST", "/v1/files") => files::upload(call).await.map(Ok),
        ("GET", "/v1/files") => files::list(call).await.map(Ok),
        ("GET", "/v1/files/{file}") => files::one(call, of).await.map(Ok),
        ("DELETE", "/v1/files/{file}") => files::delete(call, of).await.map(Ok),
        ("GET", "/v1/files/{file}/content") => files::content(call, of).await,
        ("POST", "/v1/batches") => batches::create(call).await.map(Ok),
        ("GET", "/v1/batches") => batches::list(call).await.map(Ok),
        ("GET", "/v1/batches/{batch}") => batches::one(call, of).await.map(Ok),
        ("POST", "/v1/batches/{batch}/cancel") => batches::cancel(call, of).await.map(Ok),
        ("GET", "/api/tags") => ollama::tags(call).await.map(Ok),
        ("GET", "/api/ps") => ollama::tags(call).await.map(Ok),
        ("POST", "/api/show") => ollama::show(call).await.map(Ok),
        ("GET", "/api/version") => Ok(ollama::version(call.id)),
        ("GET", "/") => Ok(ollama::root(call.id)),
        ("POST", "/v1/auth/token") => token::issue(call).await,
        ("GET", "/metrics") => live::metrics(call).await,
        ("GET", "/.well-known/jwks.json") => token::document(call),
        ("POST", "/leaks/github") => leaks::serve(call).await,
        _ if route.starts_with("/admin/v1/") => admin::serve(call).await,
        _ => Err(unserved(route).unwrap_or_else(|| {
            let path = path_and_query(call.incoming.head.url()).0;
            no_path(path, SERVED, |path| methods(route_of(path).0).is_some())
        })),
    }
}

/// What there is, for whoever is lost.
const SERVED: &str = "POST /v1/chat/completions, /v1/responses, /v1/completions, /v1/embeddings, /v1/rerank, \
                      /v1/images/generations, \
                      /v1/files and /v1/batches, GET /v1/models, /v1/key and /v1/usage are served; of Anthropic's, POST /v1/messages; of \
                      Ollama's, POST /api/chat, /api/generate and /api/embed, GET /api/tags; of vLLM's, POST \
                      /tokenize and /detokenize.";

/// Writes down what only the log may know of a refusal. A caller's own mistakes are not logged: whoever sends a thousand bad keys
/// a second is not to fill the log with them.
fn note(refusal: &Refusal, request: RequestId) {
    if let Some(detail) = refusal.detail.clone().filter(|_| !refusal.reason.is_callers()) {
        let (request, code) = (request.to_string(), refusal.reason.row().code);
        telemetry::write(&Line::Refused { request, code, detail });
    }
}

#[derive(serde::Serialize)]
struct Health {
    status: &'static str,
}
