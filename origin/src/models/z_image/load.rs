//! How a model that draws comes to be: a directory in the hub's layout, checked whole before its weights are read.

use super::ZImage;
use super::checkpoint::manifest;
use super::checkpoint::shape::{self, DecoderShape, TransformerShape};
use super::prompt::Encoder;
use super::transformer::Transformer;
use super::vae::Decoder;
use crate::load_error::LoadError;
use crate::models::qwen::Qwen;
use crate::models::qwen::load::device;
use crate::models::qwen::precision::Precision;
use crate::system::memory;
use candle_core::DType;
use std::path::Path;

impl ZImage {
    /// Loads the pipeline of a directory: `model_index.json`, `scheduler/`, `tokenizer/`, `text_encoder/`,
    /// `transformer/` and the decoder of `vae/`. Matrices of the transformer and of the text encoder are kept in
    /// `precision`, which is F32 or BF16, whatever the files have; the decoder is in F32. Blocks for as long as that
    /// takes.
    ///
    /// Refuses configs of which anything is not computed here, files that do not hold what the configs promise, and
    /// weights that do not fit into memory, each by name.
    pub fn load(directory: &Path, precision: Precision) -> Result<Self, LoadError> {
        let weights = type_of_weights(directory, precision)?;
        let Configs { shift, transformer: transformer_shape, decoder: decoder_shape } = Configs::read(directory)?;
        if transformer_shape.channels != decoder_shape.latent {
            let (channels, latent) = (transformer_shape.channels, decoder_shape.latent);
            let why = format!("latent_channels is {latent}, and in_channels of the transformer {channels}");
            return Err(LoadError::new(directory.join("vae/config.json"), &why));
        }
        fits(directory, Self::needs(directory, precision)?)?;
        let device = device().map_err(|error| LoadError::new(directory, &error))?;
        // The small parts first: what is wrong with them is told before the large one is read.
        let decoder = Decoder::load(&directory.join("vae"), decoder_shape, &device)?;
        let encoder = Encoder::load(directory, &transformer_shape, precision)?;
        let transformer = Transformer::load(&directory.join("transformer"), transformer_shape, &device, weights)?;
        Ok(Self::new(encoder, transformer, decoder, shift))
    }

    /// Bytes that the weights of a directory take, as its configs and headers say. Refuses what [`Self::load`] refuses of
    /// them.
    pub(crate) fn needs(directory: &Path, precision: Precision) -> Result<u64, LoadError> {
        let weights = type_of_weights(directory, precision)?;
        let configs = Configs::read(directory)?;
        let text = Qwen::needs(&directory.join("text_encoder"), Some(precision))?;
        Ok(text.saturating_add(weights_need(&configs.transformer, &configs.decoder, weights)))
    }
}

/// What the configs say besides the text encoder's.
struct Configs {
    shift: f64,
    transformer: TransformerShape,
    decoder: DecoderShape,
}

impl Configs {
    fn read(directory: &Path) -> Result<Self, LoadError> {
        read(directory, "model_index.json", shape::check_pipeline)?;
        Ok(Self {
            shift: read(directory, "scheduler/scheduler_config.json", shape::shift)?,
            transformer: read(directory, "transformer/config.json", TransformerShape::parse)?,
            decoder: read(directory, "vae/config.json", DecoderShape::parse)?,
        })
    }
}

/// The type that matrices are kept in.
fn type_of_weights(directory: &Path, precision: Precision) -> Result<DType, LoadError> {
    match precision {
        Precision::F32 | Precision::Bf16 => Ok(precision.dense()),
        Precision::F16 => Err(LoadError::new(directory, "F16 overflows in this network; bf16 and f32 are served")),
        Precision::Q8_0 | Precision::Q4K => {
            Err(LoadError::new(directory, "a model that draws is served in bf16 or f32"))
        }
    }
}

/// Reads a config of the directory.
fn read<T>(directory: &Path, name: &str, parse: impl Fn(&[u8]) -> Result<T, String>) -> Result<T, LoadError> {
    let file = directory.join(name);
    let json = std::fs::read(&file).map_err(|error| LoadError::new(&file, &error))?;
    parse(&json).map_err(|why| LoadError::new(&file, &why))
}

/// Bytes that the transformer's and the decoder's weights take.
fn weights_need(transformer: &TransformerShape, decoder: &DecoderShape, weights: DType) -> u64 {
    let count = |entries: Vec<manifest::Entry>, is: fn(&manifest::Entry) -> bool| -> u64 {
        entries.iter().filter(|entry| is(entry)).fold(0, |sum: u64, entry| sum.saturating_add(entry.count() as u64))
    };
    let matrices = count(manifest::transformer(transformer), manifest::Entry::is_matrix);
    let others = count(manifest::transformer(transformer), |entry| !entry.is_matrix());
    let decoder = count(manifest::decoder(decoder), |_| true);
    matrices * weights.size_in_bytes() as u64 + (others + decoder) * size_of::<f32>() as u64
}

/// Refuses weights that cannot fit into this machine's memory, before they are read.
fn fits(directory: &Path, needed: u64) -> Result<(), LoadError> {
    match memory::short_of(needed) {
        None => Ok(()),
        Some(available) => {
            let (needed, available) = (memory::gib(needed), memory::gib(available));
            let why = format!("its weights need about {needed} of memory, and {available} are free");
            Err(LoadError::new(directory, &why))
        }
    }
}
