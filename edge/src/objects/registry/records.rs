//! What the Registry keeps besides its outbox: the index, the plans, the audit log, denials, what was forgotten
//! of cached answers, and failed logins.

use super::audit::AuditLog;
use super::denials::DeniedRows;
use super::index::Index;
use super::logins::Logins;
use super::origins::OriginRows;
use super::plans::Tables;
use super::purges::PurgeRows;
use crate::config::config_of;
use crate::platform::{Env, Result, State};
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::id::Version;

/// All of it.
pub struct RegistryRecords {
    /// All keys and accounts.
    pub index: Index,
    /// The plans that were put.
    pub tables: Tables,
    /// The audit log.
    pub audit: AuditLog,
    /// The list of origins that was put.
    pub origins: OriginRows,
    /// The list of denials.
    pub denied: DeniedRows,
    /// What was forgotten of answers that are kept.
    pub purges: PurgeRows,
    /// Failed logins of admins.
    pub logins: Logins,
    /// For the plans of the settings, and for messages.
    pub env: Env,
}

impl RegistryRecords {
    /// What is stored.
    pub fn new(state: &State, env: Env) -> Self {
        Self {
            index: Index::new(state),
            tables: Tables::new(state),
            audit: AuditLog::new(state),
            origins: OriginRows::new(state),
            denied: DeniedRows::new(state),
            purges: PurgeRows::new(state),
            logins: Logins::new(state),
            env,
        }
    }

    /// Forgets what is remembered of the storage: what was written has been taken back.
    pub fn forget(&self) {
        self.index.forget();
        self.tables.forget();
        self.audit.forget();
        self.origins.forget();
        self.denied.forget();
        self.purges.forget();
        self.logins.forget();
    }

    /// What all of its rows have cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.index.counters()
            + self.tables.counters()
            + self.audit.counters()
            + self.origins.counters()
            + self.denied.counters()
            + self.purges.counters()
            + self.logins.counters()
    }

    /// Which list of origins is in force where none was put.
    pub fn origins_of_settings(&self) -> Result<Version> {
        Ok(config_of(&self.env).map_err(|refusal| refusal.detail.unwrap_or_default())?.route.version())
    }

    /// Which plan table is in force.
    pub fn version(&self) -> Result<Version> {
        Ok(match self.tables.newest()? {
            Some(version) => version,
            None => config_of(&self.env).map_err(|refusal| refusal.detail.unwrap_or_default())?.plans.version(),
        })
    }
}
