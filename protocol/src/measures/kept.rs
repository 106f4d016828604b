//! Requests that a Meter keeps, to be decided again by other plans: in at most [`MAX_ROWS`] rows of [`ROW_BYTES`].
//!
//! What comes is written into the row that was begun last; that is one row for each report. Where all rows are full, fewer
//! accounts are kept: a [`Sample`] of half as many. Each row is made smaller when it is its turn to be written, so that no
//! report costs more than its one row; whoever reads passes over what is not in the smallest sample. Where even few
//! accounts fill everything, what is oldest is forgotten instead, and what is kept begins later.

use super::report::{decode, encode};
use crate::order::ordered;
use crate::replay::lines::{Lines, Sample};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// What a Meter keeps. It is in one kind of rows.
#[derive(Debug, Default)]
pub struct Kept {
    rows: Vec<Row>,
    /// Rows that nobody can read.
    unread: Vec<u64>,
}

/// A row, and what of it is asked for most.
#[derive(Debug)]
struct Row {
    place: u64,
    turn: u64,
    since: Millis,
    until: Millis,
    sample: Sample,
    /// When the first of its requests was decided.
    first: Millis,
    packed: Vec<u8>,
}

/// What is in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptRow {
    /// When it was begun, as a number of rows that had been begun before. The last one is written to.
    turn: u64,
    /// What was decided before is forgotten, in all rows.
    pub(super) since: Millis,
    /// When it was written.
    until: Millis,
    pub(super) lines: Lines,
}

/// What is to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The row that was added to.
    pub written: Option<u64>,
    /// The rows that are forgotten.
    pub forgotten: Vec<u64>,
}

impl Kept {
    /// What these rows hold. What cannot be read is forgotten with the next report.
    pub fn of_rows(rows: Vec<(u64, Vec<u8>)>) -> Self {
        let mut kept = Self::default();
        for (place, packed) in rows {
            match decode::<KeptRow>(&packed) {
                Ok(row) if place < MAX_ROWS as u64 => kept.rows.push(Row::new(place, &row, packed)),
                _ => kept.unread.push(place),
            }
        }
        kept
    }

    /// Adds requests, and forgets what is older than `kept_ms`; all, if that is 0.
    pub fn take(&mut self, lines: Lines, kept_ms: Millis, now: Millis) -> Taken {
        let mut forgotten = std::mem::take(&mut self.unread);
        // What a clock that was ahead has left in the future, too.
        let is_of_now = |row: &Row| row.until.abs_diff(now) <= kept_ms;
        forgotten.extend(self.rows.iter().filter(|row| kept_ms == 0 || !is_of_now(row)).map(|row| row.place));
        self.rows.retain(|row| kept_ms > 0 && is_of_now(row));
        let written = (kept_ms > 0 && !lines.is_empty()).then(|| self.add(lines, now.saturating_sub(kept_ms), now));
        // A place that comes free may be taken at once.
        forgotten.retain(|place| Some(*place) != written);
        Taken { written, forgotten }
    }

    /// A row, packed; `None` if there is none.
    pub fn row(&self, place: u64) -> Option<&[u8]> {
        self.rows.iter().find(|row| row.place == place).map(|row| row.packed.as_slice())
    }

    /// All rows, packed: see [`super::gathered`].
    pub fn rows(&self) -> Vec<Vec<u8>> {
        self.rows.iter().map(|row| row.packed.clone()).collect()
    }

    /// Adds, and returns which row is to be written.
    fn add(&mut self, mut lines: Lines, oldest: Millis, now: Millis) -> u64 {
        let forgotten = self.since(now);
        let since = forgotten.max(oldest);
        let open = self.rows.iter().max_by_key(|row| row.turn);
        if let Some(open) = open {
            let mut row = open.unpacked();
            if fit(&row.lines, &lines) {
                let sample = open.sample.max(lines.sample());
                row.lines.narrow(sample, 0);
                lines.narrow(sample, since);
                row.lines.join(&lines);
                return self.put(open.place, &KeptRow { since: forgotten, until: now, ..row });
            }
        }
        let turn = open.map_or(0, |open| open.turn + 1);
        let of_open = open.map(|open| open.sample).unwrap_or_default();
        // There is room again.
        let is_low = self.rows.iter().map(|row| row.packed.len()).sum::<usize>() < MAX_ROWS * ROW_BYTES / 4;
        let sample = if is_low { of_open.twice() } else { of_open }.max(lines.sample());
        lines.narrow(sample, since);
        let begun = KeptRow { turn, since: forgotten, until: now, lines };
        match (0..MAX_ROWS as u64).find(|place| self.row(*place).is_none()) {
            Some(place) => self.put(place, &begun),
            None => self.make_room(begun, sample, since),
        }
    }

    /// Puts what was begun into one of the rows, of which there are no more. It is beside what the row keeps.
    fn make_room(&mut self, mut begun: KeptRow, mut sample: Sample, since: Millis) -> u64 {
        let order = ordered(self.rows.len(), &|one, other| self.rows[one].turn.cmp(&self.rows[other].turn));
        loop {
            // Those that nothing is taken from stay as full as they are.
            let oldest_first = order.iter().map(|number| &self.rows[*number as usize]);
            for row in oldest_first.filter(|row| row.sample < sample || row.first < since) {
                let mut lines = row.unpacked().lines;
                lines.narrow(sample, since);
                if fit(&lines, &begun.lines) {
                    lines.join(&begun.lines);
                    return self.put(row.place, &KeptRow { lines, ..begun });
                }
            }
            match sample.half().filter(|half| self.has_accounts(*half)) {
                Some(half) => {
                    sample = half;
                    begun.lines.narrow(half, since);
                }
                None => break,
            }
        }
        let oldest =
            self.rows.iter().min_by_key(|row| row.turn).expect("there is no room for more rows, so there are some");
        let last = oldest.unpacked().lines.span().map_or(0, |(_, last)| last);
        begun.since = since.max(last.saturating_add(1)).min(begun.until);
        begun.lines.narrow(sample, begun.since);
        self.put(oldest.place, &begun)
    }

    fn put(&mut self, place: u64, row: &KeptRow) -> u64 {
        self.rows.retain(|other| other.place != place);
        let packed = encode(row);
        self.rows.push(Row::new(place, row, packed));
        place
    }

    /// What was decided before is forgotten. A clock that was ahead says nothing.
    fn since(&self, now: Millis) -> Millis {
        self.rows.iter().map(|row| row.since).filter(|since| *since <= now).max().unwrap_or(0)
    }

    /// Whether a sample holds enough of the accounts to conclude anything from them.
    fn has_accounts(&self, sample: Sample) -> bool {
        let mut found: Vec<String> = Vec::new();
        for row in &self.rows {
            for account in row.unpacked().lines.accounts() {
                if !found.iter().any(|known| known == account) && sample.holds(account) {
                    found.push(account.to_owned());
                }
                if found.len() >= LEAST_ACCOUNTS {
                    return true;
                }
            }
        }
        false
    }
}

impl Row {
    fn new(place: u64, row: &KeptRow, packed: Vec<u8>) -> Self {
        let first = row.lines.span().map_or(Millis::MAX, |(first, _)| first);
        let (turn, since, until) = (row.turn, row.since, row.until);
        Self { place, turn, since, until, sample: row.lines.sample(), first, packed }
    }

    fn unpacked(&self) -> KeptRow {
        decode(&self.packed).expect("it was read before, or is ours")
    }
}

/// Whether both have room in one row.
fn fit(lines: &Lines, more: &Lines) -> bool {
    lines.bytes() + more.bytes() <= ROW_BYTES && lines.len() + more.len() <= ROW_LINES
}

/// How many rows there are at most.
pub const MAX_ROWS: usize = 32;
/// How large a row is at most, in bytes.
pub const ROW_BYTES: usize = 65_536;
/// How many requests are in it at most.
pub const ROW_LINES: usize = 1_024;
/// With fewer accounts than this what is oldest is forgotten, and no account.
const LEAST_ACCOUNTS: usize = 8;
