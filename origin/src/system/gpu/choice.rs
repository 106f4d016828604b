//! Which GPU is meant: by a setting, or by where the engine computes. CUDA and the driver count differently.

use std::ffi::OsString;

/// Which GPU is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GpuChoice {
    /// The one that computes, if one does.
    #[default]
    Engine,
    /// None.
    None,
    /// This one.
    Named(GpuName),
}

/// A GPU's name, as `nvidia-smi -L` has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuName {
    /// Its number, as the driver counts: by where it is plugged in.
    Index(u32),
    /// `GPU-` or `MIG-` and what follows, or as much of that as no other has.
    Uuid(String),
}

/// How CUDA counts devices in this process, as the environment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CudaNumbering {
    /// `CUDA_VISIBLE_DEVICES`: the devices that there are for CUDA, in its order; `None`: all.
    pub visible: Option<String>,
    /// Whether numbers are the driver's (`CUDA_DEVICE_ORDER=PCI_BUS_ID`). By itself CUDA puts the fastest device first.
    pub by_bus: bool,
}

/// What to ask the driver for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sought {
    /// The device of this number.
    Index(u32),
    /// The device of this number, if there is no other: only then do CUDA and the driver surely count alike.
    Only(u32),
    /// The one whose UUID begins so.
    Uuid(String),
    /// The GPU, or the part of one, of this whole id, which is a UUID without its kind.
    Either(String),
}

impl GpuChoice {
    /// `none`, a number, or the beginning of a UUID. Anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            _ => GpuName::parse(text).map(Self::Named),
        }
    }
}

impl GpuName {
    /// A number, or the beginning of a UUID, with at least one digit of it. Anything else is `None`.
    fn parse(text: &str) -> Option<Self> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self::Index);
        }
        let id = text.strip_prefix("GPU-").or_else(|| text.strip_prefix("MIG-"))?;
        let is_id = (1..=MOST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(&byte));
        is_id.then(|| Self::Uuid(text.to_owned()))
    }
}

/// More than any id has: older drivers name a part by its GPU and two numbers.
const MOST_ID: usize = 80;

impl From<&GpuName> for Sought {
    fn from(name: &GpuName) -> Self {
        match name {
            GpuName::Index(index) => Self::Index(*index),
            GpuName::Uuid(uuid) => Self::Uuid(uuid.clone()),
        }
    }
}

impl CudaNumbering {
    /// Reads `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER`.
    pub fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            visible: text("CUDA_VISIBLE_DEVICES"),
            by_bus: text("CUDA_DEVICE_ORDER").is_some_and(|order| order == "PCI_BUS_ID"),
        }
    }

    /// The device that CUDA has under this number. As CUDA does, what stands behind a name that is none is passed over.
    /// The error says why nobody can tell.
    pub(super) fn device(&self, ordinal: usize) -> Result<Sought, String> {
        let by_number = |index| if self.by_bus { Sought::Index(index) } else { Sought::Only(index) };
        let Some(visible) = &self.visible else {
            let index = u32::try_from(ordinal).map_err(|_| format!("there is no device {ordinal}"))?;
            return Ok(by_number(index));
        };
        let mut names = visible.split(',').map_while(|name| GpuName::parse(name.trim()));
        let name = names.nth(ordinal);
        let name = name.ok_or_else(|| format!("CUDA_VISIBLE_DEVICES={visible} has no device {ordinal}"))?;
        Ok(match name {
            GpuName::Index(index) => by_number(index),
            GpuName::Uuid(uuid) => Sought::Uuid(uuid),
        })
    }
}

/// The id of a device, as CUDA says itself: what the environment says of numbers is in it already.
#[cfg(feature = "cuda")]
pub(super) fn cuda_id(ordinal: usize) -> Option<String> {
    // As in `memory::available`: the context in which candle computes.
    let context = candle_core::cuda_backend::cudarc::driver::CudaContext::new(ordinal).ok()?;
    let id = context.uuid().ok()?;
    Some(spelt(id.bytes.map(|byte| byte as u8)))
}

/// Nothing that is built without CUDA computes on such a device, but what stands in for it in tests.
#[cfg(not(feature = "cuda"))]
pub(super) const fn cuda_id(_ordinal: usize) -> Option<String> {
    None
}

/// `00112233-4455-6677-8899-aabbccddeeff`.
#[cfg(any(test, feature = "cuda"))]
fn spelt(bytes: [u8; 16]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [0..4, 4..6, 6..8, 8..10, 10..16].map(|part| digits[part].concat()).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uuid(text: &str) -> Sought {
        Sought::Uuid(text.into())
    }

    #[test]
    fn a_setting_names_a_gpu_or_none() {
        let named = |name| Some(GpuChoice::Named(name));
        for (text, expected) in [
            ("none", Some(GpuChoice::None)),
            ("0", named(GpuName::Index(0))),
            ("17", named(GpuName::Index(17))),
            ("GPU-0a1b", named(GpuName::Uuid("GPU-0a1b".into()))),
            ("MIG-GPU-0a1b/3/0", named(GpuName::Uuid("MIG-GPU-0a1b/3/0".into()))),
            ("", None),
            ("-1", None),
            ("4294967296", None),
            ("GPU-", None),
            ("gpu-0a", None),
            ("GPU-0a\n", None),
            ("cuda:0", None),
            ("0,1", None),
        ] {
            assert_eq!(GpuChoice::parse(text), expected, "{text}");
        }
        assert_eq!(GpuChoice::parse(&format!("GPU-{}", "a".repeat(81))), None);
    }

    #[test]
    fn a_number_of_cudas_is_a_device_of_the_drivers() {
        let numbering = |visible: Option<&str>, by_bus| CudaNumbering { visible: visible.map(str::to_owned), by_bus };
        for (visible, by_bus, ordinal, expected) in [
            (None, true, 2, Ok(Sought::Index(2))),
            (None, false, 2, Ok(Sought::Only(2))),
            (Some("3,1"), true, 0, Ok(Sought::Index(3))),
            (Some("3,1"), true, 1, Ok(Sought::Index(1))),
            (Some("3,1"), false, 1, Ok(Sought::Only(1))),
            (Some(" GPU-0a , GPU-0b"), false, 1, Ok(uuid("GPU-0b"))),
            (Some("MIG-0c"), true, 0, Ok(uuid("MIG-0c"))),
            // CUDA sees what stands before the first that is none.
            (Some("1,-1,2"), true, 0, Ok(Sought::Index(1))),
            (Some("1,-1,2"), true, 1, Err(())),
            (Some("-1"), true, 0, Err(())),
            (Some(""), true, 0, Err(())),
            (Some("all"), false, 0, Err(())),
            (Some("0"), true, 1, Err(())),
        ] {
            let found = numbering(visible, by_bus).device(ordinal);
            assert_eq!(found.map_err(drop), expected, "{visible:?} {by_bus} {ordinal}");
        }
        let why = numbering(Some("0"), true).device(1).unwrap_err();
        assert_eq!(why, "CUDA_VISIBLE_DEVICES=0 has no device 1");
    }

    #[test]
    fn the_environment_says_how_cuda_counts() {
        let read = |set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value));
            CudaNumbering::from_environment(value)
        };
        assert_eq!(read(&[]), CudaNumbering::default());
        let set = read(&[("CUDA_VISIBLE_DEVICES", ""), ("CUDA_DEVICE_ORDER", "PCI_BUS_ID")]);
        assert_eq!(set, CudaNumbering { visible: Some(String::new()), by_bus: true });
        assert!(!read(&[("CUDA_DEVICE_ORDER", "FASTEST_FIRST")]).by_bus);
    }

    #[test]
    fn an_id_is_spelt_as_the_driver_spells_it() {
        let bytes = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        assert_eq!(spelt(bytes), "00112233-4455-6677-8899-aabbccddeeff");
    }
}
