//! Signatures.

use crate::platform::{Fault, sleep};
use ed25519_dalek::{Signature, Signer, VerifyingKey};

/// An Ed25519 key to sign with. Does not print.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// A public key to check signatures with.
#[derive(Clone)]
pub struct Verifier(VerifyingKey);

impl SigningKey {
    /// The platform's form of a seed.
    pub async fn import(seed: &[u8; 32]) -> Result<Self, Fault> {
        sleep(0).await;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(seed)))
    }

    /// Its signature.
    pub async fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Fault> {
        sleep(0).await;
        Ok(self.0.sign(data).to_bytes().to_vec())
    }
}

impl Verifier {
    /// The platform's form of a public key, for an algorithm by its name in a token's header. The document is a
    /// SubjectPublicKeyInfo. This platform takes Ed25519 only.
    pub async fn import(algorithm: &'static str, document: &[u8]) -> Result<Self, Fault> {
        sleep(0).await;
        let key = document.last_chunk::<32>().filter(|_| algorithm == "EdDSA").ok_or("a key of another kind")?;
        VerifyingKey::from_bytes(key).map(Self).map_err(|error| error.to_string().into())
    }

    /// Whether a signature is this key's.
    pub async fn verify(&self, signature: &[u8], data: &[u8]) -> Result<bool, Fault> {
        sleep(0).await;
        Ok(Signature::from_slice(signature).is_ok_and(|signature| self.0.verify_strict(data, &signature).is_ok()))
    }
}
