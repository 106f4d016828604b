//! Rows of hours and days that are over: a version byte, then postcard. Their ids are in order of time, days behind hours.

use super::{Cell, DAY_HOURS, RefusedBy, Sum, Whose, add_refused};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// For how long usage is kept by the hour, in days.
pub const HOURS_KEPT_DAYS: u64 = 31;
/// For how long it is kept by the day, in days: thirteen months.
pub const DAYS_KEPT: u64 = 400;

/// The version that this code writes.
pub const VERSION: u8 = 1;

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// An hour, since 1970.
    Hour(u64),
    /// A day, since 1970.
    Day(u64),
}

/// Why bytes are not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of usage is damaged, or of another version than {VERSION}")]
pub struct RowError;

#[derive(Serialize, Deserialize)]
struct PackedRow {
    models: Vec<String>,
    cells: Vec<PackedCell>,
}

#[derive(Serialize, Deserialize)]
struct PackedCell {
    /// With the model left out.
    whose: Whose,
    model: Option<u32>,
    sum: Sum,
    refused: RefusedBy,
}

/// The id of an hour's row. `number`: how many hours had ended before; so an hour that a clock comes back to has another.
pub fn hour_id(hour: u64, number: u64) -> i64 {
    ((hour.min(LAST_HOUR) << NUMBER_BITS) | (number & ((1 << NUMBER_BITS) - 1))) as i64
}

/// The id of a day's row.
pub fn day_id(day: u64) -> i64 {
    DAYS + day.min(LAST_HOUR / DAY_HOURS) as i64
}

/// The ids of all rows of these hours.
pub fn hour_ids(hours: Range<u64>) -> Range<i64> {
    hour_id(hours.start, 0)..hour_id(hours.end, 0)
}

/// The ids of the rows of all days that begin in these hours.
pub fn day_ids(hours: Range<u64>) -> Range<i64> {
    day_id(hours.start.div_ceil(DAY_HOURS))..day_id(hours.end.div_ceil(DAY_HOURS))
}

/// What a row of this id is about.
pub fn span_of(id: i64) -> Span {
    match id {
        DAYS.. => Span::Day((id - DAYS) as u64),
        _ => Span::Hour((id.max(0) as u64) >> NUMBER_BITS),
    }
}

/// The hours whose rows are to become days' at this hour: those before the first hour of this range's end.
pub fn old_hours(hour: u64) -> Range<u64> {
    0..(hour / DAY_HOURS).saturating_sub(HOURS_KEPT_DAYS) * DAY_HOURS
}

/// The days that are forgotten at this hour.
pub fn old_days(hour: u64) -> Range<u64> {
    0..(hour / DAY_HOURS).saturating_sub(DAYS_KEPT)
}

/// Packs a row.
pub fn encode(cells: &[Cell]) -> Vec<u8> {
    let mut models: Vec<String> = Vec::new();
    let mut places: BTreeMap<&str, u32> = BTreeMap::new();
    let mut packed = Vec::with_capacity(cells.len());
    for cell in cells {
        let model = cell.whose.model.as_deref().map(|model| {
            *places.entry(model).or_insert_with(|| {
                models.push(model.to_owned());
                (models.len() - 1) as u32
            })
        });
        let whose = Whose { model: None, ..cell.whose.clone() };
        packed.push(PackedCell { whose, model, sum: cell.sum, refused: cell.refused.clone() });
    }
    postcard::to_extend(&PackedRow { models, cells: packed }, vec![VERSION]).expect("writing to a Vec does not fail")
}

/// Unpacks a row. Never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<Vec<Cell>, RowError> {
    let packed = bytes.strip_prefix(&[VERSION]).ok_or(RowError)?;
    let PackedRow { models, cells } = postcard::from_bytes(packed).map_err(|_| RowError)?;
    let unpack = |cell: PackedCell| {
        let model = match cell.model {
            Some(place) => Some(models.get(place as usize).ok_or(RowError)?.clone()),
            None => None,
        };
        Ok(Cell { whose: Whose { model, ..cell.whose }, sum: cell.sum, refused: cell.refused })
    };
    cells.into_iter().map(unpack).collect()
}

/// Lines of several rows, added up to one row: who is in several of them is one. Of more than [`MAX_DAY_CELLS`] what is too
/// many is not told apart.
#[derive(Debug, Default)]
pub struct Merged(BTreeMap<Whose, (Sum, RefusedBy)>);

impl Merged {
    /// Adds a row's lines.
    pub fn add(&mut self, cells: Vec<Cell>) {
        for Cell { whose, sum, refused } in cells {
            let is_told = self.0.len() < MAX_DAY_CELLS || self.0.contains_key(&whose);
            let (all, all_refused) = self.0.entry(if is_told { whose } else { Whose::OTHERS }).or_default();
            all.add(&sum);
            refused.iter().for_each(|(limit, count)| add_refused(all_refused, limit, *count));
        }
    }

    /// The row's lines.
    pub fn cells(self) -> Vec<Cell> {
        self.0.into_iter().map(|(whose, (sum, refused))| Cell { whose, sum, refused }).collect()
    }
}

/// How many are told apart in one day.
pub const MAX_DAY_CELLS: usize = 2_048;
/// How many bits of an hour's id tell rows of the same hour apart.
const NUMBER_BITS: u32 = 12;
/// Days come behind all hours. All ids are whole numbers of JavaScript's.
const DAYS: i64 = 1 << 50;
/// Some hour in millions of years; what is later is taken for it.
const LAST_HOUR: u64 = 1 << 36;
