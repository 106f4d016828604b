//! limit, its answer: the ticket of a request that was admitted.

use crate::auth::principal::Principal;
use crate::forward::Ticket;
use crate::forward::attempt::Attempt;
use crate::forward::spent::Spent;
use crate::hop::gate::unavailable;
use crate::limit::Admitted;
use crate::platform::task::Answer;
use crate::platform::{self, Signal};
use crate::settle::Settle;
use crate::telemetry::{Noted, measures};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::telemetry::RequestEnd;

/// How much of a hurry a request is in.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// It takes idle time only.
    pub(super) idle: bool,
    /// It can wait for its Gate.
    pub(super) is_job: bool,
}

/// Whose turn it is at the Gate.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) attempt: Attempt,
    pub(super) pace: Pace,
    pub(super) principal: &'a Principal,
    /// Aborted when the caller leaves.
    pub(super) left: &'a Signal,
}

/// limit, its answer: what was admitted, as a ticket for the origin. The error is how it ended: it was refused, or its caller has
/// left.
pub(super) async fn held(
    admitted: Result<Admitted, Refusal>,
    Turn { attempt, pace: Pace { idle, is_job }, principal, left }: Turn<'_>,
    settle: &Settle<'_>,
    answer: Answer,
    noted: &mut Noted,
) -> Result<(Ticket, Answer), RequestEnd> {
    let (admission, is_held) = match admitted {
        Ok(Admitted::ByGate(admission)) => (*admission, true),
        Ok(Admitted::WithoutGate(admission)) if !is_job => (*admission, false),
        // It can wait for its Gate.
        Ok(Admitted::WithoutGate(_)) => {
            let _ = answer.send(Err(unavailable("a job does not pass without its Gate")));
            noted.ended(attempt.unserved());
            settle.unanswered(attempt).await;
            return Err(RequestEnd::Refused { reason: Reason::GateUnavailable, used: None });
        }
        Err(refusal) => {
            let reason = refusal.reason;
            let _ = answer.send(Err(refusal));
            if reason == Reason::GateUnavailable {
                noted.ended(attempt.unserved());
                settle.unanswered(attempt).await;
            }
            return Err(RequestEnd::Refused { reason, used: None });
        }
    };
    if left.is_aborted() {
        noted.ended(attempt.unserved());
        settle.given_up(attempt, is_held).await;
        return Err(RequestEnd::Left);
    }
    let ticket = Ticket {
        attempt,
        account: principal.account.clone(),
        subject: principal.subject(),
        admission,
        is_held,
        watch_capacity: idle || settle.table.feels_pressure() || measures::wants_capacity(),
        idle,
        since: platform::now(),
        spent: Spent::default(),
    };
    Ok((ticket, answer))
}
