//! `/admin/v1/alerts`: what is amiss by the rules of the plan table, and whether a webhook can be told.

use super::call::{AdminCall, MAX_BODY};
use crate::call::Answered;
use crate::hop::alerts;
use crate::hop::gate::unavailable;
use crate::platform::respond::{self, HeaderList};
use serde::{Deserialize, Serialize};
use sluice_protocol::alerts::call::{AlertsAnswer, AlertsCall};
use sluice_protocol::alerts::watch::Sent;
use sluice_protocol::refusal::{Reason, Refusal};

/// Rules, webhooks, and incidents: those that are open and the last ones.
pub(super) async fn view(call: &AdminCall<'_>) -> Answered {
    match alerts::ask(call.env, &AlertsCall::View).await? {
        AlertsAnswer::View(json) => Ok(respond::respond(200, &HeaderList::answer(call.id, respond::JSON), &json)),
        _ => Err(unavailable("the alerts' object gave another answer than a view")),
    }
}

/// Sends a message that says that it is a test, at once, and tells what became of it.
pub(super) async fn test(call: &AdminCall<'_>) -> Answered {
    let body = call.body(MAX_BODY).await?;
    let asked: Asked = serde_json::from_slice(&body).map_err(|error| {
        Refusal::new(Reason::InvalidRequest, format!("Send `{{\"webhook\": \"<name>\"}}`: {error}."))
    })?;
    let tested = match alerts::ask(call.env, &AlertsCall::Test { webhook: asked.webhook }).await? {
        AlertsAnswer::Tested(Sent::Taken) => Tested { taken: true, status: None },
        AlertsAnswer::Tested(Sent::Refused(status)) => Tested { taken: false, status: Some(status) },
        AlertsAnswer::Tested(Sent::Unreached) => Tested { taken: false, status: None },
        AlertsAnswer::NoSuchWebhook => {
            return Err(Refusal::new(Reason::NotFound, "ALERT_WEBHOOKS has no webhook of this name."));
        }
        _ => return Err(unavailable("the alerts' object gave another answer than to a test")),
    };
    Ok(respond::json(200, &tested, call.id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    webhook: String,
}

/// What became of a test. Nothing of the webhook's answer is told but its status.
#[derive(Serialize)]
struct Tested {
    taken: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}
