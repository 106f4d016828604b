//! Short tokens: a part of what a key may do, for a while, and no longer than the key.

use harness::caller::Whole;
use harness::caller::hello;
use harness::wait::until_true;
use harness::{Answer, PLAN, RunningStack, Stack, secrets};
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};
use sluice_protocol::auth::token::{BURST, EVERY_MS};
use sluice_protocol::id::AccountId;
use sluice_protocol::refusal::Reason;
use std::time::Duration;

fn stack() -> Stack {
    Stack::new().limit("3 per 1h").setting("TOKEN_KEYS", secrets::token_keys())
}

fn ask_for(stack: &RunningStack, credential: &str, asked: &Value) -> Answer {
    stack
        .edge
        .send(|http, base| http.post(format!("{base}/v1/auth/token")).bearer_auth(credential).json(asked))
        .from_edge()
}

/// A new token.
fn token(stack: &RunningStack, credential: &str, asked: &Value) -> String {
    let answer = ask_for(stack, credential, asked).ok();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.json()["token_type"], "Bearer");
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

fn chat(stack: &RunningStack, credential: &str) -> Answer {
    stack.edge.chat(Some(credential), &hello(4))
}

#[test]
fn a_token_shares_its_keys_limits_and_ends_with_it() {
    let stack = stack().start();
    stack.script().allow_all();
    let key = stack.key();
    let short = token(&stack, &key.key, &json!({}));
    chat(&stack, &key.key).ok();
    chat(&stack, &short).ok();
    let own = stack.edge.own(&short);
    assert_eq!((own.id, own.limits[0].used.whole()), (key.id.to_string(), 2));
    // It renews itself.
    let renewed = token(&stack, &short, &json!({"ttl_s": 7_200}));
    chat(&stack, &renewed).ok();
    chat(&stack, &short).refused(Reason::RateLimited);
    stack.edge.admin("PATCH", &format!("/keys/{}", key.id), Some(&json!({"disabled": true}))).ok();
    for credential in [&short, &renewed, &key.key] {
        chat(&stack, credential).refused(Reason::Disabled);
        ask_for(&stack, credential, &json!({})).refused(Reason::Disabled);
    }
    stack.edge.admin("PATCH", &format!("/keys/{}", key.id), Some(&json!({"disabled": false}))).ok();
    chat(&stack, &short).refused(Reason::RateLimited);
    stack.edge.revoke(key.id);
    for credential in [&short, &renewed] {
        chat(&stack, credential).refused(Reason::InvalidKey);
        ask_for(&stack, credential, &json!({})).refused(Reason::InvalidKey);
        stack.edge.get("/v1/key", Some(credential)).refused(Reason::InvalidKey);
    }
    stack.check_logs(&[&key.key, &short, &renewed]);
}

#[test]
fn a_token_may_do_what_it_was_asked_for_and_no_more() {
    let stack = stack().start();
    stack.script().allow_all();
    let key = stack.key().key;
    let narrow =
        token(&stack, &key, &json!({"scopes": ["models", "tokens"], "models": ["tiny", "big-*"], "ttl_s": 60}));
    let listed = |token: &str| stack.edge.get("/v1/models", Some(token)).ok().json()["data"].as_array().map(Vec::len);
    let others = token(&stack, &key, &json!({"scopes": ["models"], "models": ["big-*"]}));
    assert_eq!((listed(&narrow), listed(&others), listed(&key)), (Some(1), Some(0), Some(1)));
    assert!(chat(&stack, &narrow).refused(Reason::NotAllowed).text().contains("`chat`"));
    let chatty = token(&stack, &key, &json!({"scopes": ["chat"], "models": ["big-*"]}));
    assert!(chat(&stack, &chatty).refused(Reason::NotAllowed).text().contains("model"));
    stack.edge.get("/v1/models", Some(&chatty)).refused(Reason::NotAllowed);
    ask_for(&stack, &chatty, &json!({})).refused(Reason::NotAllowed);
    // A part of a part.
    token(&stack, &narrow, &json!({"scopes": ["models"], "models": ["big-1"]}));
    for more in [
        json!({"scopes": ["models", "chat"]}),
        json!({"models": ["tiny", "small"]}),
        json!({"models": ["big*"]}),
        json!({"models": ["*"]}),
    ] {
        let answer = ask_for(&stack, &narrow, &more);
        assert_eq!(answer.status, 403, "{more}: {}", answer.text());
        answer.refused(Reason::NotAllowed);
    }
    for bad in [
        json!({"ttl_s": 0}),
        json!({"ttl_s": 7_201}),
        json!({"ttl_s": -1}),
        json!({"ttl_s": 1.5}),
        json!({"ttl_s": "60"}),
        json!({"scopes": ["admin"]}),
        json!({"scopes": ["Chat"]}),
        json!({"scopes": "chat"}),
        json!({"models": [""]}),
        json!({"models": vec!["m"; 65]}),
        json!({"expires_in": 60}),
        json!([]),
    ] {
        let answer = ask_for(&stack, &key, &bad);
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text()); // not a status: what is expected
        answer.refused(Reason::InvalidRequest);
    }
    assert!(stack.script().prompts().is_empty());
    let nobody = stack.edge.send(|http, base| http.post(format!("{base}/v1/auth/token")));
    nobody.refused(Reason::MissingKey);
    stack.edge.get("/v1/auth/token", Some(&key)).refused(Reason::MethodNotAllowed);
}

#[test]
fn a_token_ends_after_its_seconds() {
    let stack = stack().start();
    let key = stack.key().key;
    let short = token(&stack, &key, &json!({"ttl_s": 2}));
    stack.edge.get("/v1/key", Some(&short)).ok();
    until_true("it ends", Duration::from_secs(4), || stack.edge.get("/v1/key", Some(&short)).status == 401);
    ask_for(&stack, &short, &json!({})).refused(Reason::InvalidKey);
}

#[test]
fn others_can_check_a_token_and_nobody_else_can_make_one() {
    let mut stack = stack().start();
    let key = stack.key();
    let short = token(&stack, &key.key, &json!({"scopes": ["chat"]}));
    let document = stack.edge.get("/.well-known/jwks.json", None).ok();
    let keys: JwkSet = serde_json::from_value(document.json()).expect("a key set");
    assert!(document.json()["keys"].as_array().is_some_and(|keys| keys.iter().all(|key| key.get("d").is_none())));
    let header = jsonwebtoken::decode_header(&short).expect("a header");
    let jwk = keys.find(header.kid.as_deref().expect("a name")).expect("the key is there");
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&["sluice"]);
    let decoding = jsonwebtoken::DecodingKey::from_jwk(jwk).expect("a key");
    let claims = jsonwebtoken::decode::<Value>(&short, &decoding, &validation).expect("it is good").claims;
    assert_eq!(
        (&claims["sub"], &claims["scope"], &claims["iss"]),
        (&json!(key.id.to_string()), &json!("chat"), &json!("sluice"))
    );
    let text = claims.to_string();
    assert!(!text.contains(&key.key[4..]), "{text}");

    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    stack.edge.get("/v1/key", Some(&secrets::sign_short(&claims, true))).ok();
    let other = stack.key();
    let bad = [
        secrets::sign_short(&claims, false),
        secrets::sign_short(&with("sub", json!(other.id.to_string())), true),
        secrets::sign_short(&with("sub", json!("key_x")), true),
        secrets::sign_short(&with("key", json!("0011223344556677")), true),
        secrets::sign_short(&with("key", json!(7)), true),
        secrets::sign_short(&with("aud", json!("other")), true),
        secrets::sign_short(&with("exp", json!(jsonwebtoken::get_current_timestamp() + 8_000)), true),
        secrets::sign_short(&with("exp", json!(jsonwebtoken::get_current_timestamp())), true),
        secrets::sign_short(&with("models", json!([""])), true),
        secrets::sign(&serde_json::from_value(json!({
            "jti": "req_x", "sub": key.id.to_string(), "acc": "a", "plan": PLAN, "pri": 1, "tok": 0, "max": 0, "inp": 0,
            "exp": 4_000_000_000u64, "bh": "00",
        })).expect("a grant")),
    ];
    for token in &bad {
        stack.edge.get("/v1/key", Some(token)).refused(Reason::InvalidKey);
    }
    // The next key is introduced: what was signed with the last one holds until that is gone.
    stack.restart_edge_with("TOKEN_KEYS", secrets::both_token_keys());
    stack.edge.get("/v1/key", Some(&short)).ok();
    let newer = token(&stack, &key.key, &json!({}));
    stack.restart_edge_with("TOKEN_KEYS", secrets::next_token_keys());
    stack.edge.get("/v1/key", Some(&newer)).ok();
    stack.edge.get("/v1/key", Some(&short)).refused(Reason::InvalidKey);
    stack.check_logs(&[&key.key, &short, &newer]);
}

#[test]
fn denied_tokens_are_refused_and_none_are_there_where_none_are_set_up() {
    let stack = stack().start();
    let key = stack.key();
    let (one, two) = (token(&stack, &key.key, &json!({})), token(&stack, &key.key, &json!({})));
    let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&one).expect("a token").claims;
    let denied = stack.edge.admin("POST", "/denials", Some(&json!({"issuer": "sluice", "jti": claims["jti"]})));
    assert_eq!(denied.status, 201, "{}", denied.text());
    stack.edge.get("/v1/key", Some(&one)).refused(Reason::InvalidKey);
    stack.edge.get("/v1/key", Some(&two)).ok();
    drop(stack);
    let without = Stack::new().start();
    let key = without.key().key;
    ask_for(&without, &key, &json!({})).refused(Reason::NotFound);
    without.edge.get("/.well-known/jwks.json", None).refused(Reason::NotFound);
    without.edge.get("/v1/key", Some(&two)).refused(Reason::InvalidKey);
}

/// A key is given tokens at a pace: a burst, and then one at a time; another key is not in its way.
#[test]
fn tokens_are_made_at_a_pace() {
    let stack = stack().start();
    let (greedy, other) = (stack.key(), stack.key());
    let short = token(&stack, &greedy.key, &json!({}));
    let (mut made, mut refused) = (1, None);
    // Whatever a slow machine makes up for meanwhile.
    while refused.is_none() && made < 10 * BURST {
        // A token that was made for it is no way around.
        let credential = if made % 2 == 0 { &greedy.key } else { &short };
        let answer = ask_for(&stack, credential, &json!({}));
        match answer.status {
            200 => made += 1,
            _ => refused = Some(answer.refused(Reason::Flooding)),
        }
    }
    let wait = refused.expect("a bound").retry_after_ms().expect("it says when");
    assert!(made >= BURST && (1..=EVERY_MS).contains(&wait), "{made} {wait}");
    token(&stack, &other.key, &json!({}));
    // Guesses at a key do not use up what its holder has.
    let account = AccountId::parse(&other.account).expect("an account");
    for _ in 0..BURST {
        ask_for(&stack, &secrets::guessed_secret(account), &json!({})).refused(Reason::InvalidKey);
    }
    token(&stack, &other.key, &json!({}));
    std::thread::sleep(Duration::from_millis(wait));
    token(&stack, &greedy.key, &json!({}));
}
