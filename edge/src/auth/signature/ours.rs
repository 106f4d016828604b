//! What our own code checks: secrets, and the keys that the platform does not take.
//!
//! The checks themselves are libraries', one for each algorithm. Nothing of what signs, makes keys or reads private
//! ones is here, nor an algorithm that no issuer may have: all of it would be a fifth of the Worker.

use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::Verifier;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{BoxedUint, Pkcs1v15Sign};
use sha2::{Digest, Sha256};
use sluice_protocol::auth::token::{Algorithm, Material};

/// Whether the signature is this key's, by this algorithm: `false` where the key is not of that, or the signature is none.
pub(super) fn is_signed(algorithm: Algorithm, key: &Material, signed: &[u8], signature: &[u8]) -> bool {
    let verdict = match (algorithm, key) {
        (Algorithm::Hs256, Material::Secret(secret)) => by_secret(secret, signed, signature),
        (Algorithm::Rs256, Material::Rsa { modulus, exponent }) => {
            let [modulus, exponent] = [modulus, exponent].map(|number| BoxedUint::from_be_slice_vartime(number));
            rsa::PublicKey::new(modulus, exponent).ok().and_then(|key| by_rsa(&key, signed, signature))
        }
        (Algorithm::Rs256, Material::RsaDer(document)) => {
            rsa::PublicKey::from_pkcs1_der(document).ok().and_then(|key| by_rsa(&key, signed, signature))
        }
        (Algorithm::Es256, Material::Point(point)) => by_point(point, signed, signature),
        (Algorithm::EdDsa, Material::Ed25519(key)) => by_ed25519(key, signed, signature),
        _ => None,
    };
    verdict.is_some()
}

fn by_secret(secret: &[u8], signed: &[u8], signature: &[u8]) -> Option<()> {
    // An empty secret signs nothing; settings refuse it already.
    let secret = Some(secret).filter(|secret| !secret.is_empty())?;
    Hmac::<Sha256>::new_from_slice(secret).ok()?.chain_update(signed).verify_slice(signature).ok()
}

fn by_rsa(key: &rsa::PublicKey, signed: &[u8], signature: &[u8]) -> Option<()> {
    key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signed), signature).ok()
}

fn by_point(point: &[u8], signed: &[u8], signature: &[u8]) -> Option<()> {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
    key.verify(signed, &p256::ecdsa::Signature::from_slice(signature).ok()?).ok()
}

fn by_ed25519(key: &[u8; 32], signed: &[u8], signature: &[u8]) -> Option<()> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).ok()?;
    key.verify(signed, &ed25519_dalek::Signature::from_slice(signature).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::Signer;

    const SIGNED: &[u8] = b"header.claims";

    /// Each algorithm whose keys are quickly made, with a signature; RSA's are tried through both gates.
    fn signatures() -> Vec<(Algorithm, Material, Vec<u8>)> {
        let secret = vec![7; 32];
        let tag =
            Hmac::<Sha256>::new_from_slice(&secret).unwrap().chain_update(SIGNED).finalize().into_bytes().to_vec();
        let point = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let signature: p256::ecdsa::Signature = point.sign(SIGNED);
        let material = Material::Point(point.verifying_key().to_sec1_point(false).as_bytes().to_vec());
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        vec![
            (Algorithm::Hs256, Material::Secret(secret), tag),
            (Algorithm::Es256, material, signature.to_bytes().to_vec()),
            (Algorithm::EdDsa, Material::Ed25519(key.verifying_key().to_bytes()), key.sign(SIGNED).to_bytes().to_vec()),
        ]
    }

    #[test]
    fn a_signature_is_good_for_its_key_its_text_and_its_algorithm_alone() {
        let all = signatures();
        for (algorithm, key, signature) in &all {
            assert!(is_signed(*algorithm, key, SIGNED, signature), "{}", algorithm.name());
            assert!(!is_signed(*algorithm, key, b"header.other", signature), "{}", algorithm.name());
            for place in [0, signature.len() / 2, signature.len() - 1] {
                let mut other = signature.clone();
                other[place] ^= 1;
                assert!(!is_signed(*algorithm, key, SIGNED, &other), "{} {place}", algorithm.name());
            }
            assert!(!is_signed(*algorithm, key, SIGNED, &signature[1..]) && !is_signed(*algorithm, key, SIGNED, b""));
            for other in Algorithm::ALL.into_iter().filter(|other| other != algorithm) {
                assert!(!is_signed(other, key, SIGNED, signature), "{}", other.name());
            }
        }
        assert!(!is_signed(Algorithm::Hs256, &Material::Secret(Vec::new()), SIGNED, &all[0].2), "an empty secret");
        let broken = [Material::RsaDer(vec![1]), Material::Rsa { modulus: Vec::new(), exponent: vec![3] }];
        assert!(broken.iter().all(|key| !is_signed(Algorithm::Rs256, key, SIGNED, &[1; 256])));
        assert!(!is_signed(Algorithm::Es256, &Material::Point(vec![4; 65]), SIGNED, &all[1].2), "no point");
    }
}
