//! What compiling the schemas of one request may cost. It is counted in steps, so that a slow machine refuses what a
//! quick one does.

/// Steps that are left. A step is about a microsecond.
pub(in crate::engine::grammar) struct Fuel(u64);

/// What a request has: a few hundred milliseconds.
const STEPS: u64 = 600_000;

impl Fuel {
    /// The fuel of one request.
    pub(in crate::engine::grammar) fn full() -> Self {
        Self(STEPS)
    }

    pub(super) fn empty() -> Self {
        Self(0)
    }

    /// Spends some of it. The error tells the caller that the schemas are too large.
    pub(super) fn pay(&mut self, steps: u64) -> Result<(), String> {
        let left = self.0.checked_sub(steps);
        self.0 = left.unwrap_or(0);
        left.map(drop).ok_or_else(|| "it is too large".into())
    }
}
