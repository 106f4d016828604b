//! Nothing secret leaves the place where it belongs: a run that uses every kind of credential, well and badly, and then a search in
//! all that it left behind. Answers, headers, logs, the audit log's export and the Durable Objects' own files.
//!
//! Every other test ends with such a search, too, for what it has used itself: see `harness::watch`, which is tried here.

use harness::caller::hello;
use harness::caller::raw::{exchange, request};
use harness::issuers::{self, Issuer, KID, KeyServer, sign_report};
use harness::origin::raw::{self, Received};
use harness::secrets::{self, PROMPT};
use harness::wait::{SOON, until_true};
use harness::{Answer, PLAN, RunningStack, Stack, watch};
use serde_json::{Value, json};
use sluice_protocol::id::AccountId;
use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

/// What must not be found, and what it is.
#[derive(Default)]
struct Hidden(Vec<(String, String)>);

impl Hidden {
    fn add(&mut self, what: &str, secret: &str) {
        self.0.push((what.to_owned(), secret.to_owned()));
        // A key's prefix is public; what follows is not. A token's parts are worth as much as the whole.
        for part in
            secret.strip_prefix("slc_").into_iter().chain(secret.split('.').skip(1).filter(|part| part.len() > 20))
        {
            self.0.push((format!("a part of {what}"), part.to_owned()));
        }
    }

    #[track_caller]
    fn check(&self, place: &str, bytes: &[u8]) {
        for (what, secret) in &self.0 {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{what} is in {place}");
        }
    }
}

/// What an answer shows: its body and all of its headers.
fn shown(answer: &Answer) -> Vec<u8> {
    let mut shown = answer.body.clone();
    for (name, value) in &answer.headers {
        shown.extend_from_slice(format!("\n{name}: {value}").as_bytes());
    }
    shown
}

#[test]
fn no_secret_is_found_in_anything_that_a_run_leaves_behind() {
    let (keys, scanner) = (KeyServer::start(&[Issuer::Mill.jwk(Some(KID))]), KeyServer::start_scanner());
    let by_url = Issuer::Mill.entry(&json!({"plan": PLAN, "key": null, "jwks_url": keys.url()}));
    let entries = [Issuer::Corp, Issuer::Lab, Issuer::Port].map(|issuer| issuer.entry(&json!({"plan": PLAN})));
    let access = json!({"team": keys.url(), "audience": "admins", "admins": {"ann@example.com": "read"}});
    let mut stack = Stack::new()
        .limit("4 per 1h")
        .setting("JWT_ISSUERS", entries.into_iter().chain([by_url]).collect::<Value>().to_string())
        .setting("TOKEN_KEYS", secrets::token_keys())
        .setting("LEAK_REPORTS", scanner.url())
        .setting("ADMIN_ACCESS", access.to_string())
        .start();
    stack.script().allow_all();
    let mut hidden = Hidden::default();
    let mut answers = Vec::new();
    secrets::all()
        .iter()
        .chain(&issuers::secrets())
        .for_each(|secret| hidden.add("a secret of the deployment", secret));
    hidden.add("a prompt", PROMPT);
    watch::TOKENS.iter().for_each(|beginning| hidden.add("a signed token", beginning));

    // Keys: used, over their limit, changed, forged, guessed, pasted where they do not belong, leaked, ended.
    let key = stack.key();
    let account = AccountId::parse(&key.account).expect("an account");
    let bad = [
        secrets::forged_tag(account),
        secrets::retired_epoch(account),
        secrets::guessed_secret(account),
        format!("{}x", key.key),
    ];
    hidden.add("a key", &key.key);
    bad.iter().for_each(|key| hidden.add("a bad key", key));
    let short = stack.edge.send(|http, base| http.post(format!("{base}/v1/auth/token")).bearer_auth(&key.key)).ok();
    let short = short.json()["access_token"].as_str().expect("a token").to_owned();
    hidden.add("a short token", &short);
    // Tokens: good, expired, for others, broken.
    let mut tokens: Vec<_> = Issuer::ALL.iter().map(|issuer| issuer.token("ann@private.example")).collect();
    for (claim, value) in [("exp", json!(1)), ("aud", json!("other")), ("sub", json!(7))] {
        let mut claims = Issuer::Lab.claims("eve");
        claims[claim] = value;
        tokens.push(Issuer::Lab.sign(&claims));
    }
    tokens.push(format!("{}x", Issuer::Lab.token("eve")));
    tokens.iter().for_each(|token| hidden.add("a token", token));
    let credentials: Vec<&String> = [&key.key, &short].into_iter().chain(&bad).chain(&tokens).collect();
    for credential in &credentials {
        for _ in 0..2 {
            answers.push(stack.edge.chat(Some(credential), &hello(4)));
        }
        answers.push(stack.edge.get("/v1/models", Some(credential)));
        answers.push(stack.edge.get("/v1/key", Some(credential)));
        answers.push(stack.edge.admin("GET", &format!("/keys/{credential}"), None));
        answers.push(stack.edge.admin("DELETE", &format!("/denials/{credential}"), None));
        answers.push(stack.edge.admin_as(credential, "GET", "/keys", None));
    }
    // Admins: good, wrong, through Access; every route that tells something.
    let claims = json!({"iss": keys.url(), "aud": "admins", "sub": "u", "email": "ann@example.com", "exp": jsonwebtoken::get_current_timestamp() + 60});
    let assertion = Issuer::Mill.sign_under(&json!({"alg": "RS256", "kid": KID}), &claims);
    hidden.add("an assertion", &assertion);
    hidden.add("a wrong admin token", "wrong-admin-token-5d1e");
    answers.push(stack.edge.admin_as("wrong-admin-token-5d1e", "GET", "/keys", None));
    answers.push(
        stack
            .edge
            .send(|http, base| http.get(format!("{base}/admin/v1/keys")).header("cf-access-jwt-assertion", &assertion)),
    );
    answers.push(stack.edge.admin(
        "PATCH",
        &format!("/keys/{}", key.id),
        Some(&json!({"name": "n", "overrides": {"window-0": 9}})),
    ));
    answers.push(stack.edge.admin("POST", "/denials", Some(&json!({"issuer": "lab", "jti": "7"}))));
    let message = json!([{"token": key.key, "type": "t", "url": "u"}]).to_string();
    answers.push(stack.edge.send(|http, base| {
        let request = http.post(format!("{base}/leaks/github")).header("github-public-key-identifier", KID);
        request.header("github-public-key-signature", sign_report(message.as_bytes())).body(message.clone())
    }));
    for path in
        ["/keys", &format!("/keys/{}", key.id), &format!("/accounts/{}", key.account), "/plans", "/denials", "/audit"]
    {
        answers.push(stack.edge.admin("GET", path, None).ok());
    }
    answers.push(stack.edge.get("/.well-known/jwks.json", None).ok());
    stack.edge.revoke(key.id);
    answers.push(stack.edge.chat(Some(&short), &hello(4)));

    for answer in &answers {
        hidden.check("an answer", &shown(answer));
    }
    until_true("the log is written", SOON, || {
        stack.edge_log().contains("key.delete") || stack.edge_log().contains("\"audit\":")
    });
    hidden.check("the edge's log", stack.edge_log().as_bytes());
    let dumps = stack.dumps();
    assert!(
        dumps.iter().any(|(path, _)| path.contains("registry")) && dumps.iter().any(|(path, _)| path.contains("gate"))
    );
    for (path, bytes) in &dumps {
        hidden.check(path, bytes);
    }
    // The search finds what is there.
    let name = key.id.to_string();
    let finds =
        |what: &str| dumps.iter().any(|(_, bytes)| bytes.windows(what.len()).any(|window| window == what.as_bytes()));
    assert!(finds(&name) && finds("key.leaked"), "what is not secret is found");
}

/// A stack that has issued and used everything, with an origin that answers what `told` holds, and keeps what it was sent.
fn used(told: &Arc<Mutex<String>>) -> (RunningStack, Vec<(&'static str, String)>) {
    let told = told.clone();
    let origin = Arc::new(move |received: &Received, socket: &mut TcpStream| {
        let body = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        raw::json("200 OK", "", body)(received, socket);
    });
    let stack = Stack::new()
        .raw_origin(origin)
        .setting("TOKEN_KEYS", secrets::token_keys())
        .setting("JWT_ISSUERS", issuers::setting(&[(Issuer::Lab, PLAN)]))
        .start();
    let key = stack.key();
    let post = |path: &str, body: Value| stack.edge.admin("POST", path, Some(&body)).json();
    let text = |value: &Value| value.as_str().expect("a secret").to_owned();
    let bulk = post("/keys/bulk", json!({"keys": [{"plan": PLAN}, {"plan": PLAN}]}));
    let rotated = post(&format!("/keys/{}/rotate", key.id), json!({"overlap": "1h"}));
    let short = stack.edge.send(|http, base| http.post(format!("{base}/v1/auth/token")).bearer_auth(&key.key)).ok();
    let token = Issuer::Lab.token("ann");
    stack.edge.get("/v1/key", Some(&token)).ok();
    let bytes = watch::key_secret(&key.key).expect("a key");
    let issued = vec![
        ("a key", key.key),
        ("a key", text(&bulk["data"][1]["key"])),
        ("a key", text(&rotated["key"])),
        ("the secret of a key", sluice_protocol::id::hex(&bytes)),
        ("the secret of a key", format!("{bytes:?}")),
        ("a signed token", text(&short.json()["access_token"])),
        ("a signed token", token),
        ("a secret of the tests' deployment", secrets::ADMIN_TOKEN.to_owned()),
        ("a pepper", secrets::key_peppers()),
        ("a grant's key", secrets::grant_keys()),
        ("a short token's key", secrets::token_keys()),
        ("an admin token's hash", secrets::admin_tokens()),
    ];
    (stack, issued)
}

/// The search at the end of each stack finds what is planted, whatever it is and wherever, and nothing where there is nothing.
#[test]
fn what_is_planted_is_found_at_the_end_of_a_stack() {
    let told = Arc::new(Mutex::new("{}".to_owned()));
    let (stack, issued) = used(&told);
    stack.edge.chat(Some(&issued[0].1), &hello(4)).ok();
    assert_eq!(stack.end(), Vec::<String>::new());
    for place in 0..issued.len() {
        let (stack, issued) = used(&told);
        let (what, secret) = &issued[place];
        let append = |name: &str| {
            let path = stack.directory().join(name);
            let mut file = File::options().create(true).append(true).open(path).expect("the stack's own directory");
            write!(file, "{{\"x\":\"{secret}\"}}").expect("a file can be written");
        };
        append("edge.log");
        append("objects/gate/planted");
        // As an origin's answer that the edge relays, and as a header to the origin, which it would never send.
        *told.lock().unwrap_or_else(PoisonError::into_inner) = json!({ "id": secret }).to_string();
        stack.edge.chat(Some(&issued[0].1), &hello(4)).ok();
        *told.lock().unwrap_or_else(PoisonError::into_inner) = "{}".to_owned();
        exchange(stack.origin_address(), &request("GET", "/planted", &[format!("x-passed-on: {secret}")], b""));
        let found = stack.end();
        for at in
            ["the edge's log", "planted", "an answer to POST /v1/chat/completions", "the origin was sent: GET /planted"]
        {
            // One form of a secret may be noted as another one's: what matters is that it is found.
            let is_found = |line: &&String| line.split(" is in ").nth(1).is_some_and(|name| name.contains(at));
            assert!(found.iter().any(|line| is_found(&line)), "{what} in {at}: {found:?}");
        }
    }
}

/// And it fails the test whose stack it was.
#[test]
fn a_stack_in_which_a_secret_is_found_fails_its_test() {
    let stack = Stack::new().start();
    let key = stack.key();
    std::fs::write(stack.directory().join("objects/planted"), &key.key).expect("the stack's own directory");
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(stack)));
    let said = dropped.expect_err("it fails").downcast::<String>().expect("a text");
    assert!(said.contains("a key is in ") && said.contains("planted") && !said.contains(&key.key), "{said}");
}
