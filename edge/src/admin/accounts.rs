//! `/admin/v1/accounts`: what is set for an account itself, whoever calls for it. An account needs no making: it is there
//! as soon as somebody names it.

use super::{AdminCall, Answered, MAX_BODY};
use crate::{denial, limit, registry, respond};
use sluice_protocol::admin::{AccountView, RegistryCall};
use sluice_protocol::audit::Action;
use sluice_protocol::gate_call::{AccountChange, Answer, Call};
use sluice_protocol::principal::Account;
use sluice_protocol::refusal::{Reason, Refusal};

pub(super) async fn view(call: &AdminCall<'_>, account: &str) -> Answered {
    let account = parse(account)?;
    describe(call, &account).await
}

/// Changes what is set: it holds for the next request.
pub(super) async fn change(call: &AdminCall<'_>, account: &str) -> Answered {
    let account = parse(account)?;
    let body = call.body(MAX_BODY).await?;
    let change = AccountChange::parse(&body, &call.plans)?;
    // Its Gate keeps it, and the log is kept elsewhere: what is ordered is written down first, and then whether it was refused.
    let note = || call.note(Action::AccountChange, &account).with_members(&body);
    registry::ask(call.env, &RegistryCall::Note(note())).await?;
    match limit::one(call.env, &call.plans, &account, Call::ChangeAccount(change)).await? {
        Answer::Done(_) => {}
        other => {
            let refusal = limit::answer_refusal(&other);
            let note = call.note(Action::AccountChange, &account).with("refused", refusal.reason.row().code);
            registry::ask(call.env, &RegistryCall::Note(note)).await?;
            return Err(refusal);
        }
    }
    denial::forget(&account);
    describe(call, &account).await
}

async fn describe(call: &AdminCall<'_>, account: &Account) -> Answered {
    match limit::one(call.env, &call.plans, account, Call::DescribeAccount).await? {
        Answer::Account(described) => Ok(respond::json(200, &AccountView::new(account, *described), call.id)),
        other => Err(limit::answer_refusal(&other)),
    }
}

/// A colon may be written as `%3A`, which some clients do.
fn parse(text: &str) -> Result<Account, Refusal> {
    let text = text.replace("%3A", ":").replace("%3a", ":").replace("%2F", "/").replace("%2f", "/");
    Account::parse(&text).ok_or_else(|| {
        let message = "There is no such account: it is 16 hexadecimal digits, `jwt:<issuer>:<hash>` or `ip:<address>`.";
        Refusal::new(Reason::KeyNotFound, message)
    })
}
