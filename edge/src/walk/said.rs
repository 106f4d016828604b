//! An answer that no model gives: a plan's text, where its last rung is reached.

use crate::answers::bent::Bent;
use crate::forward::Ticket;
use crate::platform::Fault;
use crate::platform::task::Answer;
use crate::settle::Settle;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::telemetry::RequestEnd;

/// A plan's text in the place of an answer.
pub async fn said(
    settle: &Settle<'_>,
    ticket: &Ticket,
    (bent, model): (&Bent, &str),
    table: &PlanTable,
    answer: Answer,
) -> RequestEnd {
    let plan = table.get(&ticket.admission.plan);
    let text = plan.and_then(|plan| plan.degrade.as_ref()?.text()).unwrap_or(TOO_BUSY);
    let _ = answer.send(bent.said(ticket, text, model).map_err(|fault| not_answered(&fault)));
    let used = Used::NOTHING;
    settle.answered_here(ticket, Outcome::Served(Some(used))).await;
    RequestEnd::Answered { is_whole: true, used: Some(used) }
}

pub fn not_answered(fault: &Fault) -> Refusal {
    Refusal::new(Reason::Internal, "The answer could not be built. Try again.").with_detail(fault.to_string())
}

/// What is said where the table of this isolate does not have the text of the one that its Gate went by.
const TOO_BUSY: &str = "The model is too busy to answer. Please try again later.";
