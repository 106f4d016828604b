//! What the edge and a Gate say to each other; [`crate::account`] says what a Gate does about it.
//!
//! A message is a version byte and postcard. One message holds several calls; each is decided on its own, in order.

mod bending;
mod caller;
mod change;
pub mod command;
pub mod description;
mod kept;
pub mod own_key;
mod pack;
mod refuse;
pub mod remembered;

use crate::auth::pattern::Pattern;
use crate::auth::permission::{Bounds, Denied, Scope};
use crate::auth::principal::Mark;
use crate::hop::gate_call::command::{Command, Effect};
use crate::hop::gate_call::description::{AccountDescription, CallerDescription, KeyDescription};
use crate::id::{RequestId, Version};
use crate::limit::decision::{Outcome, Refused};
use crate::limit::degrade::Degraded;
use crate::limit::standing::Standing;
use crate::request::bodies::chat::Used;
use crate::request::drawing::Drawing;
use crate::request::endpoint::Endpoint;
use crate::time::Millis;
use crate::usage::refusals::RefusalCount;
use crate::usage::report::{UsageQuery, UsageReport};
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

pub use bending::{Bending, PlanLevel};
pub use caller::{Caller, Identity};
pub use change::{AccountChange, KeyChange};
pub use kept::{
    Credit, KEPT_VERSION, Kept, KeyRecord, MAX_KEPT_BYTES, MAX_RETIRING, Retiring, Settings, decode_kept, encode_kept,
};
pub use pack::{MessageError, decode_answers, decode_envelope, encode_answers, encode_envelope};
pub use refuse::refuse_key;

/// The version of the messages. The two sides may differ for a moment during a deploy: another version is refused, and
/// the caller is told to try again.
pub const VERSION: u8 = 9;

/// What the edge sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The account's name: a Gate does not know its own.
    pub account: String,
    /// Which plan table decides.
    pub table: Version,
    /// What is wanted, in order.
    pub calls: Vec<Call>,
}

/// One thing that the edge wants of a Gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// Authenticate, then decide, then hold a lease.
    Admit(Box<Ask>),
    /// Authenticate only; nothing is counted.
    Identify {
        /// Who.
        caller: Caller,
        /// For which kind of route.
        scope: Option<Scope>,
        /// From where, if the platform told.
        address: Option<IpAddr>,
    },
    /// Authenticate, and say how the caller stands; nothing is counted.
    DescribeCaller {
        /// Who.
        caller: Caller,
        /// From where, if the platform told.
        address: Option<IpAddr>,
    },
    /// End a lease.
    Settle {
        /// Which.
        request: RequestId,
        /// How it ended.
        outcome: Outcome,
    },
    /// Do what an admin wants, unless it was done before.
    Do(Box<Command>),
    /// Say what is kept about a key.
    DescribeKey {
        /// Which of the account's keys.
        key: [u8; 4],
    },
    /// Say what is kept about the account.
    DescribeAccount,
    /// [`Call::Admit`] with what the origin counted, for a request whose first reservation was too small for that. It ends
    /// the first one's lease in any case: given back where this one is admitted, and otherwise counted as a request.
    Readmit {
        /// Under which id it was admitted first.
        first: RequestId,
        /// What is asked for now.
        ask: Box<Ask>,
    },
    /// Note refusals that an isolate gave by itself, because it remembered them: see [`remembered`].
    NoteRefusals {
        /// By what a message that comes again is known.
        id: RequestId,
        /// The refusals.
        refusals: Vec<RefusalCount>,
    },
    /// Add up what the account has used.
    DescribeUsage {
        /// Who asks, if it is a caller: then what is asked for is what this one has used.
        asker: Option<Box<Asker>>,
        /// What is asked for.
        query: Box<UsageQuery>,
    },
}

/// A caller who asks about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// Who.
    pub caller: Caller,
    /// From where, if the platform told.
    pub address: Option<IpAddr>,
}

impl Call {
    /// What of it can be done without any plans: what only ends something. `None` if nothing can.
    pub fn ending(&self) -> Option<Self> {
        match self {
            Self::Settle { .. } => Some(self.clone()),
            Self::Do(command) => command.action.ends_something().then(|| self.clone()),
            Self::Readmit { first, .. } => {
                Some(Self::Settle { request: *first, outcome: Outcome::Served(Some(Used::NOTHING)) })
            }
            _ => None,
        }
    }
}

/// One request for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Who.
    pub caller: Caller,
    /// For which request.
    pub request: RequestId,
    /// What is asked for.
    pub endpoint: Endpoint,
    /// Whether a job asks for it, for which nobody waits.
    pub batch: bool,
    /// Of which model.
    pub model: String,
    /// In which session.
    pub session: Option<Mark>,
    /// For which end user.
    pub user: Option<Mark>,
    /// How large the body is.
    pub body_bytes: u32,
    /// How long the prompt is.
    pub prompt_tokens: u32,
    /// Whether the origin counted that; otherwise it is a guess.
    pub prompt_is_counted: bool,
    /// How much may be generated, in all answers together, if the caller says so.
    pub max_tokens: Option<u32>,
    /// Whether the model is to think.
    pub thinking: bool,
    /// Which pictures are to be drawn.
    pub drawing: Drawing,
    /// How many percent of the origin's places are in use, as far as the edge knows.
    pub pressure: u8,
    /// From where it came, if the platform told.
    pub address: Option<IpAddr>,
    /// How it may be bent where there is too little room.
    pub bending: Bending,
}

/// What a Gate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Go.
    Admitted(Box<Admission>),
    /// The caller is who it says.
    Identified(Box<Admission>),
    /// The caller is not known here.
    UnknownCaller,
    /// The key or its account is disabled.
    Disabled,
    /// The key has ended, or the secret that was sent has.
    Expired,
    /// The key may not do that.
    Denied(Denied),
    /// The plan does not allow what is asked for.
    NotAllowed {
        /// The plan's name.
        plan: String,
        /// What.
        forbidden: Forbidden,
    },
    /// Limits refused; each with the time at which it would pass, and the time it was decided at.
    Limited {
        /// The plan's name.
        plan: String,
        /// Which limits.
        refused: Vec<Refused>,
        /// How all limits stand.
        standings: Vec<Standing>,
        /// When it was decided.
        now: Millis,
    },
    /// The key names a plan that the table does not have.
    UnknownPlan(String),
    /// The table that was to decide is not known here, nor to the Registry.
    UnknownTable,
    /// An admin's change cannot be made; why.
    Unusable(String),
    /// There is no such key or account to change.
    NotFound,
    /// What was to be changed is of another version by now.
    OtherVersion,
    /// The request was settled before.
    Closed,
    /// Done, and whether anything changed.
    Done(bool),
    /// What an admin wanted is done.
    Did(Effect),
    /// What is kept about a key, if it is known.
    Key(Option<Box<KeyDescription>>),
    /// What is kept about an account.
    Account(Box<AccountDescription>),
    /// How the caller stands.
    Caller(Box<CallerDescription>),
    /// The origins are so full that this plan would make less of the request, which its caller does not take.
    TooFull(String),
    /// A budget of this name cannot be counted here: its time zone or its currency is not known.
    Uncounted(String),
    /// What was used.
    Usage(Box<UsageReport>),
}

/// What a plan does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Forbidden {
    /// The model.
    Model,
    /// A body of more bytes than this.
    InputBytes(u32),
    /// `max_tokens` above this.
    MaxTokens(u32),
}

/// What the edge needs to go on with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// The plan's name.
    pub plan: String,
    /// Its priority.
    pub priority: u8,
    /// When the lease ends. For [`Answer::Identified`]: when a lease would end that began now.
    pub deadline: Millis,
    /// The most tokens that prompt and answer may have together; 0 if no limit counts them.
    pub tokens: u64,
    /// The most tokens that may be generated, in all answers together; 0 if only the origin's bounds apply.
    pub max_tokens: u32,
    /// The longest prompt, in tokens; 0 if only the origin's bounds apply.
    pub max_prompt_tokens: u32,
    /// How the plan's limits stand, this request counted.
    pub standings: Vec<Standing>,
    /// Watched limits that would have refused it.
    pub shadowed: Vec<String>,
    /// What bounds the key besides its plan, if anything does: for whoever must decide without this Gate.
    pub bounds: Option<Box<Bounds>>,
    /// The models that may be used, where it is not all that are served.
    pub models: Vec<Vec<Pattern>>,
    /// When it was decided.
    pub now: Millis,
    /// What was made of the request, if it was bent. It is what was decided on.
    pub degraded: Option<Box<Degraded>>,
    /// Whether somebody is to know that there is this account: with its first request, and then once a day.
    pub is_to_be_listed: bool,
}

impl Ask {
    /// The smallest request that there is: what [`CallerDescription::passes_at`] is about.
    pub fn smallest(caller: Caller) -> Self {
        Self {
            caller,
            request: RequestId([0; 16]),
            endpoint: Endpoint::Chat,
            batch: false,
            model: String::new(),
            session: None,
            user: None,
            body_bytes: 0,
            prompt_tokens: 1,
            prompt_is_counted: true,
            max_tokens: Some(1),
            thinking: false,
            drawing: Drawing::default(),
            pressure: 0,
            address: None,
            bending: Bending::default(),
        }
    }
}

/// What a Gate sends back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// One for each call, in order.
    pub answers: Vec<Answer>,
    /// How many rows it wrote over them.
    pub rows_written: u64,
    /// How many leases it found that had ended by themselves.
    pub lapsed: u64,
}
