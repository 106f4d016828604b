//! Group norm (Wu and He 2018, arXiv 1803.08494): channels in groups, each over all pixels.

use super::super::checkpoint::files::Files;
use super::super::kernels::{Kernels, slices};
use super::map::{BAND, Map};
use crate::load_error::LoadError;
use crate::models::qwen::rows::{in_parallel, numbers};
use candle_core::{DType, Result, Tensor};

/// Added to variances (a constant of the reference).
const EPS: f64 = 1e-6;

pub(super) struct GroupNorm {
    groups: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// What each channel of one map is multiplied by, and what is added: the norm of it.
pub(super) struct Scales {
    pub(super) factors: Vec<f32>,
    pub(super) offsets: Vec<f32>,
}

impl GroupNorm {
    pub(super) fn load(files: &Files<'_>, name: &str, groups: usize) -> std::result::Result<Self, LoadError> {
        let vector = |part: &str| {
            let name = format!("{name}.{part}");
            files.tensor(&name)?.to_vec1::<f32>().map_err(|error| files.fault(&name, &error))
        };
        Ok(Self { groups, weights: vector("weight")?, bias: vector("bias")? })
    }

    /// Looks at the whole map once. Sums are in F64, row by row of pixels, and then in the order of the rows: the same
    /// whichever threads take part.
    pub(super) fn scales(&self, map: &Map, kernels: &Kernels) -> Result<Scales> {
        let channels = map.channels()?;
        let sums = if kernels.by_slices { by_slices(map, channels)? } else { by_tensors(map, BAND)? };
        let (size, mut factors, mut offsets) = (channels / self.groups, vec![0.0; channels], vec![0.0; channels]);
        for group in 0..self.groups {
            let of_group = group * size..(group + 1) * size;
            let count = (map.height * map.width * size) as f64;
            let add = |sum: f64, channel: usize, part: &[f64]| sum + part[channel];
            let mean = of_group.clone().fold(0.0, |sum, channel| add(sum, channel, &sums.plain)) / count;
            let square = of_group.clone().fold(0.0, |sum, channel| add(sum, channel, &sums.squares)) / count;
            let inverse = 1.0 / ((square - mean * mean).max(0.0) + EPS).sqrt();
            for channel in of_group {
                let factor = f64::from(self.weights[channel]) * inverse;
                factors[channel] = factor as f32;
                offsets[channel] = (f64::from(self.bias[channel]) - mean * factor) as f32;
            }
        }
        Ok(Scales { factors, offsets })
    }
}

/// Sums of a map's channels, over all pixels.
struct Sums {
    plain: Vec<f64>,
    squares: Vec<f64>,
}

fn by_slices(map: &Map, channels: usize) -> Result<Sums> {
    let rows = numbers(&map.rows)?;
    let mut partial = vec![0.0; map.height * 2 * channels];
    in_parallel(partial.chunks_exact_mut(2 * channels).collect(), |row, sums: &mut [f64]| {
        let (plain, squares) = sums.split_at_mut(channels);
        for pixel in rows[row * map.width * channels..][..map.width * channels].chunks_exact(channels) {
            for ((plain, square), number) in plain.iter_mut().zip(&mut *squares).zip(pixel) {
                let number = f64::from(*number);
                *plain += number;
                *square += number * number;
            }
        }
    });
    let mut sums = Sums { plain: vec![0.0; channels], squares: vec![0.0; channels] };
    for part in partial.chunks_exact(2 * channels) {
        let (plain, squares) = part.split_at(channels);
        sums.plain.iter_mut().zip(plain).for_each(|(sum, part)| *sum += part);
        sums.squares.iter_mut().zip(squares).for_each(|(sum, part)| *sum += part);
    }
    Ok(sums)
}

/// Some rows at a time: in F64 they take twice the memory.
fn by_tensors(map: &Map, band: usize) -> Result<Sums> {
    let (count, channels) = map.rows.dims2()?;
    let most = (band / channels).max(1);
    let mut sums: Option<[Tensor; 2]> = None;
    for first in (0..count).step_by(most) {
        let rows = map.rows.narrow(0, first, most.min(count - first))?.to_dtype(DType::F64)?;
        let (plain, squares) = (rows.sum(0)?, rows.sqr()?.sum(0)?);
        sums = Some(match sums {
            Some([before, squares_before]) => [(before + plain)?, (squares_before + squares)?],
            None => [plain, squares],
        });
    }
    match sums {
        Some([plain, squares]) => Ok(Sums { plain: plain.to_vec1()?, squares: squares.to_vec1()? }),
        None => candle_core::bail!("a map of no pixels"),
    }
}

impl Scales {
    /// The map with each channel scaled, and nothing else.
    pub(super) fn applied(&self, map: &Map, kernels: &Kernels) -> Result<Tensor> {
        let (count, channels) = map.rows.dims2()?;
        if !kernels.by_slices {
            let vector = |numbers: &[f32]| kernels.tensor(numbers.to_vec(), channels);
            return map.rows.broadcast_mul(&vector(&self.factors)?)?.broadcast_add(&vector(&self.offsets)?);
        }
        let rows = numbers(&map.rows)?;
        slices::rows(count, channels, |row, line| {
            let scales = self.factors.iter().zip(&self.offsets);
            for ((number, before), (factor, offset)) in line.iter_mut().zip(&rows[row * channels..]).zip(scales) {
                *number = before * factor + offset;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::z_image::noise::noise;
    use candle_core::Device;

    /// In any bands, and on slices.
    #[test]
    fn sums_are_of_the_whole_map() {
        let (height, width, channels) = (5, 7, 3);
        let numbers = noise(2, height * width * channels);
        let rows = Tensor::from_vec(numbers.clone(), (height * width, channels), &Device::Cpu).unwrap();
        let map = Map { rows, height, width };
        let mut found = vec![by_slices(&map, channels).unwrap()];
        found.extend([1, 4 * channels, 1 << 20].map(|band| by_tensors(&map, band).unwrap()));
        for sums in found {
            for channel in 0..channels {
                let line = || numbers.iter().skip(channel).step_by(channels).map(|number| f64::from(*number));
                let (plain, square) = (line().sum::<f64>(), line().map(|number| number * number).sum::<f64>());
                assert!(
                    (sums.plain[channel] - plain).abs() < 1e-9,
                    "{channel}: {} and not {plain}",
                    sums.plain[channel]
                );
                assert!((sums.squares[channel] - square).abs() < 1e-9, "{channel}");
            }
        }
    }
}
