//! Which packages are there, who may name them, where they come from, and under which licence.

pub(super) mod features;
pub(super) mod graph;
pub(super) mod licences;
pub(super) mod supply;
