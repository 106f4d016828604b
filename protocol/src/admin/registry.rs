//! What the edge asks of the Registry: the index of all keys and accounts, the plans, and commands for accounts. The truth
//! about keys and accounts is at their Gates.

use super::audit_query::AuditQuery;
use super::{AccountList, AccountPage, AccountView, KeyList, KeyPage, KeyView};
use crate::admin::audit::{AuditPage, Note};
use crate::admin::failed_logins::FailedLogins;
use crate::auth::key::Seed;
use crate::auth::token::{Denial, DenialId, DenialList};
use crate::hop::gate_call::Answer;
use crate::hop::gate_call::command::Command;
use crate::id::{KeyId, Version};
use crate::refusal::{Reason, Refusal};
use crate::route::fact::Fact;
use crate::time::Millis;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// What the edge asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryCall {
    /// Writes commands down, carries each to its account's Gate, and says what became of them.
    Execute {
        /// The commands, in order.
        commands: Vec<Addressed>,
        /// What the secrets in them were made from.
        seed: Seed,
        /// By what a repetition is known; `None` if the admin sent no `Idempotency-Key`.
        #[serde(rename = "once")]
        idempotency: Option<Idempotency>,
    },
    /// A page of keys.
    Keys(KeyPage),
    /// A page of accounts.
    Accounts(AccountPage),
    /// The plan table, unless it is the one of this version.
    Plans {
        /// Which one is known already.
        known: Option<Version>,
    },
    /// The plan table of this version, if it is in force or was a moment ago.
    PlansOf(Version),
    /// The list of origins that an admin has put, unless it is the one of this version.
    OriginList {
        /// Which one is known already.
        known: Option<Version>,
    },
    /// Puts a list of origins in force, or takes it back, if the one that is has this version (`None`: whichever it is).
    PutOriginList {
        /// The list's text, checked; `None`: that of the settings is to be in force.
        json: Option<String>,
        /// What it replaces.
        replaces: Option<Version>,
    },
    /// Puts a plan table in force, if the one that is has this version (`None`: whichever it is).
    PutPlans {
        /// The table's text, checked.
        json: String,
        /// What it replaces.
        replaces: Option<Version>,
    },
    /// Does this, which is none of the commands, and writes the note if that changed anything: both are kept, or neither.
    Noted {
        /// What the log says of it.
        note: Note,
        /// What is done.
        call: Box<Self>,
    },
    /// Writes a failed admin login down, or counts it if there are too many.
    LoginFailed {
        /// From where, if the platform told.
        address: Option<IpAddr>,
        /// How many before it an isolate has only counted.
        unnoted: u64,
    },
    /// A page of the audit log.
    Audit(AuditQuery),
    /// The failed logins that are kept.
    FailedLogins,
    /// Adds a denial, or replaces it.
    PutDenial(Denial),
    /// Takes a denial off.
    RemoveDenial(DenialId),
    /// All denials, for people.
    ListDenials,
    /// All denials, unless the list is the one of this version.
    Denials {
        /// Which one is known already.
        known: Option<Version>,
    },
    /// Tells what an isolate found out of origins, and asks what others did.
    Origins {
        /// What it found out since it told last.
        told: Vec<Fact>,
    },
    /// Does nothing: what the note tells of is done elsewhere.
    OnlyNote,
    /// Forgets the answers that are kept of an account, or of all.
    ForgetAnswers {
        /// Of which account.
        account: Option<String>,
    },
    /// What was forgotten of answers that are kept, unless it is what is known.
    Forgotten {
        /// Which is known already.
        known: Option<Version>,
    },
    /// Lists the account of a token's subject, unless it is listed: it has called, and nobody has made it.
    ListSubject {
        /// Its full name.
        account: String,
    },
    /// Adds a denial, or replaces it, unless this was asked under the same name before.
    PutDenialOnce {
        /// What is denied.
        denial: Denial,
        /// The request.
        #[serde(rename = "once")]
        idempotency: Idempotency,
        /// When it was asked first.
        seed: Seed,
    },
}

/// A command and the account that it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addressed {
    /// The account's full name.
    pub account: String,
    /// Whether the account must be there already.
    pub joins: bool,
    /// What to do.
    pub command: Command,
    /// What the audit log says of it: written with the command, and again with the reason if its Gate refuses.
    pub note: Note,
}

/// By what a request is known that is done once, however often it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// SHA-256 of the admin's name and its `Idempotency-Key`.
    pub name: [u8; 32],
    /// SHA-256 of the request: another one under the same name is refused.
    pub request: [u8; 32],
}

/// What the Registry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryAnswer {
    /// Done, and whether anything changed.
    Done(bool),
    /// What became of commands.
    Executed(Executed),
    /// The name of the request was another request's.
    OtherRequest,
    /// There is no room for one more: too much waits to be carried to this account, or there are too many denials.
    TooMany,
    /// A page of keys.
    Keys(KeyList),
    /// A page of accounts.
    Accounts(AccountList),
    /// A plan table's text; `None` if none was ever put, or there is none of that version.
    Plans(Option<String>),
    /// The table, or the list, that is asked for is the one that is known.
    Unchanged,
    /// A page of the audit log.
    Audit(AuditPage),
    /// A failed login is counted; for how many milliseconds its address is not heard, if it has failed too often.
    LoginFailed(Option<Millis>),
    /// The failed logins that are kept.
    FailedLogins(FailedLogins),
    /// All denials, for people.
    ListedDenials(DenialList),
    /// All denials.
    Denials {
        /// What the list changes with.
        version: Version,
        /// Their names, and when they end.
        all: Vec<(DenialId, Option<Millis>)>,
    },
    /// What was forgotten of answers that are kept.
    Forgotten {
        /// What it changes with.
        version: Version,
        /// Of which accounts, and when; of all under an empty name.
        all: Vec<(String, Millis)>,
    },
    /// The table in force is another one than the one to be replaced.
    OtherPlans(Option<Version>),
    /// Keys name plans that the new table does not have: such a plan, and one of the keys.
    PlanInUse {
        /// The plan.
        plan: String,
        /// A key that names it; `None` if it is an account that does.
        key: Option<KeyId>,
    },
    /// This was asked before, with this seed, and is not done again.
    Before(Seed),
    /// What isolates found out of origins.
    Origins(Vec<Fact>),
    /// A list of origins; `None` if that of the settings is in force.
    OriginList(Option<String>),
    /// The list in force is another one than the one to be replaced.
    OtherOrigins,
}

/// What became of commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// What the secrets in them were made from: of the first time, if they had been sent before.
    pub seed: Seed,
    /// In the order of the commands.
    pub outcomes: Vec<CommandOutcome>,
}

/// What became of one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandOutcome {
    /// It has not reached its Gate; it is carried there as soon as that can be reached.
    Waits,
    /// The key as it is since.
    Key(Box<KeyView>),
    /// The account as it is since.
    Account(Box<AccountView>),
    /// It is gone; whether this removed it.
    Gone(bool),
    /// Its Gate refused.
    Refused(StoredRefusal),
}

/// A refusal as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRefusal {
    /// Its code.
    pub code: String,
    /// What the admin is told.
    pub message: String,
    /// The member that was wrong.
    pub param: Option<String>,
}

impl CommandOutcome {
    /// A Gate's no.
    pub fn refused(answer: &Answer) -> Option<Self> {
        answer.refusal().map(|refusal| Self::Refused(StoredRefusal::new(&refusal)))
    }
}

impl StoredRefusal {
    /// What of a refusal is kept.
    pub fn new(refusal: &Refusal) -> Self {
        Self {
            code: refusal.reason.row().code.to_owned(),
            message: refusal.message.to_string(),
            param: refusal.param.as_ref().map(ToString::to_string),
        }
    }

    /// The refusal again.
    pub fn refusal(self) -> Refusal {
        let reason = Reason::from_code(&self.code).unwrap_or(Reason::Internal);
        let refusal = Refusal::new(reason, self.message);
        match self.param {
            Some(param) => refusal.with_param(param),
            None => refusal,
        }
    }
}
