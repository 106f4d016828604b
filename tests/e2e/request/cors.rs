//! Pages of other origins: what browsers are told, and what a page in a real one may do.

use harness::caller::browser::Site;
use harness::caller::raw::{exchange, request};
use harness::caller::{MODEL, bearer, hello};
use harness::{Answer, RunningStack, Stack, secrets};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;
use sluice_protocol::refusal::Reason;

const APP: &str = "https://app.example";
const OTHERS: [&str; 8] = [
    "null",
    "http://app.example",
    "https://app.example.evil.com",
    "https://app.example:8443",
    "https://APP.example",
    "https://app.example/",
    "*",
    "https://evil.com",
];
/// Those of OpenAI's client in a browser, and of others.
const ASKED: &str =
    "authorization,content-type,idempotency-key,openai-organization,x-api-key,x-session-id,x-stainless-lang";

fn stack() -> Stack {
    Stack::new()
        .setting("TOKEN_KEYS", secrets::token_keys())
        .setting("CORS_ORIGINS", format!("http://localhost:3000, {APP}"))
}

fn send(stack: &RunningStack, method: &str, path: &str, lines: &[String]) -> Answer {
    exchange(stack.edge_address(), &request(method, path, lines, b"")).from_edge()
}

/// What a browser asks before a page's request.
fn ask(stack: &RunningStack, path: &str, origin: &str, method: &str, names: &str) -> Answer {
    let lines = [
        format!("Origin: {origin}"),
        format!("Access-Control-Request-Method: {method}"),
        format!("Access-Control-Request-Headers: {names}"),
    ];
    send(stack, "OPTIONS", path, &lines)
}

/// Whose page may read an answer, and whether it may read its headers.
fn readable(answer: &Answer) -> Option<&str> {
    let allowed = answer.header("access-control-allow-origin");
    let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
    for name in
        ["x-request-id", "retry-after", "retry-after-ms", "x-should-retry", "ratelimit", "x-ratelimit-reset-tokens"]
    {
        assert_eq!(exposed.split(", ").any(|other| other == name), allowed.is_some(), "{name}: {answer:?}");
    }
    // A page's own credentials count, and never what a browser adds.
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    allowed
}

#[test]
fn a_preflight_costs_nothing_and_is_told_what_it_asked() {
    let stack = stack().start();
    let key = stack.key();
    let before = stack.edge.view(key.id).storage;
    for (path, methods) in [
        ("/v1/chat/completions", "POST"),
        ("/v1/completions", "POST"),
        ("/v1/auth/token", "POST"),
        ("/v1/models", "GET, HEAD"),
        ("/v1/models/Owner%2FName", "GET, HEAD"),
        ("/v1/key", "GET, HEAD"),
        // The page is to read that there is nothing.
        ("/v1/none", "GET, HEAD, POST"),
        ("/chat/completions", "GET, HEAD, POST"),
    ] {
        for origin in [APP, "http://localhost:3000"] {
            let told = ask(&stack, path, origin, "POST", ASKED);
            assert_eq!((told.status, told.body.len()), (204, 0), "{path}: {told:?}");
            assert_eq!(told.header("access-control-allow-origin"), Some(origin));
            assert_eq!(told.header("access-control-allow-methods"), Some(methods), "{path}");
            assert_eq!(told.header("access-control-allow-headers"), Some(&*ASKED.replace(',', ", ")));
            assert_eq!(told.header("access-control-max-age"), Some("7200"));
            assert!(told.header("vary").is_some_and(|vary| vary.starts_with("origin, ")), "{told:?}");
        }
        for origin in OTHERS {
            let told = ask(&stack, path, origin, "POST", ASKED);
            assert_eq!(readable(&told), None, "{origin}");
            assert_ne!(told.status, 204, "{origin}");
            assert_eq!(told.header("vary"), Some("origin"), "{origin}: {told:?}");
        }
    }
    // Two origins at once are none, and a method that a path lacks is for the browser to refuse.
    let twice = [APP, APP].map(|origin| format!("Origin: {origin}"));
    let lines = [&twice[..], &["Access-Control-Request-Method: POST".to_owned()]].concat();
    send(&stack, "OPTIONS", "/v1/models", &lines).refused(Reason::MethodNotAllowed);
    let told = ask(&stack, "/v1/models", APP, "DELETE", "");
    assert_eq!((told.status, told.header("access-control-allow-methods")), (204, Some("GET, HEAD")));
    assert_eq!(told.header("access-control-allow-headers"), None);
    // Ten kilobytes of names, and names that are none or not for pages to say.
    let many: Vec<_> = (0..1_200).map(|number| format!("x-{number}")).collect();
    let told = ask(&stack, "/v1/key", APP, "GET", &many.join(","));
    assert!(told.header("access-control-allow-headers").is_some_and(|names| names.len() < 500), "{told:?}");
    let told = ask(&stack, "/v1/key", APP, "GET", "a b,\"x\",cf-connecting-ip,@,x-fine");
    assert_eq!(told.header("access-control-allow-headers"), Some("x-fine"));
    // With a key in it, a good one or not, it is the same: nobody looks.
    for credential in [&*key.key, "slc_forged", "EMPTY"] {
        let lines = [format!("Origin: {APP}"), "Access-Control-Request-Method: POST".into(), bearer(credential)];
        assert_eq!(send(&stack, "OPTIONS", "/v1/chat/completions", &lines).status, 204);
    }
    // Not a browser's question.
    for lines in [vec![format!("Origin: {APP}")], vec!["Access-Control-Request-Method: POST".into()], Vec::new()] {
        let answer = send(&stack, "OPTIONS", "/v1/models", &lines).refused(Reason::MethodNotAllowed);
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    let after = stack.edge.view(key.id).storage;
    assert_eq!((after.calls, after.rows_written), (before.calls + 1, before.rows_written), "the admin's look alone");
}

#[test]
fn every_answer_says_whose_pages_may_read_it() {
    let stack = stack().limit("4 per 1h").max_body(2_000).start();
    let key = stack.key().key;
    for _ in 0..2 {
        stack.script().say(Say::text("done"));
    }
    stack.script().allow_all();
    let page = |origin: &str, method: &str, path: &str, credential: Option<&str>, body: &str| {
        let lines = [format!("Origin: {origin}"), "Content-Type: application/json".into()];
        let lines: Vec<_> = lines.into_iter().chain(credential.map(bearer)).collect();
        exchange(stack.edge_address(), &request(method, path, &lines, body.as_bytes())).from_edge()
    };
    let good = Some(&*key);
    let (whole, streamed) = (hello(4).to_string(), harness::caller::hello_stream(4).to_string());
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(3_000));
    let chat = "/v1/chat/completions";
    for (method, path, credential, body, status) in [
        ("POST", chat, good, &*whole, 200),
        ("POST", chat, good, &streamed, 200),
        ("POST", chat, good, r#"{"model":"none","messages":[{"role":"user","content":"x"}]}"#, 404),
        ("POST", chat, good, "{", 400),
        ("POST", chat, good, &large, 413),
        ("POST", chat, None, &whole, 401),
        ("POST", chat, Some("slc_forged"), &whole, 401),
        ("POST", "/v1/auth/token", good, r#"{"ttl_s":60}"#, 200),
        ("GET", chat, good, "", 405),
        ("GET", "/v1/models", good, "", 200),
        ("GET", "/v1/models/tiny", good, "", 200),
        ("GET", "/v1/models/none", good, "", 404),
        ("GET", "/v1/key", good, "", 200),
        ("GET", "/v1/none", good, "", 404),
        ("GET", "/healthz", None, "", 200),
        ("POST", chat, good, &whole, 429),
    ] {
        let answer = page(APP, method, path, credential, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!((readable(&answer), answer.header("vary")), (Some(APP), Some("origin")), "{method} {path}");
        // Other callers get the same answer, and their browser keeps it from the page.
        if status != 200 {
            let answer = page(OTHERS[2], method, path, credential, body);
            assert_eq!((answer.status, readable(&answer)), (status, None), "{method} {path}");
            assert_eq!(answer.header("vary"), Some("origin"), "a cache must not mix them: {method} {path}");
        }
    }
    // Administration is not for pages: Cloudflare Access would vouch for whoever sits before the browser.
    for (path, credential) in [("/admin/v1/keys", secrets::ADMIN_TOKEN), ("/leaks/github", &key)] {
        let answer = page(APP, "GET", path, Some(credential), "");
        assert_eq!((readable(&answer), answer.header("vary")), (None, None), "{path}");
        assert_ne!(ask(&stack, path, APP, "GET", "authorization").status, 204, "{path}");
    }
}

#[test]
fn where_no_origin_is_allowed_nothing_is_said_of_it() {
    let stack = Stack::new().start();
    let key = stack.key().key;
    let told = ask(&stack, "/v1/chat/completions", APP, "POST", ASKED).refused(Reason::MethodNotAllowed);
    let answer = send(&stack, "GET", "/v1/models", &[format!("Origin: {APP}"), bearer(&key)]).ok();
    for answer in [told, answer] {
        let is_cors = |name: &str| name.starts_with("access-control-") || name == "vary";
        assert!(!answer.headers.iter().any(|(name, _)| is_cors(name)), "{answer:?}");
    }
}

#[test]
fn a_star_allows_every_page() {
    let stack = Stack::new().setting("CORS_ORIGINS", "*").start();
    for origin in [APP, "null", "https://evil.com"] {
        let told = ask(&stack, "/v1/chat/completions", origin, "POST", ASKED);
        assert_eq!((told.status, told.header("access-control-allow-origin")), (204, Some("*")));
        let answer = send(&stack, "GET", "/v1/key", &[format!("Origin: {origin}")]).refused(Reason::MissingKey);
        assert_eq!((readable(&answer), answer.header("vary")), (Some("*"), None));
    }
}

/// What a page does with a short token; each is what it came to see.
const PAGE: &str = r#"
const { edge, token, model, admin } = settings;
const found = {};
async function attempt(name, run) {
  try { found[name] = await run(); } catch (error) { found[name] = { failed: error.name }; }
}
const headers = {
  authorization: `Bearer ${token}`, "content-type": "application/json", "x-stainless-lang": "js", "x-session-id": "page",
};
const ask = (more) => ({
  method: "POST", headers, body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }], max_tokens: 16, ...more }),
});
const seen = (answer) => ({
  status: answer.status, type: answer.headers.get("content-type"), id: answer.headers.get("x-request-id"),
  policy: answer.headers.get("ratelimit-policy"), left: answer.headers.get("x-ratelimit-remaining-requests"),
  wait: answer.headers.get("retry-after-ms"), retry: answer.headers.get("x-should-retry"),
});
await attempt("whole", async () => {
  const answer = await fetch(`${edge}/v1/chat/completions`, ask({}));
  return { ...seen(answer), text: (await answer.json()).choices[0].message.content };
});
await attempt("stream", async () => {
  const answer = await fetch(`${edge}/v1/chat/completions`, ask({ stream: true }));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part; !(part = await reader.read()).done;) text += part.value;
  return { ...seen(answer), text };
});
const refused = async (path, init) => {
  const answer = await fetch(`${edge}${path}`, init);
  return { ...seen(answer), code: (await answer.json()).error?.code };
};
await attempt("over", () => refused("/v1/chat/completions", ask({})));
await attempt("stranger", () => refused("/v1/key", { headers: { authorization: "Bearer EMPTY" } }));
await attempt("nowhere", () => refused("/v1/none", { headers }));
await attempt("wrong_method", () => refused("/v1/chat/completions", { headers }));
await attempt("model", async () => seen(await fetch(`${edge}/v1/models/${model}`, { method: "HEAD", headers })));
await attempt("deletes", () => refused("/v1/models", { method: "DELETE", headers }));
await attempt("admin", () => refused("/admin/v1/keys", { headers: { authorization: `Bearer ${admin}` } }));
// A request that needs no question is sent, and its answer is still not for every page.
await attempt("simple", async () => seen(await fetch(`${edge}/healthz`)));
tell(found);
"#;

fn visit(stack: &RunningStack, site: Site, token: &str) -> Value {
    let edge = format!("http://{}", stack.edge_address());
    let settings = json!({"edge": edge, "token": token, "model": MODEL, "admin": secrets::ADMIN_TOKEN});
    site.run(PAGE, &settings)
}

#[test]
fn a_page_in_a_real_browser_calls_with_a_short_token_if_its_origin_may() {
    let (site, stranger) = (Site::start(), Site::start());
    let origins = format!("{APP},{}", site.origin());
    let stack = Stack::new()
        .limit("2 per 1h")
        .setting("TOKEN_KEYS", secrets::token_keys())
        .setting("CORS_ORIGINS", origins)
        .start();
    for _ in 0..2 {
        stack.script().say(Say::text("Grüße, ✓"));
    }
    stack.script().allow_all();
    let key = stack.key().key;
    let asked = json!({"scopes": ["chat", "models"]});
    let answer =
        stack.edge.send(|http, base| http.post(format!("{base}/v1/auth/token")).bearer_auth(&key).json(&asked));
    let token = answer.ok().json()["access_token"].as_str().expect("a token").to_owned();

    // One that is not allowed learns nothing and uses up nothing: its browser does not even send what needs a question.
    let blocked = visit(&stack, stranger, &token);
    let names = blocked.as_object().expect("what the page found");
    assert_eq!(names.len(), 10, "{blocked}");
    assert!(names.values().all(|one| one["failed"] == "TypeError"), "{blocked}");
    assert_eq!(stack.script().steps(), 0);

    let found = visit(&stack, site, &token);
    for kind in ["whole", "stream"] {
        let one = &found[kind];
        assert_eq!(one["status"], 200, "{found}");
        assert!(one["id"].as_str().is_some_and(|id| id.starts_with("req_")), "{one}");
        assert!(
            one["policy"].as_str().is_some_and(|policy| policy.contains("q=2")) && one["left"].is_string(),
            "{one}"
        );
        assert!(one["text"].as_str().is_some_and(|text| text.contains("✓")), "{one}");
    }
    assert_eq!(found["stream"]["type"], "text/event-stream; charset=utf-8");
    assert!(found["stream"]["text"].as_str().is_some_and(|text| text.ends_with("data: [DONE]\n\n")), "{found}");
    let over = &found["over"];
    assert_eq!(
        (&over["status"], &over["code"], &over["retry"]),
        (&429.into(), &"rate_limit_exceeded".into(), &"false".into())
    );
    let wait: u64 = over["wait"].as_str().and_then(|wait| wait.parse().ok()).expect("the page reads how long");
    assert!((3_500_000..=3_600_000).contains(&wait), "{over}");
    for (name, status, code) in [
        ("stranger", 401, json!("invalid_api_key")),
        ("nowhere", 404, json!("not_found")),
        ("wrong_method", 405, json!("method_not_allowed")),
        ("model", 200, Value::Null),
        ("simple", 200, Value::Null),
    ] {
        assert_eq!((&found[name]["status"], &found[name]["code"]), (&status.into(), &code), "{name}: {found}");
    }
    // What the path lacks, and what is no page's, the browser does not send.
    for name in ["deletes", "admin"] {
        assert_eq!(found[name]["failed"], "TypeError", "{name}: {found}");
    }
}
