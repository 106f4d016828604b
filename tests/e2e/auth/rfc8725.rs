//! Which tokens of issuers are taken: RFC 8725 as a table, for each algorithm, and what a bad one costs.

use crate::auth::issuers::{ask, now, stack, with};
use harness::PLAN;
use harness::issuers::{Issuer, KID};
use serde_json::{Value, json};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::refusal::Reason;

pub(crate) fn all_issuers() -> Vec<Value> {
    Issuer::ALL.map(|issuer| issuer.entry(&json!({"plan": PLAN, "key": issuer.jwk(Some(KID))}))).into()
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
                assert_eq!(answer.json()["id"], AccountName::of_token(issuer.name(), "eve").name());
            }
        }
    }
}
