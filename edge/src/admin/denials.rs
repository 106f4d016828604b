//! `/admin/v1/denials`: tokens and subjects that are refused although their issuer vouches for them.

use super::commands;
use crate::admin::call::{AdminCall, MAX_BODY};
use crate::auth::denials;
use crate::call::Answered;
use crate::hop::gate::unavailable;
use crate::hop::registry;
use crate::platform::respond;
use sluice_protocol::admin::audit::AuditAction;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::auth::token::{CreateDenial, DenialId, DenialKind, MAX_DENIALS, SHORT_ISSUER};
use sluice_protocol::refusal::{Reason, Refusal};

pub(super) async fn create(call: &AdminCall<'_>) -> Answered {
    let body = call.body(MAX_BODY).await?;
    let asked = CreateDenial::parse(&body)?;
    if asked.issuer != SHORT_ISSUER && !call.config.auth.issuers.has(&asked.issuer) {
        let message = "There is no issuer of this name in JWT_ISSUERS.";
        return Err(Refusal::new(Reason::InvalidRequest, message).with_param("issuer"));
    }
    let (seed, idempotency) = (commands::seed(call), commands::idempotency(call, &body)?);
    let denial = asked.clone().at(seed.at);
    let kind = if denial.kind == DenialKind::Jti { "jti" } else { "sub" };
    // The value may be somebody's address: the list has it, and the log has its name.
    let note = call
        .note(AuditAction::DenialCreate, denial.id)
        .with("issuer", &denial.issuer)
        .with("kind", kind)
        .with_members(&body);
    let put = match idempotency {
        Some(idempotency) => RegistryCall::PutDenialOnce { denial: denial.clone(), idempotency, seed },
        None => RegistryCall::PutDenial(denial.clone()),
    };
    let denial = match call.record(note, put).await? {
        RegistryAnswer::Done(_) => denial,
        // It ends when it was to end, and what was taken off since stays off.
        RegistryAnswer::Before(first) => asked.at(first.at),
        RegistryAnswer::OtherRequest => return Err(commands::other_request()),
        RegistryAnswer::TooMany => {
            let message = format!("There are {MAX_DENIALS} denials already. Take some off, or disable accounts.");
            return Err(Refusal::new(Reason::InvalidRequest, message));
        }
        _ => return Err(unavailable("the Registry gave another answer than to a denial")),
    };
    denials::refresh(call.env).await?;
    Ok(respond::json(201, &denial, call.id))
}

pub(super) async fn list(call: &AdminCall<'_>) -> Answered {
    match registry::ask(call.env, &RegistryCall::ListDenials).await? {
        RegistryAnswer::ListedDenials(list) => Ok(respond::json(200, &list, call.id)),
        _ => Err(unavailable("the Registry gave another answer than a list of denials")),
    }
}

pub(super) async fn delete(call: &AdminCall<'_>, id: &str) -> Answered {
    let missing =
        || Refusal::new(Reason::KeyNotFound, "There is no denial of this id. GET /admin/v1/denials lists them.");
    let id = DenialId::parse(id).ok_or_else(missing)?;
    match call.record(call.note(AuditAction::DenialDelete, id), RegistryCall::RemoveDenial(id)).await? {
        RegistryAnswer::Done(true) => {}
        _ => return Err(missing()),
    }
    denials::refresh(call.env).await?;
    Ok(respond::json(200, &serde_json::json!({"id": id, "deleted": true}), call.id))
}
