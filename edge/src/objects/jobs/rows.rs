//! The rows of jobs: files and their parts, batches, and their lines; and responses in the background.

mod batches;
mod responses;
mod sent_to;

use crate::platform::rows::{Rows, Value, integer, not_ours, number, text};
use crate::platform::{Result, State};
use sluice_protocol::jobs::call::{Listed, Page};
use sluice_protocol::jobs::file::{Purpose, Room, StoredFile, decode_file, encode_file};
use sluice_protocol::jobs::name::FileId;
use sluice_protocol::jobs::work::{Work, decode_work};
use sluice_protocol::time::Millis;
use std::rc::Rc;

pub use batches::Placed;
pub use responses::{Found, ResponseRows};
pub use sent_to::SentTo;

/// All tables.
pub struct JobRows {
    /// Those of responses, which are made by themselves.
    pub responses: Rc<ResponseRows>,
    /// Where lines and responses were sent, by which lists.
    pub sent_to: Rc<SentTo>,
    files: Rows,
    parts: Rows,
    batches: Rows,
    lines: Rows,
}

impl JobRows {
    /// What is stored; there need not be anything.
    pub fn new(state: &State) -> Self {
        let rows = |table| Rows::new(state, table);
        Self {
            responses: Rc::new(ResponseRows::new(state)),
            sent_to: Rc::new(SentTo::new(state)),
            files: rows("files"),
            parts: rows("parts"),
            batches: rows("batches"),
            lines: rows("lines"),
        }
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.responses.forget();
        self.sent_to.forget();
        self.all().iter().for_each(|rows| rows.forget());
    }

    /// Makes the tables.
    pub fn make(&self) -> Result<()> {
        self.files.make(
            "(id TEXT PRIMARY KEY, subject TEXT NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL, \
             bytes INTEGER NOT NULL, purpose TEXT NOT NULL, is_whole INTEGER NOT NULL, value BLOB NOT NULL) \
             WITHOUT ROWID",
        )?;
        self.parts.make(
            "(file TEXT NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (file, part)) WITHOUT ROWID",
        )?;
        self.batches.make(
            "(id TEXT PRIMARY KEY, subject TEXT NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL, \
             bytes INTEGER NOT NULL, is_over INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
        )?;
        self.lines.make(
            "(batch TEXT NOT NULL, line INTEGER NOT NULL, stage INTEGER NOT NULL, value BLOB NOT NULL, \
             PRIMARY KEY (batch, line)) WITHOUT ROWID",
        )
    }

    /// Whether anything was ever written of files and batches.
    pub fn exist(&self) -> Result<bool> {
        // They are made together, the last one last.
        self.lines.exists()
    }

    /// Whether anything was ever written at all.
    pub fn are_any(&self) -> Result<bool> {
        Ok(self.exist()? || self.responses.exist()?)
    }

    /// How much there is.
    pub fn room(&self) -> Result<Room> {
        let [responses, of_responses] = self.responses.room()?;
        if !self.exist()? {
            return Ok(Room { bytes: of_responses, responses, ..Room::default() });
        }
        let count = |rows: &Rows, sql: &str| -> Result<[u64; 2]> {
            let row = rows.exec(sql, Vec::new())?.pop().unwrap_or_default();
            match row[..] {
                [Value::Integer(count), Value::Integer(bytes)] => Ok([count as u64, bytes as u64]),
                _ => Err(not_ours()),
            }
        };
        let [files, bytes] = count(&self.files, "SELECT count(*), coalesce(sum(bytes), 0) FROM files")?;
        let live = "SELECT count(*), coalesce(sum(bytes), 0) FROM batches WHERE is_over = 0";
        let [batches, of_batches] = count(&self.batches, live)?;
        Ok(Room { files, bytes: bytes + of_batches + of_responses, batches, responses })
    }

    /// Writes a file, which is there for others once it `is_whole`, until the time that it names or this one.
    pub fn put_file(&self, file: &StoredFile, is_whole: bool, until: Millis) -> Result<()> {
        let put = "INSERT INTO files (id, subject, at, until, bytes, purpose, is_whole, value) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
                   ON CONFLICT (id) DO UPDATE SET until = excluded.until, is_whole = excluded.is_whole";
        let row = vec![
            text(file.id.to_string()),
            text(file.subject.clone()),
            at(file.created_at),
            at(until),
            integer(file.bytes as i64),
            text(file.purpose.name()),
            integer(is_whole.into()),
            Value::Blob(encode_file(file)),
        ];
        self.files.exec(put, row).map(drop)
    }

    /// A file that has come whole, or one that has not.
    pub fn file(&self, id: FileId, is_whole: bool, now: Millis) -> Result<Option<StoredFile>> {
        let find = "SELECT value FROM files WHERE id = ? AND is_whole = ? AND until > ?";
        let found = self.files.exec(find, vec![text(id.to_string()), integer(is_whole.into()), at(now)])?.pop();
        found.map(|row| file_of(row.into_iter().next())).transpose()
    }

    /// A page of the files of whoever this is.
    pub fn list_files(
        &self,
        subject: &str,
        purpose: Option<Purpose>,
        page: Page<FileId>,
        now: Millis,
    ) -> Result<Listed<StoredFile>> {
        let but = format!("is_whole = 1 AND until > {now}");
        let but = purpose.map_or(but.clone(), |purpose| format!("{but} AND purpose = '{}'", purpose.name()));
        let page = Page { limit: page.limit, after: page.after.map(|id| id.to_string()), ascending: page.ascending };
        self.list(&self.files, &but, subject, &page, file_of)
    }

    /// Writes a part of a file, unless it is there.
    pub fn put_part(&self, file: FileId, part: u32, data: Vec<u8>) -> Result<()> {
        let put = "INSERT INTO parts (file, part, data) VALUES (?, ?, ?) ON CONFLICT (file, part) DO NOTHING";
        self.parts.exec(put, vec![text(file.to_string()), integer(part.into()), Value::Blob(data)]).map(drop)
    }

    /// A part of a file.
    pub fn part(&self, file: FileId, part: u32) -> Result<Option<Vec<u8>>> {
        let find = "SELECT data FROM parts WHERE file = ? AND part = ?";
        let row = self.parts.exec(find, vec![text(file.to_string()), integer(part.into())])?.pop();
        row.map(|row| blob(row.into_iter().next())).transpose()
    }

    /// How many parts of a file are there.
    pub fn count_parts(&self, file: FileId) -> Result<u32> {
        let count = "SELECT count(*) FROM parts WHERE file = ?";
        let row = self.parts.exec(count, vec![text(file.to_string())])?.pop().unwrap_or_default();
        row.first().and_then(number).and_then(|count| u32::try_from(count).ok()).ok_or_else(not_ours)
    }

    /// Deletes a file.
    pub fn delete_file(&self, file: FileId) -> Result<()> {
        self.parts.exec("DELETE FROM parts WHERE file = ?", vec![text(file.to_string())])?;
        self.files.exec("DELETE FROM files WHERE id = ?", vec![text(file.to_string())]).map(drop)
    }

    /// Deletes what is over: files, and batches that have ended.
    pub fn forget_until(&self, now: Millis) -> Result<()> {
        self.responses.forget_until(now)?;
        self.sent_to.forget_until(now)?;
        if !self.exist()? {
            return Ok(());
        }
        let over = "SELECT id FROM files WHERE until <= ?";
        for row in self.files.exec(over, vec![at(now)])? {
            let Some(id) = name_of(&row).and_then(FileId::parse) else { return Err(not_ours()) };
            self.delete_file(id)?;
        }
        let over = "DELETE FROM batches WHERE is_over = 1 AND until <= ?";
        self.batches.exec(over, vec![at(now)]).map(drop)
    }

    /// When the next thing is over, if there is any.
    pub fn next_end(&self) -> Result<Option<Millis>> {
        let others = [self.responses.next_end()?, self.sent_to.next_end()?];
        let others = others.into_iter().flatten();
        if !self.exist()? {
            return Ok(others.min());
        }
        let next =
            "SELECT min(until) FROM (SELECT until FROM files UNION ALL SELECT until FROM batches WHERE is_over = 1)";
        let row = self.files.exec(next, Vec::new())?.pop().unwrap_or_default();
        Ok(row.first().and_then(number).map(|at| at as Millis).into_iter().chain(others).min())
    }

    /// Deletes everything.
    pub fn clear(&self) -> Result<()> {
        self.responses.clear()?;
        self.sent_to.clear()?;
        if !self.exist()? {
            return Ok(());
        }
        for (rows, table) in self.all().iter().zip(["files", "parts", "batches", "lines"]) {
            rows.exec(&format!("DELETE FROM {table}"), Vec::new())?;
        }
        Ok(())
    }

    fn all(&self) -> [&Rows; 4] {
        [&self.files, &self.parts, &self.batches, &self.lines]
    }

    fn list<T>(
        &self,
        rows: &Rows,
        but: &str,
        subject: &str,
        page: &Page<String>,
        read: impl Fn(Option<Value>) -> Result<T>,
    ) -> Result<Listed<T>> {
        let table = if std::ptr::eq(rows, &raw const self.files) { "files" } else { "batches" };
        let (side, order) = if page.ascending { (">", "ASC") } else { ("<", "DESC") };
        let mut values = vec![text(subject)];
        // From one that is not there nothing follows.
        let after = page.after.as_ref().map(|id| {
            values.push(text(id.clone()));
            format!("AND (at, id) {side} (SELECT at, id FROM {table} WHERE id = ?)")
        });
        values.push(integer(i64::from(page.limit) + 1));
        let find = format!(
            "SELECT value FROM {table} WHERE subject = ? AND {but} {} ORDER BY at {order}, id {order} LIMIT ?",
            after.unwrap_or_default()
        );
        let found = rows.exec(&find, values)?;
        let has_more = found.len() > page.limit as usize;
        let entries = found.into_iter().take(page.limit as usize).map(|row| read(row.into_iter().next()));
        Ok(Listed { data: entries.collect::<Result<_>>()?, has_more })
    }
}

fn at(time: Millis) -> Value {
    integer(i64::try_from(time).unwrap_or(i64::MAX))
}

fn name_of(row: &[Value]) -> Option<&str> {
    match row.first() {
        Some(Value::Text(name)) => Some(name),
        _ => None,
    }
}

fn blob(value: Option<Value>) -> Result<Vec<u8>> {
    match value {
        Some(Value::Blob(bytes)) => Ok(bytes),
        _ => Err(not_ours()),
    }
}

fn file_of(value: Option<Value>) -> Result<StoredFile> {
    Ok(decode_file(&blob(value)?).map_err(|error| error.to_string())?)
}

fn work_of(value: Option<Value>) -> Result<Work> {
    Ok(decode_work(&blob(value)?).map_err(|error| error.to_string())?)
}
