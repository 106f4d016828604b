//! Whose a job is: who made it, and as whom each of its lines is asked for.

use crate::auth::permission::Permissions;
use crate::auth::principal::AccountName;
use crate::hop::gate_call::Caller;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// Who made a job. Its lines are asked for in this name, so whoever is not let in any more has no line answered.
///
/// A secret is not in here: of a key there is what its Gate keeps too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The account, by its name.
    pub account: String,
    /// Who calls, as its Gate compares it.
    pub caller: Caller,
    /// The key, of those who have one.
    pub key: Option<[u8; 4]>,
    /// From where it was made, if the platform said.
    pub address: Option<IpAddr>,
    /// What its credentials said that it may do.
    pub permissions: Permissions,
    /// What it is called. Jobs are seen by those who are called the same, and by nobody else.
    pub subject: String,
}

impl Owner {
    /// The account.
    pub fn account(&self) -> Option<AccountName> {
        AccountName::parse(&self.account)
    }
}
