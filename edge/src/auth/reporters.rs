//! Who may report keys that have leaked.

use crate::auth::remote_keys::{Refused, RemoteKeys};
use crate::platform::Context;
use crate::request::{self, Incoming};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use sluice_protocol::auth::token::{KeySet, Material, is_safe_url};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::header;

/// Who may report: whoever holds one of the keys behind this URL.
pub struct Reporters(RemoteKeys);

impl Reporters {
    /// Reads the setting `LEAK_REPORTS`: `github`, a URL with keys like GitHub's, or nothing.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let url = match text {
            "" => return Ok(None),
            "github" => GITHUB,
            url if is_safe_url(url) => url,
            _ => return Err("must be `github`, or a URL that begins with https://".into()),
        };
        Ok(Some(Self(RemoteKeys::new("leaks", url, KeySet::from_scanner))))
    }

    /// Refuses a message that none of them has signed.
    pub async fn check(&self, incoming: &Incoming, message: &[u8], context: &Context) -> Result<(), Refusal> {
        let refuse =
            || Refusal::new(Reason::InvalidSignature, "The report is not signed with a key that is known here.");
        let named = request::header(incoming, header::SCANNER_KEY).ok_or_else(refuse)?;
        let signature = request::header(incoming, header::SCANNER_SIGNATURE).ok_or_else(refuse)?;
        let signature = STANDARD.decode(signature.trim()).ok().and_then(|der| Signature::from_der(&der).ok());
        let signature = signature.ok_or_else(refuse)?;
        let key = self.0.key(Some(named.trim()), context).await.map_err(|refused| match refused {
            Refused::Token(_) => refuse(),
            Refused::Unavailable => {
                Refusal::new(Reason::IssuerUnavailable, "The keys of reporters cannot be had just now. Try again.")
            }
        })?;
        let Material::Point(point) = &key.material else { return Err(refuse()) };
        let key = VerifyingKey::from_sec1_bytes(point).map_err(|_| refuse())?;
        key.verify(message, &signature).map_err(|_| refuse())
    }
}

/// GitHub's own keys.
const GITHUB: &str = "https://api.github.com/meta/public_keys/secret_scanning";
