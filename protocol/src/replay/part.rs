//! Accounts, decided again one after the other. They share nothing, so whoever has several cores adds up several parts.

use super::drive::{By, Mean, Undecidable, drive};
use super::request::{Names, Request};
use super::tally::{Difference, Report};

/// What some accounts come to by a candidate, and by another table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// What the candidate makes of them.
    pub candidate: Report,
    /// What the other table makes of them; nothing if there is none.
    pub against: Report,
    /// Where the two differ.
    pub difference: Difference,
}

/// By which tables accounts are decided again.
#[derive(Debug)]
pub struct Tables<'t> {
    /// The candidate.
    pub candidate: By<'t>,
    /// The one that it is held against.
    pub against: Option<By<'t>>,
}

impl Part {
    /// Adds an account: all of its requests, in the order of their time. `mean`: what is assumed where it has no answer.
    /// The error is of the first request that cannot be decided.
    pub fn add(
        &mut self,
        requests: &[&Request],
        names: &Names,
        mean: Mean,
        tables: &mut Tables<'_>,
    ) -> Result<(), Undecidable> {
        let mean = Mean::of(requests.iter().copied()).unwrap_or(mean);
        let verdicts = drive(requests, names, mean, &mut tables.candidate)?;
        self.candidate.add(requests, names, &verdicts);
        if let Some(against) = &mut tables.against {
            let others = drive(requests, names, mean, against)?;
            self.against.add(requests, names, &others);
            self.difference.add(requests, names, &verdicts, &others);
        }
        Ok(())
    }

    /// Adds what came of other accounts.
    pub fn merge(&mut self, other: Self) {
        self.candidate.merge(other.candidate);
        self.against.merge(other.against);
        self.difference.merge(other.difference);
    }
}
