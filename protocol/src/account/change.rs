//! What an admin changes.

use crate::gate_call::{AccountChange, KeyChange, KeyRecord, Settings};
use crate::plan::{Limit, Per};

impl KeyChange {
    /// Makes the change.
    pub(super) fn apply(&self, record: &mut KeyRecord) {
        let Self { name, plan, disabled, overrides, limits } = self;
        record.name = name.clone().unwrap_or_else(|| record.name.clone());
        record.plan = plan.clone().unwrap_or_else(|| record.plan.clone());
        record.disabled = disabled.unwrap_or(record.disabled);
        if let Some(overrides) = overrides {
            record.overrides.clone_from(overrides);
        }
        if let Some(limits) = limits {
            // A key's own limits are about that key, whatever they say.
            let own = |limit: &Limit| Limit { per: own_per(limit.per), ..limit.clone() };
            record.limits = limits.iter().map(own).collect();
        }
    }
}

impl AccountChange {
    /// Makes the change.
    pub(super) fn apply(&self, settings: &mut Settings) {
        let Self { disabled, plan, overrides } = self;
        settings.disabled = disabled.unwrap_or(settings.disabled);
        if let Some(plan) = plan {
            settings.plan.clone_from(plan);
        }
        if let Some(overrides) = overrides {
            settings.overrides.clone_from(overrides);
        }
    }
}

const fn own_per(per: Per) -> Per {
    match per {
        Per::Account => Per::Key,
        other => other,
    }
}
