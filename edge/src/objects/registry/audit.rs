//! The audit log at the Registry: rows that are added and never changed, each in one transaction with what it tells of.

use crate::platform::rows::{Rows, Value, integer, not_ours, text};
use crate::platform::{self, Fault, Result, State, Storage};
use crate::telemetry;
use sluice_protocol::admin::audit::{AuditAction, AuditPage, Entry, Head, Note, PAGE};
use sluice_protocol::admin::{AuditQuery, RegistryAnswer};
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::telemetry::Line;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The log.
pub struct AuditLog {
    rows: Rows,
    /// For its transactions.
    storage: Rc<Storage>,
    end: RefCell<Option<End>>,
}

/// The end of the chain, and what was written last.
#[derive(Clone, Default)]
struct End {
    head: Head,
    /// A message may come twice; what it tells of is written once.
    recent: VecDeque<What>,
}

/// What an entry is known by: its request, what was done, to what, and whether it tells of a refusal.
type What = (String, AuditAction, String, bool);

fn what(request: &str, action: AuditAction, target: &str, is_refused: bool) -> What {
    (request.to_owned(), action, target.to_owned(), is_refused)
}

impl AuditLog {
    /// The log in this storage; it need not exist.
    pub fn new(state: &State) -> Self {
        Self { rows: Rows::new(state, "audit"), storage: state.storage(), end: RefCell::default() }
    }

    /// Does `act`, and writes the note if that changed anything. Both are kept, or neither; after an error, whatever is
    /// remembered of the storage may be wrong.
    pub fn together(&self, note: Note, act: impl FnOnce() -> Result<RegistryAnswer>) -> Result<RegistryAnswer> {
        self.all_or_nothing(|| {
            let answer = act()?;
            if answer == RegistryAnswer::Done(true) {
                self.append(note)?;
            }
            Ok(answer)
        })
    }

    /// Does `act` in a transaction: all that it writes is kept, or nothing. After an error, whatever is remembered of the
    /// storage may be wrong.
    pub fn all_or_nothing(&self, act: impl FnOnce() -> Result<RegistryAnswer>) -> Result<RegistryAnswer> {
        let mut work = Some(act);
        let mut result = None;
        let mut body = || -> Result<()> {
            let act = work.take().ok_or("a transaction's body runs once")?;
            let done = act();
            let is_kept = done.is_ok();
            result = Some(done);
            if is_kept { Ok(()) } else { Err("taken back".into()) }
        };
        let kept = self.storage.transaction(&mut body);
        match (result, kept) {
            (Some(Ok(answer)), Ok(())) => Ok(answer),
            (Some(Err(error)), _) => self.forget_after(error),
            (_, Err(error)) => self.forget_after(format!("a transaction failed: {error}").into()),
            (None, Ok(())) => self.forget_after("a transaction's body did not run".into()),
        }
    }

    /// Adds one entry to the chain.
    pub fn append(&self, note: Note) -> Result<()> {
        let mut end = self.end()?;
        let what = what(&note.request.to_string(), note.action, &note.target, note.details.contains_key(REFUSED));
        if end.recent.contains(&what) {
            return Ok(());
        }
        let entry = Entry::after(end.head, note, platform::now());
        self.rows.make("(number INTEGER PRIMARY KEY, entry TEXT NOT NULL)")?;
        let number = i64::try_from(entry.number).map_err(|_| "the log is full")?;
        let values = vec![Value::Integer(number), text(serde_json::to_string(&entry)?)];
        self.rows.exec("INSERT INTO audit (number, entry) VALUES (?, ?)", values)?;
        // A witness outside of this storage: whoever keeps the Worker's log sees whether the chain was written anew.
        telemetry::write(&Line::Audit { audit: entry.number, hash: entry.hash.to_string() });
        end.remember(&entry);
        self.end.replace(Some(end));
        Ok(())
    }

    /// A page of entries.
    pub fn page(&self, query: &AuditQuery) -> Result<AuditPage> {
        let last = self.end()?.head.number;
        let span = query.span(last);
        if !self.rows.exists()? || span.above >= span.to {
            return Ok(span.page(Vec::new(), last));
        }
        let number = |number: u64| integer(i64::try_from(number).unwrap_or(i64::MAX));
        let mut values = vec![number(span.above), number(span.to)];
        let mut filter = String::new();
        if let Some(action) = query.action {
            filter.push_str(" AND json_extract(entry, '$.action') = ?");
            values.push(text(serde_json::to_value(action)?.as_str().unwrap_or_default()));
        }
        if let (Some(account), Some(keys)) = (&query.account, query.keys_begin()) {
            filter.push_str(
                " AND (json_extract(entry, '$.target') = ? OR substr(json_extract(entry, '$.target'), 1, ?) = ?)",
            );
            values.extend([text(account), integer(keys.len() as i64), text(keys)]);
        }
        values.push(integer(PAGE as i64 + 1));
        let order = if span.is_backwards { "DESC" } else { "ASC" };
        let find =
            format!("SELECT entry FROM audit WHERE number > ? AND number <= ?{filter} ORDER BY number {order} LIMIT ?");
        let found = self.rows.exec(&find, values)?.into_iter().map(entry_of).collect::<Result<_>>()?;
        Ok(span.page(found, last))
    }

    /// What its rows have cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.rows.counters()
    }

    /// Forgets what is remembered of the storage: it may have been taken back.
    pub fn forget(&self) {
        self.end.replace(None);
        self.rows.forget();
    }

    fn forget_after<T>(&self, error: Fault) -> Result<T> {
        self.forget();
        Err(error)
    }

    fn end(&self) -> Result<End> {
        if let Some(end) = self.end.borrow().as_ref() {
            return Ok(end.clone());
        }
        let mut end = End::default();
        if self.rows.exists()? {
            let values = vec![Value::Integer(RECENT as i64)];
            let rows = self.rows.exec("SELECT entry FROM audit ORDER BY number DESC LIMIT ?", values)?;
            for entry in rows.into_iter().rev() {
                end.remember(&entry_of(entry)?);
            }
        }
        self.end.replace(Some(end.clone()));
        Ok(end)
    }
}

impl End {
    fn remember(&mut self, entry: &Entry) {
        self.head = entry.head();
        let is_refused = entry.details.contains_key(REFUSED);
        self.recent.push_back(what(&entry.request, entry.action, &entry.target, is_refused));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }
}

fn entry_of(row: Vec<Value>) -> Result<Entry> {
    match row.into_iter().next() {
        Some(Value::Text(entry)) => Ok(serde_json::from_str(&entry)?),
        _ => Err(not_ours()),
    }
}

/// The detail with the reason of a Gate that did not do what was ordered.
pub const REFUSED: &str = "refused";
/// How many of the last entries are looked through for one that is there already. A message that comes twice comes within
/// milliseconds.
const RECENT: usize = 32;
