//! What compiling the schemas of one request may cost, in steps: so that a slow machine refuses what a quick one does.

/// Steps that are left. A step is about a microsecond.
pub(in crate::engine::grammar) struct Fuel(u64);

/// A few hundred milliseconds.
const STEPS: u64 = 600_000;

impl Fuel {
    /// What a request has.
    pub(in crate::engine::grammar) fn full() -> Self {
        Self(STEPS)
    }

    pub(super) fn empty() -> Self {
        Self(0)
    }

    /// Takes away from it. The error, for the caller: that is too much.
    pub(super) fn pay(&mut self, steps: u64) -> Result<(), String> {
        let left = self.0.checked_sub(steps);
        self.0 = left.unwrap_or(0);
        left.map(drop).ok_or_else(|| "it is too large".into())
    }
}
