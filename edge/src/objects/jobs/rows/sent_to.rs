//! Which origins there were when something was sent: what an admin takes out of the list has what it had, and whoever
//! looks for it after an end of everything has to ask there, too.

use super::at;
use crate::platform::rows::{Rows, Value, not_ours, number, text};
use crate::platform::{Result, State};
use sluice_protocol::time::Millis;
use std::cell::RefCell;

/// Lists of origins, each until nothing of what was sent by it can run any more.
pub struct SentTo {
    rows: Rows,
    /// What was written last, so that lines that follow one another write it once.
    last: RefCell<Option<(String, Millis)>>,
}

impl SentTo {
    /// What is stored; there need not be anything.
    pub fn new(state: &State) -> Self {
        Self { rows: Rows::new(state, "sent_to"), last: RefCell::default() }
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.rows.forget();
        self.last.take();
    }

    /// Something is about to be sent to one of these, and may run there until then.
    pub fn note(&self, origins: &str, until: Millis) -> Result<()> {
        let is_known = |(known, to): &(String, Millis)| known == origins && *to >= until;
        if self.last.borrow().as_ref().is_some_and(is_known) {
            return Ok(());
        }
        self.rows.make("(origins TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID")?;
        let put = "INSERT INTO sent_to (origins, until) VALUES (?, ?) \
                   ON CONFLICT (origins) DO UPDATE SET until = max(until, excluded.until)";
        let to = until.saturating_add(AHEAD_MS);
        self.rows.exec(put, vec![text(origins), at(to)])?;
        self.last.replace(Some((origins.to_owned(), to)));
        Ok(())
    }

    /// All of them.
    pub fn all(&self) -> Result<Vec<String>> {
        if !self.rows.exists()? {
            return Ok(Vec::new());
        }
        let list = |row: Vec<Value>| match row.into_iter().next() {
            Some(Value::Text(origins)) => Ok(origins),
            _ => Err(not_ours()),
        };
        self.rows.exec("SELECT origins FROM sent_to", Vec::new())?.into_iter().map(list).collect()
    }

    /// Deletes those by which nothing runs any more.
    pub fn forget_until(&self, now: Millis) -> Result<()> {
        if !self.rows.exists()? {
            return Ok(());
        }
        self.last.borrow_mut().take_if(|(_, until)| *until <= now);
        self.rows.exec("DELETE FROM sent_to WHERE until <= ?", vec![at(now)]).map(drop)
    }

    /// When the first of them is to be forgotten, if there is any.
    pub fn next_end(&self) -> Result<Option<Millis>> {
        if !self.rows.exists()? {
            return Ok(None);
        }
        let row = self.rows.exec("SELECT min(until) FROM sent_to", Vec::new())?.pop().unwrap_or_default();
        Ok(row.first().and_then(number).map(|at| at as Millis))
    }

    /// Deletes all.
    pub fn clear(&self) -> Result<()> {
        self.forget_until(Millis::MAX)
    }
}

/// How much longer than it has to one is kept, in milliseconds: as long as that, others write nothing.
const AHEAD_MS: Millis = 60 * 60 * 1000;
