//! Signatures, which the platform makes and checks.

use super::calls;
use super::time::scope;
use super::wait::promise::Settled;
use crate::platform::Fault;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsCast;
use web_sys::CryptoKey;

/// An Ed25519 key to sign with. Does not print.
#[derive(Clone)]
pub struct SigningKey(CryptoKey);

/// A public key to check signatures with.
#[derive(Clone)]
pub struct Verifier {
    algorithm: &'static str,
    key: CryptoKey,
}

impl SigningKey {
    /// The platform's form of a seed.
    pub async fn import(seed: &[u8; 32]) -> Result<Self, Fault> {
        let document = Uint8Array::from([PKCS8_ED25519.as_slice(), seed].concat().as_slice());
        let usages = Array::of1(&"sign".into());
        let subtle = scope().crypto()?.subtle();
        let import = subtle.import_key_with_str("pkcs8", &document, ED25519, false, &usages)?;
        Ok(Self(Settled::of(&import).await?.unchecked_into()))
    }

    /// Its signature.
    pub async fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Fault> {
        let signature = calls::sign(&self.0, &Uint8Array::from(data).into())?;
        Ok(Uint8Array::new(&Settled::of(&signature).await?).to_vec())
    }
}

impl Verifier {
    /// The platform's form of a public key, for an algorithm by its name in a token's header. The document is a
    /// SubjectPublicKeyInfo. It fails where the platform takes no such key.
    pub async fn import(algorithm: &'static str, document: &[u8]) -> Result<Self, Fault> {
        let import = calls::import_verifier(algorithm, &Uint8Array::from(document))?;
        Ok(Self { algorithm, key: Settled::of(&import).await?.unchecked_into() })
    }

    /// Whether a signature is this key's.
    pub async fn verify(&self, signature: &[u8], data: &[u8]) -> Result<bool, Fault> {
        let (signature, data) = (Uint8Array::from(signature), Uint8Array::from(data));
        let verdict = calls::verify(self.algorithm, &self.key, &signature, &data)?;
        // Whatever is not `true` is no.
        Ok(Settled::of(&verdict).await?.is_truthy())
    }
}

const ED25519: &str = "Ed25519";
/// What stands before the seed in a PKCS #8 document of an Ed25519 key (RFC 8410, section 7).
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
