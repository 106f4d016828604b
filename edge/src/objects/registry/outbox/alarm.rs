//! The Registry's alarm: it carries what a crash has left, and forgets what is a day old.

use super::Outbox;
use crate::objects::registry::records::RegistryRecords;
use crate::platform::{self, Result};
use sluice_protocol::time::Millis;

impl Outbox {
    /// Carries all that waits; sets the alarm again if something still does.
    pub async fn carry_all(&self, records: &RegistryRecords) -> Result<()> {
        self.alarm_at.set(0);
        self.requests.forget_old(platform::now())?;
        let accounts = self.written.accounts()?;
        if accounts.is_empty() {
            self.pause_ms.set(FIRST_PAUSE_MS);
            return self.set_alarm_for_old().await;
        }
        let pause = self.pause_ms.get();
        self.pause_ms
            .set(if self.carry_to(records, accounts).await { FIRST_PAUSE_MS } else { 2 * pause }.min(MAX_PAUSE_MS));
        if self.written.accounts()?.is_empty() { self.set_alarm_for_old().await } else { self.set_alarm().await }
    }

    /// Sees to it that the alarm rings if something waits for it: a version that set none for what it kept may have been here.
    pub async fn wake(&self) -> Result<()> {
        if self.storage.alarm().await?.is_some() {
            return Ok(());
        }
        if self.written.accounts()?.is_empty() { self.set_alarm_for_old().await } else { self.set_alarm().await }
    }

    /// Sets the alarm for when the oldest request is to be forgotten, if there is one.
    async fn set_alarm_for_old(&self) -> Result<()> {
        let Some(at) = self.requests.ends_at()? else { return Ok(()) };
        self.alarm_at.set(at);
        self.storage.set_alarm(at.saturating_sub(platform::now())).await
    }

    /// Sets the alarm, unless it rings soon.
    pub async fn set_alarm(&self) -> Result<()> {
        let (now, pause) = (platform::now(), self.pause_ms.get());
        if (now + 1..=now + MAX_PAUSE_MS).contains(&self.alarm_at.get()) {
            return Ok(());
        }
        self.alarm_at.set(now + pause);
        self.storage.set_alarm(pause).await
    }
}

/// How long after it was written down a command is carried again, in milliseconds; doubled with each try that fails.
pub(super) const FIRST_PAUSE_MS: Millis = 2_000;
/// The longest pause between two tries, in milliseconds.
const MAX_PAUSE_MS: Millis = 60_000;
