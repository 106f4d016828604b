//! Alerts: what a plan table's rules look for in what is counted, and who is told of it.
//!
//! A rule ([`crate::limit::plan::AlertRule`]) looks at the last hour of all Meters. What it finds is an incident: a
//! rule, and what it is about. [`watch`] keeps incidents while they last, and what is to be sent of them: once when one
//! opens, once when it is over. [`webhook`] is whom that is sent to, [`message`] in which form. Whoever runs this has a
//! clock, keeps one row, and sends; nothing here does.

pub mod call;
mod incident;
pub mod message;
mod notice;
pub mod watch;
pub mod webhook;
