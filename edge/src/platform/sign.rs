//! Signing grants: a compact JWS with EdDSA, whose signature is the platform's own.
//!
//! The same signature made by our code costs five times as much: WebAssembly has no 128-bit products.

use crate::platform;
use crate::platform::workerd::promise::Settled;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use js_sys::{Array, Uint8Array};
use serde::Serialize;
use std::cell::RefCell;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CryptoKey, SubtleCrypto, WorkerGlobalScope};

/// Signs grants, and short tokens with keys of their own. Does not print.
pub struct Signer {
    /// The JWS's header, encoded, and the full stop after it.
    header: String,
    seed: [u8; 32],
    /// The platform's form of the key, made with the first grant of an isolate.
    key: RefCell<Option<CryptoKey>>,
}

impl Signer {
    /// A signer from an Ed25519 seed.
    pub fn new(kid: &str, seed: &[u8; 32]) -> Self {
        let header = encode(&Header { typ: "JWT", alg: "EdDSA", kid });
        Self { header: header + ".", seed: *seed, key: RefCell::default() }
    }

    /// The compact JWS. The error is for the log.
    pub async fn sign(&self, claims: &impl Serialize) -> Result<String, String> {
        self.sign_with_platform(claims).await.map_err(|error| format!("signing: {error:?}"))
    }

    async fn sign_with_platform(&self, claims: &impl Serialize) -> Result<String, JsValue> {
        let mut grant = self.signing_input(claims);
        let key = self.key().await?;
        let signature = platform::sign(&key, &Uint8Array::from(grant.as_bytes()).into())?;
        let signature = Uint8Array::new(&Settled::of(&signature).await?).to_vec();
        grant.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut grant);
        Ok(grant)
    }

    fn signing_input(&self, claims: &impl Serialize) -> String {
        self.header.clone() + &encode(claims)
    }

    async fn key(&self) -> Result<CryptoKey, JsValue> {
        if let Some(key) = self.key.borrow().as_ref() {
            return Ok(key.clone());
        }
        let document = Uint8Array::from([PKCS8_ED25519.as_slice(), &self.seed].concat().as_slice());
        let usages = Array::of1(&"sign".into());
        let import = subtle()?.import_key_with_str("pkcs8", &document, ED25519, false, &usages)?;
        let key: CryptoKey = Settled::of(&import).await?.unchecked_into();
        self.key.replace(Some(key.clone()));
        Ok(key)
    }
}

/// Reads `<kid>:<base64url seed>[,<kid>:<...>]`, newest first, at most two.
pub fn parse_seeds(text: &str) -> Result<Vec<(String, [u8; 32])>, String> {
    let mut seeds = Vec::new();
    for entry in text.split(',') {
        let (kid, seed) = entry.trim().split_once(':').ok_or("must be `<kid>:<base64url seed>`")?;
        let seed = URL_SAFE_NO_PAD.decode(seed).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let seed = seed.ok_or("needs a seed of 32 bytes in base64url without padding")?;
        seeds.push((kid.to_owned(), seed));
    }
    if seeds.len() > 2 {
        return Err("holds more than two keys".into());
    }
    Ok(seeds)
}

#[derive(Serialize)]
struct Header<'k> {
    typ: &'static str,
    alg: &'static str,
    kid: &'k str,
}

fn encode(value: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).expect("our own types have string keys"))
}

fn subtle() -> Result<SubtleCrypto, JsValue> {
    Ok(js_sys::global().unchecked_into::<WorkerGlobalScope>().crypto()?.subtle())
}

const ED25519: &str = "Ed25519";
/// What stands before the seed in a PKCS #8 document of an Ed25519 key (RFC 8410, section 7).
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use sluice_protocol::forward::grant::GrantClaims;

    /// That it is signed, and with the right key, is seen by an origin: its tests and ours verify each grant.
    #[test]
    fn what_is_signed_is_a_header_and_the_claims() {
        let claims = GrantClaims {
            jti: "req_x".into(),
            sub: "key_x".into(),
            acc: "a".into(),
            plan: "p".into(),
            pri: 1,
            tok: 0,
            max: 0,
            inp: 0,
            exp: 4_000_000_000,
            bh: "00".into(),
        };
        let input = Signer::new("k1", &[1; 32]).signing_input(&claims);
        let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let (header, payload) = input.split_once('.').unwrap();
        assert_eq!(read(header), json!({"typ": "JWT", "alg": "EdDSA", "kid": "k1"}));
        assert_eq!(serde_json::from_value::<GrantClaims>(read(payload)).unwrap(), claims);
    }
}
