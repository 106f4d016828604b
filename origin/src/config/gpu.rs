//! Which GPU is watched, and from where on its memory presses: what was typed, checked.

use super::ServeArgs;
use crate::system::gpu::{CudaNumbering, EVERY, GpuChoice, GpuSettings};

impl ServeArgs {
    /// What is set about the GPU. Nobody asks for one here: whether it is there, the log says once it is looked for.
    pub(super) fn gpu(&self, mistakes: &mut Vec<String>) -> GpuSettings {
        let choice = match self.gpu.as_deref() {
            None => GpuChoice::Engine,
            Some(text) => GpuChoice::parse(text).unwrap_or_else(|| {
                mistakes.push(format!("--gpu {text}: must be a number or UUID as nvidia-smi -L has them, or none"));
                GpuChoice::None
            }),
        };
        if self.gpu_memory_pressure > 100 {
            mistakes.push(format!("--gpu-memory-pressure {}: must be from 0 to 100", self.gpu_memory_pressure));
        }
        GpuSettings {
            choice,
            library: self.nvml_library.clone(),
            presses_from: self.gpu_memory_pressure,
            numbering: CudaNumbering::from_environment(|name| std::env::var_os(name)),
            every: EVERY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;
    use crate::system::gpu::GpuName;
    use std::path::Path;

    #[test]
    fn a_gpu_is_named_and_its_memory_presses_from_somewhere() {
        let gpu = |arguments: &[&str]| check(arguments).unwrap().0.gpu;
        let default = gpu(&["--open"]);
        assert_eq!((default.choice, default.presses_from, default.library), (GpuChoice::Engine, 50, None));
        let set =
            gpu(&["--open", "--gpu", "1", "--gpu-memory-pressure", "100", "--nvml-library", "/x/libnvidia-ml.so.1"]);
        assert_eq!((set.choice, set.presses_from), (GpuChoice::Named(GpuName::Index(1)), 100));
        assert_eq!(set.library.as_deref(), Some(Path::new("/x/libnvidia-ml.so.1")));
        assert_eq!(gpu(&["--open", "--gpu", "none"]).choice, GpuChoice::None);
        let mistakes =
            check(&["--open", "--gpu", "cuda:0", "--gpu-memory-pressure", "101", "--slots", "0"]).unwrap_err();
        for word in ["--gpu cuda:0", "--gpu-memory-pressure 101", "--slots"] {
            assert!(mistakes.iter().any(|mistake| mistake.contains(word)), "{word}: {mistakes:?}");
        }
    }
}
