//! What an ask says of how a request may be bent where there is too little room.

use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// How a request may be bent. By default it is one of which nothing can be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bending {
    /// Whether its caller takes less than it asked for, and there is something of which it could be less.
    pub may: bool,
    /// Whether it asks for its answer in pieces.
    pub streams: bool,
    /// Whether no other model may answer.
    pub keeps_model: bool,
    /// The levels of degrading that hold where it came in, of plans that degrade; those at 0 are left out.
    pub levels: Vec<PlanLevel>,
    /// No origin takes requests for its model, until then at least.
    pub broken_until: Option<Millis>,
}

/// The level of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanLevel {
    /// The plan's name.
    pub plan: String,
    /// How many of its rungs are in force.
    pub level: u8,
}

impl Bending {
    /// The level of this plan.
    pub fn level_of(&self, plan: &str) -> u8 {
        self.levels.iter().find(|one| one.plan == plan).map_or(0, |one| one.level)
    }
}
