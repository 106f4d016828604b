//! settle: what requests have used, of each by its id ([`live`]), of all together ([`metrics`]), and of each as a trace
//! ([`traces`]); and what is given again ([`kept`]).

pub(crate) mod kept;
pub(crate) mod live;
pub(crate) mod metrics;
pub(crate) mod traces;
