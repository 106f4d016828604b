//! `GET /admin/v1/usage`: who has used what, by whatever it is to be told apart by.

use super::call::AdminCall;
use crate::call::Answered;
use crate::hop::gate::unavailable;
use crate::hop::registry;
use crate::limit;
use crate::platform::{now, respond};
use sluice_protocol::admin::usage::{After, Audience, UsageAsked, UsageView};
use sluice_protocol::admin::{AccountFilter, AccountPage, RegistryAnswer, RegistryCall};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::usage::report::PAGE;

pub(super) async fn view(call: &AdminCall<'_>) -> Answered {
    let UsageAsked { account, after, mut query, is_csv } = UsageAsked::parse(call.query, Audience::Admin, now())?;
    let mut view = UsageView::new(&query, &call.plans);
    let (accounts, next) = match (&account, &after) {
        (Some(account), _) => (vec![account.clone()], None),
        (None, after) => listed(call, after.as_ref()).await?,
    };
    let (is_one, mut after) = (account.is_some(), after);
    view.next = next.map(|account| After { hours: query.hours.clone(), account, group: None }.write());
    for account in accounts {
        // Where the page before ended within an account, that one goes on behind it.
        query.after = after.take().filter(|after| after.account == account).and_then(|after| after.group);
        let report = match limit::usage(call.env, &call.plans, &account, None, query.clone()).await {
            Ok(report) => report,
            // One account is not in the way of all others. A sheet has no place to say so.
            Err(refusal) if is_one || is_csv => return Err(refusal),
            Err(_) => {
                view.unread.push(account.to_string());
                continue;
            }
        };
        let last = report.groups.last().map(|group| group.name.clone());
        view.add(&account, &query, report.groups);
        // A page ends with the account that fills it.
        let is_full = view.data.len() >= PAGE && !is_one;
        if report.is_cut || is_full {
            let group = last.filter(|_| report.is_cut);
            view.next = Some(After { hours: query.hours.clone(), account, group }.write());
            break;
        }
    }
    Ok(respond::usage(&view, &query, is_csv, call.id))
}

/// The accounts of a page, and the last of them if there are more. One in which the page before ended comes first.
async fn listed(
    call: &AdminCall<'_>,
    after: Option<&After>,
) -> Result<(Vec<AccountName>, Option<AccountName>), Refusal> {
    let behind = after.map(|after| after.account.to_string());
    let page = AccountPage { filter: AccountFilter::default(), after: behind, limit: AT_ONCE };
    let RegistryAnswer::Accounts(list) = registry::ask(call.env, &RegistryCall::Accounts(page)).await? else {
        return Err(unavailable("the Registry gave another answer than a page"));
    };
    let unfinished = after.filter(|after| after.group.is_some()).map(|after| after.account.clone());
    let accounts = list.data.iter().filter_map(|entry| AccountName::parse(&entry.account));
    let next = list.next.as_deref().and_then(AccountName::parse);
    Ok((unfinished.into_iter().chain(accounts).collect(), next))
}

/// How many accounts are asked for one page: each is a message of its own.
const AT_ONCE: u32 = 25;
