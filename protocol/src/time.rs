//! Time, as both gates tell it.

/// Milliseconds since the Unix epoch. Clocks stall and go back: whoever keeps time in a state clamps it to its own past.
pub type Millis = u64;
