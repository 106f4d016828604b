//! Issuers of tokens, as an operator names them, and what only they can make: one for each algorithm.

use crate::origin::raw::{RawOrigin, Received};
use crate::secrets::PKCS8_ED25519;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::pkcs8::EncodePrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// An issuer: its name at the edge is also its `iss`, behind `https://`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// Signs with HS256.
    Corp,
    /// Signs with EdDSA.
    Lab,
    /// Signs with RS256.
    Mill,
    /// Signs with ES256.
    Port,
}

/// The name of each issuer's key in its own key set.
pub const KID: &str = "k-1";

const CORP_SECRET: [u8; 32] = [0xc0; 32];
/// The key of RFC 8037, appendix A.
const LAB_SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const LAB_PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const PORT_SECRET: [u8; 32] = [0x5d; 32];
const AUDIENCE: &str = "sluice-e2e";

/// The edge's setting `JWT_ISSUERS`: whose tokens have which plan.
pub fn setting(plans: &[(Issuer, &str)]) -> String {
    plans.iter().map(|(issuer, plan)| issuer.entry(&json!({ "plan": plan }))).collect::<Value>().to_string()
}

impl Issuer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Corp, Self::Lab, Self::Mill, Self::Port];

    /// As accounts have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Corp => "corp",
            Self::Lab => "lab",
            Self::Mill => "mill",
            Self::Port => "port",
        }
    }

    /// Its algorithm's name.
    pub const fn algorithm(self) -> &'static str {
        match self {
            Self::Corp => "HS256",
            Self::Lab => "EdDSA",
            Self::Mill => "RS256",
            Self::Port => "ES256",
        }
    }

    /// Its entry in the setting, with these members besides its name, algorithm and key; one that is null is left out.
    pub fn entry(self, more: &Value) -> Value {
        let mut entry = json!({
            "name": self.name(), "issuer": self.iss(), "audience": AUDIENCE, "algorithm": self.algorithm(), "key": self.jwk(None),
        });
        for (member, value) in more.as_object().expect("members") {
            entry[member] = value.clone();
        }
        entry.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        entry
    }

    /// What its tokens are checked with, as a JWK.
    pub fn jwk(self, kid: Option<&str>) -> Value {
        let mut jwk = match self {
            Self::Corp => json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(CORP_SECRET)}),
            Self::Lab => json!({"kty": "OKP", "crv": "Ed25519", "x": LAB_PUBLIC}),
            Self::Mill => {
                let key = rsa();
                let text = |number: Box<[u8]>| URL_SAFE_NO_PAD.encode(number);
                json!({"kty": "RSA", "n": text(key.n_bytes()), "e": text(key.e_bytes())})
            }
            Self::Port => {
                let point = port_key().public_key().to_sec1_point(false);
                let text = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
                let (x, y) = (point.x().expect("not compressed"), point.y().expect("not compressed"));
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
        };
        if let Some(kid) = kid {
            jwk["kid"] = kid.into();
        }
        jwk
    }

    /// The same in PEM; an issuer with HS256 has none.
    pub fn pem(self) -> String {
        use rsa::pkcs8::EncodePublicKey as _;
        match self {
            Self::Corp => panic!("a secret has no PEM"),
            Self::Lab => {
                // RFC 8410, section 4.
                let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
                let key = URL_SAFE_NO_PAD.decode(LAB_PUBLIC).expect("base64url");
                let document = STANDARD.encode([prefix.as_slice(), &key].concat());
                format!("-----BEGIN PUBLIC KEY-----\n{document}\n-----END PUBLIC KEY-----\n")
            }
            Self::Mill => rsa().to_public_key().to_public_key_pem(rsa::pkcs8::LineEnding::LF).expect("a key has a PEM"),
            Self::Port => {
                port_key().public_key().to_public_key_pem(p256::pkcs8::LineEnding::LF).expect("a key has a PEM")
            }
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
        self.sign_text(&json!({"alg": self.algorithm(), "typ": "JWT"}).to_string(), &claims.to_string())
    }

    /// Signs any claims under any header.
    pub fn sign_under(self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// Signs any two texts.
    pub fn sign_text(self, header: &str, claims: &str) -> String {
        let (algorithm, key) = match self {
            Self::Corp => (Algorithm::HS256, EncodingKey::from_secret(&CORP_SECRET).expect("not empty")),
            Self::Lab => {
                let seed = URL_SAFE_NO_PAD.decode(LAB_SEED).expect("base64url");
                (Algorithm::EdDSA, EncodingKey::from_ed_der(&[PKCS8_ED25519.as_slice(), &seed].concat()))
            }
            Self::Mill => {
                let document = rsa().to_pkcs1_der().expect("a key has a document");
                (Algorithm::RS256, EncodingKey::from_rsa_der(document.as_bytes()))
            }
            Self::Port => {
                let document = port_key().to_pkcs8_der().expect("a key has a document");
                (Algorithm::ES256, EncodingKey::from_ec_der(document.as_bytes()))
            }
        };
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &key, algorithm).expect("the key is of the algorithm");
        format!("{signed}.{signature}")
    }

    /// The token with another header and no signature.
    pub fn unsigned(self, claims: &Value) -> String {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        format!("{}.{}.", part(r#"{"alg":"none","typ":"JWT"}"#), part(&claims.to_string()))
    }

    /// A token that is signed with HMAC, an issuer's public key as the secret: the classic confusion of algorithms. The secret
    /// is the key as it may lie in a file: its bytes, its modulus, its PEM.
    pub fn signed_with_public_key(self, claims: &Value) -> Vec<String> {
        let jwk = self.jwk(None);
        let member = |name: &str| jwk[name].as_str().map(|text| URL_SAFE_NO_PAD.decode(text).expect("base64url"));
        let secrets = [member("x"), member("n"), (self != Self::Corp).then(|| self.pem().into_bytes())];
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let sign = |secret: Vec<u8>| {
            let key = EncodingKey::from_secret(&secret).expect("not empty");
            let signature =
                jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).expect("any bytes are a secret");
            format!("{signed}.{signature}")
        };
        secrets.into_iter().flatten().map(sign).collect()
    }

    /// Its `iss`.
    pub fn iss(self) -> String {
        format!("https://{}.test", self.name())
    }
}

/// Every form in which a secret of these issuers could be printed.
pub fn secrets() -> Vec<String> {
    let bytes: [&[u8]; 2] = [&CORP_SECRET, &PORT_SECRET];
    let forms = bytes.into_iter().flat_map(|secret| [sluice_protocol::id::hex(secret), URL_SAFE_NO_PAD.encode(secret)]);
    forms.chain([LAB_SEED.to_owned()]).collect()
}

/// Where an issuer publishes its keys. What it answers can be changed while it runs.
pub struct KeyServer {
    origin: RawOrigin,
    answer: Arc<Mutex<(&'static str, String)>>,
}

impl KeyServer {
    /// Serves these keys.
    pub fn start(keys: &[Value]) -> Self {
        let answer = Arc::new(Mutex::new(("200 OK", String::new())));
        let shared = answer.clone();
        let origin = RawOrigin::start(Arc::new(move |_, socket| {
            let (status, body) = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            let _ = socket.write_all(head.as_bytes());
        }));
        let server = Self { origin, answer };
        server.publish(keys);
        server
    }

    /// Serves the keys of a scanner that signs reports: [`sign_report`].
    pub fn start_scanner() -> Self {
        let server = Self::start(&[]);
        let keys = json!([{"key_identifier": "old", "key": "x", "is_current": false},
            {"key_identifier": KID, "key": Issuer::Port.pem(), "is_current": true}]);
        server.answer_with("200 OK", json!({ "public_keys": keys }).to_string());
        server
    }

    /// Serves these keys from now on.
    pub fn publish(&self, keys: &[Value]) {
        self.answer_with("200 OK", json!({ "keys": keys }).to_string());
    }

    /// Answers so from now on; a status may bring headers along.
    pub fn answer_with(&self, status: &'static str, body: impl Into<String>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = (status, body.into());
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.origin.address())
    }

    /// What it was asked.
    pub fn received(&self) -> Vec<Received> {
        self.origin.received()
    }
}

/// A token of [`Issuer::Mill`]'s under another key of RSA.
pub fn sign_with_rsa(key: &rsa::PrivateKey, claims: &Value) -> String {
    let document = key.to_pkcs1_der().expect("a key has a document");
    let key = EncodingKey::from_rsa_der(document.as_bytes());
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let signed = format!("{}.{}", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(&claims.to_string()));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::RS256).expect("a key of RSA");
    format!("{signed}.{signature}")
}

/// A scanner's signature of a message: ECDSA in DER, base64.
pub fn sign_report(message: &[u8]) -> String {
    use p256::ecdsa::signature::Signer;
    let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from(port_key()).sign(message);
    STANDARD.encode(signature.to_der())
}

/// Made once: a key of RSA takes a moment, and none is kept in a file.
fn rsa() -> &'static rsa::PrivateKey {
    static KEY: OnceLock<rsa::PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| rsa::PrivateKey::new(&mut getrandom::SysRng, 2048).expect("a key of 2048 bits can be made"))
}

fn port_key() -> p256::SecretKey {
    p256::SecretKey::from_slice(&PORT_SECRET).expect("32 bytes below the order")
}
