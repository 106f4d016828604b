//! `/admin/v1/accounts`: what is set for an account itself, whoever calls for it. Subjects of tokens and addresses are
//! accounts without being made; accounts of keys are made here, or with their first key.

pub(super) mod cache;
pub(super) mod jobs;

use super::commands::{self, idempotency};
use crate::admin::call::{AdminCall, MAX_BODY, expected};
use crate::call::Answered;
use crate::hop::gate::{self, answer_refusal, unavailable};
use crate::hop::{self, registry, responses};
use crate::platform::{random, respond};
use crate::telemetry;
use sluice_protocol::admin::audit::AuditAction;
use sluice_protocol::admin::{
    AccountPage, AccountView, AddCredits, CommandOutcome, CreateAccount, DeletedAccount, Idempotency, RegistryAnswer,
    RegistryCall,
};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::command::Action;
use sluice_protocol::hop::gate_call::{AccountChange, Answer, Call};
use sluice_protocol::hop::responses_call::{ResponsesAnswer, ResponsesCall};
use sluice_protocol::id::AccountId;
use sluice_protocol::jobs::call::JobsCall;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::telemetry::Line;

/// Makes an account without keys.
pub(super) async fn create(call: &AdminCall<'_>) -> Answered {
    let body = call.body(MAX_BODY).await?;
    let CreateAccount(change) = CreateAccount::parse(&body, &call.plans)?;
    let account = AccountName::of_key(AccountId(random()));
    let note = call.note(AuditAction::AccountCreate, &account).with_members(&body);
    let outcome =
        commands::execute_one(call, &account, (Action::CreateAccount(change), note), None, idempotency(call, &body)?)
            .await?;
    Ok(respond::json(201, &commands::account(outcome)?, call.id))
}

pub(super) async fn list(call: &AdminCall<'_>) -> Answered {
    let page = AccountPage::parse(call.query)?;
    match registry::ask(call.env, &RegistryCall::Accounts(page)).await? {
        RegistryAnswer::Accounts(page) => Ok(respond::json(200, &page, call.id)),
        _ => Err(unavailable("the Registry gave another answer than a page")),
    }
}

pub(super) async fn view(call: &AdminCall<'_>, account: &str) -> Answered {
    let account = parse(account)?;
    match gate::ask(call.env, &call.plans, &account, Call::DescribeAccount).await? {
        Answer::Account(described) if account.key_account().is_some() && !described.is_made() => Err(no_such_account()),
        Answer::Account(described) => {
            let mut view = AccountView::new(&account, *described);
            // What cannot be counted now is left out.
            if let Ok(ResponsesAnswer::Counted(kept)) =
                responses::answer(call.env, &account, &ResponsesCall::Count).await
            {
                view.kept_responses = Some(kept);
            }
            Ok(respond::json_of_version(&view, view.version, call.id))
        }
        other => Err(answer_refusal(&other)),
    }
}

/// Changes what is set: it holds for the next request.
pub(super) async fn change(call: &AdminCall<'_>, account: &str) -> Answered {
    let account = parse(account)?;
    let body = call.body(MAX_BODY).await?;
    let change = AccountChange::parse(&body, &call.plans)?;
    apply(call, &account, (change, &body), None).await
}

/// `disable` and `enable`: a change that needs no body.
pub(super) async fn set_disabled(call: &AdminCall<'_>, account: &str, disabled: bool) -> Answered {
    let account = parse(account)?;
    let body = call.no_body().await?;
    let change = AccountChange { disabled: Some(disabled), ..AccountChange::default() };
    let shown = format!("{{\"disabled\":{disabled}}}");
    apply(call, &account, (change, shown.as_bytes()), idempotency(call, &body)?).await
}

/// Adds to a budget of the account that lasts for ever: once for each `Idempotency-Key`, which it needs for that.
pub(super) async fn add_credits(call: &AdminCall<'_>, account: &str) -> Answered {
    let account = parse(account)?;
    let body = call.body(MAX_BODY).await?;
    let AddCredits { limit, amount, currency } = AddCredits::parse(&body)?;
    let once = idempotency(call, &body)?.ok_or_else(|| {
        let message = "Send an `Idempotency-Key`, such as a UUID: what is sent again under the same one adds nothing.";
        Refusal::new(Reason::InvalidRequest, message).with_param("Idempotency-Key")
    })?;
    let note = call.note(AuditAction::AccountCredit, &account).with_members(&body);
    let what = (Action::AddCredits { limit, amount, currency }, note);
    let view = commands::account(commands::execute_one(call, &account, what, None, Some(once)).await?)?;
    Ok(respond::json_of_version(&view, view.version, call.id))
}

/// Ends an account and all of its keys.
pub(super) async fn delete(call: &AdminCall<'_>, account: &str) -> Answered {
    let account = parse(account)?;
    if account.key_account().is_none() {
        let message = "Subjects of tokens and addresses cannot be deleted: they come again. Disable it.";
        return Err(Refusal::new(Reason::InvalidRequest, message));
    }
    let what = (Action::DeleteAccount, call.note(AuditAction::AccountDelete, &account));
    match commands::execute_one(call, &account, what, expected(call)?, None).await? {
        CommandOutcome::Gone(true) => {
            // If they cannot be told, they end in their time; nobody can ask for them meanwhile.
            if let Err(failed) = responses::ask(call.env, &account, &ResponsesCall::Clear, CLEAR_MS).await {
                telemetry::write(&Line::trouble("an account's responses are not deleted yet", failed.why));
            }
            if let Err(refusal) = hop::jobs::ask(call.env, &account, &JobsCall::Clear).await {
                let why = refusal.detail.unwrap_or_default();
                telemetry::write(&Line::trouble("an account's jobs are not deleted yet", why));
            }
            Ok(respond::json(200, &DeletedAccount { account: account.to_string(), deleted: true }, call.id))
        }
        CommandOutcome::Gone(false) => Err(no_such_account()),
        other => Err(commands::refusal(other)),
    }
}

/// `body`: what of the change the audit log shows.
async fn apply(
    call: &AdminCall<'_>,
    account: &AccountName,
    (change, body): (AccountChange, &[u8]),
    idempotency: Option<Idempotency>,
) -> Answered {
    let what = (Action::ChangeAccount(change), call.note(AuditAction::AccountChange, account).with_members(body));
    let outcome = commands::execute_one(call, account, what, expected(call)?, idempotency).await?;
    let view = commands::account(outcome)?;
    Ok(respond::json_of_version(&view, view.version, call.id))
}

/// A colon may be written as `%3A`, which some clients do.
pub(super) fn parse(text: &str) -> Result<AccountName, Refusal> {
    let text = text.replace("%3A", ":").replace("%3a", ":").replace("%2F", "/").replace("%2f", "/");
    AccountName::parse(&text).ok_or_else(|| {
        let message = "There is no such account: it is 16 hexadecimal digits, `jwt:<issuer>:<hash>` or `ip:<address>`.";
        Refusal::new(Reason::KeyNotFound, message)
    })
}

/// How long it may take to forget what an account has kept, in milliseconds.
const CLEAR_MS: u32 = 5_000;

fn no_such_account() -> Refusal {
    Refusal::new(Reason::KeyNotFound, "There is no such account. GET /admin/v1/accounts lists them.")
}
