//! Waiting: for promises, for a time, for a caller that leaves, for a body that nobody reads; and what time it is between two
//! of those.

pub(super) mod bell;
pub(super) mod early;
pub(super) mod promise;
pub(super) mod turn;
