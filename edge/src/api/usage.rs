//! `GET /v1/usage`: what a caller has used itself. Nothing is counted.

use crate::call::{Answered, Call, Known};
use crate::limit;
use crate::platform::{now, respond};
use crate::request::path::path_and_query;
use sluice_protocol::admin::usage::{After, Audience, UsageAsked, UsageView};

/// Serves whoever has a valid key.
pub async fn serve(call: &Call<'_>) -> Answered {
    let Known { table, principal } = call.caller().await?;
    let (_, query) = path_and_query(call.incoming.head.url());
    let UsageAsked { after, mut query, is_csv, .. } = UsageAsked::parse(query, Audience::Caller, now())?;
    query.key = Some(principal.caller.counted_as());
    // The account of a cursor is not looked at: there is one.
    query.after = after.and_then(|after| after.group);
    let account = &principal.account;
    let report = limit::usage(call.env, &table, account, Some(&principal), query.clone()).await?;
    let mut view = UsageView::new(&query, &table);
    let last = report.groups.last().filter(|_| report.is_cut).map(|group| group.name.clone());
    view.next = last.map(|group| After { account: account.clone(), group: Some(group) }.write());
    view.add(account, &query, report.groups);
    Ok(respond::usage(&view, &query, is_csv, call.id))
}
