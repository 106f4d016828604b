//! An object's alarm: it has one, which may be set already, to a later time.

use crate::platform::{self, Result, Storage};
use sluice_protocol::time::Millis;

/// Sees to it that it rings within so many milliseconds.
pub async fn ring_within(storage: &Storage, wait: Millis) -> Result<()> {
    let by = platform::now().saturating_add(wait);
    match storage.alarm().await? {
        Some(at) if at <= by => Ok(()),
        _ => storage.set_alarm(wait).await,
    }
}
