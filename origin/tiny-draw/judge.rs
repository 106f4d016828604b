//! What a picture shows, by measuring it: no network is asked.
//!
//! The background is the named colour nearest to the median of the border. What is not of it is the shape, and its
//! colour is found alike. Its kind is the one that, rendered into its box, covers most of the same. A triangle's tip is
//! thinner than a pixel, so that its box may lack a row or two: a little larger boxes are tried, too. The place is told
//! by the middle of the box: a triangle's centroid lies a sixth below it.

use crate::scene::{Colour, Place, SIDE, Scene, Shape, Size, distance};

/// What is this far from the background is looked at first.
const APART: u32 = 48 * 48;
/// Pixels of a shape at least.
const LEAST: usize = 20;
/// What both cover, over what either covers, at least. Of a disc and the square around it, that is less.
const OVERLAP: f32 = 0.8;
/// By how many pixels a box is made larger, on each side, at most.
const GROWN: usize = 2;

/// What is seen in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Of the border.
    pub(crate) background: Colour,
    /// Of the shape.
    pub(crate) colour: Colour,
    /// `None` if it is like none of them.
    pub(crate) shape: Option<Shape>,
    /// By the longer side of its box.
    pub(crate) size: Size,
    /// Where its box is.
    pub(crate) place: Place,
}

/// Which parts of a scene are right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Right {
    /// The shape's colour and the background's.
    pub(crate) colour: bool,
    /// The kind of shape.
    pub(crate) shape: bool,
    /// The place.
    pub(crate) place: bool,
    /// The size; it is told beside the others and counts for nothing.
    pub(crate) size: bool,
}

impl Right {
    /// Colours, shape and place.
    pub(crate) const fn all(self) -> bool {
        self.colour && self.shape && self.place
    }
}

/// Compares a picture with what it is to show.
pub(crate) fn judge(pixels: &[u8], scene: &Scene) -> Right {
    let Some(seen) = look(pixels) else { return Right::default() };
    Right {
        colour: (seen.colour, seen.background) == (scene.colour, scene.background),
        shape: seen.shape == Some(scene.shape),
        place: seen.place == scene.place,
        size: seen.size == scene.size,
    }
}

/// Looks at a picture; `None` if it shows a background alone.
pub(crate) fn look(pixels: &[u8]) -> Option<Seen> {
    let pixels: Vec<[u8; 3]> = pixels.as_chunks().0.to_vec();
    let is_border = |pixel: usize| [pixel / SIDE, pixel % SIDE].iter().any(|at| [0, SIDE - 1].contains(at));
    let border = pixels.iter().enumerate().filter(|(pixel, _)| is_border(*pixel)).map(|(_, levels)| *levels);
    let background = median(border)?;
    let apart = |levels: &[u8; 3]| distance(*levels, background) > APART;
    let colour = median(pixels.iter().copied().filter(apart))?;
    let mask: Vec<bool> =
        pixels.iter().map(|levels| distance(*levels, colour) < distance(*levels, background)).collect();
    let count = mask.iter().filter(|is_seen| **is_seen).count();
    let shown = Area::of(&mask).filter(|_| count >= LEAST)?;
    let (width, height) = (shown.right - shown.left, shown.bottom - shown.top);
    let overlaps = Shape::ALL.map(|shape| (shown.most_overlap(&mask, shape), shape));
    let most = overlaps.into_iter().max_by(|one, other| one.0.total_cmp(&other.0));
    // All of them are as wide as high.
    let is_even = 3 * width.abs_diff(height) <= width.max(height);
    let shape = most.filter(|(overlap, _)| is_even && *overlap >= OVERLAP).map(|(_, shape)| shape);
    let middle = |from: usize, to: usize| (from + to) as f32 / 2.0;
    Some(Seen {
        background: Colour::nearest(background),
        colour: Colour::nearest(colour),
        shape,
        size: Size::of(width.max(height) as f32 / 2.0),
        place: Place::of(middle(shown.left, shown.right), middle(shown.top, shown.bottom)),
    })
}

/// The median of each level; `None` of nothing.
fn median(pixels: impl Iterator<Item = [u8; 3]>) -> Option<[u8; 3]> {
    let pixels: Vec<[u8; 3]> = pixels.collect();
    if pixels.is_empty() {
        return None;
    }
    Some([0, 1, 2].map(|level| {
        let mut levels: Vec<u8> = pixels.iter().map(|pixel| pixel[level]).collect();
        levels.sort_unstable();
        levels[levels.len() / 2]
    }))
}

/// The box around what is seen.
struct Area {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

impl Area {
    fn of(mask: &[bool]) -> Option<Self> {
        let seen = || mask.iter().enumerate().filter(|(_, is_seen)| **is_seen).map(|(pixel, _)| pixel);
        Some(Self {
            left: seen().map(|pixel| pixel % SIDE).min()?,
            right: seen().map(|pixel| pixel % SIDE).max()? + 1,
            top: seen().map(|pixel| pixel / SIDE).min()?,
            bottom: seen().map(|pixel| pixel / SIDE).max()? + 1,
        })
    }

    /// The overlap with a shape in this box, or in a little larger one.
    fn most_overlap(&self, mask: &[bool], shape: Shape) -> f32 {
        let mut most: f32 = 0.0;
        for grown in 0..(GROWN + 1).pow(4) {
            let by = |side: u32| grown / (GROWN + 1).pow(side) % (GROWN + 1);
            let left = self.left.saturating_sub(by(0));
            let top = self.top.saturating_sub(by(1));
            let (right, bottom) = ((self.right + by(2)).min(SIDE), (self.bottom + by(3)).min(SIDE));
            most = most.max(Self { left, right, top, bottom }.overlap(mask, shape));
        }
        most
    }

    /// Pixels that are seen and that a shape in this box covers, over those of which either is true.
    fn overlap(&self, mask: &[bool], shape: Shape) -> f32 {
        let at = |pixel: usize, from: usize, to: usize| {
            (2.0 * (pixel as f32 + 0.5) - (from + to) as f32) / (to - from) as f32
        };
        let (mut both, mut either) = (0, 0);
        for row in self.top..self.bottom {
            for column in self.left..self.right {
                let is_shape = shape.holds(at(column, self.left, self.right), at(row, self.top, self.bottom));
                let is_seen = mask[row * SIDE + column];
                both += usize::from(is_shape && is_seen);
                either += usize::from(is_shape || is_seen);
            }
        }
        both as f32 / either.max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::render::render;

    fn scenes(count: usize) -> Vec<(Scene, Vec<u8>)> {
        let mut random = Random::new(5);
        let scene = |number: usize| {
            let scene = Scene::random(&mut random, number.is_multiple_of(4));
            (scene, render(&scene, &mut random))
        };
        (0..count).map(scene).collect()
    }

    fn share(all: &[Right], is_right: impl Fn(&Right) -> bool) -> f64 {
        all.iter().filter(|right| is_right(right)).count() as f64 / all.len() as f64
    }

    #[test]
    fn what_is_as_it_should_be_is_found_right() {
        let found: Vec<Right> = scenes(2_000).iter().map(|(scene, pixels)| judge(pixels, scene)).collect();
        assert!(share(&found, |right| right.all()) >= 0.99, "{}", share(&found, |right| right.all()));
        assert!(share(&found, |right| right.size) >= 0.99, "{}", share(&found, |right| right.size));
    }

    /// Judged by the scene of another picture, it is right as often as chance is.
    #[test]
    fn what_belongs_to_another_caption_is_right_by_chance_alone() {
        let all = scenes(2_000);
        let found: Vec<Right> = all.iter().zip(&all[700..]).map(|((_, one), (other, _))| judge(one, other)).collect();
        let close = |share: f64, chance: f64| (share - chance).abs() < 0.04;
        assert!(close(share(&found, |right| right.shape), 1.0 / 3.0));
        assert!(close(share(&found, |right| right.place), 1.0 / 9.0));
        assert!(close(share(&found, |right| right.colour), 1.0 / 90.0));
        assert!(share(&found, |right| right.all()) < 0.005);
    }

    /// One row is the tip. Without two thirds of its height it is no triangle any more.
    #[test]
    fn a_triangle_may_lack_its_tip_and_no_more() {
        for (scene, mut pixels) in scenes(300).into_iter().filter(|(scene, _)| scene.shape == Shape::Triangle) {
            let background = scene.background.levels();
            let is_seen = |row: &[u8]| row.chunks_exact(3).any(|levels| levels != background);
            let rows: Vec<usize> = (0..SIDE).filter(|row| is_seen(&pixels[row * SIDE * 3..][..SIDE * 3])).collect();
            let mut erase = |rows: &[usize]| -> Right {
                for row in rows {
                    pixels[row * SIDE * 3..][..SIDE * 3].copy_from_slice(&background.repeat(SIDE));
                }
                judge(&pixels, &scene)
            };
            assert!(erase(&rows[..1]).all(), "{scene:?}");
            assert!(!erase(&rows[1..rows.len() * 2 / 3]).shape, "{scene:?}");
        }
    }

    #[test]
    fn what_is_no_shape_is_found_wrong() {
        let [(scene, pixels)] = &scenes(1)[..] else { unreachable!("one was asked for") };
        let flat: Vec<u8> = scene.background.levels().repeat(SIDE * SIDE);
        assert_eq!(judge(&flat, scene), Right::default());
        // Noise, and the same picture with a stroke through it that belongs to no shape.
        let mut random = Random::new(1);
        let noise: Vec<u8> = (0..pixels.len()).map(|_| random.below(256) as u8).collect();
        assert!(!judge(&noise, scene).all());
        let mut struck = pixels.clone();
        for row in 4..60 {
            struck[(row * SIDE + row) * 3..][..3].copy_from_slice(&scene.colour.levels());
        }
        assert!(!judge(&struck, scene).shape);
    }
}
