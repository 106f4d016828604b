//! limit and settle: the decision, as pure functions of plans, what was counted, and the time.
//!
//! Read the modules in this order: what kinds of limits there are ([`kind`], a file for each), what a plan may say ([`plan`]),
//! whose counts there are ([`count`]), what an admitted request holds ([`lease`]), and the decision ([`gate`]).

pub mod ask;
pub mod cache;
pub mod calendar;
pub mod count;
pub mod decision;
pub mod degrade;
pub mod fields;
pub mod gate;
pub mod kind;
pub mod lease;
pub mod per;
pub mod plan;
pub mod standing;
pub mod state;
