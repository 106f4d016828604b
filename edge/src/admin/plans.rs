//! `/admin/v1/plans`: the plan table. It is replaced as a whole, checked as a whole, and holds everywhere within seconds.

pub(super) mod replay;

use crate::admin::call::{AdminCall, replaces, told};
use crate::call::Answered;
use crate::hop::gate::unavailable;
use crate::limit::{calendar, plans};
use crate::platform::respond::{self, HeaderList};
use crate::platform::{Fault, Response};
use sluice_protocol::admin::audit::AuditAction;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::limit::plan::{MAX_TABLE_BYTES, PlanTable};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::header;

/// The table in force, as it was put, and its version as `etag`.
pub(super) async fn view(call: &AdminCall<'_>) -> Answered {
    let table = plans::refresh(call.env, &call.config.plans).await?;
    Ok(answer(call, &table))
}

/// Puts another table in force. `If-Match` says which one it replaces: two admins do not undo each other's work.
pub(super) async fn put(call: &AdminCall<'_>) -> Answered {
    let replaces = replaces(call, "plans")?;
    let table = candidate(call, "The table has mistakes, and the old one stays").await?;
    if let Some(plan) = call.config.auth.issuers.missing_plan(|plan| table.get(plan).is_some()) {
        return Err(in_use(plan, "an issuer in JWT_ISSUERS"));
    }
    let note =
        call.note(AuditAction::PlansPut, table.version()).with("plans", table.names().collect::<Vec<_>>().join(","));
    let put = RegistryCall::PutPlans { json: table.json().to_owned(), replaces };
    match call.record(note, put).await? {
        RegistryAnswer::Done(_) => {}
        RegistryAnswer::OtherPlans(_) => return Err(changed()),
        RegistryAnswer::PlanInUse { plan, key } => {
            let by = key.map_or_else(|| "an account or a key on its way".to_owned(), |key| key.to_string());
            return Err(in_use(&plan, &by));
        }
        _ => return Err(unavailable("the Registry gave another answer than to a table")),
    }
    let table = plans::refresh(call.env, &call.config.plans).await?;
    Ok(answer(call, &table))
}

/// The table that the body is. The refusal tells all of its mistakes, behind these words.
pub(super) async fn candidate(call: &AdminCall<'_>, mistaken: &str) -> Result<PlanTable, Refusal> {
    let body = call.body(MAX_TABLE_BYTES as u64).await?;
    let json = String::from_utf8(body)
        .map_err(|_| Refusal::new(Reason::InvalidJson, "The body is not valid UTF-8. Send JSON as UTF-8."))?;
    PlanTable::parse_with(&json, calendar::knows)
        .map_err(|mistakes| Refusal::new(Reason::InvalidRequest, format!("{mistaken}: {}", told(&mistakes))))
}

fn answer(call: &AdminCall<'_>, table: &PlanTable) -> Result<Response, Fault> {
    let mut headers = HeaderList::answer(call.id, respond::JSON);
    headers.set(header::ETAG, format!("\"{}\"", table.version()));
    respond::respond(200, &headers, table.json())
}

fn changed() -> Refusal {
    Refusal::new(
        Reason::PreconditionFailed,
        "The plans have changed. GET /admin/v1/plans, and change what is there now.",
    )
}

fn in_use(plan: &str, by: &str) -> Refusal {
    let message = format!(
        "The table has no plan `{plan}`, which {by} names; the old table stays. Keep it, or change those first."
    );
    Refusal::new(Reason::InvalidRequest, message).with_param(format!("plans.{plan}"))
}
