//! `GET /admin/v1/audit`, the audit log, page by page; and `GET /admin/v1/failed-logins`, beside it.

use crate::admin::call::AdminCall;
use crate::call::Answered;
use crate::hop::gate::unavailable;
use crate::hop::registry;
use crate::platform::respond;
use sluice_protocol::admin::{AuditQuery, RegistryAnswer, RegistryCall};

pub(super) async fn list(call: &AdminCall<'_>) -> Answered {
    let query = AuditQuery::parse(call.query)?;
    match registry::ask(call.env, &RegistryCall::Audit(query)).await? {
        RegistryAnswer::Audit(page) => Ok(respond::json(200, &page, call.id)),
        _ => Err(unavailable("the Registry gave another answer than a page of the log")),
    }
}

pub(super) async fn failed_logins(call: &AdminCall<'_>) -> Answered {
    match registry::ask(call.env, &RegistryCall::FailedLogins).await? {
        RegistryAnswer::FailedLogins(list) => Ok(respond::json(200, &list, call.id)),
        _ => Err(unavailable("the Registry gave another answer than the failed logins")),
    }
}
