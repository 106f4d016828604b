//! What the edge and a Gate say to each other; [`crate::account`] says what a Gate does about it.
//!
//! A message is a version byte and postcard. One message holds several calls; each is decided on its own, in order.

mod refuse;

use crate::Millis;
use crate::gate::{Outcome, Refused, Totals};
use crate::id::{AccountId, KeyId, RequestId};
use crate::key::SecretHash;
use crate::plan::{Endpoint, Limit, TableVersion};
use crate::principal::Mark;
use crate::standing::Standing;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use refuse::refuse_key;

/// The version of the messages. The two sides may differ for a moment during a deploy: another version is refused, and
/// the caller is told to try again.
pub const VERSION: u8 = 3;

/// What the edge sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The account's name: a Gate does not know its own.
    pub account: String,
    /// Which plan table decides.
    pub table: TableVersion,
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
    },
    /// Authenticate, and say how the caller stands; nothing is counted.
    DescribeCaller {
        /// Who.
        caller: Caller,
    },
    /// End a lease.
    Settle {
        /// Which.
        request: RequestId,
        /// How it ended.
        outcome: Outcome,
    },
    /// Add a key, or replace it.
    PutKey(Box<KeyRecord>),
    /// Change what is kept about a key.
    ChangeKey {
        /// Which of the account's keys.
        key: [u8; 4],
        /// What.
        change: Box<KeyChange>,
    },
    /// Remove a key.
    DeleteKey {
        /// Which of the account's keys.
        key: [u8; 4],
    },
    /// Say what is kept about a key.
    DescribeKey {
        /// Which of the account's keys.
        key: [u8; 4],
    },
    /// Change what an admin has set for the account itself.
    ChangeAccount(AccountChange),
    /// Say what is kept about the account.
    DescribeAccount,
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
    /// How many percent of the origin's places are in use, as far as the edge knows.
    pub pressure: u8,
    /// From where it came; only told if the table exempts addresses.
    pub address: Option<IpAddr>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Caller {
    /// A key whose tag was good.
    Key {
        /// Which of the account's keys.
        key: [u8; 4],
        /// What the edge has seen of its secret.
        secret_hash: SecretHash,
    },
    /// The holder of a short token for a key.
    Short {
        /// Which of the account's keys.
        key: [u8; 4],
        /// Which secret of it the token was made with: see [`SecretHash::mark`].
        mark: [u8; 8],
    },
    /// Somebody whom the edge knows by itself: the subject of a token, or an address.
    Known {
        /// The subject.
        subject: Mark,
        /// Its plan's name.
        plan: String,
    },
}

/// What a Gate keeps of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Which of the account's keys.
    pub key: [u8; 4],
    /// SHA-256 of the secret.
    pub secret_hash: SecretHash,
    /// For people.
    pub name: String,
    /// The plan's name.
    pub plan: String,
    /// When it was made, milliseconds since the epoch.
    pub created_at: Millis,
    /// Whether it is refused for now.
    pub disabled: bool,
    /// Other numbers for limits, by their names.
    pub overrides: BTreeMap<String, u32>,
    /// Limits of its own, besides the plan's.
    pub limits: Vec<Limit>,
}

/// What is to change about a key. Absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// For people.
    pub name: Option<String>,
    /// The plan's name.
    pub plan: Option<String>,
    /// Whether it is refused.
    pub disabled: Option<bool>,
    /// All other numbers for limits.
    pub overrides: Option<BTreeMap<String, u32>>,
    /// All limits of its own.
    pub limits: Option<Vec<Limit>>,
}

/// What an admin has set for an account itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether all of it is refused for now.
    pub disabled: bool,
    /// A plan in place of those that its keys or its issuer name.
    pub plan: Option<String>,
    /// Other numbers for limits, by their names. A key's own go before them.
    pub overrides: BTreeMap<String, u32>,
}

/// What is to change about an account's settings. Absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChange {
    /// Whether all of it is refused.
    pub disabled: Option<bool>,
    /// A plan in place of those that its keys or its issuer name; `Some(None)` takes that back.
    pub plan: Option<Option<String>>,
    /// All other numbers for limits.
    pub overrides: Option<BTreeMap<String, u32>>,
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
    /// The plan does not allow what is asked for.
    NotAllowed(Forbidden),
    /// Limits refused; each with the time at which it would pass, and the time it was decided at.
    Limited {
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
    /// The request was settled before.
    Closed,
    /// Done, and whether anything changed.
    Done(bool),
    /// What is kept about a key, if it is known.
    Key(Option<Box<KeyDescription>>),
    /// What is kept about an account.
    Account(Box<AccountDescription>),
    /// How the caller stands.
    Caller(Box<CallerDescription>),
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
    /// When it was decided.
    pub now: Millis,
}

/// What a caller sees of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerDescription {
    /// For people.
    pub name: String,
    /// The plan's name.
    pub plan: String,
    /// How its limits stand.
    pub standings: Vec<Standing>,
    /// Leases of its account that are live.
    pub live_leases: u32,
    /// What its account has used in all.
    pub used: Totals,
    /// When its smallest request passes, if nothing is counted or settled before: now, or later; `None` if never.
    pub passes_at: Option<Millis>,
    /// When it was decided.
    pub now: Millis,
}

/// What an admin sees of a key at its Gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDescription {
    /// What is kept.
    pub record: KeyRecord,
    /// Leases of its account that are live now.
    pub live_leases: u32,
    /// What its account has used in all.
    pub used: Totals,
    /// What the object did since it was started.
    pub storage: StorageCounters,
}

/// What an admin sees of an account at its Gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDescription {
    /// What is set for it.
    pub settings: Settings,
    /// Its keys.
    pub keys: Vec<[u8; 4]>,
    /// Its leases that are live now.
    pub live_leases: u32,
    /// What it has used in all.
    pub used: Totals,
    /// What the object did since it was started.
    pub storage: StorageCounters,
}

/// What a Durable Object did since it was started. A refusal of a forged key leaves all of them as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageCounters {
    /// Messages that reached it.
    pub calls: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Rows written.
    pub rows_written: u64,
}

impl Ask {
    /// The smallest request that there is: what [`CallerDescription::passes_at`] is about.
    pub fn smallest(caller: Caller) -> Self {
        Self {
            caller,
            request: RequestId([0; 16]),
            endpoint: Endpoint::Chat,
            model: String::new(),
            session: None,
            user: None,
            body_bytes: 0,
            prompt_tokens: 1,
            prompt_is_counted: true,
            max_tokens: Some(1),
            thinking: false,
            pressure: 0,
            address: None,
        }
    }
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of version {VERSION}")]
pub struct MessageError;

/// Packs a message.
pub fn encode_envelope(message: &Envelope) -> Vec<u8> {
    encode(message)
}

/// Unpacks a message. Never panics, whatever the bytes.
pub fn decode_envelope(bytes: &[u8]) -> Result<Envelope, MessageError> {
    decode(bytes)
}

/// Packs answers.
pub fn encode_answers(answers: &[Answer]) -> Vec<u8> {
    encode(answers)
}

/// Unpacks answers. Never panics, whatever the bytes.
pub fn decode_answers(bytes: &[u8]) -> Result<Vec<Answer>, MessageError> {
    decode(bytes)
}

/// Packs an account's settings and keys, for the row that keeps them.
pub fn encode_keys(settings: &Settings, keys: &[KeyRecord]) -> Vec<u8> {
    encode(&(settings, keys))
}

/// Unpacks an account's settings and keys. Never panics, whatever the bytes.
pub fn decode_keys(bytes: &[u8]) -> Result<(Settings, Vec<KeyRecord>), MessageError> {
    decode(bytes)
}

fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("writing to a Vec does not fail")
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    match bytes.split_first() {
        Some((&VERSION, packed)) => postcard::from_bytes(packed).map_err(|_| MessageError),
        _ => Err(MessageError),
    }
}

impl KeyRecord {
    /// The record's full id.
    pub const fn id(&self, account: AccountId) -> KeyId {
        KeyId { account, key: self.key }
    }
}
