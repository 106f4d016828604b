//! `GET /admin/v1/audit`: the audit log, page by page.

use super::{AdminCall, Answered};
use crate::{limit, registry, respond};
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::refusal::{Reason, Refusal};

pub(super) async fn list(call: &AdminCall<'_>) -> Answered {
    let after = match call.query.split('&').find_map(|pair| pair.strip_prefix("after=")) {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            Refusal::new(Reason::InvalidRequest, "`after` is the number of an entry.").with_param("after")
        })?,
    };
    match registry::ask(call.env, &RegistryCall::Audit(after)).await? {
        RegistryAnswer::Audit(page) => Ok(respond::json(200, &page, call.id)),
        _ => Err(limit::unavailable("the Registry gave another answer than a page of the log")),
    }
}
