//! The beginning and the end of a batch: its file becomes lines, and its lines become files.

use super::{Bounds, Jobs};
use crate::config::config_of;
use crate::platform::{self, Result};
use sluice_protocol::jobs::batch::{Batch, Lengths};
use sluice_protocol::jobs::file::{PART_BYTES, Purpose, StoredFile};
use sluice_protocol::jobs::line::{Line, LineError};
use sluice_protocol::jobs::name::FileId;
use sluice_protocol::jobs::tell;
use sluice_protocol::jobs::validate::Validator;
use sluice_protocol::jobs::work::{OVER, Work};
use sluice_protocol::time::Millis;

impl<C> Jobs<C> {
    /// Reads the file of a batch, and writes a row for each line; or what is wrong with it, and no row.
    pub(super) fn validate(&self, batch: &mut Batch, bounds: Bounds, now: Millis) -> Result<()> {
        let config = config_of(&self.env).map_err(|refusal| refusal.detail.unwrap_or_default())?;
        let (id, door) = (batch.asked.id, batch.asked.door);
        let most = usize::try_from(config.bodies.max).unwrap_or(usize::MAX);
        self.together(|| {
            let mut lines = 0;
            let mut put = |number: u32, line: Line| {
                lines = number + 1;
                self.rows.put_line(id, number, &Work::new(line.custom_id, line.body))
            };
            let mut reader = Validator::new(door, config.chat, most);
            let file = self.rows.file(batch.asked.input, true, now)?;
            let parts = file.as_ref().map_or(0, |file| file.parts);
            for number in 0..parts {
                let part = self.rows.part(batch.asked.input, number)?.ok_or("a part of a file is missing")?;
                reader.push(&part, &mut put)?;
            }
            let errors = match file {
                Some(_) => reader.end(&mut put)?,
                None => vec![LineError::new("file_not_found", "The file was deleted.", Some("input_file_id"), None)],
            };
            if !errors.is_empty() {
                self.rows.delete_lines(id, u32::MAX)?;
            }
            batch.validated(lines, errors, now);
            self.rows.put_batch(batch, now.saturating_add(bounds.kept_ms), None)
        })
    }

    /// Writes some more of the files of a batch whose lines are over, and ends it when all are written. `false`:
    /// there is more to do.
    pub(super) fn finalize(&self, batch: &mut Batch, bounds: Bounds) -> Result<bool> {
        let now = platform::now();
        let id = batch.asked.id;
        self.together(|| {
            let (mut output, mut errors, mut next) = (Vec::new(), Vec::new(), batch.written.next_line);
            while output.len() + errors.len() < BYTES_AT_ONCE {
                let lines = self.rows.lines_at(id, next, [OVER, OVER], LINES_AT_ONCE)?;
                for line in &lines {
                    let Some(outcome) = line.work.outcome() else { return Err("a line is not over".into()) };
                    let to = if outcome.is_answer() { &mut output } else { &mut errors };
                    let result = tell::result(&id.to_string(), line.number, &line.work.custom_id, outcome);
                    to.extend_from_slice(result.as_bytes());
                    next = line.number + 1;
                }
                if lines.is_empty() {
                    break;
                }
            }
            self.append(id.output(), &output, &mut batch.written.output)?;
            self.append(id.errors(), &errors, &mut batch.written.errors)?;
            batch.written.next_line = next;
            self.rows.delete_lines(id, next)?;
            let is_done = next >= batch.counts.total;
            if is_done {
                self.end_file_of(batch, id.output(), "output", batch.written.output, bounds, now)?;
                self.end_file_of(batch, id.errors(), "errors", batch.written.errors, bounds, now)?;
                batch.finalize(now);
            }
            self.rows.put_batch(batch, now.saturating_add(bounds.kept_ms), None)?;
            Ok(is_done)
        })
    }

    fn append(&self, file: FileId, bytes: &[u8], lengths: &mut Lengths) -> Result<()> {
        for part in bytes.chunks(PART_BYTES) {
            self.rows.put_part(file, lengths.parts, part.to_vec())?;
            lengths.parts += 1;
            lengths.bytes += part.len() as u64;
        }
        Ok(())
    }

    fn end_file_of(
        &self,
        batch: &Batch,
        id: FileId,
        what: &str,
        lengths: Lengths,
        bounds: Bounds,
        now: Millis,
    ) -> Result<()> {
        if lengths.parts == 0 {
            return Ok(());
        }
        let file = StoredFile {
            id,
            subject: batch.asked.owner.subject.clone(),
            name: format!("{}_{what}.jsonl", batch.asked.id),
            purpose: Purpose::BatchOutput,
            bytes: lengths.bytes,
            parts: lengths.parts,
            created_at: now,
            expires_at: now.saturating_add(bounds.kept_ms),
        };
        self.rows.put_file(&file, true, file.expires_at)
    }
}

/// How many lines are in memory at once: each may have two megabytes.
const LINES_AT_ONCE: u32 = 8;
/// About how many bytes are written to files in one go.
const BYTES_AT_ONCE: usize = 4 << 20;
