//! The secrets of a test deployment, and what only their holder can make: keys and grants.
//!
//! They are fixed, so that a test can look for every form of them in the logs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use sha2::{Digest, Sha256};
use sluice_protocol::auth::key::{ApiKey, Peppers};
use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::id::{AccountId, hex};

/// What is said in tests; it must not be found in any log.
pub const PROMPT: &str = "xyzzy-prompt-text";
/// The admin's token.
pub const ADMIN_TOKEN: &str = "e2e-admin-token-6f1b-which-nobody-guesses";
/// The name of the key that grants are signed with.
pub const KID: &str = "e2e";

/// The name of the key that comes after it.
pub const NEXT_KID: &str = "e2e-next";

const EPOCH: u8 = 7;
const PEPPER: [u8; 32] = [0xa7; 32];
const OTHER_PEPPER: [u8; 32] = [0x5c; 32];
const GRANT_SEED: [u8; 32] = [0x3e; 32];
// Bytes of no text: a model may say one letter over and over.
const TOKEN_SEED: [u8; 32] = [0xd4; 32];
const TOKEN_KID: &str = "short";
const OTHER_SEED: [u8; 32] = [0x91; 32];
/// The Ed25519 public key of [`GRANT_SEED`], for origins.
const GRANT_PUBLIC: &str = "-VxqXf8DH6x7GmpUtmEMrrg7Offopmvhb_X6pKUR7S0";

/// The one of [`OTHER_SEED`].
const OTHER_PUBLIC: &str = "jKYxRZB6Lmxfs9wHkcAYm4JS2j5BQ3BLOyyk5SbyXdE";

/// The edge's setting `KEY_PEPPERS`.
pub fn key_peppers() -> String {
    format!("{EPOCH}:{}", hex(&PEPPER))
}

/// `KEY_PEPPERS` while the next epoch is being introduced.
pub fn both_key_peppers() -> String {
    format!("{},{}", next_key_peppers(), key_peppers())
}

/// `KEY_PEPPERS` after the next epoch was introduced: keys of this one are retired.
pub fn next_key_peppers() -> String {
    format!("{}:{}", EPOCH + 1, hex(&OTHER_PEPPER))
}

/// The edge's setting `GRANT_KEYS`.
pub fn grant_keys() -> String {
    format!("{KID}:{}", URL_SAFE_NO_PAD.encode(GRANT_SEED))
}

/// The edge's setting `ADMIN_TOKENS`.
pub fn admin_tokens() -> String {
    format!("e2e:{}", hex(&Sha256::digest(ADMIN_TOKEN)))
}

/// A token that could be guessed; [`ADMIN_TOKEN`] is long.
pub const SHORT_ADMIN_TOKEN: &str = "e2e-short-6f1b";

/// `ADMIN_TOKENS` with both.
pub fn short_admin_tokens() -> String {
    format!("{},short:{}", admin_tokens(), hex(&Sha256::digest(SHORT_ADMIN_TOKEN)))
}

/// `ADMIN_TOKENS` of four admins, each with the scope that it is named after: see [`scoped_token`].
pub fn scoped_admin_tokens() -> String {
    let one = |name: &str| format!("{name}:{}:{name}", hex(&Sha256::digest(scoped_token(name))));
    ["read", "keys", "plans", "origins"].map(one).join(",")
}

/// The token of one of them.
pub fn scoped_token(name: &str) -> String {
    format!("e2e-{name}-token-93d0")
}

/// The edge's setting `TOKEN_KEYS`.
pub fn token_keys() -> String {
    format!("{TOKEN_KID}:{}", URL_SAFE_NO_PAD.encode(TOKEN_SEED))
}

/// `TOKEN_KEYS` while the next key is being introduced.
pub fn both_token_keys() -> String {
    format!("next:{},{}", URL_SAFE_NO_PAD.encode(OTHER_SEED), token_keys())
}

/// `TOKEN_KEYS` after that.
pub fn next_token_keys() -> String {
    format!("next:{}", URL_SAFE_NO_PAD.encode(OTHER_SEED))
}

/// Signs any claims like a short token: with the right key, or with another one under its name.
pub fn sign_short(claims: &serde_json::Value, is_right: bool) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(TOKEN_KID.to_owned());
    let seed = if is_right { TOKEN_SEED } else { OTHER_SEED };
    let key = EncodingKey::from_ed_der(&[PKCS8_ED25519.as_slice(), &seed].concat());
    jsonwebtoken::encode(&header, claims, &key).expect("claims are JSON and the key is a key")
}

/// `GRANT_KEYS` while the next key is being introduced: it signs, and the one before is still there.
pub fn both_grant_keys() -> String {
    format!("{NEXT_KID}:{},{}", URL_SAFE_NO_PAD.encode(OTHER_SEED), grant_keys())
}

/// `GRANT_KEYS` after the next key was introduced and the first one was retired.
pub fn next_grant_keys() -> String {
    format!("{NEXT_KID}:{}", URL_SAFE_NO_PAD.encode(OTHER_SEED))
}

/// The origin's setting for grants: `KID=PUBLIC`, for each key that it is to know.
pub fn grant_publics() -> [String; 2] {
    [format!("{KID}={GRANT_PUBLIC}"), format!("{NEXT_KID}={OTHER_PUBLIC}")]
}

/// Every form in which a secret of the deployment could be printed.
pub fn all() -> Vec<String> {
    let bytes =
        [PEPPER, GRANT_SEED, TOKEN_SEED].into_iter().flat_map(|secret| [hex(&secret), URL_SAFE_NO_PAD.encode(secret)]);
    bytes.chain([ADMIN_TOKEN.to_owned()]).collect()
}

/// A key of this account whose tag is good and whose secret nobody was given.
pub fn guessed_secret(account: AccountId) -> String {
    mint(EPOCH, &PEPPER, account)
}

/// A key of this account whose tag was made with another pepper.
pub fn forged_tag(account: AccountId) -> String {
    mint(EPOCH, &OTHER_PEPPER, account)
}

/// A key of this account from an epoch that is not in force.
pub fn retired_epoch(account: AccountId) -> String {
    mint(EPOCH - 1, &OTHER_PEPPER, account)
}

fn mint(epoch: u8, pepper: &[u8; 32], account: AccountId) -> String {
    let peppers = Peppers::parse(&format!("{epoch}:{}", hex(pepper))).expect("a pepper of the right form");
    ApiKey::mint(&peppers, account, [2; 20]).reveal()
}

/// Signs a grant as the edge does.
pub fn sign(claims: &GrantClaims) -> String {
    sign_with(&GRANT_SEED, KID, claims)
}

/// Signs a grant with a key that the origin does not have, under a name that it does.
pub fn sign_with_wrong_key(claims: &GrantClaims) -> String {
    sign_with(&OTHER_SEED, KID, claims)
}

/// Signs a grant with the right key under a name that the origin does not know.
pub fn sign_with_wrong_name(claims: &GrantClaims) -> String {
    sign_with(&GRANT_SEED, "other", claims)
}

/// A grant "signed" with HMAC, the origin's public key as the secret: the classic confusion of algorithms.
pub fn sign_with_public_key(claims: &GrantClaims) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(KID.to_owned());
    let public = URL_SAFE_NO_PAD.decode(GRANT_PUBLIC).expect("a public key as an origin takes it");
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(&public).expect("not empty"))
        .expect("claims are JSON")
}

/// The edge's setting `GRANT_KEYS` of another deployment.
pub fn other_grant_keys() -> String {
    format!("{KID}:{}", URL_SAFE_NO_PAD.encode(OTHER_SEED))
}

fn sign_with(seed: &[u8; 32], kid: &str, claims: &GrantClaims) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    let key = EncodingKey::from_ed_der(&[PKCS8_ED25519.as_slice(), seed].concat());
    jsonwebtoken::encode(&header, claims, &key).expect("claims are JSON and the key is a key")
}

/// A grant that says that it needs no signature.
pub fn unsigned(claims: &GrantClaims) -> String {
    let part = |json: String| URL_SAFE_NO_PAD.encode(json);
    let header = format!(r#"{{"alg":"none","typ":"JWT","kid":"{KID}"}}"#);
    let claims = serde_json::to_string(claims).expect("claims are JSON");
    format!("{}.{}.", part(header), part(claims))
}

/// What stands before the seed in a PKCS #8 document of an Ed25519 key (RFC 8410, section 7).
pub(crate) const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
