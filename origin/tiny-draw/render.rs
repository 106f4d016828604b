//! Pictures of scenes, as they are to be: what the training shows, and what the judge compares with.

use crate::random::Random;
use crate::scene::{SIDE, Scene};

/// How far from the middle of its place a shape may be, in pixels.
const AWAY: f32 = 2.0;
/// Points of a pixel that are looked at, in each direction.
const POINTS: usize = 4;

/// Three bytes a pixel, row by row.
pub(crate) type Pixels = Vec<u8>;

/// A picture of a scene. Chance moves the shape a little and makes it a little larger or smaller.
pub(crate) fn render(scene: &Scene, random: &mut Random) -> Pixels {
    let mut chance = || (random.bits() >> 40) as f32 / (1u32 << 24) as f32;
    let (least, more) = scene.size.half();
    let half = least + more * chance();
    let (x, y) = scene.place.middle();
    let (x, y) = (x + AWAY * (2.0 * chance() - 1.0), y + AWAY * (2.0 * chance() - 1.0));
    let (shape, background) = (scene.colour.levels(), scene.background.levels());
    let mut pixels = Vec::with_capacity(3 * SIDE * SIDE);
    for row in 0..SIDE {
        for column in 0..SIDE {
            // Most pixels lie outside of the box.
            let away = (row as f32 + 0.5 - y).abs().max((column as f32 + 0.5 - x).abs());
            let seen = if away > half + 1.0 { 0 } else { covered(scene, [column, row], [x, y], half) };
            let all = (POINTS * POINTS) as u32;
            for (shape, background) in shape.iter().zip(background) {
                let sum = u32::from(*shape) * seen + u32::from(background) * (all - seen);
                pixels.push(((sum + all / 2) / all) as u8);
            }
        }
    }
    pixels
}

/// How many points of this pixel the shape covers.
fn covered(scene: &Scene, [column, row]: [usize; 2], [x, y]: [f32; 2], half: f32) -> u32 {
    let point = |pixel: usize, point: usize| pixel as f32 + (point as f32 + 0.5) / POINTS as f32;
    let mut seen = 0;
    for down in 0..POINTS {
        for right in 0..POINTS {
            let (right, down) = ((point(column, right) - x) / half, (point(row, down) - y) / half);
            seen += u32::from(scene.shape.holds(right, down));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Colour, Place, Shape, Size};

    /// Nothing is cut off, wherever chance puts it, and the border shows the background alone.
    #[test]
    fn a_shape_is_whole_and_has_its_area() {
        let mut random = Random::new(3);
        for number in 0..300 {
            let shape = Shape::ALL[number % 3];
            let (size, place) = (Size::ALL[number / 3 % 3], Place::new(number % 9));
            let scene = Scene { shape, colour: Colour(0), size, place, background: Colour::WHITE };
            let pixels = render(&scene, &mut random);
            let is_border = |pixel: usize| [pixel / SIDE, pixel % SIDE].iter().any(|at| [0, SIDE - 1].contains(at));
            let mut area = 0.0;
            for (pixel, levels) in pixels.chunks_exact(3).enumerate() {
                let red = f32::from(245 - levels[1]) / 205.0;
                assert!(!is_border(pixel) || red == 0.0, "{scene:?}");
                area += red;
            }
            let (least, more) = size.half();
            let fill = match shape {
                Shape::Circle => std::f32::consts::FRAC_PI_4,
                Shape::Square => 1.0,
                Shape::Triangle => 0.5,
            };
            let of = |half: f32| fill * 4.0 * half * half;
            assert!(area > 0.94 * of(least) && area < 1.06 * of(least + more), "{scene:?}: {area}");
        }
    }
}
