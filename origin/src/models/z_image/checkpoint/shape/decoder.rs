//! `vae/config.json`, as far as decoding asks for it.

use super::{Members, bounded, positive};
use serde_json::json;

/// The decoder of an AutoencoderKL. All numbers are at least 1 and fit each other.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderShape {
    /// Channels of latents.
    pub latent: usize,
    /// Channels of the blocks, from the picture's side to the latents'.
    pub blocks: Vec<usize>,
    /// Residual blocks of each, less one.
    pub layers: usize,
    /// Groups that channels are normed in.
    pub groups: usize,
    /// Latents are divided by this.
    pub scaling: f64,
    /// And this is added.
    pub shift: f64,
}

/// Each block but one doubles the sides: more would overflow a picture's size.
const MOST_BLOCKS: usize = 8;

impl DecoderShape {
    /// Reads the config. Says what is wrong with it, for the operator.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let mut members = Members::read(json)?;
        members.class("AutoencoderKL")?;
        let shape = Self {
            latent: members.count("latent_channels")?,
            blocks: members.take("block_out_channels")?,
            layers: members.layers("layers_per_block")?,
            groups: members.count("norm_num_groups")?,
            scaling: positive("scaling_factor", members.take("scaling_factor")?)?,
            shift: members.take("shift_factor")?,
        };
        let up: Vec<String> = members.take("up_block_types")?;
        // The reference has both where a file says nothing.
        for name in ["use_quant_conv", "use_post_quant_conv"] {
            if members.take_or(name, true)? {
                return Err(format!("{name} is true, or left out; false is served"));
            }
        }
        members.says(&[
            ("out_channels", json!(3)),
            ("act_fn", json!("silu")),
            ("mid_block_add_attention", json!(true)),
        ])?;
        // Of the encoder, and how others save memory; the decoder computes in F32 whatever `force_upcast` says.
        members.ignore(&["in_channels", "down_block_types", "sample_size", "force_upcast"]);
        members.end()?;
        if !(1..=MOST_BLOCKS).contains(&shape.blocks.len()) {
            return Err(format!(
                "block_out_channels has {} numbers; 1 to {MOST_BLOCKS} are served",
                shape.blocks.len()
            ));
        }
        if up.len() != shape.blocks.len() || up.iter().any(|kind| kind != "UpDecoderBlock2D") {
            return Err(format!("up_block_types is {up:?}; UpDecoderBlock2D for each of block_out_channels is served"));
        }
        for channels in &shape.blocks {
            bounded("a number in block_out_channels", *channels)?;
            if !channels.is_multiple_of(shape.groups) {
                let groups = shape.groups;
                return Err(format!("{channels} of block_out_channels are not divisible by norm_num_groups, {groups}"));
            }
        }
        if !shape.shift.is_finite() {
            return Err(format!("shift_factor is {}", shape.shift));
        }
        Ok(shape)
    }

    /// Pixels of a picture on a side of one of the latents.
    pub fn factor(&self) -> usize {
        1 << (self.blocks.len() - 1)
    }

    /// Channels where the latents come in.
    pub(crate) fn widest(&self) -> usize {
        // Checked above: there is a block.
        self.blocks.last().copied().unwrap_or(1)
    }
}
