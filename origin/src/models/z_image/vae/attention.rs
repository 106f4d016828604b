//! Every pixel of the smallest map looks at every other, with one head.

use super::super::checkpoint::files::Files;
use super::super::kernels::Kernels;
use super::map::Map;
use super::norm::GroupNorm;
use crate::load_error::LoadError;
use crate::models::qwen::linear::Linear;
use candle_core::Result;

pub(super) struct Attention {
    norm: GroupNorm,
    queries: Linear,
    keys: Linear,
    values: Linear,
    output: Linear,
}

impl Attention {
    pub(super) fn load(files: &Files<'_>, name: &str, groups: usize) -> std::result::Result<Self, LoadError> {
        let linear = |part: &str| files.linear(&format!("{name}.{part}"));
        Ok(Self {
            norm: GroupNorm::load(files, &format!("{name}.group_norm"), groups)?,
            queries: linear("to_q")?,
            keys: linear("to_k")?,
            values: linear("to_v")?,
            output: linear("to_out.0")?,
        })
    }

    pub(super) fn forward(&self, map: &Map, kernels: &Kernels) -> Result<Map> {
        let normed = self.norm.scales(map, kernels)?.applied(map, kernels)?;
        let [queries, keys, values] = [&self.queries, &self.keys, &self.values].map(|part| part.forward(&normed));
        drop(normed);
        let seen = kernels.attention([&queries?, &keys?, &values?], 1)?;
        let rows = kernels.plus(&map.rows, &self.output.forward(&seen)?)?;
        Ok(Map { rows, ..*map })
    }
}
