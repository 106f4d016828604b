//! The shapes of the networks.

use crate::scene::SIDE;

/// Rows of the embedding.
pub(crate) const VOCAB: usize = 768;
/// Width of the text encoder's residual stream.
pub(crate) const HIDDEN: usize = 128;
/// Width inside of its MLP.
pub(crate) const INTERMEDIATE: usize = 256;
/// Its layers as the config has them: the last one is never computed, and so neither trained nor written.
pub(crate) const TEXT_LAYERS: usize = 3;
/// Its query heads.
pub(crate) const TEXT_HEADS: usize = 4;
/// Its key-value heads.
pub(crate) const TEXT_KV_HEADS: usize = 2;
/// Width of one of them.
pub(crate) const TEXT_HEAD: usize = 32;
/// Added to mean squares before their root, in the text encoder.
pub(crate) const TEXT_EPS: f64 = 1e-6;
/// The base of its rotary frequencies.
pub(crate) const TEXT_THETA: f64 = 10_000.0;

/// Width of the transformer's residual stream.
pub(crate) const DIM: usize = 144;
/// Its heads.
pub(crate) const HEADS: usize = 6;
/// Numbers of a head that turn with the frame, the row and the column.
pub(crate) const AXES: [usize; 3] = [8, 8, 8];
/// Width of one head.
pub(crate) const HEAD: usize = AXES[0] + AXES[1] + AXES[2];
/// Width inside of its MLP, as the origin computes it.
pub(crate) const INNER: usize = DIM * 8 / 3;
/// Its layers behind those that refine: of the picture and of the caption one each.
pub(crate) const LAYERS: usize = 5;
/// Added to mean squares before their root, in the transformer.
pub(crate) const EPS: f64 = 1e-5;
/// The base of its rotary frequencies.
pub(crate) const THETA: f64 = 256.0;
/// What a time from 0 to 1 is multiplied by.
pub(crate) const TIME_SCALE: f64 = 1_000.0;
/// Numbers that a time becomes, and the width of what is between (constants of the reference).
pub(crate) const TIME: usize = 256;
pub(crate) const TIME_INNER: usize = 1_024;
/// Rows of a caption, those that pad it among them.
pub(crate) const CAPTION: usize = 32;

/// Channels of the VAE's blocks, from the picture's side to the latents'.
pub(crate) const BLOCKS: [usize; 3] = [16, 32, 32];
/// Residual blocks of each in the decoder, less one; in the encoder as many.
pub(crate) const VAE_LAYERS: usize = 1;
/// Groups that channels are normed in. One alone: within small groups a norm removes what tells colours apart.
pub(crate) const GROUPS: usize = 1;
/// Channels of latents.
pub(crate) const LATENT: usize = 8;
/// Latents on a side of a picture.
pub(crate) const GRID: usize = SIDE >> (BLOCKS.len() - 1);
/// Latents on a side of a patch.
pub(crate) const PATCH: usize = 2;
/// Patches on a side of a picture.
pub(crate) const PATCHES: usize = GRID / PATCH;
/// Numbers of a patch.
pub(crate) const PATCH_NUMBERS: usize = PATCH * PATCH * LATENT;

/// How far noise levels are shifted, when the picture is drawn and in the training.
pub(crate) const SHIFT: f64 = 3.0;
