//! Tokens of issuers: what their claims mean, what settings say, and where their keys come from.

use harness::caller::hello;
use harness::issuers::{Issuer, KID, KeyServer, secrets};
use harness::wait::until_true;
use harness::{PLAN, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::refusal::Reason;
use std::time::Duration;

pub(crate) fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

/// A stack that takes tokens of these issuers.
pub(crate) fn stack(entries: &[Value]) -> Stack {
    Stack::new().setting("JWT_ISSUERS", Value::from(entries.to_vec()).to_string())
}

pub(crate) fn ask(stack: &RunningStack, token: &str) -> harness::Answer {
    stack.edge.get("/v1/key", Some(token))
}

/// The claims with one of them changed, or taken out where the value is null.
pub(crate) fn with(issuer: Issuer, claim: &str, value: Value) -> Value {
    let mut claims = issuer.claims("eve");
    claims[claim] = value;
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims
}

/// What was checked a moment ago is not checked again, and holds no longer for that.
#[test]
fn a_token_that_is_remembered_ends_when_it_expires() {
    let stack = stack(&[Issuer::Lab.entry(&json!({"plan": PLAN, "leeway_s": 0}))]).start();
    let token = Issuer::Lab.sign(&with(Issuer::Lab, "exp", json!(now() + 3)));
    ask(&stack, &token).ok();
    ask(&stack, &token).ok();
    until_true("it expires", Duration::from_secs(5), || ask(&stack, &token).status == 401);
    assert!(ask(&stack, &token).refused(Reason::InvalidKey).text().contains("expired"));
}

#[test]
fn claims_say_which_plan_scopes_models_and_account() {
    let lab = Issuer::Lab.entry(&json!({
        "plan_claim": "/realm/tiers", "plans": {"gold": "gold", "silver": PLAN},
        "scope_claim": "scope", "scopes": {"llm:chat": "chat", "llm:list": "models"},
        "model_claim": "models", "account_claim": "org", "require": {"groups": ["staff"]},
    }));
    let table = json!({"plans": {PLAN: {"limits": []}, "gold": {"limits": []}}});
    let stack = stack(&[lab]).plans(table.to_string()).start();
    stack.script().allow_all();
    let base = |more: Value| {
        let mut claims = Issuer::Lab.claims("ann");
        let full = json!({"realm": {"tiers": ["bronze", "gold"]}, "scope": "llm:chat openid", "models": ["tiny"], "org": "acme", "groups": ["staff", "x"]});
        for (name, value) in full.as_object().expect("members").iter().chain(more.as_object().expect("members")) {
            claims[name] = value.clone();
        }
        claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        Issuer::Lab.sign(&claims)
    };
    let chat = |token: &str| stack.edge.chat(Some(token), &hello(4));
    let own = ask(&stack, &base(json!({}))).ok().json();
    assert_eq!((&own["plan"], &own["id"]), (&json!("gold"), &json!(AccountName::of_token("lab", "acme").name())));
    assert_eq!(ask(&stack, &base(json!({"sub": "bob"}))).ok().json()["id"], own["id"], "one account for all of them");
    assert_eq!(ask(&stack, &base(json!({"realm": {"tiers": "silver"}}))).ok().json()["plan"], PLAN);
    chat(&base(json!({}))).ok();
    chat(&base(json!({"models": "other tiny"}))).ok();
    chat(&base(json!({"models": ["ti*"]}))).ok();
    stack.edge.get("/v1/models", Some(&base(json!({"scope": ["llm:list"]})))).ok();
    for (what, change, named) in [
        ("another scope", json!({"scope": "llm:list"}), "`chat`"),
        ("no scope", json!({"scope": null}), "`chat`"),
        ("a scope that is almost one", json!({"scope": "llm:chat2 LLM:CHAT"}), "`chat`"),
        ("another model", json!({"models": ["other"]}), "model"),
        ("no models", json!({"models": null}), "model"),
    ] {
        let answer = chat(&base(change));
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        assert!(answer.refused(Reason::NotAllowed).text().contains(named), "{what}");
    }
    stack.edge.get("/v1/models", Some(&base(json!({})))).refused(Reason::NotAllowed);
    for (what, change) in [
        ("no plan", json!({"realm": null})),
        ("a plan that nobody knows", json!({"realm": {"tiers": ["bronze"]}})),
        ("no account", json!({"org": null})),
        ("an account that is a list", json!({"org": ["acme"]})),
        ("not what is required", json!({"groups": ["guests"]})),
        ("nothing of what is required", json!({"groups": null})),
        ("models that are none", json!({"models": [""]})),
    ] {
        let answer = ask(&stack, &base(change));
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        answer.refused(Reason::InvalidKey);
    }
    assert_eq!(stack.script().prompts().len(), 3);
}

#[test]
fn wrong_settings_are_told_and_show_no_key() {
    let lab = |more: Value| {
        let mut all = json!({"plan": PLAN});
        all.as_object_mut().expect("an object").extend(more.as_object().expect("members").clone());
        json!([Issuer::Lab.entry(&all)])
    };
    let mut private = Issuer::Lab.jwk(None);
    private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let wrong = [
        ("no key", lab(json!({"key": null})), "exactly one of"),
        ("two keys", lab(json!({"pem": Issuer::Lab.pem()})), "exactly one of"),
        ("a key of another algorithm", lab(json!({"key": Issuer::Mill.jwk(None)})), "not of its algorithm"),
        ("a private key", lab(json!({ "key": private })), "private key"),
        (
            "keys without names",
            lab(json!({"key": null, "keys": [Issuer::Lab.jwk(None), Issuer::Lab.jwk(None)]})),
            "told apart",
        ),
        ("a URL without TLS", lab(json!({"key": null, "jwks_url": "http://id.example/keys"})), "https://"),
        ("a URL with a user in it", lab(json!({"key": null, "jwks_url": "https://a:b@id.example/keys"})), "https://"),
        ("none", lab(json!({"algorithm": "none"})), "algorithm"),
        ("an algorithm that is not served", lab(json!({"algorithm": "RS512"})), "algorithm"),
        (
            "a short secret",
            json!([Issuer::Corp.entry(&json!({"plan": PLAN, "key": null, "secret": "hunter2hunter2"}))]),
            "32 bytes",
        ),
        ("no plan", lab(json!({"plan": null})), "`plan`"),
        ("an unknown plan", lab(json!({"plan": "nosuch"})), "nosuch"),
        ("a member that is misspelt", lab(json!({"audiance": "x"})), "not a list of issuers"),
        ("scopes that are none", lab(json!({"scope_claim": "s", "scopes": {"a": "admin"}})), "not a list of issuers"),
        ("a huge leeway", lab(json!({"leeway_s": 301})), "leeway_s"),
        ("our own name", lab(json!({"name": "sluice"})), "sluice"),
        ("our own issuer", lab(json!({"issuer": "sluice"})), "issuer"),
    ];
    for (what, setting, told) in wrong {
        let stack = Stack::new().setting("JWT_ISSUERS", setting.to_string()).start();
        stack.edge.get("/v1/models", Some("x")).refused(Reason::Misconfigured);
        until_true(what, harness::wait::SOON, || stack.edge_log().contains("JWT_ISSUERS"));
        let log = stack.edge_log();
        assert!(log.contains(told), "{what}: {told}: {log}");
        assert!(!log.contains("hunter2") && secrets().iter().all(|secret| !log.contains(secret)), "{what}");
    }
}

pub(crate) fn by_url(issuer: Issuer, server: &KeyServer) -> Value {
    issuer.entry(&json!({"plan": PLAN, "key": null, "jwks_url": format!("{}/keys", server.url())}))
}

pub(crate) fn named(issuer: Issuer, kid: &str, subject: &str) -> String {
    issuer.sign_under(&json!({"alg": issuer.algorithm(), "kid": kid}), &issuer.claims(subject))
}

#[test]
fn keys_behind_a_url_are_fetched_once_for_all_that_wait() {
    for issuer in [Issuer::Lab, Issuer::Mill, Issuer::Port] {
        // Other keys of the issuer's, and what does not belong there, are left alone.
        let others = [
            Issuer::Corp.jwk(Some("c")),
            json!({"kty": "EC", "crv": "P-384", "kid": "e"}),
            json!(7),
            json!({"kid": "x"}),
        ];
        let mut keys = Vec::from(others);
        keys.push(issuer.jwk(Some(KID)));
        let server = KeyServer::start(&keys);
        let stack = stack(&[by_url(issuer, &server)]).start();
        let callers: Vec<_> = (0..16)
            .map(|number| {
                let (edge, token) = (stack.edge.clone(), named(issuer, KID, &format!("s{number}")));
                std::thread::spawn(move || edge.get("/v1/key", Some(&token)).status)
            })
            .collect();
        assert!(callers.into_iter().all(|caller| caller.join().expect("it asked") == 200), "{issuer:?}");
        assert_eq!(server.received().len(), 1, "{issuer:?}");
        let asked = &server.received()[0];
        assert!(asked.line.starts_with("GET /keys ") && asked.header("authorization").is_none(), "{asked:?}");
    }
}

#[test]
fn made_up_key_names_do_not_make_the_edge_ask_at_will() {
    let server = KeyServer::start(&[Issuer::Lab.jwk(Some(KID))]);
    let stack = stack(&[by_url(Issuer::Lab, &server)]).start();
    ask(&stack, &named(Issuer::Lab, KID, "ann")).ok();
    let before = stack.edge.list().storage.calls;
    for number in 0..300 {
        ask(&stack, &named(Issuer::Lab, &format!("made-up-{number}"), "ann")).refused(Reason::InvalidKey);
    }
    assert!(stack.edge.list().storage.calls - before <= 5, "only plans are asked for");
    assert_eq!(server.received().len(), 1, "the last fetch was a moment ago");
    ask(&stack, &named(Issuer::Lab, KID, "ann")).ok();
    // A secret that somebody publishes by mistake, or a key of ours in its place, opens nothing.
    let confused = Issuer::Corp.sign_under(&json!({"alg": "HS256", "kid": KID}), &Issuer::Lab.claims("eve"));
    ask(&stack, &confused).refused(Reason::InvalidKey);
}

#[test]
fn keys_that_cannot_be_had_are_our_failure_and_are_asked_for_again() {
    let server = KeyServer::start(&[]);
    let stack = stack(&[by_url(Issuer::Lab, &server)]).start();
    let token = named(Issuer::Lab, KID, "ann");
    let answers: [(&'static str, String); 5] = [
        ("500 Oops", String::new()), // not a status: what a key server says
        ("302 Found\r\nlocation: /elsewhere", json!({"keys": [Issuer::Lab.jwk(Some(KID))]}).to_string()),
        ("200 OK", "{".into()),
        ("200 OK", format!("{{\"keys\":[{}],\"x\":\"{}\"}}", Issuer::Lab.jwk(Some(KID)), "x".repeat(70_000))),
        ("200 OK", json!({"keys": [Issuer::Corp.jwk(Some(KID))]}).to_string()),
    ];
    let (status, body) = answers[0].clone();
    server.answer_with(status, body);
    ask(&stack, &token).refused(Reason::IssuerUnavailable);
    ask(&stack, &token).refused(Reason::IssuerUnavailable);
    assert_eq!(server.received().len(), 1, "not again at once");
    drop(stack);
    for (status, body) in answers {
        server.answer_with(status, body);
        let stack = self::stack(&[by_url(Issuer::Lab, &server)]).start();
        ask(&stack, &token).refused(Reason::IssuerUnavailable);
        stack.check_logs(&[]);
    }
    let stack = self::stack(&[by_url(Issuer::Lab, &server)]).start();
    ask(&stack, &token).refused(Reason::IssuerUnavailable);
    server.publish(&[Issuer::Lab.jwk(Some(KID))]);
    until_true("it is asked again", Duration::from_secs(10), || ask(&stack, &token).status == 200);
}
