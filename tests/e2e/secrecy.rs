//! Nothing secret leaves the place where it belongs: a run that uses every kind of credential, well and badly, and then a search in
//! all that it left behind. Answers, headers, logs, the audit log's export and the Durable Objects' own files.

use harness::caller::{PROMPT, hello};
use harness::issuers::{self, Issuer, KID, KeyServer, sign_report};
use harness::wait::{SOON, until_true};
use harness::{Answer, PLAN, Stack, secrets};
use serde_json::{Value, json};
use sluice_protocol::id::AccountId;

/// The beginning of every signed token: the JSON of its header in base64.
const TOKEN: &str = "eyJ";

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
    hidden.add("a signed token", TOKEN);

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
