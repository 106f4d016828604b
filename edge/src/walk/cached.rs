//! cache: between limit and route, the answer to the same question, where a plan or a caller wants that.

use super::said::not_answered;
use crate::answers::bent::Bent;
use crate::answers::cache::{Asking, Found, Lead, purges};
use crate::api::models;
use crate::call::Around;
use crate::forward::{Ticket, lease_left};
use crate::platform::respond;
use crate::platform::task::Answer;
use crate::platform::{Body, Signal};
use crate::route::Origins;
use crate::settle::Settle;
use sluice_protocol::dialect::Dialect;
use sluice_protocol::hop::gate_call::Ask;
use sluice_protocol::limit::cache::{CacheAsked, KeyParts, Purges, Scope};
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::request::restream::usage_apart;
use sluice_protocol::telemetry::RequestEnd;
use sluice_protocol::wire::header;

/// A request that was admitted, and may have been answered before.
pub(super) struct CacheQuestion<'a> {
    pub(super) around: Around<'a>,
    /// Which origins there are.
    pub(super) origins: &'a Origins,
    pub(super) table: &'a PlanTable,
    pub(super) ask: &'a Ask,
    /// As its caller sent it.
    pub(super) body: &'a Body,
    pub(super) left: &'a Signal,
    /// What its caller says of it.
    pub(super) header: CacheAsked,
    /// Whether the same question has the same answer.
    pub(super) is_repeatable: bool,
}

impl CacheQuestion<'_> {
    /// Answers it with what was kept, which ends it. Otherwise it goes on: as the one that asks for others, if its answer is to be
    /// kept.
    pub(super) async fn found(
        self,
        settle: &Settle<'_>,
        ticket: &Ticket,
        bent: &mut Bent,
        answer: Answer,
    ) -> Result<(Option<Lead>, Answer), RequestEnd> {
        let plan = self.table.get(&ticket.admission.plan).and_then(|plan| plan.cache.as_ref());
        let Some(wish) = self.header.wish(plan) else { return Ok((None, answer)) };
        bent.told.cached("bypass");
        // What is not counted as usual is not kept either.
        if !self.is_repeatable || !ticket.is_held {
            return Ok((None, answer));
        }
        let (env, context) = (self.around.env, self.around.context);
        let Some(purges) = purges::of(env, context, ticket.account.name()).await else { return Ok((None, answer)) };
        let model = bent.model.as_deref().unwrap_or(&self.ask.model);
        let Some(revision) = models::revision(self.origins, ticket, model).await else {
            return Ok((None, answer));
        };
        let (admission, account) = (&ticket.admission, ticket.account.name());
        let sent = bent.body(self.body).bytes();
        let parts = KeyParts {
            door: bent.told.door(),
            scope: if wish.is_shared { Scope::Plan } else { Scope::Account(account) },
            plan: &admission.plan,
            table: self.table.version(),
            revision: &revision,
            // What all share is forgotten for all, or not at all.
            purges: if wish.is_shared { Purges { account: 0, ..purges } } else { purges },
            tokens: admission.tokens,
            max_tokens: admission.max_tokens,
            max_prompt_tokens: admission.max_prompt_tokens,
            in_pieces: bent.stream,
            body: &sent,
        };
        let Some(asking) = Asking::new(ticket.attempt.request(), account, wish, &parts) else {
            return Ok((None, answer));
        };
        let price = asking.price();
        match asking.find(self.left, lease_left(ticket) / 2).await {
            Found::Nothing(lead) => {
                bent.told.cached("miss");
                Ok((Some(lead), answer))
            }
            Found::Left => {
                settle.given_up(ticket.attempt, ticket.is_held).await;
                Err(RequestEnd::Left)
            }
            Found::Answer(kept) => {
                bent.told.cached("hit");
                let mut headers = bent.told.headers(ticket);
                if bent.stream && kept.is_whole {
                    bent.told.in_pieces(usage_apart(&sent));
                }
                let is_stream = bent.stream && !kept.is_whole;
                let kind = if is_stream { Dialect::of(bent.told.door().path()).stream() } else { respond::JSON };
                headers.set(header::CONTENT_TYPE, kind);
                let told = match is_stream {
                    true => bent.told.pieces(headers, &kept.body),
                    false => bent.told.whole(crate::answers::bent::OK, headers, &kept.body),
                };
                let _ = answer.send(told.map_err(|fault| not_answered(&fault)));
                let used: Used = kept.entry.charged(price);
                settle.answered_here(ticket, Outcome::Served(Some(used))).await;
                Err(RequestEnd::Answered { is_whole: true, used: Some(used) })
            }
        }
    }
}
