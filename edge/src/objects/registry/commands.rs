//! The outbox's rows: commands that are written down and not answered yet.

use crate::platform::rows::{Rows, Value, integer, not_ours, number, text};
use crate::platform::{Result, State};
use sluice_protocol::admin::Addressed;
use sluice_protocol::admin::audit::Note;
use sluice_protocol::hop::gate_call::command::Command;
use sluice_protocol::hop::gate_call::description::StorageCounters;

/// The table.
pub struct Commands(Rows);

/// A command that is written down.
pub struct Written {
    /// Its row: a later one has a larger number.
    pub id: i64,
    /// What is to be done.
    pub command: Command,
    /// What the audit log says of it.
    pub note: Note,
    /// The request that it belongs to, and its place in it.
    pub request: Option<(String, i64)>,
}

/// A row of the table.
pub enum Row {
    /// One that can be carried.
    Command(Written),
    /// One that cannot be read: another version has written it.
    Unreadable(Unreadable),
}

/// What can be told of a row that cannot be read.
pub struct Unreadable {
    /// Its number.
    pub id: i64,
    /// What the audit log says of it, if that can be read.
    pub note: Option<Note>,
    /// The request that it belongs to, and its place in it.
    pub request: Option<(String, i64)>,
}

impl Commands {
    /// What is stored.
    pub fn new(state: &State) -> Self {
        Self(Rows::new(state, "outbox"))
    }

    /// Writes one down and says its number.
    pub fn add(&self, addressed: &Addressed, request: Option<(String, i64)>) -> Result<i64> {
        if !self.0.is_made() {
            self.0.make(
                "(id INTEGER PRIMARY KEY, account TEXT NOT NULL, command TEXT NOT NULL, note TEXT NOT NULL, request TEXT, \
                 place INTEGER)",
            )?;
            self.0.run("CREATE INDEX IF NOT EXISTS outbox_by_account ON outbox (account, id)")?;
        }
        let (request, place) = match request {
            Some((request, place)) => (text(request), integer(place)),
            None => (Value::Null, Value::Null),
        };
        let command = text(serde_json::to_string(&addressed.command)?);
        let note = text(serde_json::to_string(&addressed.note)?);
        let put = "INSERT INTO outbox (account, command, note, request, place) VALUES (?, ?, ?, ?, ?) RETURNING id";
        let rows = self.0.exec(put, vec![text(&addressed.account), command, note, request, place])?;
        let id = rows.first().and_then(|row| number(row.first()?));
        Ok(id.ok_or("a row that was written has no id")?)
    }

    /// The first ones for an account, oldest first, at most so many.
    pub fn next(&self, account: &str, most: usize) -> Result<Vec<Row>> {
        let next = "SELECT id, command, note, request, place FROM outbox WHERE account = ? ORDER BY id LIMIT ?";
        let rows = self.read(next, vec![text(account), integer(most as i64)])?;
        let written = |row| {
            let [id, Value::Text(command), Value::Text(note), request, place] =
                <[Value; 5]>::try_from(row).map_err(|_| "a row of five values")?
            else {
                return Err(not_ours());
            };
            let request = match (request, number(&place)) {
                (Value::Text(request), Some(place)) => Some((request, place)),
                _ => None,
            };
            let id = number(&id).ok_or("a row without an id")?;
            Ok(match (serde_json::from_str(&command), serde_json::from_str(&note)) {
                (Ok(command), Ok(note)) => Row::Command(Written { id, command, note, request }),
                (_, note) => Row::Unreadable(Unreadable { id, note: note.ok(), request }),
            })
        };
        rows.into_iter().map(written).collect()
    }

    /// Strikes one out.
    pub fn strike(&self, id: i64) -> Result<()> {
        self.0.exec("DELETE FROM outbox WHERE id = ?", vec![integer(id)]).map(drop)
    }

    /// All of them.
    pub fn all(&self) -> Result<Vec<Command>> {
        let rows = texts(self.read("SELECT command FROM outbox", Vec::new())?)?;
        rows.iter().map(|command| Ok(serde_json::from_str(command)?)).collect()
    }

    /// What its rows have cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.0.counters()
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.0.forget();
    }

    /// How many there are for an account.
    pub fn count(&self, account: &str) -> Result<usize> {
        let rows = self.read("SELECT COUNT(*) FROM outbox WHERE account = ?", vec![text(account)])?;
        Ok(rows.first().and_then(|row| number(row.first()?)).unwrap_or_default() as usize)
    }

    /// The accounts that they are for, as many as one alarm carries to.
    pub fn accounts(&self) -> Result<Vec<String>> {
        texts(self.read("SELECT DISTINCT account FROM outbox LIMIT ?", vec![integer(MAX_ACCOUNTS)])?)
    }

    /// The accounts that a request's are for.
    pub fn accounts_of(&self, request: &str) -> Result<Vec<String>> {
        texts(self.read("SELECT DISTINCT account FROM outbox WHERE request = ?", vec![text(request)])?)
    }

    /// Rows; none if nothing was ever written down.
    fn read(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Vec<Value>>> {
        if self.0.exists()? { self.0.exec(sql, values) } else { Ok(Vec::new()) }
    }
}

fn texts(rows: Vec<Vec<Value>>) -> Result<Vec<String>> {
    let one = |row: Vec<Value>| match row.into_iter().next() {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(not_ours()),
    };
    rows.into_iter().map(one).collect()
}

/// How many accounts one alarm carries to.
const MAX_ACCOUNTS: i64 = 256;
