//! limit and settle: the decision, as pure functions of plans, what was counted, and the time.
//!
//! Read the modules in this order: what a plan may say, what is counted and how, what holds a place, and the decision.

pub mod ask;
pub mod count;
pub mod decision;
pub mod fields;
pub mod gate;
pub mod kind;
pub mod lease;
pub mod plan;
pub mod standing;
pub mod state;
