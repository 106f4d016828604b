//! One admin request, as its route is handed it.

use crate::admin::login::Admin;
use crate::call::Call;
use crate::hop::registry;
use crate::request;
use sluice_protocol::admin::audit::{AuditAction, Note};
use sluice_protocol::admin::{RegistryAnswer, RegistryCall, version_of_etag};
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
    version_of_etag(call.incoming.head.get(header::IF_MATCH))
}

/// Admin bodies are small.
pub(super) const MAX_BODY: u64 = 64 * 1024;
/// A hundred of them, of a usual size.
pub(super) const MAX_BULK_BODY: u64 = 256 * 1024;
