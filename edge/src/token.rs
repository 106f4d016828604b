//! Tokens: JWTs of issuers that the operator names. The algorithm and the key are pinned for each issuer; nothing in a
//! token's own header chooses them.

use crate::auth::Credential;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use sluice_protocol::principal::{Account, Mark, is_name};
use sluice_protocol::refusal::{Reason, Refusal};
use std::str::FromStr;

/// Who may issue tokens.
#[derive(Default)]
pub struct Issuers(Vec<Issuer>);

/// One issuer. Does not print.
struct Issuer {
    name: String,
    key: DecodingKey,
    validation: Validation,
    plan: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIssuer {
    name: String,
    issuer: String,
    audience: String,
    algorithm: String,
    key: Jwk,
    plan: String,
}

/// What of a token is looked at, besides what validation checks.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
}

impl Issuers {
    /// Reads a list such as `[{"name": "corp", "issuer": "https://id.example", "audience": "sluice", "algorithm": "EdDSA",
    /// "key": {"kty": "OKP", ...}, "plan": "registered"}]`; the key is a JWK. Each name and each issuer may be there once.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw: Vec<RawIssuer> = serde_json::from_str(text)
            // The message could quote a key.
            .map_err(|error| format!("is not a list of issuers (line {}, column {})", error.line(), error.column()))?;
        // Subjects of one name share accounts, and of two entries for one issuer only the first would ever be asked.
        for (place, entry) in raw.iter().enumerate() {
            let before = &raw[..place];
            let is_twice = |member: fn(&RawIssuer) -> &str| before.iter().any(|other| member(other) == member(entry));
            if is_twice(|entry| &entry.name) || is_twice(|entry| &entry.issuer) {
                return Err(format!("has an entry {} with the `name` or `issuer` of one before it", place + 1));
            }
        }
        raw.into_iter().map(Issuer::new).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The plans that they name.
    pub fn plans(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|issuer| issuer.plan.as_str())
    }

    /// Verifies a token. One refusal for everything that can be wrong with it; the log learns what.
    pub fn verify(&self, token: &str) -> Result<Credential, Refusal> {
        let refuse = |detail: String| {
            Refusal::new(Reason::InvalidKey, "This token is not valid here. Get a new one.").with_detail(detail)
        };
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refuse(format!("a token of more than {MAX_TOKEN_BYTES} bytes")));
        }
        // Whose it claims to be; its key then decides whether that is so.
        let claimed =
            jsonwebtoken::dangerous::insecure_decode::<Claims>(token).map_err(|error| refuse(error.to_string()))?;
        let named =
            |issuer: &&Issuer| issuer.validation.iss.as_ref().is_some_and(|names| names.contains(&claimed.claims.iss));
        let issuer = self.0.iter().find(named).ok_or_else(|| refuse("a token of an unknown issuer".into()))?;
        let verified = jsonwebtoken::decode::<Claims>(token, &issuer.key, &issuer.validation);
        let claims = verified.map_err(|error| refuse(format!("{}: {error}", issuer.name)))?.claims;
        if claims.sub.is_empty() {
            return Err(refuse(format!("{}: the subject is empty", issuer.name)));
        }
        Ok(Credential::Token {
            account: Account::of_token(&issuer.name, &claims.sub),
            subject: Mark::of(&claims.sub),
            plan: issuer.plan.clone(),
        })
    }
}

impl Issuer {
    fn new(raw: RawIssuer) -> Result<Self, String> {
        let name = raw.name;
        if !is_name(&name) {
            return Err("has an issuer whose name is not 1 to 32 of a-z, 0-9 and -".into());
        }
        let wrong = |what: &str| format!("has an issuer `{name}` {what}");
        let algorithm = Algorithm::from_str(&raw.algorithm).ok().filter(|algorithm| ALGORITHMS.contains(algorithm));
        let algorithm = algorithm.ok_or_else(|| wrong("whose algorithm is not HS256, RS256, ES256 or EdDSA"))?;
        let key = DecodingKey::from_jwk(&raw.key).map_err(|_| wrong("whose key cannot be read"))?;
        if raw.issuer.is_empty() || raw.audience.is_empty() {
            return Err(wrong("without `issuer` or `audience`"));
        }
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[raw.issuer]);
        validation.set_audience(&[raw.audience]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        Ok(Self { name, key, validation, plan: raw.plan })
    }
}

const ALGORITHMS: [Algorithm; 4] = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Clocks differ a little.
const LEEWAY_S: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    const SECRET: &[u8] = b"a secret that only the issuer and the edge know";

    fn entry(name: &str, issuer: &str) -> Value {
        let key = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)});
        json!({"name": name, "issuer": issuer, "audience": "sluice", "algorithm": "HS256", "key": key, "plan": "p"})
    }

    fn issuers() -> Issuers {
        Issuers::parse(&json!([entry("corp", "https://id")]).to_string()).unwrap()
    }

    #[test]
    fn a_name_or_an_issuer_that_is_there_twice_is_a_mistake() {
        let parse = |entries: [(&str, &str); 3]| {
            let entries = entries.map(|(name, issuer)| entry(name, issuer));
            Issuers::parse(&Value::from(entries.to_vec()).to_string()).map(|_| ())
        };
        assert_eq!(parse([("a", "https://a"), ("b", "https://b"), ("c", "https://c")]), Ok(()));
        let mistake = |place| Err(format!("has an entry {place} with the `name` or `issuer` of one before it"));
        assert_eq!(parse([("a", "https://a"), ("b", "https://b"), ("a", "https://c")]), mistake(3));
        assert_eq!(parse([("a", "https://a"), ("b", "https://a"), ("c", "https://c")]), mistake(2));
    }

    fn claims() -> Value {
        json!({"iss": "https://id", "aud": "sluice", "sub": "ann", "exp": jsonwebtoken::get_current_timestamp() + 60})
    }

    fn token(claims: &Value, secret: &[u8], algorithm: Algorithm) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
    }

    #[test]
    fn a_good_token_names_its_account() {
        let verified = issuers().verify(&token(&claims(), SECRET, Algorithm::HS256)).map_err(|refusal| refusal.detail);
        let Ok(Credential::Token { account, plan, .. }) = verified else { panic!("{:?}", verified.err()) };
        assert_eq!(account, Account::of_token("corp", "ann"));
        assert_eq!(plan, "p");
    }

    #[test]
    fn every_other_token_is_refused() {
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            token(&claims, SECRET, Algorithm::HS256)
        };
        let mut without_subject = claims();
        without_subject.as_object_mut().unwrap().remove("sub");
        let good = token(&claims(), SECRET, Algorithm::HS256);
        let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), good.split('.').nth(1).unwrap());
        let bad = [
            with("exp", json!(1)),
            with("nbf", json!(jsonwebtoken::get_current_timestamp() + 600)),
            with("iss", json!("https://other")),
            with("aud", json!("other")),
            with("sub", json!("")),
            token(&without_subject, SECRET, Algorithm::HS256),
            token(&claims(), b"another secret of at least thirty-two bytes", Algorithm::HS256),
            token(&claims(), SECRET, Algorithm::HS384),
            unsigned,
            format!("{good}x"),
            "x.y.z".into(),
            "x".repeat(9_000),
        ];
        for token in bad {
            assert_eq!(
                issuers().verify(&token).err().map(|refusal| refusal.reason),
                Some(Reason::InvalidKey),
                "{token}"
            );
        }
    }
}
