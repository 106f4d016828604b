//! What a picture shows: one shape of a colour and a size, at a place, on a background.

use crate::random::Random;

/// Pixels on a side of a picture.
pub(crate) const SIDE: usize = 64;

/// A shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A disc.
    Circle,
    /// As wide as high.
    Square,
    /// On its base, as wide as high.
    Triangle,
}

impl Shape {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Circle, Self::Square, Self::Triangle];

    /// Whether a point belongs to the shape that fills the box from -1 to 1 in both directions.
    pub(crate) fn holds(self, x: f32, y: f32) -> bool {
        if x.abs() > 1.0 || y.abs() > 1.0 {
            return false;
        }
        match self {
            Self::Circle => x * x + y * y <= 1.0,
            Self::Square => true,
            Self::Triangle => x.abs() <= (y + 1.0) / 2.0,
        }
    }
}

/// How large a shape is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// About a fifth of the picture's width.
    Small,
    /// About three tenths; also where nothing is said.
    Medium,
    /// About four tenths.
    Large,
}

impl Size {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// Half the width in pixels: the least, and how much more it may be.
    pub(crate) const fn half(self) -> (f32, f32) {
        match self {
            Self::Small => (6.25, 1.0),
            Self::Medium => (9.25, 1.0),
            Self::Large => (12.5, 1.25),
        }
    }

    /// The size of a shape of this half width.
    pub(crate) fn of(half: f32) -> Self {
        match half {
            half if half < 8.25 => Self::Small,
            half if half < 11.5 => Self::Medium,
            _ => Self::Large,
        }
    }
}

/// One of nine places, in three rows and three columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// From the top.
    pub(crate) row: usize,
    /// From the left.
    pub(crate) column: usize,
}

impl Place {
    /// Also where nothing is said.
    pub(crate) const CENTRE: Self = Self { row: 1, column: 1 };
    /// How many there are.
    pub(crate) const COUNT: usize = 9;
    /// Where the middles of rows and columns are, in pixels.
    const MIDDLES: [f32; 3] = [17.0, 32.0, 47.0];

    /// The place of this number, row by row.
    pub(crate) const fn new(number: usize) -> Self {
        Self { row: number / 3, column: number % 3 }
    }

    /// Its number.
    pub(crate) const fn number(self) -> usize {
        self.row * 3 + self.column
    }

    /// Its middle in pixels, from the left and from the top.
    pub(crate) const fn middle(self) -> (f32, f32) {
        (Self::MIDDLES[self.column], Self::MIDDLES[self.row])
    }

    /// The place whose middle is nearest.
    pub(crate) fn of(x: f32, y: f32) -> Self {
        let third = |at: f32| usize::from(at > 24.5) + usize::from(at > 39.5);
        Self { row: third(y), column: third(x) }
    }
}

/// One of the colours that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) usize);

impl Colour {
    /// How many there are.
    pub(crate) const COUNT: usize = LEVELS.len();
    /// The background where nothing is said.
    pub(crate) const WHITE: Self = Self(8);
    /// The background of a white shape where nothing is said.
    pub(crate) const BLACK: Self = Self(7);

    /// Red, green and blue.
    pub(crate) const fn levels(self) -> [u8; 3] {
        LEVELS[self.0]
    }

    /// The colour that is nearest to these levels.
    pub(crate) fn nearest(levels: [u8; 3]) -> Self {
        let far = |colour: &usize| distance(LEVELS[*colour], levels);
        Self((0..Self::COUNT).min_by_key(far).unwrap_or_default())
    }
}

/// The square of how far two colours are apart.
pub(crate) fn distance(one: [u8; 3], other: [u8; 3]) -> u32 {
    one.iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(other)).pow(2)).sum()
}

/// In the order of the words in [`crate::captions`].
const LEVELS: [[u8; 3]; 10] = [
    [220, 40, 40],
    [240, 125, 20],
    [250, 220, 60],
    [45, 160, 70],
    [45, 85, 215],
    [130, 55, 175],
    [245, 150, 190],
    [20, 20, 20],
    [245, 245, 245],
    [130, 130, 130],
];

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scene {
    /// What kind of shape.
    pub(crate) shape: Shape,
    /// Of the shape.
    pub(crate) colour: Colour,
    /// How large it is.
    pub(crate) size: Size,
    /// Where it is.
    pub(crate) place: Place,
    /// The colour behind it, another one.
    pub(crate) background: Colour,
}

/// Colours with a shape that no picture of the training shows; each is there with other partners.
const HELD: [(Colour, Shape); 5] = [
    (Colour(3), Shape::Square),
    (Colour(4), Shape::Triangle),
    (Colour(1), Shape::Circle),
    (Colour(5), Shape::Square),
    (Colour(6), Shape::Triangle),
];

impl Scene {
    /// Whether its colour and its shape are a pair that is kept from the training.
    pub(crate) fn is_held(&self) -> bool {
        HELD.contains(&(self.colour, self.shape))
    }

    /// One of all scenes: with a pair that is kept from the training, or with another one.
    pub(crate) fn random(random: &mut Random, is_held: bool) -> Self {
        loop {
            let scene = Self {
                shape: *random.choose(&Shape::ALL),
                colour: Colour(random.below(Colour::COUNT)),
                size: *random.choose(&Size::ALL),
                place: Place::new(random.below(Place::COUNT)),
                background: Colour(random.below(Colour::COUNT)),
            };
            if scene.colour != scene.background && scene.is_held() == is_held {
                return scene;
            }
        }
    }
}
