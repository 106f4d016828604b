//! A GPU, as its driver tells of it by NVML: how busy, how full, how warm, what it draws; and how its memory presses.
//!
//! A thread of its own asks the driver, once a second. Whoever wants to know gets what was read last and how old that is,
//! so a driver that hangs holds up nobody. Where nothing computes on a GPU and no setting names one, nobody asks.

mod choice;
mod driver;
mod pressure;
mod watch;

pub use choice::{CudaNumbering, GpuChoice, GpuName};

use choice::{Sought, cuda_id};
use sluice_protocol::forward::capacity::GpuFigures;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;
use watch::{Plan, Watch};

/// What is set about the GPU.
#[derive(Clone, Debug)]
pub struct GpuSettings {
    /// Which one is watched.
    pub choice: GpuChoice,
    /// The driver's library; `None`: the system looks for `libnvidia-ml.so.1`.
    pub library: Option<PathBuf>,
    /// From so many percent of its spare memory taken on memory presses, up to 100; at 100 it never does.
    pub presses_from: u8,
    /// How CUDA counts here.
    pub numbering: CudaNumbering,
    /// How often it is read. What is five times as old counts as unknown.
    pub every: Duration,
}

/// From where on memory presses, where nobody says.
pub(crate) const PRESSES_FROM: u8 = 50;
/// How often a GPU is read.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// After so many of these what was read counts as unknown.
const STALE: u32 = 5;

impl Default for GpuSettings {
    fn default() -> Self {
        Self {
            choice: GpuChoice::Engine,
            library: None,
            presses_from: PRESSES_FROM,
            numbering: CudaNumbering::default(),
            every: EVERY,
        }
    }
}

/// The GPU that computes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Computing {
    /// Its number, as CUDA counts in this process.
    pub(crate) ordinal: usize,
    /// Bytes that the engines may take beyond what they have once they are loaded.
    pub(crate) pool: u64,
}

/// The GPU that is watched, if one is.
#[derive(Default)]
pub(crate) struct Gpu(OnceLock<Watch>);

/// What is known of a GPU at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// What was read last.
    pub(crate) figures: GpuFigures,
    /// How its memory presses, in percent; `None` where nothing computes on it, and for what is not fresh.
    pub(crate) mem: Option<u8>,
    /// Whether it is young enough to be what is.
    pub(crate) is_fresh: bool,
}

impl Gpu {
    /// Watches the GPU that is meant, from now on: its memory as it is now counts as what the engines have once they are
    /// loaded. Where there is none, nothing is done. Where none can be found, the log says so once, and nothing is done.
    ///
    /// Fails if a thread cannot be started.
    pub(crate) fn watch(&self, settings: &GpuSettings, computing: Option<Computing>) -> std::io::Result<()> {
        let sought = match (&settings.choice, computing) {
            (GpuChoice::None, _) | (GpuChoice::Engine, None) => return Ok(()),
            (GpuChoice::Named(name), _) => Ok(Sought::from(name)),
            (GpuChoice::Engine, Some(Computing { ordinal, .. })) => match cuda_id(ordinal) {
                Some(id) => Ok(Sought::Either(id)),
                None => settings.numbering.device(ordinal),
            },
        };
        let sought = match sought {
            Ok(sought) => sought,
            Err(why) => {
                tracing::warn!("no GPU is watched: {why}");
                return Ok(());
            }
        };
        let plan = Plan {
            library: settings.library.clone(),
            sought,
            pool: computing.map(|computing| computing.pool),
            presses_from: settings.presses_from,
            every: settings.every,
        };
        let watch = Watch::start(plan)?;
        // Models are served once; a second try is refused by whoever asked for it.
        drop(self.0.set(watch));
        Ok(())
    }

    /// What is known at this moment; `None` until something was read.
    pub(crate) fn moment(&self) -> Option<Moment> {
        self.0.get()?.moment()
    }

    /// How its memory presses, in percent; `None` where nothing computes on a GPU, or where that is not known.
    pub(crate) fn mem(&self) -> Option<u8> {
        self.moment()?.mem
    }
}
