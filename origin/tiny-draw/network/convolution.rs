//! Convolutions: of each picture a matrix `[pixels, places * in]` is made and multiplied, and its gradient goes the
//! same way back. The matrix of a whole batch would fit into no cache.

use super::map::Map;
use super::norms::{made, numbers};
use crate::operations::read;
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};

/// How a convolution reads a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// 3, or 1.
    pub(super) side: usize,
    /// How often each pixel is read on each side: 1, or 2.
    pub(super) times: usize,
    /// How many pixels it goes on: 1, or 2.
    pub(super) stride: usize,
}

impl Reading {
    /// Three by three pixels, as they are.
    pub(super) const PLAIN: Self = Self { side: 3, times: 1, stride: 1 };
    /// One pixel.
    pub(super) const POINT: Self = Self { side: 1, times: 1, stride: 1 };
    /// Three by three of a map of twice the sides.
    pub(super) const DOUBLED: Self = Self { side: 3, times: 2, stride: 1 };
    /// Three by three, to a map of half the sides.
    pub(super) const HALVED: Self = Self { side: 3, times: 1, stride: 2 };

    /// The side of the map that is made.
    fn made(self, side: usize) -> usize {
        side * self.times / self.stride
    }
}

/// A map convolved with `weight`, `[out, places * in]`, plus `bias`. Beyond its borders are zeros.
pub(super) fn convolve(map: &Map, weight: &Tensor, bias: &Tensor, reading: Reading) -> Result<Map> {
    let rows = map.rows.apply_op3(weight, bias, Convolution { side: map.side, reading })?;
    Ok(Map { rows, side: reading.made(map.side) })
}

struct Convolution {
    /// Of the map that is read.
    side: usize,
    reading: Reading,
}

impl Convolution {
    /// Calls with the place of some channels in the map, their place in the matrix, and how many pixels' channels lie
    /// behind each other in both.
    fn each(&self, channels: usize, mut copy: impl FnMut(usize, usize, usize)) {
        let Reading { side: places, times, stride } = self.reading;
        let (side, made, edge) = (self.side * times, self.reading.made(self.side), places / 2);
        let line = places * places * channels;
        for row in 0..made {
            for down in 0..places {
                let Some(y) = (row * stride + down).checked_sub(edge).filter(|y| *y < side) else { continue };
                let from = y / times * self.side;
                for column in 0..made {
                    let to = (row * made + column) * line + down * places * channels;
                    let left = column * stride;
                    if times == 1 {
                        // The places of a row lie behind each other in the map, too.
                        let first = left.max(edge) - edge;
                        let end = (left + places - edge).min(side);
                        let skipped = first + edge - left;
                        copy((from + first) * channels, to + skipped * channels, end - first);
                        continue;
                    }
                    for right in 0..places {
                        let Some(x) = (left + right).checked_sub(edge).filter(|x| *x < side) else { continue };
                        copy((from + x / times) * channels, to + right * channels, 1);
                    }
                }
            }
        }
    }

    /// The matrix of one picture.
    fn matrix(&self, picture: &[f32], channels: usize) -> Result<Tensor> {
        let (made, places) = (self.reading.made(self.side), self.reading.side);
        let line = places * places * channels;
        let mut matrix = vec![0.0; made * made * line];
        self.each(channels, |from, to, pixels| {
            matrix[to..to + pixels * channels].copy_from_slice(&picture[from..from + pixels * channels]);
        });
        Tensor::from_vec(matrix, (made * made, line), &Device::Cpu)
    }

    /// The way back: what each number of the matrix is adds to the number that it was made of.
    fn folded(&self, matrix: &[f32], channels: usize) -> Vec<f32> {
        let mut picture = vec![0.0; self.side * self.side * channels];
        self.each(channels, |to, from, pixels| {
            let numbers = picture[to..to + pixels * channels].iter_mut();
            numbers.zip(&matrix[from..]).for_each(|(sum, number)| *sum += number);
        });
        picture
    }
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
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
        let channels = l1.shape().dims2()?.1;
        let weight = Tensor::from_slice(weight, l2.shape(), &Device::Cpu)?.t()?;
        let size = self.side * self.side * channels;
        let mut output = Vec::with_capacity(input.len() / size * self.reading.made(self.side).pow(2) * bias.len());
        for picture in input.chunks_exact(size) {
            let product = numbers(&self.matrix(picture, channels)?.matmul(&weight)?)?;
            for pixel in product.chunks_exact(bias.len()) {
                output.extend(pixel.iter().zip(bias).map(|(number, bias)| number + bias));
            }
        }
        let rows = output.len() / bias.len();
        Ok((CpuStorage::F32(output), Shape::from((rows, bias.len()))))
    }

    fn bwd(
        &self,
        arg1: &Tensor,
        arg2: &Tensor,
        arg3: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (input, grad) = (numbers(arg1)?, numbers(grad)?);
        let (channels, to) = (arg1.dims2()?.1, arg3.elem_count());
        let pixels = self.reading.made(self.side).pow(2);
        let mut of_input = Vec::with_capacity(input.len());
        let (mut of_weight, mut of_bias) = (vec![0.0; arg2.elem_count()], vec![0.0; to]);
        let pictures = input.chunks_exact(self.side * self.side * channels).zip(grad.chunks_exact(pixels * to));
        for (picture, grad) in pictures {
            for pixel in grad.chunks_exact(to) {
                of_bias.iter_mut().zip(pixel).for_each(|(sum, number)| *sum += number);
            }
            let grad = Tensor::from_slice(grad, (pixels, to), &Device::Cpu)?;
            let product = numbers(&grad.t()?.matmul(&self.matrix(picture, channels)?)?)?;
            of_weight.iter_mut().zip(product).for_each(|(sum, number)| *sum += number);
            of_input.extend(self.folded(&numbers(&grad.matmul(arg2)?)?, channels));
        }
        Ok((Some(made(of_input, arg1)?), Some(made(of_weight, arg2)?), Some(made(of_bias, arg3)?)))
    }
}
