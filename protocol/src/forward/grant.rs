//! The grant: what the edge tells the origin, and the only thing the origin trusts.
//!
//! A compact JWS (EdDSA, `kid` in the header) in [`crate::wire::header::GRANT`]. The edge signs and the origin verifies
//! with `jsonwebtoken`; what the claims mean, and when they hold, is decided here.

use crate::id::{RequestId, hex};
use crate::request::drawing::Drawing;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a grant says. All members are required and no others are accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantClaims {
    /// The request's id (`req_...`). An origin serves each once.
    pub jti: String,
    /// Who calls: the key's id or the token's subject.
    pub sub: String,
    /// The account that the request counts for; the origin's queue goes round robin between accounts.
    pub acc: String,
    /// The plan's name, for logs.
    pub plan: String,
    /// Priority in the origin's queue; higher goes first.
    pub pri: u8,
    /// The most tokens (prompt and completion) that this request may use; 0 means that no token limit applies. An origin
    /// that counts more than the request needs under it says how long the prompt is ([`Reason::GrantTooSmall`]).
    ///
    /// [`Reason::GrantTooSmall`]: crate::refusal::Reason::GrantTooSmall
    pub tok: u64,
    /// The most tokens that may be generated, in all answers together; 0 means that only the origin's own bounds apply.
    pub max: u32,
    /// The longest prompt, in tokens; 0 means that only the origin's own bounds apply.
    pub inp: u32,
    /// The deadline in **seconds** since the epoch (RFC 7519), earlier than the lease's end. The origin stops there.
    pub exp: u64,
    /// SHA-256 of the body, hexadecimal.
    pub bh: String,
    /// The name of the origin that it is for, where an edge has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Whether it takes idle time only: it is below all others, whatever its priority, and never waits.
    #[serde(default, skip_serializing_if = "is_live")]
    pub idle: bool,
    /// The pictures that may be drawn, of a request for some: so many, so many steps each, and so many pixels each at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub img: Option<Drawing>,
}

fn is_live(idle: &bool) -> bool {
    !idle
}

/// Why a grant whose signature is good is refused all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Past its deadline.
    #[error("the grant has expired")]
    Expired,
    /// The deadline is further away than any edge would set it: a wrong clock, or a stolen key.
    #[error("the grant's deadline is too far away")]
    TooFar,
    /// `jti` is not a request id.
    #[error("the grant's jti is not a request id")]
    BadId,
    /// It is for another origin than the one that was called.
    #[error("the grant is for another origin")]
    OtherOrigin,
    /// It grants fewer pictures, or smaller ones, than the body asks for.
    #[error("the grant is for other pictures")]
    OtherPictures,
    /// The body that arrived is not the body that was granted.
    #[error("the grant is for another body")]
    OtherBody,
}

/// No edge grants longer than this: two hours.
pub const MAX_GRANT_MS: u64 = 2 * 60 * 60 * 1000;

impl GrantClaims {
    /// Checks what can be checked before the body is read, and returns the request's id.
    ///
    /// `now` is in milliseconds. There is no leeway after `exp`: the lease at the edge ends soon after it.
    pub fn check(&self, now: crate::time::Millis) -> Result<RequestId, GrantError> {
        let deadline = self.deadline_ms();
        if deadline <= now {
            return Err(GrantError::Expired);
        }
        if deadline - now > MAX_GRANT_MS {
            return Err(GrantError::TooFar);
        }
        RequestId::parse(&self.jti).ok_or(GrantError::BadId)
    }

    /// Checks that it is for the origin of this name. One for nobody by name is an edge's that has one origin: where origins
    /// are given names, they are before their edge is.
    pub fn check_audience(&self, own: Option<&str>) -> Result<(), GrantError> {
        match self.aud.as_deref() {
            None => Ok(()),
            Some(name) if Some(name) == own => Ok(()),
            Some(_) => Err(GrantError::OtherOrigin),
        }
    }

    /// Checks what is to be drawn, with the pixels that the model's own size has where the body leaves that open.
    pub fn check_pictures(&self, asked: Drawing) -> Result<(), GrantError> {
        match self.img {
            Some(granted) if granted.covers(asked) => Ok(()),
            _ => Err(GrantError::OtherPictures),
        }
    }

    /// Checks the body that was really read.
    pub fn check_body(&self, body: &[u8]) -> Result<(), GrantError> {
        // Not secret: the caller knows its own body, so an ordinary comparison will do.
        if self.bh == body_hash(body) { Ok(()) } else { Err(GrantError::OtherBody) }
    }

    /// `exp` in milliseconds. Saturates.
    pub const fn deadline_ms(&self) -> crate::time::Millis {
        self.exp.saturating_mul(1000)
    }
}

/// The `bh` claim for a body; the empty body has one too.
pub fn body_hash(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_for_one_origin_is_for_no_other_one() {
        let text = r#"{"jti":"r","sub":"k","acc":"a","plan":"p","pri":0,"tok":0,"max":0,"inp":0,"exp":1,"bh":"00"}"#;
        let for_nobody: GrantClaims = serde_json::from_str(text).unwrap();
        // What an edge of one origin has always sent.
        assert_eq!(serde_json::to_string(&for_nobody).unwrap(), text);
        let for_a = GrantClaims { aud: Some("a".to_owned()), ..for_nobody.clone() };
        for (own, is_refused) in [(Some("a"), false), (Some("b"), true), (None, true), (Some(""), true)] {
            assert_eq!(for_a.check_audience(own).is_err(), is_refused, "{own:?}");
            assert_eq!(for_nobody.check_audience(own), Ok(()), "{own:?}");
        }
        assert!(serde_json::from_str::<GrantClaims>(&text.replace("\"bh\"", "\"aud\":[\"a\",\"b\"],\"bh\"")).is_err());
    }

    #[test]
    fn a_grant_is_for_so_many_pictures() {
        let text = r#"{"jti":"r","sub":"k","acc":"a","plan":"p","pri":0,"tok":0,"max":0,"inp":0,"exp":1,"bh":"00"}"#;
        let bare: GrantClaims = serde_json::from_str(text).unwrap();
        let drawing = Drawing { n: 2, steps: 8, pixels: 1_048_576 };
        let grant = GrantClaims { img: Some(drawing), ..bare.clone() };
        let img = r#","img":{"n":2,"steps":8,"pixels":1048576}}"#;
        assert_eq!(serde_json::to_string(&grant).unwrap(), text.replace('}', img));
        assert_eq!(grant.check_pictures(drawing), Ok(()));
        assert_eq!(grant.check_pictures(Drawing { pixels: 4_096, ..drawing }), Ok(()), "a model's own size is smaller");
        for more in
            [Drawing { n: 3, ..drawing }, Drawing { steps: 9, ..drawing }, Drawing { pixels: 1_048_577, ..drawing }]
        {
            assert_eq!(grant.check_pictures(more), Err(GrantError::OtherPictures));
            assert_eq!(bare.check_pictures(more), Err(GrantError::OtherPictures));
        }
    }
}
