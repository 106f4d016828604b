//! What jobs are set to.

use super::{Reader, Vars, parse_number};
use sluice_protocol::time::Millis;

/// What jobs are set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobSettings {
    /// How long files and batches are kept, in milliseconds; 0 if there are none.
    pub kept_ms: Millis,
    /// How many bytes an account may have.
    pub bytes: u64,
    /// The largest file, in bytes.
    pub file_bytes: u64,
    /// How many lines of an account run at once.
    pub parallel: usize,
}

impl JobSettings {
    pub(super) fn read(reader: &mut Reader<'_, impl Vars>) -> Option<Self> {
        let kept_ms = reader.or_default("JOBS_KEPT_MS", |text| parse_number(text, 0, MAX_JOBS_KEPT_MS));
        let bytes = reader.or_default("JOBS_BYTES", |text| parse_number(text, 1, 5 << 30));
        let file_bytes = reader.or_default("JOBS_FILE_BYTES", |text| parse_number(text, 1, 64 << 20));
        let parallel = reader.or_default("JOBS_PARALLEL", |text| parse_number(text, 1, 64));
        let parallel = usize::try_from(parallel?).ok()?;
        Some(Self { kept_ms: kept_ms?, bytes: bytes?, file_bytes: file_bytes?, parallel })
    }
}

/// The longest time that files and batches are kept, in milliseconds: a year.
const MAX_JOBS_KEPT_MS: u64 = 365 * 24 * 60 * 60 * 1000;
