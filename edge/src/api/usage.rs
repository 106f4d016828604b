//! `GET /v1/usage`: what a caller has used itself. Nothing is counted.

use crate::call::{Answered, Call, Known};
use crate::limit;
use crate::platform::{isolate_local, now, respond};
use crate::request::path::path_and_query;
use sluice_protocol::admin::usage::{After, Audience, UsageAsked, UsagePace, UsageView};
use sluice_protocol::auth::principal::{AccountName, Mark};
use sluice_protocol::refusal::{Reason, Refusal};
use std::cell::RefCell;

/// Serves whoever has a valid key.
pub async fn serve(call: &Call<'_>) -> Answered {
    let Known { table, principal } = call.caller().await?;
    pace(&principal.account, principal.caller.counted_as())?;
    let (_, query) = path_and_query(call.incoming.head.url());
    let UsageAsked { after, mut query, is_csv, .. } = UsageAsked::parse(query, Audience::Caller, now())?;
    query.key = Some(principal.caller.counted_as());
    // The account of a cursor is not looked at: there is one.
    query.after = after.and_then(|after| after.group);
    let account = &principal.account;
    let report = limit::usage(call.env, &table, account, Some(&principal), query.clone()).await?;
    let mut view = UsageView::new(&query, &table);
    let last = report.groups.last().filter(|_| report.is_cut).map(|group| group.name.clone());
    view.next =
        last.map(|group| After { hours: query.hours.clone(), account: account.clone(), group: Some(group) }.write());
    view.add(account, &query, report.groups);
    Ok(respond::usage(&view, &query, is_csv, call.id))
}

/// Nothing counts such a request, and it may read a year: an isolate sends only so many of a caller to its Gate.
fn pace(account: &AccountName, caller: Mark) -> Result<(), Refusal> {
    let Some(wait) = PACE.with_borrow_mut(|pace| pace.take((account.clone(), caller), now())) else { return Ok(()) };
    let message = "Usage is told three times a second, and no more often. Wait a moment.";
    Err(Refusal::new(Reason::RateLimited, message).with_retry_after_ms(wait))
}

isolate_local! {
    static PACE: RefCell<UsagePace> = RefCell::default();
}
