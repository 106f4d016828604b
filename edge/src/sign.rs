//! Signing grants: EdDSA through `jsonwebtoken`, the key read once for an isolate.
//!
//! `jsonwebtoken` reads a key from its bytes again for each signature, and for Ed25519 that costs as much as the signature
//! (the public half is computed anew). So it is given a signer that keeps the key it read last; all else is its own.

use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sluice_protocol::grant::GrantClaims;
use std::cell::RefCell;
use std::sync::LazyLock;

/// Signs grants. Does not print.
pub struct GrantSigner {
    header: Header,
    key: EncodingKey,
}

impl GrantSigner {
    /// A signer from an Ed25519 seed.
    pub fn new(kid: &str, seed: &[u8; 32]) -> Self {
        use_our_provider();
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(kid.to_owned());
        Self { header, key: EncodingKey::from_ed_der(&[PKCS8_ED25519.as_slice(), seed].concat()) }
    }

    /// The compact JWS. The error is for the log.
    pub fn sign(&self, claims: &GrantClaims) -> Result<String, String> {
        jsonwebtoken::encode(&self.header, claims, &self.key).map_err(|error| format!("signing a grant: {error}"))
    }
}

/// Makes `jsonwebtoken` use the keeping signer; all else is its own provider's.
pub fn use_our_provider() {
    // It fails only if a provider is installed already, and that one is this one.
    let _ = PROVIDER.install_default();
}

static PROVIDER: LazyLock<CryptoProvider> =
    LazyLock::new(|| CryptoProvider { signer_factory: keeping_signer, ..DEFAULT_PROVIDER.clone() });

thread_local! {
    static LAST: RefCell<Option<(Vec<u8>, SigningKey)>> = const { RefCell::new(None) };
}

fn keeping_signer(algorithm: &Algorithm, key: &EncodingKey) -> jsonwebtoken::errors::Result<Box<dyn JwtSigner>> {
    if *algorithm != Algorithm::EdDSA {
        return (DEFAULT_PROVIDER.signer_factory)(algorithm, key);
    }
    LAST.with_borrow_mut(|last| match last {
        Some((bytes, read)) if bytes == key.as_bytes() => Ok(read.clone()),
        _ => {
            let read = SigningKey::from_pkcs8_der(key.as_bytes()).map_err(|_| ErrorKind::InvalidEddsaKey)?;
            last.replace((key.as_bytes().to_vec(), read.clone()));
            Ok(read)
        }
    })
    .map(|key| Box::new(Ed25519(key)) as Box<dyn JwtSigner>)
}

struct Ed25519(SigningKey);

impl Signer<Vec<u8>> for Ed25519 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        let signature: ed25519_dalek::Signature = self.0.try_sign(message)?;
        Ok(signature.to_vec())
    }
}

impl JwtSigner for Ed25519 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

/// What stands before the seed in a PKCS #8 document of an Ed25519 key (RFC 8410, section 7).
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn a_grant_verifies_with_the_published_public_key() {
        let bytes = |hex: &str| sluice_protocol::id::parse_hex::<32>(hex).unwrap();
        let seed = bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
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
        let grant = GrantSigner::new("k1", &seed).sign(&claims).unwrap();
        let mut validation = jsonwebtoken::Validation::new(Algorithm::EdDSA);
        validation.required_spec_claims.clear();
        assert_eq!(GrantSigner::new("k1", &seed).sign(&claims).unwrap(), grant, "the kept key is the same key");
        let other = GrantSigner::new("k1", &[1; 32]).sign(&claims).unwrap();
        assert_ne!(other, grant, "another key is not mistaken for the one kept");
        let key = jsonwebtoken::DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(public)).unwrap();
        let read = jsonwebtoken::decode::<GrantClaims>(&grant, &key, &validation).unwrap();
        assert_eq!(read.header.kid.as_deref(), Some("k1"));
        assert_eq!(read.claims, claims);
    }
}
