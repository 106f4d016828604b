//! The Registry: one Durable Object with the index of all keys and accounts, the plans in force, and the commands of admins
//! that are on their way to Gates. The truth about keys and accounts is at their Gates; the index is what an admin lists.

mod audit;
mod commands;
mod denials;
mod failing;
mod index;
mod logins;
mod origins;
mod outbox;
mod plans;
mod purges;
mod records;
mod requests;

use crate::platform::objects::Object;
use crate::platform::{self, Env, Result, State};
use outbox::Outbox;
use records::RegistryRecords;
use sluice_protocol::admin::{AccountEntry, KeyList, RegistryAnswer, RegistryCall};
use sluice_protocol::auth::token::DenialList;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::route::fact::Facts;
use std::cell::{Cell, RefCell};

/// The object.
pub struct Registry {
    records: RegistryRecords,
    outbox: Outbox,
    /// Whether this instance has seen to it that what is to be forgotten will be.
    is_awake: Cell<bool>,
    /// What isolates told of origins. In memory alone: what is lost, they find out again.
    facts: RefCell<Facts>,
}

impl Object for Registry {
    fn new(state: State, env: Env) -> Self {
        Self {
            outbox: Outbox::new(&state),
            records: RegistryRecords::new(&state, env),
            is_awake: Cell::new(false),
            facts: RefCell::default(),
        }
    }

    async fn answer(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        self.records.index.count_call();
        if !self.is_awake.replace(true) {
            self.outbox.wake().await?;
        }
        let answer = self.done(serde_json::from_slice(&message)?).await?;
        Ok(serde_json::to_vec(&answer)?)
    }

    /// Carries what could not be carried when it was written down.
    async fn alarm(&self) -> Result<()> {
        self.outbox.carry_all(&self.records).await
    }
}

impl Registry {
    async fn done(&self, call: RegistryCall) -> Result<RegistryAnswer> {
        Ok(match call {
            RegistryCall::Execute { commands, seed, idempotency } => {
                self.outbox.execute(&self.records, commands, seed, idempotency).await?
            }
            RegistryCall::Keys(page) => {
                let page = self.records.index.keys(&page)?;
                RegistryAnswer::Keys(KeyList { storage: self.counters(), ..page })
            }
            RegistryCall::Accounts(page) => RegistryAnswer::Accounts(self.records.index.accounts(&page)?),
            RegistryCall::Noted { note, call } => {
                if let RegistryCall::PutDenialOnce { .. } = &*call {
                    // Before anything is written: what it keeps for a day is to be forgotten.
                    self.outbox.set_alarm().await?;
                }
                self.records.audit.together(note, || self.change(*call)).inspect_err(|_| self.forget())?
            }
            RegistryCall::LoginFailed { address, unnoted } => self.records.logins.failed(address, unnoted)?,
            RegistryCall::FailedLogins => RegistryAnswer::FailedLogins(self.records.logins.list()?),
            RegistryCall::Audit(query) => RegistryAnswer::Audit(self.records.audit.page(&query)?),
            RegistryCall::ListDenials => {
                RegistryAnswer::ListedDenials(DenialList { data: self.records.denied.list()? })
            }
            RegistryCall::Denials { known } => self.records.denied.denials(known)?,
            RegistryCall::Forgotten { known } => self.records.purges.forgotten(known)?,
            RegistryCall::Plans { known } => self.records.tables.unless(known)?,
            RegistryCall::PlansOf(version) => RegistryAnswer::Plans(self.records.tables.of_version(version)?),
            RegistryCall::OriginList { known } => self.records.origins.unless(known)?,
            RegistryCall::Origins { told } => {
                let mut facts = self.facts.borrow_mut();
                facts.add(told, platform::now());
                RegistryAnswer::Origins(facts.all())
            }
            call => self.change(call)?,
        })
    }

    /// What changes something without a Gate, in one go.
    fn change(&self, call: RegistryCall) -> Result<RegistryAnswer> {
        Ok(match call {
            RegistryCall::PutPlans { json, replaces } => {
                let in_force = self.records.version()?;
                self.records.tables.put(json, replaces, in_force, |table| {
                    let in_use = self.records.index.plan_in_use(table)?;
                    Ok(in_use.or(self.outbox.plan_in_use(table)?))
                })?
            }
            RegistryCall::PutOriginList { json, replaces } => {
                let settings = self.records.origins_of_settings()?;
                self.records.origins.put(json, replaces, settings)?
            }
            RegistryCall::PutDenial(denial) => self.records.denied.put(denial)?,
            RegistryCall::PutDenialOnce { denial, idempotency, seed } => {
                self.outbox.unless_repeated(&idempotency, &seed, || self.records.denied.put(denial))?
            }
            RegistryCall::OnlyNote => RegistryAnswer::Done(true),
            RegistryCall::ListSubject { account } => {
                self.records.index.put_account(&AccountEntry::nobodys(account), true)?;
                RegistryAnswer::Done(true)
            }
            RegistryCall::ForgetAnswers { account } => self.records.purges.forget_answers(account)?,
            RegistryCall::RemoveDenial(id) => self.records.denied.remove(id)?,
            _ => return Err("this call is none that changes something without a Gate".into()),
        })
    }

    /// Forgets what is remembered of the storage: what was written has been taken back.
    fn forget(&self) {
        self.records.forget();
        self.outbox.forget();
    }

    /// What all of its rows have cost since this instance started.
    fn counters(&self) -> StorageCounters {
        self.records.counters() + self.outbox.counters()
    }
}
