//! The VAE: pictures to latents, and latents to pictures.
//!
//! The latents of each place are brought to a mean square of 1, so that they need no distribution to be drawn to, and
//! the decoder is trained to bear noise on them.

use super::Network;
use super::attention::attend;
use super::convolution::{Reading, convolve};
use super::map::{Map, group_norm};
use crate::operations::rms_norm;
use crate::scene::SIDE;
use crate::shape::{BLOCKS, GRID, LATENT, VAE_LAYERS};
use candle_core::{Device, Result, Tensor};

/// Added to the mean square of latents before its root.
const EPS: f32 = 1e-4;

/// `[pictures * SIDE * SIDE, 3]`, from -1 to 1, of pictures in bytes.
pub(crate) fn pixels(pictures: &[Vec<u8>]) -> Result<Tensor> {
    let numbers: Vec<f32> = pictures.iter().flatten().map(|level| f32::from(*level) / 127.5 - 1.0).collect();
    Tensor::from_vec(numbers, (pictures.len() * SIDE * SIDE, 3), &Device::Cpu)
}

/// Pictures `[pictures * SIDE * SIDE, 3]` as latents, `[pictures * GRID * GRID, LATENT]`.
pub(crate) fn encode(network: &Network, pictures: &Tensor) -> Result<Tensor> {
    let net = Net { network, name: "encoder" };
    let mut map = Map { rows: pictures.clone(), side: SIDE };
    map = net.conv("conv_in", &map, Reading::PLAIN)?;
    for block in 0..BLOCKS.len() {
        for layer in 0..VAE_LAYERS {
            map = net.residual(&format!("down_blocks.{block}.resnets.{layer}"), &map)?;
        }
        if block + 1 < BLOCKS.len() {
            map = net.conv(&format!("down_blocks.{block}.downsamplers.0.conv"), &map, Reading::HALVED)?;
        }
    }
    map = net.conv("conv_out", &net.norm("conv_norm_out", &net.middle(&map)?, true)?, Reading::PLAIN)?;
    rms_norm(&map.rows, &Tensor::ones(LATENT, map.rows.dtype(), map.rows.device())?, EPS)
}

/// Latents as the encoder makes them as pictures, `[pictures * SIDE * SIDE, 3]`.
pub(crate) fn decode(network: &Network, latents: &Tensor) -> Result<Tensor> {
    let net = Net { network, name: "decoder" };
    let mut map = net.middle(&net.conv("conv_in", &Map { rows: latents.clone(), side: GRID }, Reading::PLAIN)?)?;
    for block in 0..BLOCKS.len() {
        for layer in 0..=VAE_LAYERS {
            map = net.residual(&format!("up_blocks.{block}.resnets.{layer}"), &map)?;
        }
        if block + 1 < BLOCKS.len() {
            map = net.conv(&format!("up_blocks.{block}.upsamplers.0.conv"), &map, Reading::DOUBLED)?;
        }
    }
    Ok(net.conv("conv_out", &net.norm("conv_norm_out", &map, true)?, Reading::PLAIN)?.rows)
}

/// One of the two networks.
struct Net<'a> {
    network: &'a Network,
    name: &'static str,
}

impl Net<'_> {
    fn get(&self, name: &str) -> Result<&Tensor> {
        self.network.get(&format!("{}.{name}", self.name))
    }

    fn conv(&self, name: &str, map: &Map, reading: Reading) -> Result<Map> {
        convolve(map, self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?, reading)
    }

    fn norm(&self, name: &str, map: &Map, is_activated: bool) -> Result<Map> {
        group_norm(map, self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?, is_activated)
    }

    /// Two convolutions beside what they add to.
    fn residual(&self, name: &str, map: &Map) -> Result<Map> {
        let part = |conv: &str, norm: &str, map: &Map| {
            self.conv(&format!("{name}.{conv}"), &self.norm(&format!("{name}.{norm}"), map, true)?, Reading::PLAIN)
        };
        let inner = part("conv2", "norm2", &part("conv1", "norm1", map)?)?;
        let short = format!("{name}.conv_shortcut");
        let beside = match self.network.has(&format!("{}.{short}.weight", self.name)) {
            true => self.conv(&short, map, Reading::POINT)?,
            false => map.clone(),
        };
        Ok(Map { rows: (beside.rows + inner.rows)?, side: map.side })
    }

    /// Two residual blocks with attention between them.
    fn middle(&self, map: &Map) -> Result<Map> {
        let map = self.residual("mid_block.resnets.0", map)?;
        let name = "mid_block.attentions.0";
        let (rows, channels) = map.rows.dims2()?;
        let pixels = map.side * map.side;
        let normed = self.norm(&format!("{name}.group_norm"), &map, false)?.rows;
        let linear = |part: &str, rows: &Tensor| self.network.linear(&format!("{}.{name}.{part}", self.name), rows);
        let [queries, keys, values] =
            ["to_q", "to_k", "to_v"].map(|part| linear(part, &normed)?.reshape((rows / pixels, pixels, channels)));
        let seen = attend(&queries?, &keys?, &values?)?.reshape((rows, channels))?;
        let rows = (&map.rows + linear("to_out.0", &seen)?)?;
        self.residual("mid_block.resnets.1", &Map { rows, ..map })
    }
}
