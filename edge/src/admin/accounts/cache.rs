//! `/admin/v1/cache`: answers that are kept for the same question are forgotten, of an account or of all.

use crate::admin::accounts;
use crate::admin::call::AdminCall;
use crate::answers::cache::purges;
use crate::call::Answered;
use crate::hop::gate::unavailable;
use crate::platform::respond;
use sluice_protocol::admin::audit::AuditAction;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};

/// Forgets them: within five seconds no isolate gives any of them again. One that was asked for before may still be given then to
/// whoever waits for it.
pub(in crate::admin) async fn purge(call: &AdminCall<'_>, account: Option<&str>) -> Answered {
    let account = account.map(accounts::parse).transpose()?;
    let shown = account.as_ref().map(ToString::to_string);
    let note = call.note(AuditAction::CachePurge, shown.as_deref().unwrap_or_default());
    let forget = RegistryCall::ForgetAnswers { account: account.map(|account| account.name().to_owned()) };
    match call.record(note, forget).await? {
        RegistryAnswer::Done(_) => {}
        _ => return Err(unavailable("the Registry gave another answer than to a purge")),
    }
    purges::refresh(call.env).await?;
    Ok(respond::json(200, &serde_json::json!({"account": shown, "forgotten": true}), call.id))
}
