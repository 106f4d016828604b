//! grant: what an edge signed is the only thing the origin trusts.
//!
//! A compact JWS in `x-sluice-grant`: EdDSA and nothing else, by one of at most two configured keys, which the header's
//! `kid` selects. Keys that a token brings along (`jwk`, `jku`, `x5u`) are never looked at.

pub(crate) mod allowance;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use sluice_protocol::forward::grant::{GrantClaims, MAX_GRANT_MS};
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::drawing::Drawing;
use sluice_protocol::route::setting::OriginName;
use sluice_protocol::time::Millis;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// A public key that edges sign with, and its name.
#[derive(Clone)]
pub struct GrantKey {
    kid: String,
    key: DecodingKey,
    text: String,
}

impl GrantKey {
    /// The key's name, as in the header's `kid`.
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

/// `KID=PUBLIC`, as `sluice-origin keygen` prints them: a name of visible ASCII and 32 bytes in base64url.
impl FromStr for GrantKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kid, public) = text.split_once('=').ok_or("a grant key is KID=BASE64URL_PUBLIC")?;
        if kid.is_empty() || kid.len() > 64 || !kid.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a grant key's name has 1 to 64 visible ASCII characters".into());
        }
        let bytes: [u8; 32] = URL_SAFE_NO_PAD
            .decode(public)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| format!("the public key of {kid} is not 32 bytes in base64url"))?;
        // A key of small order would accept forged signatures.
        match ed25519_dalek::VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => {}
            _ => return Err(format!("the public key of {kid} is not an Ed25519 key")),
        }
        Ok(Self { kid: kid.to_owned(), key: DecodingKey::from_ed_der(&bytes), text: text.to_owned() })
    }
}

impl fmt::Debug for GrantKey {
    /// Public keys may be shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A new key pair: the private seed and the public key, both 32 bytes in base64url. The seed is a secret.
pub fn generate_key() -> (String, String) {
    let seed = crate::system::random_bytes::<32>();
    let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
    (URL_SAFE_NO_PAD.encode(seed), URL_SAFE_NO_PAD.encode(public.as_bytes()))
}

/// Checks grants, and remembers which were used.
pub(crate) struct Verifier {
    keys: Vec<GrantKey>,
    /// This origin's name among several.
    name: Option<OriginName>,
    used: Mutex<Used>,
}

impl Verifier {
    pub(crate) fn new(keys: Vec<GrantKey>, name: Option<OriginName>) -> Self {
        Self { keys, name, used: Mutex::new(Used::new(MAX_USED)) }
    }

    /// Reads a grant and checks everything that can be checked before the body is read, except whether it was used.
    pub(crate) fn verify(&self, grant: Option<&[u8]>, now: Millis) -> Result<(GrantClaims, RequestId), Refusal> {
        let grant = grant.ok_or_else(|| invalid("there is no grant"))?;
        let header = jsonwebtoken::decode_header(grant).map_err(|error| invalid(format!("header: {error}")))?;
        if header.alg != Algorithm::EdDSA {
            return Err(invalid("the algorithm is not EdDSA"));
        }
        if header.crit.is_some() {
            // RFC 7515, section 4.1.11: what is critical and not understood is refused.
            return Err(invalid("the header has critical members"));
        }
        let kid = header.kid.ok_or_else(|| invalid("there is no kid"))?;
        let key = self.keys.iter().find(|key| key.kid == kid).ok_or_else(|| invalid("no key has this kid"))?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        // Our claims have rules of their own, with milliseconds and without leeway: `GrantClaims::check`.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<GrantClaims>(grant, &key.key, &validation)
            .map_err(|error| invalid(format!("token: {error}")))?
            .claims;
        let id = claims.check(now).map_err(|error| invalid(error.to_string()))?;
        let own = self.name.as_ref().map(OriginName::as_str);
        claims.check_audience(own).map_err(|error| invalid(error.to_string()))?;
        Ok((claims, id))
    }

    /// Uses a grant up. Refuses one that was used before.
    pub(crate) fn claim(&self, id: RequestId, deadline: Millis, now: Millis) -> Result<(), Refusal> {
        // Nothing in there panics halfway through a change.
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(id, deadline, now)
    }
}

fn invalid(why: impl Into<String>) -> Refusal {
    Refusal::new(Reason::InvalidGrant, "The origin needs a valid grant of its edge.").with_detail(why)
}

/// A body that is not the one that was granted.
pub(crate) fn check_body(claims: &GrantClaims, body: &[u8]) -> Result<(), Refusal> {
    claims.check_body(body).map_err(|error| invalid(error.to_string()))
}

/// Refuses more pictures, steps or pixels than a grant is for.
pub(crate) fn check_pictures(claims: &GrantClaims, asked: Drawing) -> Result<(), Refusal> {
    claims.check_pictures(asked).map_err(|error| invalid(error.to_string()))
}

/// Grants that live and were used. At 40 bytes each this is some 20 MiB, and 72 a second if every one lives two hours.
const MAX_USED: usize = 512 * 1024;

/// Remembers each id until its grant expires. When full, the new one is refused: forgetting one that lives would let it
/// be used again.
struct Used {
    max: usize,
    ids: HashSet<RequestId>,
    by_deadline: BinaryHeap<Reverse<(Millis, RequestId)>>,
    /// The latest time seen. A clock that goes back brings no grant back to life.
    now: Millis,
}

impl Used {
    fn new(max: usize) -> Self {
        Self { max, ids: HashSet::new(), by_deadline: BinaryHeap::new(), now: 0 }
    }

    fn insert(&mut self, id: RequestId, deadline: Millis, now: Millis) -> Result<(), Refusal> {
        self.now = self.now.max(now);
        while let Some(Reverse((due, _))) = self.by_deadline.peek()
            && *due <= self.now
            && let Some(Reverse((_, id))) = self.by_deadline.pop()
        {
            self.ids.remove(&id);
        }
        // Forgotten already, as it is over by the latest time seen.
        if deadline <= self.now {
            return Err(invalid("the grant has expired"));
        }
        if self.ids.contains(&id) {
            return Err(invalid("the grant was used before"));
        }
        if self.ids.len() >= self.max {
            return Err(Refusal::new(Reason::Overloaded, "The origin cannot take more requests now.")
                .with_detail(format!("{} used grants are remembered, which is the most", self.max)));
        }
        debug_assert!(deadline <= now.saturating_add(MAX_GRANT_MS), "`GrantClaims::check` bounds the deadline");
        self.ids.insert(id);
        self.by_deadline.push(Reverse((deadline, id)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> RequestId {
        RequestId([n; 16])
    }

    #[test]
    fn a_used_grant_is_remembered_as_long_as_it_lives() {
        let mut used = Used::new(2);
        assert!(used.insert(id(1), 1_000, 0).is_ok());
        assert_eq!(used.insert(id(1), 1_000, 999).err().map(|refusal| refusal.reason), Some(Reason::InvalidGrant));
        assert!(used.insert(id(2), 2_000, 0).is_ok());
        // Full: the new one is refused, the old ones are not forgotten.
        assert_eq!(used.insert(id(3), 2_000, 0).err().map(|refusal| refusal.reason), Some(Reason::Overloaded));
        assert!(used.insert(id(3), 2_000, 1_000).is_ok());
        // The clock went back: what was forgotten is not taken again.
        assert_eq!(used.insert(id(1), 1_000, 0).err().map(|refusal| refusal.reason), Some(Reason::InvalidGrant));
    }

    #[test]
    fn keys_are_checked_when_they_are_read() {
        let (_, public) = generate_key();
        assert!(format!("k1={public}").parse::<GrantKey>().is_ok());
        for text in ["", "k1", "=AAAA", "k1=AAAA", "k 1=x", &format!("k1={public}x"), &format!("k1={}", "A".repeat(43))]
        {
            assert!(text.parse::<GrantKey>().is_err(), "{text}");
        }
    }
}
