//! Grants: what an edge signed, once, for this body, in time. Everything else is 401 without a reason that helps.

use crate::harness::{Edge, Harness, chat, claims, client, now_s, parts};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sluice_origin::config::{Access, Config};
use sluice_origin::models::scripted::Script;
use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::request::door::Door;
use sluice_protocol::route::setting::OriginName;

async fn granted(edge: &Edge) -> Harness {
    let harness =
        Harness::with(Config { slots: 1, queue: 0, access: edge.access(), open_metrics: true, ..Config::local() })
            .await;
    harness.script.allow_all();
    harness
}

#[tokio::test]
async fn a_good_grant_is_served_under_its_own_id() {
    let edge = Edge::new("k1");
    let harness = granted(&edge).await;
    let body = chat("hi").to_string().into_bytes();
    let claims = claims(&body);
    let response = harness.post_bytes(body).header("x-sluice-grant", edge.sign(&claims)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-request-id"], claims.jti.as_str());
    let grant = edge.sign(&crate::harness::claims(b""));
    assert_eq!(harness.get("/v1/models").header("x-sluice-grant", grant).send().await.unwrap().status(), 200);
    assert_eq!(harness.status("/v1/models").await, 401);
}

#[tokio::test]
async fn everything_else_is_refused() {
    let edge = Edge::new("k1");
    let harness = granted(&edge).await;
    let body = chat("hi").to_string().into_bytes();
    let good = || claims(&body);
    let (_, public) = edge.setting.split_once('=').unwrap();
    let public = URL_SAFE_NO_PAD.decode(public).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let payload = |claims: &GrantClaims| part(&serde_json::to_value(claims).unwrap());
    let with_header = |header: Header, key: &EncodingKey| encode(&header, &good(), key).unwrap();
    let hs256 = Header { kid: Some("k1".into()), ..Header::new(Algorithm::HS256) };
    let critical = Header { crit: Some(vec!["b64".into()]), ..edge.header() };
    let thief = Edge::new("k1");
    let own_key = json!({"alg": "EdDSA", "kid": "k1", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": thief.setting.split_once('=').unwrap().1}});
    let own_message = format!("{}.{}", part(&own_key), payload(&good()));
    let own_signature = jsonwebtoken::crypto::sign(own_message.as_bytes(), &thief.key, Algorithm::EdDSA).unwrap();
    let mut extra = serde_json::to_value(good()).unwrap();
    extra["admin"] = true.into();
    let signed = edge.sign(&good());
    let mut tampered = signed.clone();
    tampered.replace_range(
        tampered.len() - 4..tampered.len() - 3,
        if signed.as_bytes()[signed.len() - 4] == b'A' { "B" } else { "A" },
    );
    let table: Vec<(&str, Option<String>)> = vec![
        ("missing", None),
        ("empty", Some(String::new())),
        ("no token", Some("a.b.c".into())),
        ("four parts", Some(format!("{signed}.x"))),
        ("expired", Some(edge.sign(&GrantClaims { exp: now_s() - 1, ..good() }))),
        ("too far", Some(edge.sign(&GrantClaims { exp: now_s() + 3 * 60 * 60, ..good() }))),
        ("no id", Some(edge.sign(&GrantClaims { jti: "x".into(), ..good() }))),
        ("another body", Some(edge.sign(&claims(b"{}")))),
        ("another key", Some(thief.sign(&good()))),
        ("its own key", Some(format!("{own_message}.{own_signature}"))),
        ("unknown kid", Some(with_header(Header { kid: Some("k2".into()), ..edge.header() }, &edge.key))),
        ("no kid", Some(with_header(Header { kid: None, ..edge.header() }, &edge.key))),
        ("critical", Some(with_header(critical, &edge.key))),
        ("unknown claim", Some(encode(&edge.header(), &extra, &edge.key).unwrap())),
        ("none", Some(format!("{}.{}.", part(&json!({"alg": "none", "kid": "k1"})), payload(&good())))),
        ("public key as secret", Some(with_header(hs256, &EncodingKey::from_secret(&public).unwrap()))),
        ("tampered", Some(tampered)),
        ("stripped", Some(signed.rsplit_once('.').unwrap().0.to_owned() + ".")),
    ];
    for (what, grant) in table {
        let mut request = harness.post_bytes(body.clone());
        if let Some(grant) = grant {
            request = request.header("x-sluice-grant", grant);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401, "{what}");
        assert!(response.headers().contains_key("www-authenticate"), "{what}");
        let (_, answer) = parts(response).await;
        assert_eq!(answer["error"]["code"], "invalid_grant", "{what}");
        assert_eq!(answer["error"]["message"], "The origin needs a valid grant of its edge.", "{what}");
    }
    harness.until_places(1, 0).await;
    assert_eq!(harness.script.steps(), 0);
}

#[tokio::test]
async fn a_grant_for_another_origin_is_refused() {
    let edge = Edge::new("k1");
    let named = |name: &str| Config { access: edge.access(), name: OriginName::parse(name), ..Config::local() };
    let status = async |config: Config, aud: Option<&str>| {
        let harness = Harness::with(config).await;
        harness.script.allow_all();
        let body = chat("hi").to_string().into_bytes();
        let claims = GrantClaims { aud: aud.map(str::to_owned), ..claims(&body) };
        let request = harness.post_bytes(body).header("x-sluice-grant", edge.sign(&claims));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(named("a"), Some("a")).await, 200);
    assert_eq!(status(named("a"), Some("b")).await, 401);
    // An edge of one origin names none, and an origin without a name is nobody's by name.
    assert_eq!(status(named("a"), None).await, 200);
    assert_eq!(status(named(""), Some("a")).await, 401);
}

#[tokio::test]
async fn a_grant_serves_once() {
    let edge = Edge::new("k1");
    let harness = granted(&edge).await;
    let body = chat("hi").to_string().into_bytes();
    let grant = edge.sign(&claims(&body));
    let send = || harness.post_bytes(body.clone()).header("x-sluice-grant", &grant).send();
    assert_eq!(send().await.unwrap().status(), 200);
    for _ in 0..2 {
        assert_eq!(send().await.unwrap().status(), 401);
    }
}

#[tokio::test]
async fn a_grant_that_found_no_place_may_come_back() {
    let edge = Edge::new("k1");
    let harness = granted(&edge).await;
    harness.script.hold();
    let start = || {
        let body = chat("hi").to_string().into_bytes();
        harness.post_bytes(body.clone()).header("x-sluice-grant", edge.sign(&claims(&body)))
    };
    let running = harness.start_request(start());
    harness.until_places(0, 0).await;
    let second = start();
    assert_eq!(second.try_clone().unwrap().send().await.unwrap().status(), 503);
    harness.script.allow_all();
    assert_eq!(running.await.unwrap().0, 200);
    assert_eq!(second.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn two_keys_live_at_once() {
    let (old, new) = (Edge::new("old"), Edge::new("new"));
    let keys = vec![old.setting.parse().unwrap(), new.setting.parse().unwrap()];
    let harness = Harness::with(Config { access: Access::Granted(keys), ..Config::local() }).await;
    harness.script.allow_all();
    for edge in [old, new] {
        let body = chat("hi").to_string().into_bytes();
        let grant = edge.sign(&claims(&body));
        assert_eq!(harness.post_bytes(body).header("x-sluice-grant", grant).send().await.unwrap().status(), 200);
    }
}

/// Every route that there is, read from where they are set up, so that one that is added without a grant is seen.
#[tokio::test]
async fn every_route_needs_a_grant_but_those_that_say_that_it_lives() {
    let edge = Edge::new("k1");
    let config = Config { access: edge.access(), ..Config::local() };
    let script = Script::new(config.slots);
    let backend = script.backend();
    let harness = Harness::with_backend(config, script, backend).await;
    let routes: Vec<(&str, &str)> = include_str!("../../../src/api.rs")
        .lines()
        .filter_map(|line| line.trim().strip_prefix(".route(")?.split_once(", "))
        .map(|(path, handler)| (handler.split('(').next().unwrap(), path.trim_matches('"')))
        // The doors are routed by their list.
        .chain(Door::ALL.iter().map(|door| ("post", door.path())))
        .collect();
    assert!(routes.len() >= 9, "{routes:?}");
    for (method, path) in routes {
        let url = format!("{}{}", harness.url, path.replace("{id}", "req_0000000000000000000000"));
        let method = method.to_uppercase().parse().unwrap();
        let request = client().request(method, url).header("content-type", "application/json");
        let (status, answer) = parts(request.body(chat("hi").to_string()).send().await.unwrap()).await;
        let open = ["/health", "/ready", "/api/version", "/"].contains(&path);
        assert_eq!(status, if open { 200 } else { 401 }, "{path}: {answer}");
    }
}

/// What tells how busy an origin is needs a grant too, unless the settings open it; what says that it lives does not.
#[tokio::test]
async fn looking_needs_a_grant_unless_the_settings_say_otherwise() {
    let edge = Edge::new("k1");
    for open_metrics in [false, true] {
        let config = Config { access: edge.access(), open_metrics, ..Config::local() };
        let script = Script::new(config.slots);
        let backend = script.backend();
        let harness = Harness::with_backend(config, script, backend).await;
        for path in ["/metrics", "/capacity"] {
            assert_eq!(harness.status(path).await, if open_metrics { 200 } else { 401 }, "{path}");
            let grant = edge.sign(&claims(b""));
            let ask =
                async |grant: &str| harness.get(path).header("x-sluice-grant", grant).send().await.unwrap().status();
            assert_eq!(ask(&grant).await, 200, "{path}");
            // Used up, and for another body.
            let (again, other) = (ask(&grant).await, ask(&edge.sign(&claims(b"x"))).await);
            assert_eq!((again == 200, other == 200), (open_metrics, open_metrics), "{path}");
        }
        for path in ["/health", "/ready"] {
            assert_eq!(harness.status(path).await, 200, "{path}");
        }
    }
}
