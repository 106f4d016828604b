//! Two issuers of tokens, as an operator names them, and what only they can make.

use crate::secrets::PKCS8_ED25519;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// An issuer: its name at the edge is also its `iss`, behind `https://`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// Signs with HS256.
    Corp,
    /// Signs with EdDSA.
    Lab,
}

const CORP_SECRET: [u8; 32] = [0xc0; 32];
/// The key of RFC 8037, appendix A.
const LAB_SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const LAB_PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const AUDIENCE: &str = "sluice-e2e";

/// The edge's setting `JWT_ISSUERS`: whose tokens have which plan.
pub fn setting(plans: &[(Issuer, &str)]) -> String {
    let one = |(issuer, plan): &(Issuer, &str)| {
        let (algorithm, key) = match issuer {
            Issuer::Corp => ("HS256", json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(CORP_SECRET)})),
            Issuer::Lab => ("EdDSA", json!({"kty": "OKP", "crv": "Ed25519", "x": LAB_PUBLIC})),
        };
        let (name, issuer) = (issuer.name(), issuer.iss());
        json!({"name": name, "issuer": issuer, "audience": AUDIENCE, "algorithm": algorithm, "key": key, "plan": plan})
    };
    plans.iter().map(one).collect::<Value>().to_string()
}

impl Issuer {
    /// As accounts have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Corp => "corp",
            Self::Lab => "lab",
        }
    }

    /// The claims of a good token for the next minute.
    pub fn claims(self, subject: &str) -> Value {
        let expires = jsonwebtoken::get_current_timestamp() + 60;
        json!({"iss": self.iss(), "aud": AUDIENCE, "sub": subject, "exp": expires})
    }

    /// A good token.
    pub fn token(self, subject: &str) -> String {
        self.sign(&self.claims(subject))
    }

    /// Signs any claims.
    pub fn sign(self, claims: &Value) -> String {
        let (algorithm, key) = match self {
            Self::Corp => (Algorithm::HS256, EncodingKey::from_secret(&CORP_SECRET)),
            Self::Lab => {
                let seed = URL_SAFE_NO_PAD.decode(LAB_SEED).expect("base64url");
                (Algorithm::EdDSA, EncodingKey::from_ed_der(&[PKCS8_ED25519.as_slice(), &seed].concat()))
            }
        };
        jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("claims are JSON and the key is a key")
    }

    /// The token with another header and no signature.
    pub fn unsigned(self, claims: &Value) -> String {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        format!("{}.{}.", part(r#"{"alg":"none","typ":"JWT"}"#), part(&claims.to_string()))
    }

    /// A token that is signed with HMAC, an issuer's public key as the secret: the classic confusion of algorithms.
    pub fn signed_with_public_key(self, claims: &Value) -> String {
        let public = URL_SAFE_NO_PAD.decode(LAB_PUBLIC).expect("base64url");
        let key = EncodingKey::from_secret(&public);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("claims are JSON")
    }

    fn iss(self) -> String {
        format!("https://{}.test", self.name())
    }
}
