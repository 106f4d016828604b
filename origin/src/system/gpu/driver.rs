//! NVIDIA's management library (NVML), which is loaded when it is asked for the first time: nothing links to it.
//!
//! What a device does not answer is absent from a reading, and so is what cannot be.

use super::choice::Sought;
use super::pressure::Memory;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml};
use sluice_protocol::forward::capacity::GpuFigures;
use std::path::Path;

/// The library, loaded and initialised.
pub(super) struct Driver(Nvml);

/// A device that was found.
pub(super) struct Found<'d> {
    device: Device<'d>,
    pub(super) identity: Identity,
}

/// Which device it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its number, as the driver counts. A part of a GPU has none.
    pub(super) index: Option<u32>,
    /// Its name for ever.
    pub(super) uuid: String,
}

/// What was read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// What is told. Its age is 0.
    pub(super) figures: GpuFigures,
    /// The memory, as pressure is computed of it.
    pub(super) memory: Option<Memory>,
}

impl Driver {
    /// Loads the library. May take seconds where no other program keeps the driver awake.
    pub(super) fn open(library: Option<&Path>) -> Result<Self, NvmlError> {
        let mut builder = Nvml::builder();
        if let Some(library) = library {
            builder.lib_path(library.as_os_str());
        }
        builder.init().map(Self)
    }

    /// Finds a device. The error says what is wrong, for the operator.
    pub(super) fn find(&self, sought: &Sought) -> Result<Found<'_>, String> {
        let device = match sought {
            Sought::Index(index) => self.by_index(*index)?,
            Sought::Only(index) => match self.count()? {
                0 | 1 => self.by_index(*index)?,
                count => {
                    return Err(format!(
                        "CUDA and the driver may count {count} devices differently; set CUDA_DEVICE_ORDER=PCI_BUS_ID, or --gpu"
                    ));
                }
            },
            Sought::Uuid(begin) => self.by_uuid(begin)?,
            Sought::Either(id) => self.by_uuid(&format!("GPU-{id}")).or_else(|_| self.by_uuid(&format!("MIG-{id}")))?,
        };
        let uuid = device.uuid().map_err(|error| format!("the device does not say who it is: {error}"))?;
        let identity = Identity { index: device.index().ok(), uuid };
        Ok(Found { device, identity })
    }

    fn count(&self) -> Result<u32, String> {
        self.0.device_count().map_err(|error| format!("the driver does not count its devices: {error}"))
    }

    fn by_index(&self, index: u32) -> Result<Device<'_>, String> {
        self.0.device_by_index(index).map_err(|error| format!("there is no device {index}: {error}"))
    }

    /// The device that has this UUID, or the only one whose UUID begins so.
    fn by_uuid(&self, begin: &str) -> Result<Device<'_>, String> {
        if let Ok(device) = self.0.device_by_uuid(begin) {
            return Ok(device);
        }
        let devices = (0..self.count()?).filter_map(|index| self.0.device_by_index(index).ok());
        let mut alike = devices.filter(|device| device.uuid().is_ok_and(|uuid| uuid.starts_with(begin)));
        match (alike.next(), alike.next()) {
            (Some(device), None) => Ok(device),
            (Some(_), Some(_)) => Err(format!("several devices are named {begin}...")),
            (None, _) => Err(format!("there is no device {begin}")),
        }
    }
}

// What cannot be: no device is warmer, or draws more.
const MOST_CELSIUS: u32 = 150;
const MOST_MILLIWATTS: u32 = 10_000_000;

impl Found<'_> {
    /// Asks for everything. Fails if the device or the driver is gone, or answers nothing.
    pub(super) fn read(&self) -> Result<Reading, NvmlError> {
        let device = &self.device;
        let mut asked = Asked::default();
        let utilization = asked.for_one(device.utilization_rates())?.map(|rates| rates.gpu);
        let memory = asked.for_one(device.memory_info())?;
        let temperature = asked.for_one(device.temperature(TemperatureSensor::Gpu))?;
        let power = asked.for_one(device.power_usage())?;
        asked.got_any()?;
        let own = Asked::default().for_one(device.running_compute_processes())?.and_then(own);
        let memory = memory.filter(|memory| memory.total > 0 && memory.free.max(memory.used) <= memory.total);
        let Identity { index, uuid } = self.identity.clone();
        let figures = GpuFigures {
            index,
            uuid,
            utilization: utilization.filter(|percent| *percent <= 100).map(|percent| f64::from(percent) / 100.0),
            memory_used_bytes: memory.as_ref().map(|memory| memory.used),
            memory_total_bytes: memory.as_ref().map(|memory| memory.total),
            temperature_celsius: temperature.filter(|celsius| *celsius <= MOST_CELSIUS),
            power_watts: power.filter(|power| *power <= MOST_MILLIWATTS).map(|power| f64::from(power) / 1_000.0),
            age_ms: 0,
        };
        let memory = memory.map(|memory| Memory { total: memory.total, free: memory.free, own });
        Ok(Reading { figures, memory })
    }
}

/// Bytes that this process has; `None` where the driver knows nothing of it, as in a container with numbers of its own.
fn own(processes: Vec<ProcessInfo>) -> Option<u64> {
    let ours = processes.into_iter().filter(|process| process.pid == std::process::id());
    let bytes = ours.filter_map(|process| match process.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    });
    bytes.reduce(u64::saturating_add)
}

/// What became of the questions of one reading.
#[derive(Default)]
struct Asked {
    answers: u32,
    /// Why the last one has no answer that has none.
    last: Option<NvmlError>,
}

impl Asked {
    /// What a device says; `None` where it has no answer to this question. Fails if there will be none to the others.
    fn for_one<T>(&mut self, said: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
        match said {
            Ok(value) => {
                self.answers += 1;
                Ok(Some(value))
            }
            Err(
                gone @ (NvmlError::GpuLost
                | NvmlError::ResetRequired
                | NvmlError::DriverNotLoaded
                | NvmlError::LibRmVersionMismatch
                | NvmlError::Uninitialized),
            ) => Err(gone),
            Err(other) => {
                self.last = Some(other);
                Ok(None)
            }
        }
    }

    /// Fails if there was no answer at all.
    fn got_any(self) -> Result<(), NvmlError> {
        self.last.filter(|_| self.answers == 0).map_or(Ok(()), Err)
    }
}
