//! `/admin/v1/origins`: which origins there are. The list is replaced as a whole, checked as a whole, and holds
//! everywhere within seconds, without a deploy. What is taken out gets nothing new and finishes what it has.

use crate::admin::call::{AdminCall, replaces, told};
use crate::call::Answered;
use crate::hop::gate::unavailable;
use crate::platform::respond::{self, HeaderList};
use crate::platform::{Fault, Response};
use crate::route::{Origins, in_force};
use sluice_protocol::admin::audit::{AuditAction, Note};
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::route::list::{MAX_LIST_BYTES, OriginList};
use sluice_protocol::wire::header;

/// The list in force, how its origins are, and its version as `etag`.
pub(super) async fn view(call: &AdminCall<'_>) -> Answered {
    let origins = in_force::refresh(call.env, &call.config.route).await?;
    Ok(answer(call, &origins))
}

/// Puts another list in force, in the form of `ORIGINS`. `If-Match` says which one it replaces.
pub(super) async fn put(call: &AdminCall<'_>) -> Answered {
    let replaces = replaces(call, WHAT)?;
    let body = call.body(MAX_LIST_BYTES as u64).await?;
    let json = String::from_utf8(body)
        .map_err(|_| Refusal::new(Reason::InvalidJson, "The body is not valid UTF-8. Send JSON as UTF-8."))?;
    let list = OriginList::parse(&json).map_err(|mistakes| {
        let message = format!("The list has mistakes, and the old one stays: {}", told(&mistakes));
        Refusal::new(Reason::InvalidRequest, message)
    })?;
    if let Some(model) = list.missing_model(call.config.aliases.models()) {
        let message = format!("No origin of the list has `{model}`, which MODEL_ALIASES names; the old list stays.");
        return Err(Refusal::new(Reason::InvalidRequest, message));
    }
    let names: Vec<_> = list.origins().iter().map(|origin| origin.name.as_str()).collect();
    let note = call.note(AuditAction::OriginsPut, list.version()).with("origins", names.join(","));
    change(call, note, RegistryCall::PutOriginList { json: Some(json), replaces }).await
}

/// Takes back what was put: the settings say again which origins there are.
pub(super) async fn take_back(call: &AdminCall<'_>) -> Answered {
    let replaces = replaces(call, WHAT)?;
    call.no_body().await?;
    let note = call.note(AuditAction::OriginsDelete, call.config.route.version());
    change(call, note, RegistryCall::PutOriginList { json: None, replaces }).await
}

async fn change(call: &AdminCall<'_>, note: Note, put: RegistryCall) -> Answered {
    match call.record(note, put).await? {
        RegistryAnswer::Done(_) => {}
        RegistryAnswer::OtherOrigins => {
            let message = "The origins have changed. GET /admin/v1/origins, and change what is there now.";
            return Err(Refusal::new(Reason::PreconditionFailed, message));
        }
        _ => return Err(unavailable("the Registry gave another answer than to a list of origins")),
    }
    let origins = in_force::refresh(call.env, &call.config.route).await?;
    Ok(answer(call, &origins))
}

fn answer(call: &AdminCall<'_>, origins: &Origins) -> Result<Response, Fault> {
    let mut headers = HeaderList::answer(call.id, respond::JSON);
    headers.set(header::ETAG, format!("\"{}\"", origins.version()));
    let view = serde_json::to_string(&origins.view()).expect("a list of text has no failing serialisers");
    respond::respond(200, &headers, &view)
}

/// What is replaced, in a refusal.
const WHAT: &str = "origins";
