//! Signing grants: a compact JWS with EdDSA, whose signature is the platform's own.
//!
//! The same signature made by our code costs five times as much: WebAssembly has no 128-bit products.

use crate::platform::{Fault, SigningKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use std::cell::RefCell;

/// Signs grants, and short tokens with keys of their own. Does not print.
pub struct Signer {
    /// The JWS's header, encoded, and the full stop after it.
    header: String,
    seed: [u8; 32],
    /// The platform's form of the key, made with the first grant of an isolate.
    key: RefCell<Option<SigningKey>>,
}

impl Signer {
    /// A signer from an Ed25519 seed.
    pub fn new(kid: &str, seed: &[u8; 32]) -> Self {
        let header = encode(&Header { typ: "JWT", alg: "EdDSA", kid });
        Self { header: header + ".", seed: *seed, key: RefCell::default() }
    }

    /// The compact JWS. The error is for the log.
    pub async fn sign(&self, claims: &impl Serialize) -> Result<String, String> {
        self.sign_with_platform(claims).await.map_err(|fault| format!("signing: {fault}"))
    }

    async fn sign_with_platform(&self, claims: &impl Serialize) -> Result<String, Fault> {
        let mut grant = self.signing_input(claims);
        let signature = self.key().await?.sign(grant.as_bytes()).await?;
        grant.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut grant);
        Ok(grant)
    }

    fn signing_input(&self, claims: &impl Serialize) -> String {
        self.header.clone() + &encode(claims)
    }

    async fn key(&self) -> Result<SigningKey, Fault> {
        if let Some(key) = self.key.borrow().as_ref() {
            return Ok(key.clone());
        }
        let key = SigningKey::import(&self.seed).await?;
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
            aud: None,
            idle: false,
            img: None,
        };
        let input = Signer::new("k1", &[1; 32]).signing_input(&claims);
        let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let (header, payload) = input.split_once('.').unwrap();
        assert_eq!(read(header), json!({"typ": "JWT", "alg": "EdDSA", "kid": "k1"}));
        assert_eq!(serde_json::from_value::<GrantClaims>(read(payload)).unwrap(), claims);
    }
}
