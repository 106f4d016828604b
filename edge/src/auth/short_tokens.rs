//! Our own short tokens: what they are signed and checked with.

use crate::platform::sign::{Signer, parse_seeds};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use serde_json::json;
use sluice_protocol::auth::token::{KeySet, Material, ShortClaims, TokenKey};

/// What short tokens are signed and checked with. Does not print.
pub struct ShortTokens {
    /// The newest key's.
    signer: Signer,
    public: KeySet,
    /// The document that others check them with.
    document: String,
}

impl ShortTokens {
    /// Reads the setting `TOKEN_KEYS`: seeds like those of grants, newest first. Nothing, if it is empty.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let seeds = parse_seeds(text)?;
        let (mut public, mut document) = (KeySet::default(), Vec::new());
        for (kid, seed) in &seeds {
            let key = SigningKey::from_bytes(seed).verifying_key().to_bytes();
            let x = URL_SAFE_NO_PAD.encode(key);
            document.push(json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x}));
            let key = TokenKey { kid: Some(kid.clone()), material: Material::Ed25519(key) };
            public.add(key).map_err(|_| "has two keys of one name".to_owned())?;
        }
        let (kid, seed) = seeds.first().ok_or("holds no key")?;
        let document = json!({ "keys": document }).to_string();
        Ok(Some(Self { signer: Signer::new(kid, seed), public, document }))
    }

    /// The document that others check them with.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// Signs a token.
    pub async fn sign(&self, claims: &ShortClaims) -> Result<String, String> {
        self.signer.sign(claims).await
    }

    /// The keys that tokens are checked with: those that are signed with, and those that were.
    pub const fn public(&self) -> &KeySet {
        &self.public
    }
}
