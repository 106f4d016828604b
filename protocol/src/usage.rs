//! settle: who has used what, hour by hour.
//!
//! A Gate counts the current hour in the row that it writes anyway ([`hours`]), so nothing is written for it alone. An
//! hour that is over becomes a row of its own, and hours that are old become days ([`row`]). What was asked of them is
//! added up where they lie ([`report`]).

pub mod hours;
pub mod refusals;
pub mod report;
pub mod row;

use crate::auth::principal::Mark;
use crate::request::bodies::chat::Used;
use crate::request::cost::Rate;
use crate::request::cost::work::Work;
use crate::request::endpoint::Endpoint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Milliseconds of an hour.
pub const HOUR_MS: u64 = 3_600_000;
/// Hours of a day. Days are those of UTC.
pub const DAY_HOURS: u64 = 24;

/// Who uses what. A member is absent where more were used in one hour than are told apart: [`Whose::OTHERS`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Whose {
    /// The key, or the subject of a token.
    pub key: Option<Mark>,
    /// The model, by the name that was answered for.
    pub model: Option<String>,
    /// What was asked for.
    pub endpoint: Option<Endpoint>,
    /// For whom.
    pub user: User,
}

/// The end user that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum User {
    /// It names none.
    None,
    /// This one.
    One(Mark),
    /// One of more than are told apart.
    Others,
}

/// What was used, and how requests ended. All sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Requests that the origin took up: those that stay counted.
    pub served: u64,
    /// Good requests that were given back to every limit: we failed them, or their caller left before an origin took them
    /// up.
    pub failed: u64,
    /// Requests whose lease ended by itself: nobody said what became of them, and what was reserved stays counted.
    pub lapsed: u64,
    /// Tokens of prompts, as far as the origin told.
    pub prompt_tokens: u64,
    /// Those of them that the origin remembered and did not compute.
    pub cached_tokens: u64,
    /// Tokens of answers, as far as the origin told.
    pub completion_tokens: u64,
    /// Those of them that were thinking, as far as the origin told.
    pub thinking_tokens: u64,
    /// Pictures that were begun, as far as the origin told.
    pub images: u64,
    /// Steps of them that were run, as far as the origin told.
    pub image_steps: u64,
    /// What it cost, in the units of the plans' prices.
    pub cost: u64,
    /// What it cost, in nano-units of the plans' currency.
    pub money: u64,
}

/// A [`Sum`] in a row, but for pictures: its members in their order.
pub(crate) type PackedSum = [u64; 9];

/// What one line of a row has drawn: it stands behind all lines, where rows of versions that knew no pictures end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedDrawn {
    line: u32,
    images: u64,
    steps: u64,
}

/// One line of an hour or of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Whose it is.
    pub whose: Whose,
    /// What was used.
    pub sum: Sum,
    /// How many requests each limit refused, by its name.
    pub refused: RefusedBy,
}

/// How many requests each limit refused, by its name.
pub type RefusedBy = BTreeMap<String, u64>;

impl Whose {
    /// Of a caller whose request was not looked at any further.
    pub const fn of_key(key: Mark) -> Self {
        Self { key: Some(key), ..Self::OTHERS }
    }

    /// What of it is told where there is too little room for all of it: without the end user, or of the key alone.
    /// `room`: for how much, of these three.
    pub(crate) fn told(self, room: Room) -> Self {
        match (room, self.key) {
            (Room::All, _) => self,
            (Room::NoUsers, _) => Self { user: User::Others, ..self },
            (Room::Keys, Some(key)) => Self::of_key(key),
            (Room::Keys | Room::None, _) => Self::OTHERS,
        }
    }

    /// Those that are not told apart.
    pub const OTHERS: Self = Self { key: None, model: None, endpoint: None, user: User::Others };
}

impl From<Option<Mark>> for User {
    fn from(user: Option<Mark>) -> Self {
        user.map_or(Self::None, Self::One)
    }
}

impl Sum {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.members().into_iter().zip(other.clone().members()) {
            *sum = sum.saturating_add(*more);
        }
    }

    /// Whether there is nothing in it.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a request that was served. `reserved`: what it might use, where some limit counted that; without it a request
    /// of which nobody knows what it used costs nothing.
    pub(crate) fn add_served(&mut self, used: Option<Used>, reserved: Option<Work>, rate: Rate) {
        let told = used.unwrap_or_default();
        let work = reserved.unwrap_or_default();
        let (cost, money) = match (used, reserved) {
            (Some(used), _) => (rate.used(work, used), rate.price.used(used)),
            (None, Some(work)) => (rate.reserve(work), rate.price.reserve(work)),
            (None, None) => (0, 0),
        };
        self.add(&Self {
            served: 1,
            prompt_tokens: told.usage.prompt_tokens,
            cached_tokens: told.cached_tokens.min(told.usage.prompt_tokens),
            completion_tokens: told.usage.completion_tokens,
            thinking_tokens: told.reasoning_tokens.unwrap_or(0).min(told.usage.completion_tokens),
            images: told.drawn.images.into(),
            image_steps: told.drawn.steps.into(),
            cost,
            money,
            ..Self::default()
        });
    }

    /// As rows have it, but for pictures: see [`PackedDrawn`].
    pub(crate) fn pack(mut self) -> PackedSum {
        let [sums @ .., _, _] = self.members();
        sums.map(|sum| *sum)
    }

    /// As it was, but for pictures.
    pub(crate) fn unpack(packed: PackedSum) -> Self {
        let mut sum = Self::default();
        for (own, packed) in sum.members().into_iter().zip(packed) {
            *own = packed;
        }
        sum
    }

    /// Those of pictures are the last.
    fn members(&mut self) -> [&mut u64; 11] {
        let Self {
            served,
            failed,
            lapsed,
            prompt_tokens,
            cached_tokens,
            completion_tokens,
            thinking_tokens,
            images,
            image_steps,
            cost,
            money,
        } = self;
        [
            served,
            failed,
            lapsed,
            prompt_tokens,
            cached_tokens,
            completion_tokens,
            thinking_tokens,
            cost,
            money,
            images,
            image_steps,
        ]
    }
}

impl PackedDrawn {
    /// What these lines have drawn, of those that have.
    pub(crate) fn of<'s>(lines: impl Iterator<Item = &'s Sum>) -> Vec<Self> {
        let drawn = (0..).zip(lines).map(|(line, sum)| Self { line, images: sum.images, steps: sum.image_steps });
        drawn.filter(|one| one.images > 0 || one.steps > 0).collect()
    }

    /// Which line.
    pub(crate) const fn line(self) -> usize {
        self.line as usize
    }

    /// Puts it back into its line, if that is there.
    pub(crate) fn unpack(self, sum: Option<&mut Sum>) -> Option<()> {
        let sum = sum?;
        (sum.images, sum.image_steps) = (self.images, self.steps);
        Some(())
    }
}

impl Cell {
    /// Whether there is nothing in it.
    pub fn is_nothing(&self) -> bool {
        self.sum.is_nothing() && self.refused.is_empty()
    }
}

/// How much is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Everything.
    All,
    /// All but end users.
    NoUsers,
    /// Keys.
    Keys,
    /// Nothing.
    None,
}

impl Room {
    /// What is told of one more beside so many, where these are the first numbers that are too many for each.
    pub(crate) const fn beside(count: usize, all: usize, no_users: usize, keys: usize) -> Self {
        if count < all {
            Self::All
        } else if count < no_users {
            Self::NoUsers
        } else if count < keys {
            Self::Keys
        } else {
            Self::None
        }
    }
}

/// Adds refusals to refusals. Of limits that are more than [`MAX_LIMITS`] nothing is kept: an account has fewer.
pub(crate) fn add_refused(refused: &mut RefusedBy, limit: &str, count: u64) {
    if let Some(sum) = refused.get_mut(limit) {
        *sum = sum.saturating_add(count);
    } else if refused.len() < MAX_LIMITS {
        refused.insert(limit.to_owned(), count);
    }
}

/// A model of a longer name, in bytes, is not told apart.
pub const MAX_NAME: usize = 256;
/// How many limits' refusals a cell tells apart.
pub const MAX_LIMITS: usize = 32;
