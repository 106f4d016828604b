//! What the edge asks its Meters, and what they answer. They are packed as reports are ([`super::report::encode`]).

use super::meter::Reading;
use super::report::{Report, Span};
use serde::{Deserialize, Serialize};

/// What a Meter is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MeterCall {
    /// Add this, unless it was added before.
    Take(Box<Report>),
    /// Tell what there is.
    Read(Span),
    /// Tell the requests that are kept.
    ReadKept,
}

/// What a Meter says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MeterAnswer {
    /// It is added.
    Taken,
    /// What there is.
    Read(Box<Reading>),
    /// The rows of the requests that are kept: see [`super::gathered`].
    Kept(Vec<Vec<u8>>),
}
