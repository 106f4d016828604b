//! Convolutions that keep a map's size, and those that double it first.
//!
//! On the CPU a band of rows becomes a matrix, `[pixels, side * side * channels]`, which our products multiply: each
//! pixel's answer is summed in one order, whatever the band's size is. Elsewhere each of the places around a pixel is a
//! product of its own, and all are added, in bands as well.

use super::super::checkpoint::files::Files;
use super::super::kernels::Kernels;
use super::map::{BAND, Map};
use super::norm::Scales;
use crate::load_error::LoadError;
use crate::models::qwen::activation;
use crate::models::qwen::linear::dense;
use crate::models::qwen::rows::{in_parallel, numbers};
use candle_core::{Result, Tensor};
use std::ops::Range;

pub(super) struct Conv {
    /// `[out, side * side * in]`: of a place after the other, row by row, all channels.
    weights: Tensor,
    /// `[out]`
    bias: Tensor,
    /// 3, or 1.
    side: usize,
}

/// How a map is read by a convolution on the CPU.
struct Reading<'a> {
    numbers: &'a [f32],
    height: usize,
    width: usize,
    channels: usize,
    /// If so, each number is scaled by its channel, and then `x * sigmoid(x)`.
    scales: Option<&'a Scales>,
    /// How often each pixel is read on each side: 1, or 2.
    times: usize,
}

impl Conv {
    pub(super) fn load(files: &Files<'_>, name: &str) -> std::result::Result<Self, LoadError> {
        let (weight, bias) = (format!("{name}.weight"), files.vector(&format!("{name}.bias"))?);
        let dense = files.tensor(&weight)?;
        let laid = || -> Result<(Tensor, usize)> {
            let (to, from, side, _) = dense.dims4()?;
            let rows = dense.permute((0, 2, 3, 1))?.reshape((to, side * side * from))?.contiguous()?;
            Ok((rows.to_device(bias.device())?.to_dtype(bias.dtype())?, side))
        };
        let (weights, side) = laid().map_err(|error| files.fault(&weight, &error))?;
        Ok(Self { weights, bias, side })
    }

    /// A map of the same size; with scales, of what is normed by them and activated by SiLU. Beyond its borders are
    /// zeros.
    pub(super) fn forward(&self, map: &Map, scales: Option<&Scales>, kernels: &Kernels) -> Result<Map> {
        self.compute(map, scales, 1, kernels)
    }

    /// A map of twice the height and width: of each pixel four times.
    pub(super) fn doubled(&self, map: &Map, kernels: &Kernels) -> Result<Map> {
        self.compute(map, None, 2, kernels)
    }

    fn compute(&self, map: &Map, scales: Option<&Scales>, times: usize, kernels: &Kernels) -> Result<Map> {
        let (height, width, channels) = (map.height * times, map.width * times, map.channels()?);
        let rows = if kernels.by_slices {
            let source = numbers(&map.rows)?;
            let reading = Reading { numbers: &source, height: map.height, width: map.width, channels, scales, times };
            self.by_slices(&reading, BAND)?
        } else {
            self.by_tensors(map, scales, times, BAND, kernels)?
        };
        Ok(Map { rows, height, width })
    }

    fn by_slices(&self, reading: &Reading<'_>, band: usize) -> Result<Tensor> {
        let (height, width) = (reading.height * reading.times, reading.width * reading.times);
        let (weights, bias) = (numbers(&self.weights)?, numbers(&self.bias)?);
        let line = self.side * self.side * reading.channels;
        let most = (band / (line * width)).max(1);
        let mut made = Vec::with_capacity(height * width * bias.len());
        for first in (0..height).step_by(most) {
            let count = most.min(height - first);
            let product = dense::forward(&weights, line, &reading.matrix(first, count, self.side));
            for pixel in product.chunks_exact(bias.len()) {
                made.extend(pixel.iter().zip(&*bias).map(|(number, bias)| number + bias));
            }
        }
        Tensor::from_vec(made, (height * width, bias.len()), &candle_core::Device::Cpu)
    }

    fn by_tensors(
        &self,
        map: &Map,
        scales: Option<&Scales>,
        times: usize,
        band: usize,
        kernels: &Kernels,
    ) -> Result<Tensor> {
        let (height, width, to) = (map.height * times, map.width * times, self.bias.dim(0)?);
        let most = (band / (width * map.channels()?.max(to))).max(1);
        let made = Tensor::zeros((height * width, to), self.bias.dtype(), &kernels.device)?;
        for first in (0..height).step_by(most) {
            let rows = first..height.min(first + most);
            made.slice_set(&self.rows_of_tensors(map, scales, times, rows, kernels)?, 0, first * width)?;
        }
        Ok(made)
    }

    /// Some rows of the map that is made.
    fn rows_of_tensors(
        &self,
        map: &Map,
        scales: Option<&Scales>,
        times: usize,
        made: Range<usize>,
        kernels: &Kernels,
    ) -> Result<Tensor> {
        let (height, width, channels, edge) = (map.height * times, map.width * times, map.channels()?, self.side / 2);
        // What lies beyond the map's borders, and the rows within them that are looked at.
        let (above, below) = (edge.saturating_sub(made.start), (made.end + edge).saturating_sub(height));
        let seen = made.start + above - edge..made.end + edge - below;
        let (from, to) = (seen.start / times, (seen.end - 1) / times + 1);
        let source = map.rows.narrow(0, from * map.width, (to - from) * map.width)?;
        let source = Map { rows: source, height: to - from, width: map.width };
        let rows = match scales {
            Some(scales) => scales.applied(&source, kernels)?.silu()?,
            None => source.rows,
        };
        let pixels = rows.reshape((to - from, 1, map.width, 1, channels))?;
        let pixels = pixels.broadcast_as((to - from, times, map.width, times, channels))?.contiguous()?;
        let pixels = pixels.reshape(((to - from) * times, width, channels))?;
        let pixels = pixels.narrow(0, seen.start - from * times, seen.len())?;
        let pixels = pixels.pad_with_zeros(0, above, below)?.pad_with_zeros(1, edge, edge)?;
        let (count, mut sum) = (made.len(), None);
        for place in 0..self.side * self.side {
            let moved = pixels.narrow(0, place / self.side, count)?.narrow(1, place % self.side, width)?;
            let weights = self.weights.narrow(1, place * channels, channels)?.t()?.contiguous()?;
            let product = moved.contiguous()?.reshape((count * width, channels))?.matmul(&weights)?;
            sum = Some(match sum {
                Some(sum) => (sum + product)?,
                None => product,
            });
        }
        match sum {
            Some(sum) => sum.broadcast_add(&self.bias),
            None => candle_core::bail!("a convolution of no places"),
        }
    }
}

impl Reading<'_> {
    /// The matrix of so many rows of pixels from this one on.
    fn matrix(&self, first: usize, count: usize, side: usize) -> Vec<f32> {
        let (height, width) = (self.height * self.times, self.width * self.times);
        let (edge, line) = (side / 2, side * side * self.channels);
        // The rows of the source that are looked at, made ready once.
        let from = first.saturating_sub(edge) / self.times;
        let to = ((first + count + edge).min(height) - 1) / self.times + 1;
        let ready = self.ready(from, to);
        let mut matrix = vec![0.0; count * width * line];
        in_parallel(matrix.chunks_exact_mut(width * line).collect(), |row, part: &mut [f32]| {
            for (x, pixel) in part.chunks_exact_mut(line).enumerate() {
                for (place, into) in pixel.chunks_exact_mut(self.channels).enumerate() {
                    let (y, x) = (first + row + place / side, x + place % side);
                    // Beyond the borders it stays zero.
                    if y >= edge && y - edge < height && x >= edge && x - edge < width {
                        let (y, x) = ((y - edge) / self.times - from, (x - edge) / self.times);
                        into.copy_from_slice(&ready[(y * self.width + x) * self.channels..][..self.channels]);
                    }
                }
            }
        });
        matrix
    }

    /// Rows of the source, scaled and activated if that is wanted.
    fn ready(&self, from: usize, to: usize) -> Vec<f32> {
        let line = self.width * self.channels;
        let mut ready = self.numbers[from * line..to * line].to_vec();
        if let Some(scales) = self.scales {
            in_parallel(ready.chunks_exact_mut(line).collect(), |_, row: &mut [f32]| {
                for pixel in row.chunks_exact_mut(self.channels) {
                    activation::scaled_silu(pixel, &scales.factors, &scales.offsets);
                }
            });
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sampler::SplitMix64;
    use candle_core::{DType, Device};
    use proptest::prelude::*;

    fn random(seed: u64, count: usize) -> Vec<f32> {
        let mut source = SplitMix64::new(seed);
        (0..count).map(|_| (source.uniform() * 2.0 - 1.0) as f32).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Against the sum as it is written, on slices and on tensors; and any band gives the bits of the largest one.
        #[test]
        fn a_convolution_is_its_sum_in_any_bands(
            (height, width) in (1usize..7, 1usize..7),
            (from, to) in (1usize..20, 1usize..5),
            side in prop::sample::select(vec![1usize, 3]),
            times in 1usize..3,
            is_scaled in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let (source, weights) = (random(seed, height * width * from), random(seed ^ 1, to * side * side * from));
            let (bias, factors, offsets) = (random(seed ^ 2, to), random(seed ^ 3, from), random(seed ^ 4, from));
            let device = Device::Cpu;
            let conv = Conv {
                weights: Tensor::from_vec(weights.clone(), (to, side * side * from), &device).unwrap(),
                bias: Tensor::from_vec(bias.clone(), to, &device).unwrap(),
                side,
            };
            let map = Map { rows: Tensor::from_vec(source.clone(), (height * width, from), &device).unwrap(), height, width };
            let scales = Scales { factors: factors.clone(), offsets: offsets.clone() };
            let scales = is_scaled.then_some(&scales);
            let ours = Kernels::new(&device, DType::F32);
            let theirs = Kernels { by_slices: false, ..ours.clone() };
            let found = conv.compute(&map, scales, times, &ours).unwrap();
            prop_assert_eq!((found.height, found.width), (height * times, width * times));
            let found = found.rows.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let other = conv.compute(&map, scales, times, &theirs).unwrap().rows.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let read = |y: i64, x: i64, channel: usize| -> f64 {
                if y < 0 || x < 0 || y >= (height * times) as i64 || x >= (width * times) as i64 {
                    return 0.0;
                }
                let number = f64::from(source[(y as usize / times * width + x as usize / times) * from + channel]);
                if !is_scaled {
                    return number;
                }
                let normed = number * f64::from(factors[channel]) + f64::from(offsets[channel]);
                normed / (1.0 + (-normed).exp())
            };
            for (at, (found, other)) in found.iter().zip(&other).enumerate() {
                let (pixel, out) = (at / to, at % to);
                let (y, x) = ((pixel / (width * times)) as i64, (pixel % (width * times)) as i64);
                let mut sum = f64::from(bias[out]);
                for place in 0..side * side {
                    let (down, right) = ((place / side) as i64 - side as i64 / 2, (place % side) as i64 - side as i64 / 2);
                    for channel in 0..from {
                        sum += read(y + down, x + right, channel) * f64::from(weights[out * side * side * from + place * from + channel]);
                    }
                }
                prop_assert!((f64::from(*found) - sum).abs() < 2e-5 && (f64::from(*other) - sum).abs() < 2e-5, "{} {} {}", found, other, sum);
            }
            let reading = Reading { numbers: &source, height, width, channels: from, scales, times };
            for band in [1, 600, 6_000] {
                let banded = conv.by_slices(&reading, band).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                prop_assert!(banded.iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits()), "bands of {}", band);
                let banded = conv.by_tensors(&map, scales, times, band, &theirs).unwrap();
                let banded = banded.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                prop_assert!(banded.iter().zip(&found).all(|(a, b)| (a - b).abs() < 2e-5), "tensors in bands of {}", band);
            }
        }
    }
}
