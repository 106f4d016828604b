//! Tokens: the edges of their times to the millisecond, whose key is chosen, and what settings and bodies say.

use serde_json::{Map, Value, json};
use sluice_protocol::auth::key::{ApiKey, Peppers};
use sluice_protocol::auth::permission::{Bounds, Permissions, Scope, Scopes, parse_models};
use sluice_protocol::auth::token::{
    Algorithm, Checked, CreateDenial, DenialId, DenialKind, Denials, IssuerSettings, KeySet, ShortClaims, TokenError,
    TokenKey, TokenRequest, Unverified,
};
use sluice_protocol::id::AccountId;
use sluice_protocol::refusal::Reason;
use sluice_protocol::time::Millis;

/// A time that is not a whole second.
const NOW: Millis = 1_790_000_000_500;
const SECOND: f64 = 1_790_000_000.5;
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn settings(more: &Value) -> Value {
    let mut entry = json!({
        "name": "corp", "issuer": "https://id", "audience": "sluice", "algorithm": "EdDSA", "plan": "p",
        "key": {"kty": "OKP", "crv": "Ed25519", "x": X},
    });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    entry
}

fn issuer(more: &Value) -> IssuerSettings {
    IssuerSettings::parse_all(&json!([settings(more)]).to_string()).unwrap().pop().unwrap()
}

fn check(rules: &IssuerSettings, change: &Value) -> Result<Checked, TokenError> {
    let mut claims = json!({"iss": "https://id", "aud": "sluice", "sub": "ann", "exp": SECOND + 60.0});
    claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    rules.rules.check(claims.as_object().unwrap(), NOW)
}

#[test]
fn times_hold_to_the_millisecond() {
    let rules = issuer(&json!({"leeway_s": 10, "max_lifetime_s": 3_600}));
    let until = |change: Value| check(&rules, &change).map(|checked| checked.until);
    assert_eq!(until(json!({})), Ok(NOW + 70_000), "leeway included");
    // Expired by exactly the leeway, and a millisecond less.
    assert_eq!(until(json!({"exp": SECOND - 10.0})), Err(TokenError::Expired));
    assert_eq!(until(json!({"exp": SECOND - 9.999})), Ok(NOW + 1));
    assert_eq!(until(json!({"exp": 1_789_999_990})), Err(TokenError::Expired));
    assert_eq!(until(json!({"exp": 1_789_999_991})), Ok(1_790_000_001_000));
    for claim in ["nbf", "iat"] {
        assert!(until(json!({ claim: SECOND + 10.0 })).is_ok(), "{claim}");
        assert_eq!(until(json!({ claim: SECOND + 10.001 })), Err(TokenError::TooEarly), "{claim}");
    }
    assert!(until(json!({"exp": SECOND + 3_610.0})).is_ok());
    assert_eq!(until(json!({"exp": SECOND + 3_610.001})), Err(TokenError::Lifetime));
    // Who was issued long ago and holds for long is too old, however little is left.
    assert!(until(json!({"iat": SECOND - 3_540.0})).is_ok());
    assert_eq!(until(json!({"iat": SECOND - 3_551.0})), Err(TokenError::Lifetime));
    let strict = issuer(&json!({"leeway_s": 0}));
    assert_eq!(check(&strict, &json!({"exp": SECOND})).map(drop), Err(TokenError::Expired));
    assert_eq!(check(&strict, &json!({"exp": SECOND + 0.001})).unwrap().until, NOW + 1);
    for wrong in [json!("1"), json!(-1), json!(1e300), json!(253_402_300_800u64), json!(null), json!([1]), json!(true)]
    {
        assert_eq!(until(json!({ "exp": wrong })), Err(TokenError::Claim("exp")));
    }
}

#[test]
fn the_key_is_the_one_that_is_named_and_no_other() {
    let key = |kid: Option<&str>| {
        let mut jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": X});
        if let Some(kid) = kid {
            jwk["kid"] = kid.into();
        }
        TokenKey::from_jwk(jwk.as_object().unwrap(), Algorithm::EdDsa).unwrap()
    };
    let kid = |set: &KeySet, asked: Option<&str>| set.choose(asked).map(|key| key.kid.clone());
    let nameless = KeySet::of(key(None));
    assert_eq!((kid(&nameless, None), kid(&nameless, Some("x"))), (Some(None), Some(None)));
    let one = KeySet::of(key(Some("a")));
    assert_eq!(
        (kid(&one, None), kid(&one, Some("a")), kid(&one, Some("b"))),
        (Some(Some("a".into())), Some(Some("a".into())), None)
    );
    let mut two = one;
    two.add(key(Some("b"))).unwrap();
    assert_eq!((kid(&two, None), kid(&two, Some("b"))), (None, Some(Some("b".into()))));
    assert!(two.add(key(Some("b"))).is_err() && two.add(key(None)).is_err());
    assert_eq!(kid(&KeySet::default(), None), None);
}

#[test]
fn a_key_is_of_its_algorithm_and_for_signatures() {
    let read = |jwk: Value, algorithm| TokenKey::from_jwk(jwk.as_object().unwrap(), algorithm).is_ok();
    let ed = |more: Value| {
        let mut jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": X});
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    };
    assert!(read(ed(json!({"use": "sig", "alg": "EdDSA", "key_ops": ["verify"]})), Algorithm::EdDsa));
    for wrong in [
        json!({"use": "enc"}),
        json!({"alg": "ES256"}),
        json!({"key_ops": ["sign"]}),
        json!({"crv": "X25519"}),
        json!({"x": "AA"}),
        json!({"x": format!("{X}=")}),
        json!({"d": X}),
        json!({"kty": "oct"}),
    ] {
        assert!(!read(ed(wrong.clone()), Algorithm::EdDsa), "{wrong}");
    }
    for algorithm in [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256] {
        assert!(!read(ed(json!({})), algorithm), "{algorithm:?}");
    }
    let rsa = |bytes: usize| json!({"kty": "RSA", "n": "_".repeat(bytes * 4 / 3), "e": "AQAB"});
    assert!(
        read(rsa(258), Algorithm::Rs256) && !read(rsa(255), Algorithm::Rs256) && !read(rsa(1_023), Algorithm::Rs256)
    );
    assert!(!read(json!({"kty": "oct", "k": "c2hvcnQ"}), Algorithm::Hs256));
    let document =
        json!({"keys": [{"kty": "oct", "k": X}, ed(json!({"kid": "a"})), ed(json!({"kid": "a"})), 7]}).to_string();
    assert_eq!(KeySet::from_document(document.as_bytes(), Algorithm::EdDsa).unwrap().len(), 1);
    assert_eq!(KeySet::from_document(document.as_bytes(), Algorithm::Hs256), None, "nobody publishes a secret");
    for bad in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[],\"keys\":[]}"] {
        assert_eq!(KeySet::from_document(bad.as_bytes(), Algorithm::EdDsa), None, "{bad}");
    }
}

#[test]
fn headers_ask_for_nothing_that_is_not_served() {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let parse = |header: Value| {
        Unverified::parse(&format!("{}.{}.AA", encode(&header.to_string()), encode("{\"iss\":\"i\"}")))
            .map(|token| token.kid)
    };
    assert_eq!(parse(json!({"alg": "RS256", "kid": "../k"})), Ok(Some("../k".into())), "only ever compared");
    for (header, error) in [
        (json!({"alg": "none"}), TokenError::Algorithm),
        (json!({"alg": "HS384"}), TokenError::Algorithm),
        (json!({"alg": null}), TokenError::Algorithm),
        (json!({}), TokenError::Algorithm),
        (json!({"alg": "RS256", "jwk": {}}), TokenError::OwnKey),
        (json!({"alg": "RS256", "jku": ""}), TokenError::OwnKey),
        (json!({"alg": "RS256", "x5u": ""}), TokenError::OwnKey),
        (json!({"alg": "RS256", "crit": []}), TokenError::Header),
        (json!({"alg": "RS256", "typ": "dpop+jwt"}), TokenError::Header),
        (json!({"alg": "RS256", "kid": 1}), TokenError::Header),
    ] {
        assert_eq!(parse(header.clone()), Err(error), "{header}");
    }
}

#[test]
fn a_short_token_says_what_its_key_may_and_for_how_long() {
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let key = ApiKey::mint(&peppers, AccountId([0xa1; 8]), [0xb2; 20]);
    let mark = key.secret_hash().mark();
    let asked = TokenRequest::parse(br#"{"scopes": ["chat", "tokens"], "models": ["tiny"], "ttl_s": 60}"#).unwrap();
    let permissions = asked.permissions(&Permissions::default()).unwrap();
    let claims = ShortClaims::new(key.id, mark, &permissions, asked.ttl_s, [7; 16], NOW);
    let value = serde_json::to_value(&claims).unwrap();
    let map: &Map<String, Value> = value.as_object().unwrap();
    let checked = ShortClaims::check(map, NOW).unwrap();
    assert_eq!((checked.key, checked.mark, checked.until), (key.id, mark, 1_790_000_060_000));
    assert_eq!(checked.permissions.scopes.iter().collect::<Vec<_>>(), [Scope::Chat, Scope::Tokens]);
    assert!(checked.permissions.allows_model("tiny") && !checked.permissions.allows_model("big"));
    assert!(ShortClaims::check(map, 1_790_000_059_999).is_ok());
    assert_eq!(ShortClaims::check(map, 1_790_000_060_000), Err(TokenError::Expired), "no leeway");
    // The clock of another machine is a little behind.
    assert!(ShortClaims::check(map, 1_789_999_999_000).is_ok());
    assert_eq!(ShortClaims::check(map, 1_789_999_998_999), Err(TokenError::TooEarly));
    // A token without scopes has none, and what names no models may use all of its key's.
    let none = Permissions { scopes: Scopes::NONE, ..Permissions::default() };
    let value = serde_json::to_value(ShortClaims::new(key.id, mark, &none, 1, [7; 16], NOW)).unwrap();
    let checked = ShortClaims::check(value.as_object().unwrap(), NOW).unwrap();
    assert_eq!((checked.permissions.scopes, checked.permissions.models), (Scopes::NONE, None));
}

/// Every set of scopes of a key, of the credentials that call for it, and of what they ask for: a token is given what all of them
/// allow, it is refused where it names more, and the answer names no scope that the key does not have.
#[test]
fn a_token_is_given_what_its_key_may_and_no_more() {
    let sets: Vec<Scopes> = (0..1 << Scope::ALL.len())
        .map(|bits: u32| {
            (0..).zip(Scope::ALL).filter(|(place, _)| bits >> place & 1 == 1).map(|(_, scope)| scope).collect()
        })
        .collect();
    let allows = |scopes: Scopes| Permissions { scopes, ..Permissions::default() };
    let covers = |all: &Scopes, part: &Scopes| part.iter().all(|scope| all.contains(scope));
    for of_key in &sets {
        let bounds = Bounds { permissions: allows(*of_key), until: u64::MAX };
        for own in &sets {
            for scopes in sets.iter().copied().map(Some).chain([None]) {
                let asked = TokenRequest { ttl_s: 60, scopes, models: None };
                let granted = asked.granted(&allows(*own), Some(&bounds), NOW);
                let named = scopes.unwrap_or(Scopes::NONE);
                assert_eq!(
                    granted.is_ok(),
                    covers(of_key, &named) && covers(own, &named),
                    "{of_key:?} {own:?} {scopes:?}"
                );
                let Ok(granted) = granted else { continue };
                let both = own.iter().filter(|scope| of_key.contains(*scope));
                assert_eq!(granted.permissions.scopes, scopes.unwrap_or_else(|| both.collect()));
            }
        }
    }
}

#[test]
fn a_token_names_no_model_that_its_key_may_not_use_and_ends_with_its_secret() {
    let models = |names: &[&str]| Some(parse_models(names.iter().copied()).unwrap());
    let of_key = Permissions { models: models(&["tiny", "big-*"]), ..Permissions::default() };
    let bounds = Bounds { permissions: of_key, until: NOW + 5_999 };
    let granted = |names| {
        TokenRequest { ttl_s: 60, scopes: None, models: names }.granted(&Permissions::default(), Some(&bounds), NOW)
    };
    assert_eq!(granted(models(&["big-1"])).unwrap().permissions.models, models(&["big-1"]));
    assert_eq!(granted(models(&["small"])).unwrap_err().reason, Reason::NotAllowed);
    // A list that only the key has stays the key's: it may be changed later.
    let all = granted(None).unwrap();
    assert_eq!((all.permissions.models, all.ttl_s), (None, 5));
    let unbound = TokenRequest { ttl_s: 60, scopes: None, models: None };
    assert_eq!(unbound.granted(&Permissions::default(), None, NOW).unwrap().ttl_s, 60);
}

#[test]
fn a_denial_is_of_one_value_of_one_claim_of_one_issuer() {
    let id = |issuer, kind, value| DenialId::new(issuer, kind, value);
    let all = [
        id("corp", DenialKind::Sub, "ann"),
        id("corp", DenialKind::Jti, "ann"),
        id("corp", DenialKind::Sub, "ann "),
        id("corps", DenialKind::Sub, "ann"),
        id("cor", DenialKind::Sub, "pann"),
    ];
    assert!(all.iter().enumerate().all(|(place, id)| !all[..place].contains(id)));
    let denials = Denials::new(Default::default(), [(all[0], None), (all[1], Some(1_000))]);
    assert!(denials.deny(&[Some(all[0]), None], u64::MAX - 1));
    assert!(denials.deny(&[None, Some(all[1])], 999) && !denials.deny(&[None, Some(all[1])], 1_000));
    assert!(!denials.deny(&[Some(all[2]), Some(all[3])], 0) && !denials.deny(&[None, None], 0));
    let denial = CreateDenial::parse(br#"{"issuer": "corp", "sub": "ann", "ttl_s": 60}"#).unwrap().at(NOW);
    assert_eq!((denial.id, denial.until), (all[0], Some(NOW + 60_000)));
}
