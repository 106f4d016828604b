//! Pictures as both gates count them: what is to be drawn, and what was.

use serde::{Deserialize, Serialize};

/// Pictures that are to be drawn; of a request for none all is 0. No product of its members exceeds 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    /// How many.
    pub n: u16,
    /// Denoising steps of each.
    pub steps: u16,
    /// The most pixels of each.
    pub pixels: u32,
}

/// What was drawn of pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// Pictures of which at least one step was run.
    pub images: u32,
    /// Steps that were run, of all of them together.
    pub steps: u32,
    /// The pixels of each of these steps, together.
    pub pixel_steps: u64,
}

impl Drawing {
    /// What is drawn where nothing is left out.
    pub fn whole(self) -> Drawn {
        let [n, steps, pixels] = [self.n.into(), self.steps.into(), self.pixels];
        // Twice 16 bits, and 32 more.
        let all: u32 = n * steps;
        Drawn { images: n, steps: all, pixel_steps: u64::from(all) * u64::from(pixels) }
    }

    /// Whether there are any.
    pub const fn is_any(&self) -> bool {
        self.n > 0
    }

    /// Whether what another one asks for keeps to this.
    pub const fn covers(self, other: Self) -> bool {
        other.n <= self.n && other.steps <= self.steps && other.pixels <= self.pixels
    }
}

impl Drawn {
    /// Nothing.
    pub const NOTHING: Self = Self { images: 0, steps: 0, pixel_steps: 0 };

    /// Whether nothing was.
    pub fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }

    /// The pixels of all pictures: those of one request have one size.
    pub fn pixels(self) -> u64 {
        let each = self.pixel_steps.checked_div(self.steps.into()).unwrap_or(0);
        each.saturating_mul(self.images.into())
    }

    /// Thousands of pixels for each step, rounded up once.
    pub const fn kilopixel_steps(self) -> u64 {
        self.pixel_steps.div_ceil(1_000)
    }

    /// The more of each of two tries at the same pictures.
    pub fn or_more(self, other: Self) -> Self {
        Self {
            images: self.images.max(other.images),
            steps: self.steps.max(other.steps),
            pixel_steps: self.pixel_steps.max(other.pixel_steps),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_products_fit() {
        let most = Drawing { n: u16::MAX, steps: u16::MAX, pixels: u32::MAX };
        let whole = most.whole();
        assert_eq!((whole.images, whole.steps), (65_535, 65_535 * 65_535));
        assert_eq!(u128::from(whole.pixel_steps), 65_535_u128 * 65_535 * u128::from(u32::MAX));
        assert_eq!(whole.pixels(), 65_535 * u64::from(u32::MAX));
        assert_eq!((Drawn::NOTHING.pixels(), Drawing::default().whole()), (0, Drawn::NOTHING));
        let wrong = Drawn { images: u32::MAX, steps: 1, pixel_steps: u64::MAX };
        assert_eq!(wrong.pixels(), u64::MAX);
    }
}
