//! What a gateway can be asked.

use clap::ValueEnum;

/// One question to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Check {
    /// How many of very many at once?
    Burst,
    /// How many around a window's end?
    Boundary,
    /// How many of a load that does not stop?
    Steady,
    /// Do refused requests count?
    Burn,
    /// Is the told wait true?
    RetryAfter,
    /// Do the headers contradict each other, or what happens?
    Headers,
    /// How many streams at once?
    Parallel,
    /// When do the slots of killed streams come back?
    Leak,
}

impl Check {
    /// All of them, in the order in which they are run.
    pub(crate) const ALL: [Self; 8] = [
        Self::Burst,
        Self::Boundary,
        Self::Steady,
        Self::Burn,
        Self::RetryAfter,
        Self::Headers,
        Self::Parallel,
        Self::Leak,
    ];

    /// As options and reports name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Boundary => "boundary",
            Self::Steady => "steady",
            Self::Burn => "burn",
            Self::RetryAfter => "retry-after",
            Self::Headers => "headers",
            Self::Parallel => "parallel",
            Self::Leak => "leak",
        }
    }
}
