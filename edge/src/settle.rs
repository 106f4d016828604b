//! settle: an admitted request's lease ends, and its Gate learns what was used. How each ending counts is decided here and in
//! `forward/ending.rs`.

use crate::forward::attempt::Attempt;
use crate::forward::ending::Ending;
use crate::forward::{self, CANCEL_TIMEOUT_MS, Origin, Ticket};
use crate::hop::group::{self, Due};
use crate::limit::remembered;
use crate::platform::{Context, Env};
use crate::telemetry;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::{Admission, Call};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::limit::standing::Standing;
use sluice_protocol::telemetry::Line;

/// Where one request is settled.
pub struct Settle<'a> {
    /// The environment.
    pub env: &'a Env,
    /// The plans that it was asked with.
    pub table: &'a PlanTable,
    /// Whose.
    pub account: &'a AccountName,
    /// What keeps a task alive that settles for others, too. Nothing for a job, which notes that a request is over once that is
    /// settled.
    pub beside: Option<&'a Context>,
}

impl Settle<'_> {
    /// Its Gate gave no answer. It may have admitted it, and only its answer was lost: the lease is not to last till its deadline.
    pub async fn unanswered(&self, attempt: Attempt) {
        self.end(attempt.request(), attempt.unserved(), Due::Soon).await;
        if let Some(first) = attempt.before() {
            // It may not even have learnt that the first reservation is over.
            self.end(first, attempt.unserved(), Due::Soon).await;
        }
    }

    /// Its caller has left while its Gate was asked: nothing was sent on.
    pub async fn given_up(&self, attempt: Attempt, is_held: bool) {
        if let Some(first) = attempt.before().filter(|_| !is_held) {
            self.end(first, attempt.unserved(), Due::Soon).await;
        }
        self.end(attempt.request(), attempt.unserved(), Due::Soon).await;
    }

    /// Nobody waits for it any more, and this was found out about it.
    pub async fn found(&self, attempt: Attempt, outcome: Outcome) {
        self.end(attempt.request(), outcome, Due::Soon).await;
    }

    /// It was admitted and answered here: no origin was asked.
    pub async fn answered_here(&self, ticket: &Ticket, outcome: Outcome) {
        if let Some(first) = ticket.attempt.before().filter(|_| !ticket.is_held) {
            self.end(first, outcome, Due::Soon).await;
        }
        self.end_of(ticket, outcome).await;
    }

    /// It was sent on, and this became of it at the origin that had it last. Where the edge does not know what was used, it asks
    /// there. Returns how it counts.
    pub async fn ended(&self, ticket: &Ticket, ending: Ending, origin: &Origin) -> Outcome {
        let outcome = match ending {
            Ending::Certain(outcome) => outcome,
            Ending::Ask(_) => ending.settled(forward::cancel(origin, ticket, CANCEL_TIMEOUT_MS).await),
        };
        let outcome = ticket.spent.with(outcome);
        if let Some(first) = ticket.attempt.before().filter(|_| !ticket.is_held) {
            // Its Gate may not have learnt of the second reservation: the first is all that it knows of this request.
            self.end(first, outcome, Due::Soon).await;
        }
        // Also where its Gate could not be reached: it may have admitted it, and only its answer was lost.
        self.end_of(ticket, outcome).await;
        outcome
    }

    /// Ends a request's lease. If its Gate cannot be reached, the lease ends by itself at its deadline.
    async fn end(&self, request: RequestId, outcome: Outcome, due: Due) {
        if let Err(error) =
            group::settle(self.env, self.table.version(), self.account, Call::Settle { request, outcome }, due).await
        {
            telemetry::write(&Line::trouble_of(request, "it is not settled", error.why));
        }
        if outcome == Outcome::NotServed {
            // What was counted has been given back: what refused a moment ago may pass now.
            remembered::forget(self.account);
        }
    }

    /// Ends the lease of a request that was admitted: soon, unless half of each limit that it gives back to is left. Then
    /// nobody misses it, and it may be left to others.
    async fn end_of(&self, ticket: &Ticket, outcome: Outcome) {
        let request = ticket.attempt.request();
        let is_missed = matches!(outcome, Outcome::NotServed) || !has_plenty(&ticket.admission);
        match self.beside {
            _ if is_missed => self.end(request, outcome, Due::Soon).await,
            None => self.end(request, outcome, Due::Later).await,
            Some(context) => {
                let call = Call::Settle { request, outcome };
                let stays = group::leave(self.env, self.table.version(), self.account, call);
                stays.into_iter().for_each(|task| context.wait_until(task));
            }
        }
    }
}

/// Whether half of each limit is left that an admitted request gives back to.
fn has_plenty(admission: &Admission) -> bool {
    let has_plenty = |limit: &Standing| limit.remaining() >= limit.quota / 2 && limit.remaining() > 0;
    admission.standings.iter().filter(|limit| limit.gets_back()).all(has_plenty)
}
