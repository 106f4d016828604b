//! The keys of an issuer, and which of them a token must be signed with.

use crate::wire::json;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use spki::der::asn1::{AnyRef, BitStringRef, UintRef};
use spki::der::{Document, Encode, Tag};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};
use std::fmt;

/// What tokens may be signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256: whoever can check can also sign.
    Hs256,
    /// RSA (PKCS #1 v1.5) with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// A key that signatures are checked with. Does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// Its name, if it has one.
    pub kid: Option<String>,
    /// The key itself.
    pub material: Material,
}

/// What a key is made of. Does not print.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Material {
    /// The secret of HMAC.
    Secret(Vec<u8>),
    /// Modulus and exponent, big-endian.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The exponent.
        exponent: Vec<u8>,
    },
    /// A PKCS #1 document.
    RsaDer(Vec<u8>),
    /// A point of P-256, uncompressed: 65 bytes.
    Point(Vec<u8>),
    /// An Ed25519 public key.
    Ed25519([u8; 32]),
}

/// All keys of an issuer that are of its algorithm.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeySet(Vec<TokenKey>);

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in a token's header, letter by letter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// How many bytes a signature has; `None` where that is as many as its key's modulus.
    pub const fn signature_len(self) -> Option<usize> {
        match self {
            Self::Hs256 => Some(32),
            Self::Rs256 => None,
            Self::Es256 | Self::EdDsa => Some(64),
        }
    }

    /// The algorithm of this name. `none` is not one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl KeySet {
    /// One key.
    pub fn of(key: TokenKey) -> Self {
        Self(vec![key])
    }

    /// Reads the document behind a JWKS URL: `{"keys": [...]}`. Keys that are not for this algorithm, or not for signatures, are
    /// left out, and so is every secret: nobody publishes one. `None` if it is not such a document or no key is left.
    pub fn from_document(bytes: &[u8], algorithm: Algorithm) -> Option<Self> {
        let document = json::object(bytes)?;
        let keys = document.get("keys")?.as_array()?.iter().filter_map(Value::as_object);
        let keys = keys.filter(|key| key.get("kty").is_none_or(|kty| kty != "oct"));
        let mut set = Self::default();
        for key in keys.filter_map(|key| TokenKey::from_jwk(key, algorithm).ok()).take(MAX_KEYS) {
            // Of two keys of one name only the first would ever be asked.
            if key.kid.is_none() || !set.0.iter().any(|other| other.kid == key.kid) {
                set.0.push(key);
            }
        }
        (!set.0.is_empty()).then_some(set)
    }

    /// Reads the document with a scanner's keys: `{"public_keys": [{"key_identifier", "key"}]}`, each key a PEM on P-256.
    pub fn from_scanner(bytes: &[u8]) -> Option<Self> {
        let document = json::object(bytes)?;
        let mut set = Self::default();
        for entry in document.get("public_keys")?.as_array()?.iter().take(MAX_KEYS) {
            let text = |name: &str| entry.get(name).and_then(Value::as_str);
            let (Some(kid), Some(pem)) = (text("key_identifier"), text("key")) else { continue };
            if let Ok(key) = TokenKey::from_pem(pem, Algorithm::Es256) {
                // Of two of one name the first is used.
                let _ = set.add(TokenKey { kid: Some(kid.to_owned()), ..key });
            }
        }
        (!set.0.is_empty()).then_some(set)
    }

    /// Adds a key; `Err` if there is one of its name, or one of the two has none.
    pub fn add(&mut self, key: TokenKey) -> Result<(), &'static str> {
        let unclear = |other: &TokenKey| other.kid.is_none() || key.kid.is_none() || other.kid == key.kid;
        if self.0.iter().any(unclear) {
            return Err("has keys that cannot be told apart: each needs a `kid` of its own");
        }
        self.0.push(key);
        Ok(())
    }

    /// The key for a token that names this one. A token that names none is for the only key that there is; a key without a name
    /// is for every token.
    pub fn choose(&self, kid: Option<&str>) -> Option<&TokenKey> {
        match (kid, self.0.as_slice()) {
            (Some(kid), keys) if keys.iter().any(|key| key.kid.is_some()) => {
                keys.iter().find(|key| key.kid.as_deref() == Some(kid))
            }
            (_, [only]) => Some(only),
            _ => None,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TokenKey {
    /// Reads a JWK. The error says what is wrong, without the value.
    pub fn from_jwk(jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<Self, &'static str> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        if text("alg").is_some_and(|named| named != algorithm.name()) || text("use").is_some_and(|usage| usage != "sig")
        {
            return Err("has a key for something else");
        }
        let verifies = |operations: &Vec<Value>| operations.iter().any(|operation| operation == "verify");
        if jwk.get("key_ops").and_then(Value::as_array).is_some_and(|operations| !verifies(operations)) {
            return Err("has a key that is not for checking signatures");
        }
        let is_public = !["d", "p", "q"].iter().any(|name| jwk.contains_key(*name));
        let material = match (text("kty"), text("crv"), algorithm) {
            (Some("oct"), _, Algorithm::Hs256) => Material::secret(bytes("k").ok_or(UNREADABLE)?)?,
            (Some("RSA"), _, Algorithm::Rs256) if is_public => {
                let (modulus, exponent) = (bytes("n").ok_or(UNREADABLE)?, bytes("e").ok_or(UNREADABLE)?);
                Material::rsa(&modulus, &exponent)?
            }
            (Some("EC"), Some("P-256"), Algorithm::Es256) if is_public => {
                let (x, y) = (bytes("x").ok_or(UNREADABLE)?, bytes("y").ok_or(UNREADABLE)?);
                Material::point([&[4], x.as_slice(), &y].concat())?
            }
            (Some("OKP"), Some("Ed25519"), Algorithm::EdDsa) if is_public => {
                Material::ed25519(&bytes("x").ok_or(UNREADABLE)?)?
            }
            (Some("RSA" | "EC" | "OKP"), _, _) if !is_public => {
                return Err("has a private key, which does not belong here");
            }
            _ => return Err("has a key that is not of its algorithm"),
        };
        Ok(Self { kid: text("kid").map(str::to_owned), material })
    }

    /// Reads a public key in PEM (`-----BEGIN PUBLIC KEY-----`). The error says what is wrong, without the value.
    pub fn from_pem(pem: &str, algorithm: Algorithm) -> Result<Self, &'static str> {
        let (label, document) = Document::from_pem(pem).map_err(|_| UNREADABLE)?;
        if label != "PUBLIC KEY" {
            return Err("needs a PEM document that begins with `-----BEGIN PUBLIC KEY-----`");
        }
        let info = SubjectPublicKeyInfoRef::try_from(document.as_bytes()).map_err(|_| UNREADABLE)?;
        let key = info.subject_public_key.as_bytes().ok_or(UNREADABLE)?;
        let is = |id: ObjectIdentifier| info.algorithm.oid == id;
        let material = match algorithm {
            Algorithm::Rs256 if is(RSA) && key.len() > MIN_RSA_BYTES => Material::RsaDer(key.to_vec()),
            Algorithm::Es256 if is(ELLIPTIC) && info.algorithm.parameters_oid().is_ok_and(|oid| oid == P256) => {
                Material::point(key.to_vec())?
            }
            Algorithm::EdDsa if is(ED25519) => Material::ed25519(key)?,
            _ => return Err("has a key that is not of its algorithm, or an RSA key of less than 2048 bits"),
        };
        Ok(Self { kid: None, material })
    }

    /// The secret of an issuer with HS256, as text.
    pub fn from_secret(secret: &str) -> Result<Self, &'static str> {
        Ok(Self { kid: None, material: Material::secret(secret.as_bytes().to_vec())? })
    }
}

impl Material {
    fn secret(bytes: Vec<u8>) -> Result<Self, &'static str> {
        // RFC 7518, section 3.2.
        if bytes.len() < 32 { Err("needs a secret of at least 32 bytes") } else { Ok(Self::Secret(bytes)) }
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, &'static str> {
        let modulus = &modulus[modulus.iter().take_while(|byte| **byte == 0).count()..];
        // RFC 7518, section 3.3; and a longer one would make each check dear.
        if !(MIN_RSA_BYTES..=512).contains(&modulus.len()) || !(1..=8).contains(&exponent.len()) {
            return Err("needs an RSA key of 2048 to 4096 bits");
        }
        Ok(Self::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// The public key as a document that others read, too: a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7). `None` for a secret,
    /// which is none.
    pub fn public_document(&self) -> Option<Vec<u8>> {
        match self {
            Self::Secret(_) => None,
            Self::Rsa { modulus, exponent } => {
                public_document(RSA, Some(AnyRef::NULL), &pkcs1(modulus, exponent).ok()?)
            }
            Self::RsaDer(document) => public_document(RSA, Some(AnyRef::NULL), document),
            Self::Point(point) => public_document(ELLIPTIC, Some(AnyRef::from(&P256)), point),
            Self::Ed25519(key) => public_document(ED25519, None, key),
        }
    }

    fn point(bytes: Vec<u8>) -> Result<Self, &'static str> {
        if bytes.len() == 65 && bytes[0] == 4 { Ok(Self::Point(bytes)) } else { Err(UNREADABLE) }
    }

    fn ed25519(bytes: &[u8]) -> Result<Self, &'static str> {
        bytes.try_into().map(Self::Ed25519).map_err(|_| UNREADABLE)
    }
}

fn public_document(oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> Option<Vec<u8>> {
    let subject_public_key = BitStringRef::from_bytes(key).ok()?;
    SubjectPublicKeyInfoRef { algorithm: AlgorithmIdentifierRef { oid, parameters }, subject_public_key }.to_der().ok()
}

/// RFC 8017, appendix A.1.1.
fn pkcs1(modulus: &[u8], exponent: &[u8]) -> spki::der::Result<Vec<u8>> {
    let numbers = [UintRef::new(modulus)?.to_der()?, UintRef::new(exponent)?.to_der()?].concat();
    AnyRef::new(Tag::Sequence, &numbers)?.to_der()
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({:?}, ..)", self.kid)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

const UNREADABLE: &str = "has a key that cannot be read";
const MIN_RSA_BYTES: usize = 256;
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// More keys than any issuer has at once.
const MAX_KEYS: usize = 32;
