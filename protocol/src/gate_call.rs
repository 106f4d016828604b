//! What the edge and a Gate say to each other, and what a Gate does about it: an [`Account`] takes calls and gives
//! answers; the shell around it only loads, stores and carries.
//!
//! A message is a version byte and postcard. One message holds several calls; each is decided on its own, in order.

use crate::Millis;
use crate::gate::{Decision, GateState, Outcome, Refused, RefusedKind, Totals};
use crate::id::{AccountId, KeyId, RequestId};
use crate::key::SecretHash;
use crate::plan::{Plan, PlanTable};
use crate::ratelimit::{self, Standing};
use crate::refusal::{Reason, Refusal};
use serde::{Deserialize, Serialize};

/// The version of the messages. The two sides may differ for a moment during a deploy: another version is refused.
pub const VERSION: u8 = 1;

/// One thing that the edge wants of a Gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// Authenticate, then decide, then hold a lease.
    Admit {
        /// Who.
        caller: Caller,
        /// For which request.
        request: RequestId,
    },
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
    PutKey(KeyRecord),
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
}

/// Who calls: a key whose tag was good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Which of the account's keys.
    pub key: [u8; 4],
    /// What the edge has seen of its secret.
    pub secret_hash: SecretHash,
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
}

/// What a Gate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Go.
    Admitted(Admission),
    /// The caller is who it says.
    Identified(Admission),
    /// The caller is not known here.
    UnknownCaller,
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
    /// The request was settled before.
    Closed,
    /// Done, and whether anything changed.
    Done(bool),
    /// What is kept about a key, if it is known.
    Key(Option<KeyDescription>),
    /// How the caller stands.
    Caller(Box<CallerDescription>),
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
    /// How the plan's limits stand, this request counted.
    pub standings: Vec<Standing>,
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
    /// When its next request passes, if nothing is counted or settled before: now, or later; `None` if never.
    pub passes_at: Option<Millis>,
    /// When it was decided.
    pub now: Millis,
}

/// What an admin sees of a key at its Gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDescription {
    /// For people.
    pub name: String,
    /// The plan's name.
    pub plan: String,
    /// When it was made.
    pub created_at: Millis,
    /// Leases of its account that are live now.
    pub live_leases: u32,
    /// What its account has used in all.
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

/// Everything a Gate keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Its keys.
    pub keys: Vec<KeyRecord>,
    /// What it did.
    pub state: GateState,
}

/// What must be stored before an answer may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// [`Account::keys`].
    pub keys: bool,
    /// [`Account::state`].
    pub state: bool,
}

impl Account {
    /// Does one call at `now`. What it changed is in the second part of the result.
    pub fn answer(
        &mut self,
        call: &Call,
        plans: &PlanTable,
        now: Millis,
        storage: StorageCounters,
    ) -> (Answer, Changed) {
        let mut changed = Changed::default();
        let answer = match call {
            Call::Admit { caller, request } => match self.plan_of(caller, plans) {
                Ok(plan) => {
                    let known = self.state.lease_of(*request);
                    match self.state.admit(plan, *request, now) {
                        Decision::Admit { deadline } => {
                            changed.state = !known;
                            Answer::Admitted(self.admission(plan, deadline, now))
                        }
                        Decision::Refuse(refused) => Answer::Limited {
                            refused,
                            standings: self.state.standings(plan, now),
                            now: self.state.clamp(now),
                        },
                        Decision::Closed => Answer::Closed,
                    }
                }
                Err(answer) => answer,
            },
            Call::Identify { caller } => match self.plan_of(caller, plans) {
                Ok(plan) => {
                    let deadline = self.state.clamp(now).saturating_add(plan.lease_ms);
                    Answer::Identified(self.admission(plan, deadline, now))
                }
                Err(answer) => answer,
            },
            Call::DescribeCaller { caller } => match self.plan_of(caller, plans) {
                Ok(plan) => Answer::Caller(Box::new(self.describe_caller(caller, plan, now))),
                Err(answer) => answer,
            },
            Call::Settle { request, outcome } => {
                changed.state = self.state.settle(*request, *outcome, now);
                Answer::Done(changed.state)
            }
            Call::PutKey(record) => {
                self.keys.retain(|other| other.key != record.key);
                self.keys.push(record.clone());
                changed.keys = true;
                Answer::Done(true)
            }
            Call::DeleteKey { key } => {
                let before = self.keys.len();
                self.keys.retain(|record| record.key != *key);
                changed.keys = self.keys.len() != before;
                Answer::Done(changed.keys)
            }
            Call::DescribeKey { key } => {
                Answer::Key(self.keys.iter().find(|record| record.key == *key).map(|record| KeyDescription {
                    name: record.name.clone(),
                    plan: record.plan.clone(),
                    created_at: record.created_at,
                    live_leases: u32::try_from(self.state.live_leases(now)).unwrap_or(u32::MAX),
                    used: self.state.totals(),
                    storage,
                }))
            }
        };
        (answer, changed)
    }

    fn admission(&self, plan: &Plan, deadline: Millis, now: Millis) -> Admission {
        Admission {
            plan: plan.name.clone(),
            priority: plan.priority,
            deadline,
            standings: self.state.standings(plan, now),
            now: self.state.clamp(now),
        }
    }

    fn describe_caller(&self, caller: &Caller, plan: &Plan, now: Millis) -> CallerDescription {
        let now = self.state.clamp(now);
        let refused = self.state.evaluate(plan, now);
        let passes_at = if refused.iter().any(|limit| limit.at.is_none()) {
            None
        } else {
            Some(refused.iter().filter_map(|limit| limit.at).max().unwrap_or(now))
        };
        let name = self.keys.iter().find(|record| record.key == caller.key).map(|record| record.name.clone());
        CallerDescription {
            name: name.unwrap_or_default(),
            plan: plan.name.clone(),
            standings: self.state.standings(plan, now),
            live_leases: u32::try_from(self.state.live_leases(now)).unwrap_or(u32::MAX),
            used: self.state.totals(),
            passes_at,
            now,
        }
    }

    fn plan_of<'p>(&self, caller: &Caller, plans: &'p PlanTable) -> Result<&'p Plan, Answer> {
        let record = self
            .keys
            .iter()
            .find(|record| record.key == caller.key && record.secret_hash.matches(&caller.secret_hash))
            .ok_or(Answer::UnknownCaller)?;
        plans.get(&record.plan).ok_or_else(|| Answer::UnknownPlan(record.plan.clone()))
    }
}

impl Answer {
    /// The answer as the edge's caller sees it, if it is a no.
    pub fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::Admitted(_) | Self::Identified(_) | Self::Done(_) | Self::Key(_) | Self::Caller(_) => return None,
            Self::UnknownCaller => refuse_key().with_detail("the Gate has no such key, or its secret differs"),
            Self::UnknownPlan(plan) => {
                Refusal::new(Reason::Misconfigured, "This key's plan does not exist. Tell whoever gave you the key.")
                    .with_detail(format!("a key names the plan `{plan}`, which the table does not have"))
            }
            Self::Closed => Refusal::new(Reason::Internal, "The request was decided before. Send it again.")
                .with_detail("admit came after settle"),
            Self::Limited { refused, standings, now } => {
                refuse_limited(refused, *now).with_headers(ratelimit::headers(standings, *now))
            }
        })
    }
}

/// What every bad key is told, whatever was wrong with it.
pub fn refuse_key() -> Refusal {
    Refusal::new(Reason::InvalidKey, "This API key is not valid here. Check it, or ask for a new one.")
}

/// Names every limit that refused, and the time until all of them would let this request through.
///
/// If a parallel limit is among them there is no wait to name: the only time that is certain is the lease's end, minutes
/// away, while a place most likely comes free much sooner. OpenAI's SDKs then back off by themselves, from half a second
/// on; a wait of minutes would make them give up, and the windows' wait alone would not suffice.
fn refuse_limited(refused: &[Refused], now: Millis) -> Refusal {
    let is_parallel = |limit: &Refused| matches!(limit.kind, RefusedKind::Parallel { .. });
    let all_parallel = refused.iter().all(is_parallel);
    let reason = if all_parallel { Reason::ParallelLimited } else { Reason::RateLimited };
    let named: Vec<_> = refused
        .iter()
        .map(|limit| match limit.kind {
            RefusedKind::Window { limit: most, window_ms } => {
                format!("`{}`: {most} requests in {}", limit.limit, seconds(window_ms))
            }
            RefusedKind::Parallel { limit: most } => format!("`{}`: {most} at once", limit.limit),
        })
        .collect();
    let message = format!("Over the limit of this key's account ({}).", named.join("; "));
    let certain = !refused.iter().any(is_parallel);
    match refused.iter().filter_map(|limit| limit.at).max().filter(|_| certain) {
        Some(at) => {
            let wait = at.saturating_sub(now);
            Refusal::new(reason, format!("{message} Retry in {}.", seconds(wait))).with_retry_after_ms(wait)
        }
        None => Refusal::new(reason, format!("{message} Retry when one of your requests has ended.")),
    }
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{}.{:03} s", ms / 1000, ms % 1000) }
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of version {VERSION}")]
pub struct MessageError;

/// Packs calls.
pub fn encode_calls(calls: &[Call]) -> Vec<u8> {
    postcard::to_extend(calls, vec![VERSION]).expect("writing to a Vec does not fail")
}

/// Unpacks calls. Never panics, whatever the bytes.
pub fn decode_calls(bytes: &[u8]) -> Result<Vec<Call>, MessageError> {
    decode(bytes)
}

/// Packs answers.
pub fn encode_answers(answers: &[Answer]) -> Vec<u8> {
    postcard::to_extend(answers, vec![VERSION]).expect("writing to a Vec does not fail")
}

/// Unpacks answers. Never panics, whatever the bytes.
pub fn decode_answers(bytes: &[u8]) -> Result<Vec<Answer>, MessageError> {
    decode(bytes)
}

/// Packs an account's keys, for the row that keeps them.
pub fn encode_keys(keys: &[KeyRecord]) -> Vec<u8> {
    postcard::to_extend(keys, vec![VERSION]).expect("writing to a Vec does not fail")
}

/// Unpacks an account's keys. Never panics, whatever the bytes.
pub fn decode_keys(bytes: &[u8]) -> Result<Vec<KeyRecord>, MessageError> {
    decode(bytes)
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
