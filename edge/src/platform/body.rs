//! What bounds a body, and why there is none.

use crate::platform::Fault;

/// What bounds a caller's body.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// The most bytes of it.
    pub max: u64,
    /// How long it may take, in milliseconds.
    pub ms: u32,
    /// The most bytes of all bodies that this isolate is reading.
    pub room: u64,
}

/// Why there is no body.
pub enum Broken {
    /// It is larger than it may be.
    Large,
    /// It was not there in time.
    Late,
    /// There is no room for all that are sent at this moment.
    Full,
    /// It broke off.
    Off(Fault),
}
