//! Every tensor of the transformer and of the decoder: what files call it, and its shape.

use super::shape::{DecoderShape, TransformerShape};

/// Numbers that a time becomes before the network sees it, and the width of what is between (constants of the
/// reference).
pub(crate) const TIME: usize = 256;
pub(crate) const TIME_INNER: usize = 1_024;

/// A tensor that a file has to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
}

impl Entry {
    /// How many numbers it has.
    pub(crate) fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether its numbers are rounded where weights are kept in 16 bits: matrices but for those of the time, whose
    /// times 1,000 would not survive it.
    pub(crate) fn is_matrix(&self) -> bool {
        self.shape.len() == 2 && self.shape[0] > 1 && !self.name.starts_with("t_embedder.")
    }
}

/// All of the transformer.
pub(crate) fn transformer(shape: &TransformerShape) -> Vec<Entry> {
    let mut list = List(Vec::new());
    let (dim, modulation, patch) = (shape.dim, shape.modulation(), shape.patch_numbers());
    let name = shape.patch_name();
    list.linear(&format!("all_x_embedder.{name}"), [dim, patch]);
    list.linear(&format!("all_final_layer.{name}.linear"), [patch, dim]);
    list.linear(&format!("all_final_layer.{name}.adaLN_modulation.1"), [dim, modulation]);
    list.linear("t_embedder.mlp.0", [TIME_INNER, TIME]);
    list.linear("t_embedder.mlp.2", [modulation, TIME_INNER]);
    list.vector("cap_embedder.0.weight", shape.caption);
    list.linear("cap_embedder.1", [dim, shape.caption]);
    list.add("x_pad_token".into(), vec![1, dim]);
    list.add("cap_pad_token".into(), vec![1, dim]);
    for (room, count) in
        [("noise_refiner", shape.refiners), ("context_refiner", shape.refiners), ("layers", shape.layers)]
    {
        for number in 0..count {
            list.block(&format!("{room}.{number}"), shape, room != "context_refiner");
        }
    }
    list.0
}

/// All of the decoder.
pub(crate) fn decoder(shape: &DecoderShape) -> Vec<Entry> {
    let mut list = List(Vec::new());
    let widest = shape.widest();
    list.conv("decoder.conv_in", [widest, shape.latent], 3);
    for number in 0..2 {
        list.residual(&format!("decoder.mid_block.resnets.{number}"), widest, widest);
    }
    let attention = "decoder.mid_block.attentions.0";
    list.norm(&format!("{attention}.group_norm"), widest);
    for part in ["to_q", "to_k", "to_v", "to_out.0"] {
        list.linear(&format!("{attention}.{part}"), [widest, widest]);
    }
    let mut before = widest;
    for (block, channels) in shape.blocks.iter().rev().enumerate() {
        for number in 0..=shape.layers {
            list.residual(&format!("decoder.up_blocks.{block}.resnets.{number}"), before, *channels);
            before = *channels;
        }
        if block + 1 < shape.blocks.len() {
            list.conv(&format!("decoder.up_blocks.{block}.upsamplers.0.conv"), [before, before], 3);
        }
    }
    list.norm("decoder.conv_norm_out", before);
    list.conv("decoder.conv_out", [3, before], 3);
    list.0
}

struct List(Vec<Entry>);

impl List {
    fn add(&mut self, name: String, shape: Vec<usize>) {
        self.0.push(Entry { name, shape });
    }

    fn vector(&mut self, name: &str, len: usize) {
        self.add(name.to_owned(), vec![len]);
    }

    fn linear(&mut self, name: &str, [height, width]: [usize; 2]) {
        self.add(format!("{name}.weight"), vec![height, width]);
        self.add(format!("{name}.bias"), vec![height]);
    }

    fn conv(&mut self, name: &str, [to, from]: [usize; 2], side: usize) {
        self.add(format!("{name}.weight"), vec![to, from, side, side]);
        self.add(format!("{name}.bias"), vec![to]);
    }

    fn norm(&mut self, name: &str, channels: usize) {
        self.add(format!("{name}.weight"), vec![channels]);
        self.add(format!("{name}.bias"), vec![channels]);
    }

    /// One layer of the transformer.
    fn block(&mut self, name: &str, shape: &TransformerShape, is_modulated: bool) {
        let (dim, inner) = (shape.dim, shape.inner());
        for part in ["to_q", "to_k", "to_v", "to_out.0"] {
            self.add(format!("{name}.attention.{part}.weight"), vec![dim, dim]);
        }
        for part in ["norm_q", "norm_k"] {
            self.vector(&format!("{name}.attention.{part}.weight"), shape.head());
        }
        for (part, size) in [("w1", [inner, dim]), ("w2", [dim, inner]), ("w3", [inner, dim])] {
            self.add(format!("{name}.feed_forward.{part}.weight"), size.to_vec());
        }
        for part in ["attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2"] {
            self.vector(&format!("{name}.{part}.weight"), dim);
        }
        if is_modulated {
            self.linear(&format!("{name}.adaLN_modulation.0"), [4 * dim, shape.modulation()]);
        }
    }

    /// One residual block of the decoder.
    fn residual(&mut self, name: &str, from: usize, to: usize) {
        self.norm(&format!("{name}.norm1"), from);
        self.conv(&format!("{name}.conv1"), [to, from], 3);
        self.norm(&format!("{name}.norm2"), to);
        self.conv(&format!("{name}.conv2"), [to, to], 3);
        if from != to {
            self.conv(&format!("{name}.conv_shortcut"), [to, from], 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::z_image::checkpoint::shape::published;

    fn count(entries: &[Entry]) -> usize {
        entries.iter().map(Entry::count).sum()
    }

    /// The published sizes, in parameters: 6.155 billion, and 49.5 million of the decoder.
    #[test]
    fn the_published_shapes_have_the_published_sizes() {
        let found = count(&transformer(&published::transformer())) as f64 / 1e9;
        assert!((found - 6.155).abs() < 0.001, "{found}");
        let found = count(&decoder(&published::decoder())) as f64 / 1e6;
        assert!((found - 49.5).abs() < 0.1, "{found}");
    }
}
