//! settle: what requests have used, of each by its id ([`live`]) and of all together ([`metrics`]).

pub(crate) mod live;
pub(crate) mod metrics;
