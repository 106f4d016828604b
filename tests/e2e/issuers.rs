//! Tokens of issuers: which are taken (RFC 8725 as a table), what their claims mean, where their keys come from, and how they
//! are refused before their time.

use harness::caller::{Caller, hello};
use harness::issuers::{Issuer, KID, KeyServer, secrets};
use harness::wait::until_true;
use harness::{PLAN, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::principal::Account;
use sluice_protocol::refusal::Reason;
use std::time::Duration;

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

/// A stack that takes tokens of these issuers.
fn stack(entries: &[Value]) -> Stack {
    Stack::new().setting("JWT_ISSUERS", Value::from(entries.to_vec()).to_string())
}

fn all_issuers() -> Vec<Value> {
    Issuer::ALL.map(|issuer| issuer.entry(&json!({"plan": PLAN, "key": issuer.jwk(Some(KID))}))).into()
}

fn ask(stack: &RunningStack, token: &str) -> harness::Answer {
    stack.edge.get("/v1/key", Some(token))
}

/// The claims with one of them changed, or taken out where the value is null.
fn with(issuer: Issuer, claim: &str, value: Value) -> Value {
    let mut claims = issuer.claims("eve");
    claims[claim] = value;
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims
}

/// Everything that RFC 8725 and practice warn of, for each algorithm. The first word says what it is.
fn bad_tokens(issuer: Issuer) -> Vec<(&'static str, String)> {
    let claim = |name: &str, value: Value| issuer.sign(&with(issuer, name, value));
    let head = |more: Value| {
        let mut header = json!({"alg": issuer.algorithm(), "typ": "JWT", "kid": KID});
        for (name, value) in more.as_object().expect("members") {
            header[name] = value.clone();
        }
        issuer.sign_under(&header, &issuer.claims("eve"))
    };
    let other = Issuer::ALL.into_iter().find(|other| *other != issuer).expect("there are four");
    let own_jwk = other.jwk(Some("mine"));
    let good = issuer.token("eve");
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let text = |claims: &str| issuer.sign_text(&json!({"alg": issuer.algorithm()}).to_string(), claims);
    let claims = issuer.claims("eve").to_string();
    let open = &claims[..claims.len() - 1];
    let mut bad = vec![
        ("no signature, alg none", issuer.unsigned(&issuer.claims("eve"))),
        ("no signature at all", format!("{signed}.")),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{good}.x")),
        ("five parts, as an encrypted token has", format!("{good}.x.y")),
        ("alg None in capitals", head(json!({"alg": "None"}))),
        ("alg of another family", head(json!({"alg": other.algorithm()}))),
        ("alg of the same family", head(json!({"alg": "HS512"}))),
        ("alg in lower case", head(json!({"alg": issuer.algorithm().to_lowercase()}))),
        ("alg that is a list", head(json!({"alg": [issuer.algorithm()]}))),
        ("signature of another issuer", other.sign(&issuer.claims("eve"))),
        ("signature with a letter more", format!("{good}A")),
        ("signature with padding", format!("{good}=")),
        ("signature cut short", good[..good.len() - 4].to_owned()),
        ("signature of zeros", format!("{signed}.{}", "A".repeat(signature.len()))),
        ("claims of another token", {
            let other_claims = issuer.token("ann");
            let part = other_claims.split('.').nth(1).expect("three parts");
            format!("{}.{part}.{signature}", good.split('.').next().expect("three parts"))
        }),
        ("jwk of its own", head(json!({"jwk": own_jwk}))),
        ("jku of its own", head(json!({"jku": "https://evil.test/keys.json"}))),
        ("x5u of its own", head(json!({"x5u": "https://evil.test/cert.pem"}))),
        ("x5c of its own", head(json!({"x5c": ["AAAA"]}))),
        ("crit extension", head(json!({"crit": ["exp"]}))),
        ("b64 that is off", head(json!({"b64": false}))),
        ("zip", head(json!({"zip": "DEF"}))),
        ("typ of another kind", head(json!({"typ": "logout+jwt"}))),
        ("typ that is a number", head(json!({"typ": 1}))),
        ("kid that is a path", head(json!({"kid": "../../../../dev/null"}))),
        ("kid that is a URL", head(json!({"kid": "https://evil.test/key"}))),
        ("kid that is SQL", head(json!({"kid": "x' UNION SELECT 'key"}))),
        ("kid that is empty", head(json!({"kid": ""}))),
        ("kid that is huge", head(json!({"kid": "k".repeat(300)}))),
        ("kid that is a list", head(json!({"kid": [KID]}))),
        ("kid of another case", head(json!({"kid": KID.to_uppercase()}))),
        (
            "header with a member twice",
            issuer.sign_text(&format!("{{\"alg\":\"none\",\"alg\":\"{}\"}}", issuer.algorithm()), &claims),
        ),
        ("header that is a list", issuer.sign_text("[]", &claims)),
        ("claims with a member twice", text(&format!("{open},\"sub\":\"root\"}}"))),
        ("claims with a member twice, escaped", text(&format!("{open},\"s\\u0075b\":\"root\"}}"))),
        ("claims that are a list", text("[]")),
        ("claims that are text", text("\"iss\"")),
        ("claims with something behind", text(&format!("{claims}{{}}"))),
        ("iss missing", claim("iss", json!(null))),
        ("iss of nobody", claim("iss", json!("https://nobody.test"))),
        ("iss with a slash more", claim("iss", json!(format!("{}/", issuer.iss())))),
        ("iss that is a list", claim("iss", json!([issuer.iss()]))),
        ("iss of our own tokens", claim("iss", json!("sluice"))),
        ("aud missing", claim("aud", json!(null))),
        ("aud of another", claim("aud", json!("other"))),
        ("aud of others", claim("aud", json!(["other", "another"]))),
        ("aud with a number in it", claim("aud", json!(["sluice-e2e", 1]))),
        ("aud that is empty", claim("aud", json!([]))),
        ("aud that is an object", claim("aud", json!({"sluice-e2e": true}))),
        ("sub missing", claim("sub", json!(null))),
        ("sub that is empty", claim("sub", json!(""))),
        ("sub that is a number", claim("sub", json!(7))),
        ("sub that is huge", claim("sub", json!("s".repeat(300)))),
        ("exp missing", claim("exp", json!(null))),
        ("exp a second and the leeway ago", claim("exp", json!(now() - LEEWAY - 1))),
        ("exp long ago", claim("exp", json!(1))),
        ("exp that is text", claim("exp", json!((now() + 60).to_string()))),
        ("exp that is negative", claim("exp", json!(-1))),
        ("exp beyond all calendars", claim("exp", json!(1e300))),
        ("exp in milliseconds", claim("exp", json!(now() * 1_000))),
        ("exp in a year", claim("exp", json!(now() + 366 * 86_400))),
        ("nbf beyond the leeway", claim("nbf", json!(now() + LEEWAY + 20))),
        ("nbf that is text", claim("nbf", json!("now"))),
        ("iat in the far future", claim("iat", json!(now() + 3_600))),
        ("iat that is true", claim("iat", json!(true))),
        ("jti that is a number", claim("jti", json!(7))),
        ("jti that is huge", claim("jti", json!("j".repeat(300)))),
        ("huge", claim("padding", json!("x".repeat(9_000)))),
        ("deep", text(&format!("{open},\"x\":{}1{}}}", "[".repeat(500), "]".repeat(500)))),
        ("not UTF-8", "\u{fffd}.\u{fffd}.\u{fffd}".into()),
        ("dots", "..".into()),
        ("spaces inside", good.replace('.', " .")),
    ];
    bad.extend(
        issuer
            .signed_with_public_key(&issuer.claims("eve"))
            .into_iter()
            .map(|token| ("HS256 with the public key", token)),
    );
    bad
}

const LEEWAY: u64 = 10;

#[test]
fn whatever_a_token_must_not_be_is_refused_without_a_storage_operation() {
    let stack = stack(&all_issuers()).setting("TOKEN_KEYS", harness::secrets::token_keys()).start();
    let watched = stack.key();
    let (_, before) = (stack.edge.list(), stack.edge.list().storage);
    let gate_before = stack.edge.view(watched.id).storage;
    let mut tokens = Vec::new();
    for issuer in Issuer::ALL {
        for (what, token) in bad_tokens(issuer) {
            // What is not a header's value never arrives.
            if token.is_ascii() {
                let answer = ask(&stack, &token);
                assert_eq!(answer.status, 401, "{issuer:?}, {what}: {}", answer.text());
                answer.refused(Reason::InvalidKey);
                tokens.push(token);
            }
        }
    }
    let (after, gate_after) = (stack.edge.list().storage, stack.edge.view(watched.id).storage);
    // Only plans are asked for, every few seconds; and the admin looks once.
    let others = after.calls - before.calls - 1;
    assert!(others <= 4, "{others} messages to the Registry for {} tokens", tokens.len());
    assert_eq!(after.rows_written, before.rows_written);
    assert_eq!(gate_after.calls, gate_before.calls + 1);
    let hidden: Vec<_> = tokens.iter().filter(|token| token.len() > 8).map(String::as_str).collect();
    stack.check_logs(&hidden);
}

#[test]
fn good_tokens_of_every_algorithm_and_kind_of_key_are_taken() {
    for entry in [
        |issuer: Issuer| issuer.entry(&json!({"plan": PLAN})),
        |issuer: Issuer| {
            issuer.entry(
                &json!({"plan": PLAN, "key": null, "keys": [issuer.jwk(Some("other-name")), issuer.jwk(Some(KID))]}),
            )
        },
        |issuer: Issuer| match issuer {
            Issuer::Corp => issuer.entry(&json!({"plan": PLAN})),
            _ => issuer.entry(&json!({"plan": PLAN, "key": null, "pem": issuer.pem()})),
        },
    ] {
        let stack = stack(&Issuer::ALL.map(entry)).start();
        for issuer in Issuer::ALL {
            let head = |more: Value| {
                let mut header = json!({"alg": issuer.algorithm(), "kid": KID});
                header.as_object_mut().expect("an object").extend(more.as_object().expect("members").clone());
                issuer.sign_under(&header, &issuer.claims("eve"))
            };
            let mut claims = issuer.claims("eve");
            claims["aud"] = json!(["other", "sluice-e2e"]);
            claims["exp"] = json!(now() as f64 + 60.5);
            claims["iat"] = json!(now() + LEEWAY - 2);
            claims["nbf"] = json!(now() + LEEWAY - 2);
            let good = [
                ("plain", head(json!({}))),
                ("an access token", head(json!({"typ": "at+JWT"}))),
                ("a type in full", head(json!({"typ": "application/jwt"}))),
                ("the name of a certificate", head(json!({"x5t": "AAAA"}))),
                (
                    "several audiences, clocks that differ",
                    issuer.sign_under(&json!({"alg": issuer.algorithm(), "kid": KID}), &claims),
                ),
                (
                    "expired within the leeway",
                    issuer.sign_under(
                        &json!({"alg": issuer.algorithm(), "kid": KID}),
                        &with(issuer, "exp", json!(now() - LEEWAY + 3)),
                    ),
                ),
            ];
            for (what, token) in good {
                let answer = ask(&stack, &token);
                assert_eq!(answer.status, 200, "{issuer:?}, {what}: {}", answer.text());
                assert_eq!(answer.json()["id"], Account::of_token(issuer.name(), "eve").name());
            }
        }
    }
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
    assert_eq!((&own["plan"], &own["id"]), (&json!("gold"), &json!(Account::of_token("lab", "acme").name())));
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

fn by_url(issuer: Issuer, server: &KeyServer) -> Value {
    issuer.entry(&json!({"plan": PLAN, "key": null, "jwks_url": format!("{}/keys", server.url())}))
}

fn named(issuer: Issuer, kid: &str, subject: &str) -> String {
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

/// Denies, and says what the list has of it.
fn deny(edge: &Caller, body: &Value) -> Value {
    let answer = edge.admin("POST", "/denials", Some(body));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

#[test]
fn denials_hold_at_once_and_everywhere_within_seconds() {
    let stack = stack(&all_issuers()).with_twin().start();
    let id = |subject: &str, id: &str| {
        let mut claims = Issuer::Lab.claims(subject);
        claims["jti"] = id.into();
        Issuer::Lab.sign(&claims)
    };
    let (one, two, other) = (id("ann", "1"), id("ann", "2"), id("bob", "3"));
    let twin = stack.twin();
    for token in [&one, &two, &other] {
        ask(&stack, token).ok();
        twin.get("/v1/key", Some(token)).ok();
    }
    let denied = deny(&stack.edge, &json!({"issuer": "lab", "jti": "1", "ttl_s": 3_600}));
    assert!(ask(&stack, &one).refused(Reason::InvalidKey).text().contains("revoked"));
    ask(&stack, &two).ok();
    until_true("the other isolate learns it", Duration::from_secs(6), || twin.get("/v1/key", Some(&one)).status == 401);
    twin.get("/v1/key", Some(&two)).ok();
    let subject = deny(&stack.edge, &json!({"issuer": "lab", "sub": "ann"}));
    ask(&stack, &two).refused(Reason::InvalidKey);
    ask(&stack, &other).ok();
    // The same name at another issuer is somebody else.
    ask(&stack, &Issuer::Corp.token("ann")).ok();
    let listed = stack.edge.admin("GET", "/denials", None).ok().json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2), "{listed}");
    assert!(listed["data"].as_array().is_some_and(|all| all.contains(&subject) && all.contains(&denied)), "{listed}");
    stack.edge.admin("DELETE", &format!("/denials/{}", subject["id"].as_str().expect("an id")), None).ok();
    ask(&stack, &two).ok();
    ask(&stack, &one).refused(Reason::InvalidKey);
    stack
        .edge
        .admin("DELETE", &format!("/denials/{}", subject["id"].as_str().expect("an id")), None)
        .refused(Reason::KeyNotFound);
    // One that is for a second ends by itself.
    deny(&stack.edge, &json!({"issuer": "lab", "jti": "3", "ttl_s": 1}));
    ask(&stack, &other).refused(Reason::InvalidKey);
    until_true("it ends", Duration::from_secs(5), || ask(&stack, &other).status == 200);
    let log = stack.edge.admin("GET", "/audit", None).ok();
    let actions: Vec<_> =
        log.json()["data"].as_array().expect("entries").iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["denial.create", "denial.create", "denial.delete", "denial.create"]);
    assert!(!log.text().contains("ann"), "who was denied is in the list, and not in the log");
    for bad in [
        json!({"issuer": "lab"}),
        json!({"issuer": "lab", "sub": "a", "jti": "b"}),
        json!({"issuer": "nobody", "sub": "a"}),
        json!({"issuer": "lab", "sub": ""}),
        json!({"issuer": "lab", "sub": "s".repeat(257)}),
        json!({"issuer": "lab", "sub": "a", "ttl_s": 0}),
        json!({"issuer": "lab", "sub": "a", "ttl_s": -1}),
        json!({"issuer": "lab", "sub": "a", "ttl_s": 1e30}),
        json!({"issuer": "lab", "sub": "a", "more": 1}),
        json!([]),
    ] {
        stack.edge.admin("POST", "/denials", Some(&bad)).refused(Reason::InvalidRequest);
    }
    for bad in ["", "x", "../keys", &"0".repeat(32)] {
        stack.edge.admin("DELETE", &format!("/denials/{bad}"), None);
    }
}

#[test]
fn admins_come_through_cloudflare_access_by_their_address() {
    let server = KeyServer::start(&[Issuer::Mill.jwk(Some(KID))]);
    let setting = json!({"team": server.url(), "audience": "admin-app", "admins": {"Ann@Example.com": "read", "bob@example.com": "keys"}});
    let stack = Stack::new().setting("ADMIN_ACCESS", setting.to_string()).start();
    let assertion = |email: Value, change: Value| {
        let mut claims = json!({"iss": server.url(), "aud": ["admin-app"], "sub": "uuid", "email": email, "exp": now() + 3_600, "iat": now()});
        claims.as_object_mut().expect("an object").extend(change.as_object().expect("members").clone());
        Issuer::Mill.sign_under(&json!({"alg": "RS256", "kid": KID}), &claims)
    };
    let ask = |method: &str, path: &str, assertion: &str| {
        let method = reqwest_method(method);
        stack.edge.send(|http, base| {
            http.request(method, format!("{base}/admin/v1{path}")).header("cf-access-jwt-assertion", assertion)
        })
    };
    ask("GET", "/keys", &assertion(json!("ann@example.com"), json!({}))).ok();
    assert_eq!(server.received()[0].line, "GET /cdn-cgi/access/certs HTTP/1.1");
    ask("POST", "/keys", &assertion(json!("ANN@example.com"), json!({}))).refused(Reason::NotAllowed);
    let denied = ask("DELETE", "/keys/key_000000000000000000000000", &assertion(json!("bob@example.com"), json!({})));
    denied.refused(Reason::KeyNotFound);
    let good = assertion(json!("ann@example.com"), json!({}));
    for (what, bad) in [
        ("nobody's address", assertion(json!("eve@example.com"), json!({}))),
        ("no address", assertion(json!(null), json!({}))),
        ("another application", assertion(json!("ann@example.com"), json!({"aud": ["other"]}))),
        ("another team", assertion(json!("ann@example.com"), json!({"iss": "https://other.cloudflareaccess.com"}))),
        ("expired", assertion(json!("ann@example.com"), json!({"exp": now() - 60}))),
        ("cut short", good[..good.len() - 8].to_owned()),
        ("an admin token", harness::secrets::ADMIN_TOKEN.to_owned()),
    ] {
        let answer = ask("GET", "/keys", &bad);
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        answer.refused(Reason::InvalidAdminToken);
    }
    let log = stack.edge.admin("GET", "/audit", None).ok().json();
    let failed =
        log["data"].as_array().expect("entries").iter().filter(|entry| entry["action"] == "admin.login_failed").count();
    assert_eq!(failed, 7);
    // Who has both is the holder of the token.
    stack
        .edge
        .send(|http, base| {
            let request = http.get(format!("{base}/admin/v1/keys")).bearer_auth("wrong");
            request.header("cf-access-jwt-assertion", good.as_str())
        })
        .refused(Reason::InvalidAdminToken);
    stack.check_logs(&[&good]);
}

fn reqwest_method(name: &str) -> reqwest::Method {
    reqwest::Method::from_bytes(name.as_bytes()).expect("a method's name")
}
