//! What follows from observations. Pure: no clock, no network; each judgement has a test in which a gateway that breaks
//! its word is told from one that keeps it.

pub(crate) mod headers;
pub(crate) mod promise;
pub(crate) mod streams;
pub(crate) mod window;
