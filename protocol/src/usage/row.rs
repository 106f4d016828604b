//! Rows of hours and days that are over: a version byte, then postcard. Their ids are in order of time, days behind hours.

use super::{Cell, DAY_HOURS, PackedDrawn, PackedSum, RefusedBy, Room, Sum, Whose, add_refused};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// For how long usage is kept by the hour, in days.
pub const HOURS_KEPT_DAYS: u64 = 31;
/// For how long it is kept by the day, in days: thirteen months.
pub const DAYS_KEPT: u64 = 400; // not a status: days

/// The version that this code writes. It reads version 1, too, which knew no pictures.
pub const VERSION: u8 = 2;

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
#[error("a row of usage is damaged, or of a later version than {VERSION}")]
pub struct RowError;

#[derive(Serialize, Deserialize)]
struct PackedRow {
    models: Vec<String>,
    limits: Vec<String>,
    cells: Vec<PackedCell>,
}

#[derive(Serialize, Deserialize)]
struct PackedCell {
    /// With the model left out.
    whose: Whose,
    model: Option<u32>,
    sum: PackedSum,
    /// Each limit by its place.
    refused: Vec<(u32, u64)>,
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

/// The hours whose rows are to become days' at this hour.
pub fn old_hours(hour: u64) -> Range<u64> {
    0..(hour / DAY_HOURS).saturating_sub(HOURS_KEPT_DAYS) * DAY_HOURS
}

/// The days that are forgotten at this hour.
pub fn old_days(hour: u64) -> Range<u64> {
    0..(hour / DAY_HOURS).saturating_sub(DAYS_KEPT)
}

/// Packs a row.
pub fn encode(cells: &[Cell]) -> Vec<u8> {
    let (mut models, mut limits) = (Names::default(), Names::default());
    let pack = |cell: &Cell| PackedCell {
        whose: Whose { model: None, ..cell.whose.clone() },
        model: cell.whose.model.as_deref().map(|model| models.place_of(model)),
        sum: cell.sum.pack(),
        refused: cell.refused.iter().map(|(limit, count)| (limits.place_of(limit), *count)).collect(),
    };
    let drawn = PackedDrawn::of(cells.iter().map(|cell| &cell.sum));
    let cells = cells.iter().map(pack).collect();
    let row = PackedRow { models: models.all, limits: limits.all, cells };
    let written = postcard::to_extend(&row, vec![VERSION]);
    written.and_then(|row| postcard::to_extend(&drawn, row)).expect("writing to a Vec does not fail")
}

/// Names, each once, which are then given by their places.
#[derive(Default)]
struct Names {
    all: Vec<String>,
    places: BTreeMap<String, u32>,
}

impl Names {
    fn place_of(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.all.len() as u32;
        self.all.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }
}

/// Unpacks a row. Never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<Vec<Cell>, RowError> {
    let Some((&version, packed)) = bytes.split_first() else { return Err(RowError) };
    if !(1..=VERSION).contains(&version) {
        return Err(RowError);
    }
    let (row, behind) = postcard::take_from_bytes(packed).map_err(|_| RowError)?;
    let PackedRow { models, limits, cells } = row;
    let drawn: Vec<PackedDrawn> = match version {
        1 => Vec::new(),
        _ => postcard::from_bytes(behind).map_err(|_| RowError)?,
    };
    let unpack = |cell: PackedCell| {
        let model = match cell.model {
            Some(place) => Some(models.get(place as usize).ok_or(RowError)?.clone()),
            None => None,
        };
        let mut refused = RefusedBy::new();
        for (limit, count) in cell.refused {
            refused.insert(limits.get(limit as usize).ok_or(RowError)?.clone(), count);
        }
        Ok(Cell { whose: Whose { model, ..cell.whose }, sum: Sum::unpack(cell.sum), refused })
    };
    let mut cells = cells.into_iter().map(unpack).collect::<Result<Vec<_>, _>>()?;
    for one in drawn {
        one.unpack(cells.get_mut(one.line()).map(|cell| &mut cell.sum)).ok_or(RowError)?;
    }
    Ok(cells)
}

/// Lines of several rows, added up to one row: who is in several of them is one. Of too many, end users are not told apart,
/// then nothing but keys, and then not those: see [`MAX_DAY_CELLS`].
#[derive(Debug, Default)]
pub struct Merged(BTreeMap<Whose, (Sum, RefusedBy)>);

impl Merged {
    /// Adds a row's lines.
    pub fn add(&mut self, cells: Vec<Cell>) {
        for Cell { whose, sum, refused } in cells {
            let room = match self.0.contains_key(&whose) {
                true => Room::All,
                false => Room::beside(self.0.len(), MAX_DAY_CELLS, MAX_DAY_CELLS * 3 / 2, MAX_DAY_CELLS * 2),
            };
            let (all, all_refused) = self.0.entry(whose.told(room)).or_default();
            all.add(&sum);
            refused.iter().for_each(|(limit, count)| add_refused(all_refused, limit, *count));
        }
    }

    /// The row's lines.
    pub fn cells(self) -> Vec<Cell> {
        self.0.into_iter().map(|(whose, (sum, refused))| Cell { whose, sum, refused }).collect()
    }
}

/// How many are told apart in one day, end users among them; half as many again without, and by their keys alone. A row of
/// all of them, with the longest names and refused by the most limits, is smaller than what an object can store.
pub const MAX_DAY_CELLS: usize = 1_024;
/// How many bits of an hour's id tell rows of the same hour apart.
const NUMBER_BITS: u32 = 12;
/// Days come behind all hours. All ids are whole numbers of JavaScript's.
const DAYS: i64 = 1 << 50;
/// Some hour in millions of years; what is later is taken for it.
const LAST_HOUR: u64 = 1 << 36;
