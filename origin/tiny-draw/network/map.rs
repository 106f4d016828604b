//! Maps of features, and group norm with what follows it.

use super::norms::{made, numbers};
use crate::operations::{exp, last, read};
use crate::shape::GROUPS;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

/// Added to variances (a constant of the reference).
const EPS: f64 = 1e-6;

/// Square maps of several pictures, pixel by pixel with all channels: `[pictures * side * side, channels]`.
#[derive(Clone)]
pub(super) struct Map {
    pub(super) rows: Tensor,
    pub(super) side: usize,
}

/// Channels in groups, each over all pixels of its picture (Wu and He 2018), times `weight`, plus `bias`; then
/// `x * sigmoid(x)`, if it is activated.
pub(super) fn group_norm(map: &Map, weight: &Tensor, bias: &Tensor, is_activated: bool) -> Result<Map> {
    let norm = GroupNorm { pixels: map.side * map.side, is_activated };
    Ok(Map { rows: map.rows.apply_op3(weight, bias, norm)?, side: map.side })
}

struct GroupNorm {
    /// Of a picture.
    pixels: usize,
    is_activated: bool,
}

impl GroupNorm {
    /// The mean of each channel's group and the inverse of its deviation.
    fn statistics(picture: &[f32], channels: usize) -> Vec<(f32, f32)> {
        let (mut sums, mut squares) = (vec![0.0f64; channels], vec![0.0f64; channels]);
        for pixel in picture.chunks_exact(channels) {
            for ((sum, square), number) in sums.iter_mut().zip(&mut squares).zip(pixel) {
                let number = f64::from(*number);
                *sum += number;
                *square += number * number;
            }
        }
        let (size, pixels) = (channels / GROUPS, picture.len() / channels);
        let of_group = |first: usize| {
            let count = (pixels * size) as f64;
            let mean = sums[first..first + size].iter().sum::<f64>() / count;
            let square = squares[first..first + size].iter().sum::<f64>() / count;
            (mean as f32, (1.0 / ((square - mean * mean).max(0.0) + EPS).sqrt()) as f32)
        };
        (0..channels).map(|channel| of_group(channel / size * size)).collect()
    }
}

impl CustomOp3 for GroupNorm {
    fn name(&self) -> &'static str {
        "group-norm"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (input, weight, bias) = (read(s1, l1)?, read(s2, l2)?, read(s3, l3)?);
        let channels = weight.len();
        let mut output = vec![0.0; input.len()];
        let size = self.pixels * channels;
        for (picture, output) in input.chunks_exact(size).zip(output.chunks_exact_mut(size)) {
            let statistics = Self::statistics(picture, channels);
            let factors: Vec<f32> =
                statistics.iter().zip(weight).map(|((_, inverse), weight)| inverse * weight).collect();
            let with = statistics.iter().zip(&factors).zip(bias);
            let offsets: Vec<f32> = with.map(|(((mean, _), factor), bias)| bias - mean * factor).collect();
            for (pixel, output) in picture.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
                let scales = factors.iter().zip(&offsets);
                for ((number, output), (factor, offset)) in pixel.iter().zip(output).zip(scales) {
                    let normed = number * factor + offset;
                    *output = if self.is_activated { normed / (1.0 + exp(-normed)) } else { normed };
                }
            }
        }
        Ok((CpuStorage::F32(output), l1.shape().clone()))
    }

    fn bwd(
        &self,
        arg1: &Tensor,
        arg2: &Tensor,
        arg3: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (input, weight, bias, mut grad) = (numbers(arg1)?, numbers(arg2)?, numbers(arg3)?, numbers(grad)?);
        let channels = last(arg2.shape());
        let (size, group) = (self.pixels * channels, channels / GROUPS);
        let (mut of_weight, mut of_bias) = (vec![0.0; channels], vec![0.0; channels]);
        for (picture, grad) in input.chunks_exact(size).zip(grad.chunks_exact_mut(size)) {
            let statistics = Self::statistics(picture, channels);
            // Sums over the pixels: of the gradient of what is normed, and of that times what is normed.
            let (mut sums, mut inner) = (vec![0.0f32; channels], vec![0.0f32; channels]);
            for (pixel, grad) in picture.chunks_exact(channels).zip(grad.chunks_exact_mut(channels)) {
                for channel in 0..channels {
                    let (mean, inverse) = statistics[channel];
                    let normed = (pixel[channel] - mean) * inverse;
                    if self.is_activated {
                        let number = normed * weight[channel] + bias[channel];
                        let sigmoid = 1.0 / (1.0 + exp(-number));
                        grad[channel] *= sigmoid * (1.0 + number * (1.0 - sigmoid));
                    }
                    sums[channel] += grad[channel];
                    inner[channel] += grad[channel] * normed;
                }
            }
            for channel in 0..channels {
                of_bias[channel] += sums[channel];
                of_weight[channel] += inner[channel];
            }
            let count = (self.pixels * group) as f32;
            let mean = |of: &[f32], channel: usize| {
                let group = channel / group * group..(channel / group + 1) * group;
                group.map(|channel| of[channel] * weight[channel]).sum::<f32>() / count
            };
            let means: Vec<(f32, f32)> =
                (0..channels).map(|channel| (mean(&sums, channel), mean(&inner, channel))).collect();
            for (pixel, grad) in picture.chunks_exact(channels).zip(grad.chunks_exact_mut(channels)) {
                for channel in 0..channels {
                    let ((mean, inverse), (sum, inner)) = (statistics[channel], means[channel]);
                    let normed = (pixel[channel] - mean) * inverse;
                    grad[channel] = inverse * (grad[channel] * weight[channel] - sum - normed * inner);
                }
            }
        }
        Ok((Some(made(grad, arg1)?), Some(made(of_weight, arg2)?), Some(made(of_bias, arg3)?)))
    }
}
