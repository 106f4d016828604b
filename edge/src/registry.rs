//! The Registry: one Durable Object with the index of all keys and accounts, the plans in force, and the commands of admins
//! that are on their way to Gates. The truth about keys and accounts is at their Gates; the index is what an admin lists.

mod audit;
mod commands;
mod denials;
mod failing;
mod index;
mod logins;
mod outbox;
mod plans;
mod requests;

use crate::config::config_of;
use crate::platform::objects::Object;
use crate::platform::{Env, Result, State};
use crate::registry::audit::AuditLog;
use crate::registry::denials::DeniedRows;
use index::Index;
use logins::Logins;
use outbox::Outbox;
use plans::Tables;
use sluice_protocol::admin::{KeyList, RegistryAnswer, RegistryCall};
use sluice_protocol::auth::token::DenialList;
use sluice_protocol::gate_call::description::StorageCounters;
use sluice_protocol::id::Version;
use std::cell::Cell;

/// The object.
pub struct Registry {
    index: Index,
    outbox: Outbox,
    tables: Tables,
    audit: AuditLog,
    denied: DeniedRows,
    logins: Logins,
    env: Env,
    /// Whether this instance has seen to it that what is to be forgotten will be.
    is_awake: Cell<bool>,
}

impl Object for Registry {
    fn new(state: State, env: Env) -> Self {
        Self {
            index: Index::new(&state),
            outbox: Outbox::new(&state),
            tables: Tables::new(&state),
            audit: AuditLog::new(&state),
            denied: DeniedRows::new(&state),
            logins: Logins::new(&state),
            env,
            is_awake: Cell::new(false),
        }
    }

    async fn answer(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        self.index.count_call();
        if !self.is_awake.replace(true) {
            self.outbox.wake().await?;
        }
        let answer = self.done(serde_json::from_slice(&message)?).await?;
        Ok(serde_json::to_vec(&answer)?)
    }

    /// Carries what could not be carried when it was written down.
    async fn alarm(&self) -> Result<()> {
        self.outbox.carry_all(self).await
    }
}

impl Registry {
    async fn done(&self, call: RegistryCall) -> Result<RegistryAnswer> {
        Ok(match call {
            RegistryCall::Execute { commands, seed, once } => self.outbox.execute(self, commands, seed, once).await?,
            RegistryCall::Keys(page) => {
                let page = self.index.keys(&page)?;
                RegistryAnswer::Keys(KeyList { storage: self.counters(), ..page })
            }
            RegistryCall::Accounts(page) => RegistryAnswer::Accounts(self.index.accounts(&page)?),
            RegistryCall::Noted { note, call } => {
                if let RegistryCall::PutDenialOnce { .. } = &*call {
                    // Before anything is written: what it keeps for a day is to be forgotten.
                    self.outbox.set_alarm().await?;
                }
                self.audit.together(note, || self.change(*call)).inspect_err(|_| self.forget())?
            }
            RegistryCall::LoginFailed { address, unnoted } => self.logins.failed(address, unnoted)?,
            RegistryCall::FailedLogins => RegistryAnswer::FailedLogins(self.logins.list()?),
            RegistryCall::Audit(query) => RegistryAnswer::Audit(self.audit.page(&query)?),
            RegistryCall::ListDenials => RegistryAnswer::ListedDenials(DenialList { data: self.denied.list()? }),
            RegistryCall::Denials { known } => self.denied.denials(known)?,
            RegistryCall::Plans { known } => self.tables.unless(known)?,
            RegistryCall::PlansOf(version) => RegistryAnswer::Plans(self.tables.of_version(version)?),
            call => self.change(call)?,
        })
    }

    /// What changes something without a Gate, in one go.
    fn change(&self, call: RegistryCall) -> Result<RegistryAnswer> {
        Ok(match call {
            RegistryCall::PutPlans { json, replaces } => {
                let in_force = self.version()?;
                self.tables.put(json, replaces, in_force, |table| {
                    let in_use = self.index.plan_in_use(table)?;
                    Ok(in_use.or(self.outbox.plan_in_use(table)?))
                })?
            }
            RegistryCall::PutDenial(denial) => self.denied.put(denial)?,
            RegistryCall::PutDenialOnce { denial, once, seed } => {
                self.outbox.unless_repeated(&once, &seed, || self.denied.put(denial))?
            }
            RegistryCall::RemoveDenial(id) => self.denied.remove(id)?,
            _ => return Err("this call is none that changes something without a Gate".into()),
        })
    }

    /// Forgets what is remembered of the storage: what was written has been taken back.
    fn forget(&self) {
        self.index.forget();
        self.outbox.forget();
        self.tables.forget();
        self.denied.forget();
        self.logins.forget();
    }

    /// What all of its rows have cost since this instance started.
    fn counters(&self) -> StorageCounters {
        self.index.counters()
            + self.outbox.counters()
            + self.tables.counters()
            + self.audit.counters()
            + self.denied.counters()
            + self.logins.counters()
    }

    /// Which plan table is in force.
    fn version(&self) -> Result<Version> {
        Ok(match self.tables.newest()? {
            Some(version) => version,
            None => config_of(&self.env).map_err(|refusal| refusal.detail.unwrap_or_default())?.plans.version(),
        })
    }
}
