//! One admin request, as its route is handed it.

use crate::admin::login::Admin;
use crate::call::Call;
use crate::hop::registry;
use crate::request;
use sluice_protocol::admin::audit::{AuditAction, Note};
use sluice_protocol::admin::{RegistryAnswer, RegistryCall, version_of_etag};
use sluice_protocol::id::{Version, parse_hex};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::header;
use std::fmt::Display;
use std::ops::Deref;
use std::rc::Rc;

/// One admin request whose sender is known to be one.
pub struct AdminCall<'a> {
    /// The request.
    pub request: &'a Call<'a>,
    /// Its path.
    pub path: &'a str,
    /// What follows the question mark.
    pub query: &'a str,
    /// The plans that this isolate has.
    pub plans: Rc<PlanTable>,
    /// Who sent it.
    pub admin: Admin,
}

impl<'a> Deref for AdminCall<'a> {
    type Target = Call<'a>;

    fn deref(&self) -> &Call<'a> {
        self.request
    }
}

impl AdminCall<'_> {
    /// The body, if there is one: JSON of at most `max` bytes.
    pub(super) async fn body(&self, max: u64) -> Result<Vec<u8>, Refusal> {
        let body = request::body(self.incoming, self.config.bodies, max).await?.bytes();
        if !body.is_empty() {
            request::require_json(self.incoming)?;
        }
        Ok(body)
    }

    /// What the audit log is to say of this request.
    pub(super) fn note(&self, action: AuditAction, target: impl Display) -> Note {
        Note::new(&*self.admin.actor, action, target, self.id).from_address(self.admin.address)
    }

    /// Asks the Registry for a change that the audit log tells of: both are kept, or neither.
    pub(super) async fn record(&self, note: Note, call: RegistryCall) -> Result<RegistryAnswer, Refusal> {
        registry::ask(self.env, &RegistryCall::Noted { note, call: Box::new(call) }).await
    }

    /// Refuses a body where none is read. `{}` says nothing, and some clients cannot send less.
    pub(super) async fn no_body(&self) -> Result<Vec<u8>, Refusal> {
        match self.body(MAX_BODY).await? {
            body if body.is_empty() || body.trim_ascii() == b"{}" => Ok(body),
            _ => Err(Refusal::new(Reason::InvalidRequest, "This route reads no body. Send none, or `{}`.")),
        }
    }
}

/// The version of the key or account that the admin means to change.
pub(super) fn expected(call: &AdminCall<'_>) -> Result<Option<u32>, Refusal> {
    version_of_etag(request::header(call.incoming, header::IF_MATCH).as_deref())
}

/// Which version of what is replaced as a whole the admin means to replace, by `If-Match`; `None`: whichever is in force.
/// Refuses whoever does not say: two admins do not undo each other's work. `what` is its path below `/admin/v1/`.
pub(super) fn replaces(call: &AdminCall<'_>, what: &str) -> Result<Option<Version>, Refusal> {
    match request::header(call.incoming, header::IF_MATCH).as_deref() {
        None => {
            let message =
                format!("Say what this replaces: `If-Match: <the etag of GET /admin/v1/{what}>`, or `*` for any.");
            Err(Refusal::new(Reason::PreconditionRequired, message))
        }
        Some(any) if any.trim() == "*" => Ok(None),
        // Whatever is between may have made it a weak one.
        Some(etag) => {
            let version = parse_hex(etag.trim().trim_start_matches("W/").trim_matches('"')).map(Version);
            let changed = || {
                let message =
                    format!("That is no etag of GET /admin/v1/{what}. Get what is there now, and change that.");
                Refusal::new(Reason::PreconditionFailed, message)
            };
            version.map(Some).ok_or_else(changed)
        }
    }
}

/// Mistakes as a refusal tells them: more than anybody mends at once are counted, not listed.
pub(super) fn told(mistakes: &[impl ToString]) -> String {
    let all: Vec<_> = mistakes.iter().take(MAX_TOLD).map(ToString::to_string).collect();
    let more = mistakes.len().saturating_sub(MAX_TOLD);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    all.join("; ") + &more
}

/// How many mistakes are listed.
const MAX_TOLD: usize = 100;
/// Admin bodies are small.
pub(super) const MAX_BODY: u64 = 64 * 1024;
/// A hundred of them, of a usual size.
pub(super) const MAX_BULK_BODY: u64 = 256 * 1024;
