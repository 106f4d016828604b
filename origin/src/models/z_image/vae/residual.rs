//! Two convolutions beside what they add to.

use super::super::checkpoint::files::Files;
use super::super::kernels::Kernels;
use super::conv::Conv;
use super::map::Map;
use super::norm::GroupNorm;
use crate::load_error::LoadError;
use candle_core::Result;

pub(super) struct Residual {
    first_norm: GroupNorm,
    first: Conv,
    second_norm: GroupNorm,
    second: Conv,
    /// Where the number of channels changes.
    short: Option<Conv>,
}

impl Residual {
    pub(super) fn load(files: &Files<'_>, name: &str, groups: usize) -> std::result::Result<Self, LoadError> {
        let short = format!("{name}.conv_shortcut");
        Ok(Self {
            first_norm: GroupNorm::load(files, &format!("{name}.norm1"), groups)?,
            first: Conv::load(files, &format!("{name}.conv1"))?,
            second_norm: GroupNorm::load(files, &format!("{name}.norm2"), groups)?,
            second: Conv::load(files, &format!("{name}.conv2"))?,
            short: if files.has(&format!("{short}.weight")) { Some(Conv::load(files, &short)?) } else { None },
        })
    }

    pub(super) fn forward(&self, map: Map, kernels: &Kernels) -> Result<Map> {
        let inner = self.first.forward(&map, Some(&self.first_norm.scales(&map, kernels)?), kernels)?;
        // The widest map of a picture goes before the second convolution makes another one.
        let beside = match &self.short {
            Some(short) => short.forward(&map, None, kernels)?,
            None => map,
        };
        let inner = self.second.forward(&inner, Some(&self.second_norm.scales(&inner, kernels)?), kernels)?;
        let rows = kernels.plus(&beside.rows, &inner.rows)?;
        Ok(Map { rows, ..inner })
    }
}
