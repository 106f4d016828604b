//! auth: who calls, and what for.

pub mod alias;
pub mod key;
pub mod leak;
pub mod pattern;
pub mod permission;
pub mod principal;
pub mod token;
