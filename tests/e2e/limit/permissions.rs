//! What a key may be used for: routes, models, addresses. Decided at its Gate, for its next request.

use harness::caller::Whole;
use harness::caller::{MODEL, hello};
use harness::{Answer, PLAN, RunningStack, Stack, secrets};
use serde_json::{Value, json};
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::auth::permission::Scope;
use sluice_protocol::refusal::Reason;

fn issue(stack: &RunningStack, bounds: &Value) -> CreatedKey {
    let mut asked = json!({"plan": PLAN});
    for (name, value) in bounds.as_object().expect("an object") {
        asked[name] = value.clone();
    }
    stack.edge.issue(&asked)
}

fn completion(stack: &RunningStack, key: &CreatedKey) -> Answer {
    let body = json!({"model": MODEL, "prompt": "x", "max_tokens": 4});
    stack.edge.send(|http, base| http.post(format!("{base}/v1/completions")).bearer_auth(&key.key).json(&body))
}

fn models(stack: &RunningStack, key: &CreatedKey) -> Answer {
    stack.edge.get("/v1/models", Some(&key.key))
}

fn chat_from(stack: &RunningStack, key: &CreatedKey, headers: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {}", key.key);
    let headers: Vec<_> = [("authorization", bearer.as_str())].into_iter().chain(headers.iter().copied()).collect();
    stack.edge.chat_as(&headers, &hello(4))
}

/// A request to each route, with the scope that it needs.
fn at_each_route(stack: &RunningStack, credential: &str) -> Vec<(&'static str, Option<Scope>, Answer)> {
    let text = json!({"model": MODEL, "prompt": "x", "max_tokens": 4});
    let post = |path: &str, body: &Value| {
        stack.edge.send(|http, base| http.post(format!("{base}{path}")).bearer_auth(credential).json(body))
    };
    vec![
        ("chat", Some(Scope::Chat), stack.edge.chat(Some(credential), &hello(4))),
        ("completions", Some(Scope::Completions), post("/v1/completions", &text)),
        ("models", Some(Scope::Models), stack.edge.get("/v1/models", Some(credential))),
        ("a token", Some(Scope::Tokens), post("/v1/auth/token", &json!({}))),
        // Everybody may look at itself.
        ("key", None, stack.edge.get("/v1/key", Some(credential))),
    ]
}

fn check_routes(stack: &RunningStack, credential: &str, scopes: &[Scope]) {
    for (route, needed, answer) in at_each_route(stack, credential) {
        if needed.is_none_or(|needed| scopes.contains(&needed)) {
            answer.ok();
        } else {
            assert!(answer.refused(Reason::NotAllowed).text().contains("scope"), "{route} with {scopes:?}");
        }
    }
}

/// Every route and every scope, of keys and of the tokens that are made for them.
#[test]
fn each_scope_opens_its_own_route_and_no_other() {
    let stack = Stack::new().setting("TOKEN_KEYS", secrets::token_keys()).start();
    stack.script().allow_all();
    for scope in Scope::ALL {
        let key = issue(&stack, &json!({"scopes": [scope]}));
        check_routes(&stack, &key.key, &[scope]);
        // A token of an unbound key, for this scope alone.
        let token = |credential: &str, asked: &Value| {
            stack.edge.send(|http, base| http.post(format!("{base}/v1/auth/token")).bearer_auth(credential).json(asked))
        };
        let made = token(&stack.key().key, &json!({"scopes": [scope]})).ok().json();
        assert_eq!(made["scope"], scope.name());
        check_routes(&stack, made["access_token"].as_str().expect("a token"), &[scope]);
        // A key that may make tokens, and this: the answer names both, and a renewed token has no more.
        let both: Vec<Scope> = Scope::ALL.into_iter().filter(|one| [scope, Scope::Tokens].contains(one)).collect();
        let key = issue(&stack, &json!({"scopes": both}));
        let mut credential = key.key.clone();
        for _ in 0..2 {
            let made = token(&credential, &json!({})).ok().json();
            assert_eq!(made["scope"], both.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" "));
            credential = made["access_token"].as_str().expect("a token").to_owned();
            check_routes(&stack, &credential, &both);
        }
        for more in Scope::ALL.into_iter().filter(|more| !both.contains(more)) {
            token(&key.key, &json!({"scopes": [more]})).refused(Reason::NotAllowed);
        }
        // A key that may no longer make tokens: none that it has made renews itself.
        stack.edge.admin("PATCH", &format!("/keys/{}", key.id), Some(&json!({"scopes": ["chat"]}))).ok();
        token(&credential, &json!({})).refused(Reason::NotAllowed);
    }
}

#[test]
fn scopes_open_routes_one_by_one() {
    let stack = Stack::new().limit("9 per 1h").start();
    stack.script().allow_all();
    for (scope, allowed) in
        [("chat", [true, false, false]), ("completions", [false, true, false]), ("models", [false, false, true])]
    {
        let key = issue(&stack, &json!({"scopes": [scope]}));
        let answers = [stack.edge.chat(Some(&key.key), &hello(4)), completion(&stack, &key), models(&stack, &key)];
        for (answer, allowed) in answers.into_iter().zip(allowed) {
            if allowed {
                answer.ok();
            } else {
                assert!(answer.refused(Reason::NotAllowed).text().contains("scope"));
            }
        }
        // Everybody may look at itself; what is denied is not counted.
        assert_eq!(stack.edge.own(&key.key).limits[0].used.whole(), u32::from(scope != "models"));
    }
    let all = issue(&stack, &json!({}));
    stack.edge.chat(Some(&all.key), &hello(4)).ok();
    let path = format!("/keys/{}", all.id);
    stack.edge.admin("PATCH", &path, Some(&json!({"scopes": ["tokens", "images"]}))).ok();
    stack.edge.chat(Some(&all.key), &hello(4)).refused(Reason::NotAllowed);
    stack.edge.admin("PATCH", &path, Some(&json!({"scopes": null}))).ok();
    stack.edge.chat(Some(&all.key), &hello(4)).ok();
}

#[test]
fn models_are_those_of_the_plan_and_of_the_key() {
    let stack = Stack::new().plan("models", json!([MODEL, "big-*"])).start();
    stack.script().allow_all();
    let chat = |key: &CreatedKey| stack.edge.chat(Some(&key.key), &hello(4));
    let listed = |key: &CreatedKey| models(&stack, key).ok().json()["data"].as_array().map_or(0, Vec::len);
    let key = issue(&stack, &json!({"models": ["tin*", "big-1"]}));
    chat(&key).ok();
    assert_eq!(listed(&key), 1);
    let other = issue(&stack, &json!({"models": ["big-1"]}));
    assert_eq!(chat(&other).refused(Reason::NotAllowed).json()["error"]["param"], "model");
    assert_eq!(listed(&other), 0, "what cannot be used is not listed");
    let path = format!("/keys/{}", other.id);
    stack.edge.admin("PATCH", &path, Some(&json!({"models": null}))).ok();
    chat(&other).ok();
    assert_eq!(listed(&other), 1);
}

#[test]
fn addresses_are_cloudflares_word_and_no_header_of_the_callers() {
    let stack = Stack::new().start();
    stack.script().allow_all();
    let key = issue(&stack, &json!({"addresses": ["203.0.113.0/24", "2001:db8:7::/48"]}));
    let from = |address: &str| chat_from(&stack, &key, &[("cf-connecting-ip", address)]);
    for inside in ["203.0.113.0", "203.0.113.255", "::ffff:203.0.113.9", "2001:db8:7::1", "2001:DB8:7:ffff::"] {
        from(inside).ok();
    }
    for outside in [
        "203.0.114.0",
        "203.0.112.255",
        "2001:db8:8::",
        "2001:db8:6:ffff::1",
        "::203.0.113.9",
        "x",
        "",
        "203.0.113.9, 203.0.113.9",
    ] {
        from(outside).refused(Reason::NotAllowed);
    }
    let inside = "203.0.113.9";
    for header in ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ipv6", "x-client-ip"] {
        chat_from(&stack, &key, &[(header, inside)]).refused(Reason::NotAllowed);
        chat_from(&stack, &key, &[(header, inside), ("cf-connecting-ip", "198.51.100.1")]).refused(Reason::NotAllowed);
    }
    // On every route, also on those that need no scope.
    stack.edge.get("/v1/key", Some(&key.key)).refused(Reason::NotAllowed);
    models(&stack, &key).refused(Reason::NotAllowed);
    stack.edge.admin("PATCH", &format!("/keys/{}", key.id), Some(&json!({"addresses": []}))).ok();
    from("198.51.100.1").ok();
}

#[test]
fn a_key_ends_when_it_is_to_end() {
    let stack = Stack::new().start();
    stack.script().allow_all();
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        u64::try_from(since.as_millis()).expect("before the sun goes out")
    };
    let key = issue(&stack, &json!({"expires_at": now() + 1_500}));
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    let chat = || stack.edge.chat(Some(&key.key), &hello(4));
    harness::wait::until_true("it ends", harness::wait::SOON, || chat().status != 200);
    assert!(Some(now()) > key.expires_at);
    chat().refused(Reason::InvalidKey);
    let path = format!("/keys/{}", key.id);
    stack.edge.admin("PATCH", &path, Some(&json!({"expires_at": now() - 1}))).refused(Reason::InvalidRequest);
    stack.edge.admin("PATCH", &path, Some(&json!({"expires_at": null}))).ok();
    chat().ok();
}

/// A key that its Gate denies is not let through by the bucket that stands in for it.
#[test]
fn bounds_hold_while_the_gate_cannot_be_reached() {
    use harness::edge::between::{Fate, To};
    let bucket = json!({"capacity": 9, "refill": 1, "every": "1h"});
    let stack = Stack::new().plan("without_gate", bucket).with_between().start();
    stack.script().allow_all();
    let key = issue(&stack, &json!({"models": [MODEL], "scopes": ["chat"], "addresses": ["203.0.113.9"]}));
    let here = [("cf-connecting-ip", "203.0.113.9")];
    chat_from(&stack, &key, &here).ok();
    stack.between().decide(|message| if message.to == To::Gate { Fate::Unreachable } else { Fate::Pass });
    chat_from(&stack, &key, &here).ok();
    chat_from(&stack, &key, &[("cf-connecting-ip", "203.0.113.10")]).refused(Reason::NotAllowed);
    completion(&stack, &key).refused(Reason::NotAllowed);
}
