//! `POST /leaks/github`: whoever scans the public for secrets reports keys here, in the format of GitHub's secret scanning partner
//! programme, signed with ECDSA. A key that is reported is disabled at once. Off, unless `LEAK_REPORTS` is set.

use crate::admin::keys;
use crate::call::{Answered, Call};
use crate::hop::gate::{self, answer_refusal};
use crate::limit::plans;
use crate::platform::{self, respond};
use crate::request::{self, shield};
use sluice_protocol::admin::audit::{AuditAction, Note};
use sluice_protocol::auth::key::ApiKey;
use sluice_protocol::auth::leak::{LeakReport, MAX_MESSAGE_BYTES};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::{Answer, Call as GateCall};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};

/// Serves one message. The outer error is a refusal, the inner one the platform's.
pub async fn serve(call: &Call<'_>) -> Answered {
    let reporters = call.config.reporters.as_ref();
    let reporters =
        reporters.ok_or_else(|| Refusal::new(Reason::NotFound, "Reports of leaked keys are not taken here."))?;
    shield::pass(call.env, &call.incoming.head).await?;
    let message = request::body(call.incoming, call.config.bodies, MAX_MESSAGE_BYTES).await?.bytes();
    reporters.check(call.incoming, &message, call.context).await?;
    let reports = LeakReport::parse_all(&message)?;
    let table = plans::current(call.env, &call.config.plans, call.context).await?;
    let mut feedback = Vec::new();
    for report in &reports {
        let is_key = match ApiKey::parse(&report.token, &call.config.auth.peppers) {
            Ok(key) => disable(call, &table, &key).await?,
            // It matched the pattern, and is none of ours.
            Err(_) => false,
        };
        feedback.push(report.feedback(is_key));
    }
    Ok(respond::json(200, &feedback, call.id))
}

/// Disables a key whose secret has leaked, also where its account is disabled or the key has expired: either may end. Whether
/// there is such a key, and the secret not one before its own that is over for good.
async fn disable(call: &Call<'_>, table: &PlanTable, key: &ApiKey) -> Result<bool, Refusal> {
    let account = AccountName::of_key(key.id.account);
    let record = match gate::ask(call.env, table, &account, GateCall::DescribeKey { key: key.id.key }).await? {
        Answer::Key(Some(found)) => found.record,
        Answer::Key(None) => return Ok(false),
        other => return Err(answer_refusal(&other)),
    };
    let secret_hash = key.secret_hash();
    if !record.knows(&secret_hash) || record.has_retired(&secret_hash, platform::now()) {
        return Ok(false);
    }
    // Reports come again.
    if !record.disabled {
        let note = Note::new("leaks", AuditAction::KeyLeaked, key.id, call.id).with("disabled", true);
        keys::disable(call, key.id, note).await?;
    }
    Ok(true)
}
