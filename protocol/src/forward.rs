//! forward, queue and settle: what the edge and the origin say to each other.

pub mod capacity;
pub mod grant;
pub mod relayed;
pub mod report;
