//! `transformer/config.json`.

use super::{Members, bounded, positive};
use serde_json::json;

/// How wide what the time becomes is, at most (`ADALN_EMBED_DIM` of the reference).
const MOST_MODULATION: usize = 256;

/// A Z-Image transformer. All numbers are at least 1 and fit each other.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformerShape {
    /// Pixels of latents on a side of a patch.
    pub patch: usize,
    /// Channels of latents.
    pub channels: usize,
    /// Width of the residual stream: heads times the width of one.
    pub dim: usize,
    /// Layers behind those that refine.
    pub layers: usize,
    /// Layers that refine, of the noise and of the caption each.
    pub refiners: usize,
    /// Attention heads.
    pub heads: usize,
    /// Added to mean squares before their root.
    pub norm_eps: f64,
    /// Width of a caption's features.
    pub caption: usize,
    /// The base of the frequencies.
    pub rope_theta: f64,
    /// What a time from 0 to 1 is multiplied by.
    pub time_scale: f64,
    /// Numbers of a head that turn with the frame, the row and the column.
    pub axes: [usize; 3],
    /// Positions that each of them has.
    pub lengths: [usize; 3],
}

impl TransformerShape {
    /// Reads the config. Says what is wrong with it, for the operator.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let mut members = Members::read(json)?;
        members.class("ZImageTransformer2DModel")?;
        let [patch]: [usize; 1] = members.take("all_patch_size")?;
        let frames: [usize; 1] = members.take("all_f_patch_size")?;
        let shape = Self {
            patch,
            channels: members.count("in_channels")?,
            dim: members.count("dim")?,
            layers: members.layers("n_layers")?,
            refiners: members.layers("n_refiner_layers")?,
            heads: members.count("n_heads")?,
            norm_eps: positive("norm_eps", members.take("norm_eps")?)?,
            caption: members.count("cap_feat_dim")?,
            rope_theta: positive("rope_theta", members.take("rope_theta")?)?,
            time_scale: positive("t_scale", members.take("t_scale")?)?,
            axes: members.take("axes_dims")?,
            lengths: members.take("axes_lens")?,
        };
        let key_heads = members.count("n_kv_heads")?;
        members.says(&[("qk_norm", json!(true))])?;
        members.end()?;
        if !(1..=16).contains(&patch) || frames != [1] {
            return Err(format!(
                "all_patch_size is [{patch}] and all_f_patch_size {frames:?}; 1 to 16, and [1], are served"
            ));
        }
        if key_heads != shape.heads {
            return Err(format!("n_kv_heads is {key_heads} and n_heads {}: only equal ones are served", shape.heads));
        }
        for (axis, length) in shape.axes.iter().zip(&shape.lengths) {
            bounded("a number in axes_dims", *axis)?;
            bounded("a number in axes_lens", *length)?;
            if !axis.is_multiple_of(2) {
                return Err(format!("axes_dims has {axis}, which cannot be turned in pairs"));
            }
        }
        if shape.heads * shape.head() != shape.dim {
            let (heads, head) = (shape.heads, shape.head());
            return Err(format!("dim is {}, and n_heads times the sum of axes_dims {heads} times {head}", shape.dim));
        }
        Ok(shape)
    }

    /// Width of one head.
    pub fn head(&self) -> usize {
        self.axes.iter().sum()
    }

    /// Width inside of the MLP: `int(dim / 3 * 8)` of the reference, which divides in F64 before it rounds down.
    pub fn inner(&self) -> usize {
        // Exact below 2^50, and `dim` is below 2^20.
        (self.dim as f64 / 3.0 * 8.0) as usize
    }

    /// How wide what the time becomes is.
    pub fn modulation(&self) -> usize {
        self.dim.min(MOST_MODULATION)
    }

    /// Numbers of a patch.
    pub fn patch_numbers(&self) -> usize {
        self.patch * self.patch * self.channels
    }

    /// What files call the weights of this patch.
    pub(crate) fn patch_name(&self) -> String {
        format!("{}-1", self.patch)
    }
}
