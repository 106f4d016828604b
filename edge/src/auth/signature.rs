//! Whether a token is signed with a key.
//!
//! For public keys the platform checks: the same check by our code takes a millisecond for RSA, as WebAssembly has no 128-bit
//! products. Its form of a key is made once for an isolate. What it does not take (an RSA key with a rare exponent), and secrets, whose
//! check is as quick here, our own code checks; both say the same of every signature.

mod ours;

use crate::platform::{Fault, Verifier, isolate_local};
use crate::telemetry;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluice_protocol::auth::token::{Algorithm, Material, TokenKey, Unverified};
use sluice_protocol::telemetry::Line;
use std::cell::RefCell;
use std::collections::HashMap;

/// Whether the signature is this key's. The token's algorithm must be the one that the key is for.
pub async fn is_signed(token: &Unverified<'_>, key: &TokenKey) -> bool {
    match verifier(token.algorithm, &key.material).await {
        Some(verifier) => match by_platform(token, &verifier).await {
            Ok(verdict) => verdict,
            Err(fault) => {
                telemetry::write(&Line::trouble("the platform does not check a signature", fault.to_string()));
                by_ourselves(token, key)
            }
        },
        None => by_ourselves(token, key),
    }
}

async fn by_platform(token: &Unverified<'_>, verifier: &Verifier) -> Result<bool, Fault> {
    let Ok(signature) = URL_SAFE_NO_PAD.decode(token.signature) else { return Ok(false) };
    // For some the platform has no answer but an error.
    if token.algorithm.signature_len().is_some_and(|len| len != signature.len()) {
        return Ok(false);
    }
    verifier.verify(&signature, token.signed.as_bytes()).await
}

fn by_ourselves(token: &Unverified<'_>, key: &TokenKey) -> bool {
    let Ok(signature) = URL_SAFE_NO_PAD.decode(token.signature) else { return false };
    ours::is_signed(token.algorithm, &key.material, token.signed.as_bytes(), &signature)
}

/// The platform's form of a key; `None` where it has none.
async fn verifier(algorithm: Algorithm, material: &Material) -> Option<Verifier> {
    if let Some(known) = VERIFIERS.with_borrow(|verifiers| verifiers.get(material).cloned()) {
        return known;
    }
    let document = material.public_document()?;
    let verifier = match Verifier::import(algorithm.name(), &document).await {
        Ok(verifier) => Some(verifier),
        Err(fault) => {
            let what = format!("the platform takes no such {} key, ours checks it", algorithm.name());
            telemetry::write(&Line::trouble(what, fault.to_string()));
            None
        }
    };
    VERIFIERS.with_borrow_mut(|verifiers| {
        if verifiers.len() >= MAX_VERIFIERS {
            verifiers.clear();
        }
        verifiers.insert(material.clone(), verifier.clone());
    });
    verifier
}

isolate_local! {
    /// The platform's form of each key that was asked for; `None` for those of which it has none.
    static VERIFIERS: RefCell<HashMap<Material, Option<Verifier>>> = RefCell::default();
}

/// More keys than issuers have at once; those that have gone are so forgotten.
const MAX_VERIFIERS: usize = 256;
