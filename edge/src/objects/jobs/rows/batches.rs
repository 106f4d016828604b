//! The rows of batches and of their lines.

use super::{JobRows, at, blob, work_of};
use crate::platform::Result;
use crate::platform::rows::{Value, integer, not_ours, text};
use sluice_protocol::jobs::batch::{Batch, decode_batch, encode_batch};
use sluice_protocol::jobs::call::{Listed, Page};
use sluice_protocol::jobs::name::BatchId;
use sluice_protocol::jobs::work::{Work, encode_work};
use sluice_protocol::time::Millis;

/// A line and its place in its batch.
pub struct Placed {
    /// The place, from 0.
    pub number: u32,
    /// It.
    pub work: Work,
}

impl JobRows {
    /// Writes a batch, which is kept until then once it is over. `bytes`: what its lines take until it is.
    pub fn put_batch(&self, batch: &Batch, until: Millis, bytes: Option<u64>) -> Result<()> {
        let id = batch.asked.id.to_string();
        let (is_over, value) = (integer(batch.is_over().into()), Value::Blob(encode_batch(batch)));
        match bytes {
            Some(bytes) => {
                let put =
                    "INSERT INTO batches (id, subject, at, until, bytes, is_over, value) VALUES (?, ?, ?, ?, ?, ?, ?)";
                let subject = text(batch.asked.owner.subject.clone());
                let row =
                    vec![text(id), subject, at(batch.created_at), at(until), integer(bytes as i64), is_over, value];
                self.batches.exec(put, row).map(drop)
            }
            None => {
                let update = "UPDATE batches SET until = ?, is_over = ?, value = ? WHERE id = ?";
                self.batches.exec(update, vec![at(until), is_over, value, text(id)]).map(drop)
            }
        }
    }

    /// A batch.
    pub fn batch(&self, id: BatchId) -> Result<Option<Batch>> {
        let row = self.batches.exec("SELECT value FROM batches WHERE id = ?", vec![text(id.to_string())])?.pop();
        row.map(|row| batch_of(row.into_iter().next())).transpose()
    }

    /// The batches that are not over, the oldest first.
    pub fn live_batches(&self) -> Result<Vec<Batch>> {
        if !self.exist()? {
            return Ok(Vec::new());
        }
        let rows = self.batches.exec("SELECT value FROM batches WHERE is_over = 0 ORDER BY at, id", Vec::new())?;
        rows.into_iter().map(|row| batch_of(row.into_iter().next())).collect()
    }

    /// The latest batches, whoever made them, the newest first.
    pub fn latest_batches(&self) -> Result<Vec<Batch>> {
        if !self.exist()? {
            return Ok(Vec::new());
        }
        let latest = format!("SELECT value FROM batches ORDER BY at DESC, id DESC LIMIT {LATEST}");
        self.batches.exec(&latest, Vec::new())?.into_iter().map(|row| batch_of(row.into_iter().next())).collect()
    }

    /// A page of the batches of whoever this is.
    pub fn list_batches(&self, subject: &str, page: Page<BatchId>) -> Result<Listed<Batch>> {
        let page = Page { limit: page.limit, after: page.after.map(|id| id.to_string()), ascending: page.ascending };
        self.list(&self.batches, "true", subject, &page, batch_of)
    }

    /// Writes a line.
    pub fn put_line(&self, batch: BatchId, number: u32, work: &Work) -> Result<()> {
        let put = "INSERT INTO lines (batch, line, stage, value) VALUES (?, ?, ?, ?) \
                   ON CONFLICT (batch, line) DO UPDATE SET stage = excluded.stage, value = excluded.value";
        let row = vec![
            text(batch.to_string()),
            integer(number.into()),
            integer(work.stage.number()),
            Value::Blob(encode_work(work)),
        ];
        self.lines.exec(put, row).map(drop)
    }

    /// A line.
    pub fn line(&self, batch: BatchId, number: u32) -> Result<Option<Work>> {
        let find = "SELECT value FROM lines WHERE batch = ? AND line = ?";
        let row = self.lines.exec(find, vec![text(batch.to_string()), integer(number.into())])?.pop();
        row.map(|row| work_of(row.into_iter().next())).transpose()
    }

    /// The first lines of a batch from this one on that are at this stage.
    pub fn lines_at(&self, batch: BatchId, from: u32, stages: [i64; 2], most: u32) -> Result<Vec<Placed>> {
        let find =
            "SELECT line, value FROM lines WHERE batch = ? AND line >= ? AND stage IN (?, ?) ORDER BY line LIMIT ?";
        let [one, other] = stages.map(integer);
        let values = vec![text(batch.to_string()), integer(from.into()), one, other, integer(most.into())];
        let read = |row: Vec<Value>| match <[Value; 2]>::try_from(row) {
            Ok([Value::Integer(number), value]) => {
                Ok(Placed { number: u32::try_from(number).map_err(|_| not_ours())?, work: work_of(Some(value))? })
            }
            _ => Err(not_ours()),
        };
        self.lines.exec(find, values)?.into_iter().map(read).collect()
    }

    /// Deletes the lines of a batch before this one.
    pub fn delete_lines(&self, batch: BatchId, before: u32) -> Result<()> {
        let delete = "DELETE FROM lines WHERE batch = ? AND line < ?";
        self.lines.exec(delete, vec![text(batch.to_string()), integer(before.into())]).map(drop)
    }
}

fn batch_of(value: Option<Value>) -> Result<Batch> {
    Ok(decode_batch(&blob(value)?).map_err(|error| error.to_string())?)
}

/// How many batches an admin is shown: as many as may be under way.
const LATEST: u64 = sluice_protocol::jobs::file::MAX_BATCHES;
