//! What an admin changes.

use crate::hop::gate_call::{AccountChange, KeyChange, KeyRecord, Settings};
use crate::limit::plan::Per;

impl KeyChange {
    /// Makes the change.
    pub(super) fn apply(&self, record: &mut KeyRecord) {
        let Self { name, plan, disabled, overrides, limits, scopes, models, addresses, expires_at, metadata } = self;
        record.name = name.clone().unwrap_or_else(|| record.name.clone());
        record.plan = plan.clone().unwrap_or_else(|| record.plan.clone());
        record.disabled = disabled.unwrap_or(record.disabled);
        if let Some(overrides) = overrides {
            record.overrides.clone_from(overrides);
        }
        if let Some(limits) = limits {
            record.limits.clone_from(limits);
            own(record);
        }
        let permissions = &mut record.permissions;
        permissions.scopes = scopes.unwrap_or(permissions.scopes);
        if let Some(models) = models {
            permissions.models.clone_from(models);
        }
        if let Some(addresses) = addresses {
            permissions.addresses.clone_from(addresses);
        }
        record.expires_at = expires_at.unwrap_or(record.expires_at);
        if let Some(metadata) = metadata {
            record.metadata.clone_from(metadata);
        }
    }
}

impl AccountChange {
    /// Makes the change.
    pub(super) fn apply(&self, settings: &mut Settings) {
        let Self { disabled, plan, overrides, name, owner } = self;
        settings.name = name.clone().unwrap_or_else(|| settings.name.clone());
        settings.owner = owner.clone().unwrap_or_else(|| settings.owner.clone());
        settings.disabled = disabled.unwrap_or(settings.disabled);
        if let Some(plan) = plan {
            settings.plan.clone_from(plan);
        }
        if let Some(overrides) = overrides {
            settings.overrides.clone_from(overrides);
        }
    }
}

/// A key's own limits are about that key, whatever they say.
pub(super) fn own(record: &mut KeyRecord) {
    record.limits.iter_mut().for_each(|limit| limit.per = own_per(limit.per));
}

const fn own_per(per: Per) -> Per {
    match per {
        Per::Account => Per::Key,
        other => other,
    }
}
