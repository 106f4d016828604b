//! A driver's library that says what a test wants: `stand_in.c`, compiled for each test.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A library of its own, which goes away with this. Whoever hangs in it then hangs no longer.
pub(crate) struct StandIn {
    directory: tempfile::TempDir,
    says: Mutex<BTreeMap<String, String>>,
}

/// What the device is called that it has at first.
pub(crate) const UUID: &str = "GPU-00112233-4455-6677-8899-aabbccddeeff";

/// The device's memory.
pub(crate) const TOTAL: u64 = 80 << 30;

impl StandIn {
    /// One device, with 40 of its 80 GiB free, and all figures. Needs the C compiler with which Rust links, as `cc`.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("the machine has a directory for temporary files");
        let stand_in = Self { directory, says: Mutex::default() };
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-x", "c", "-", "-o"]).arg(stand_in.library());
        compiler.arg(format!("-DDIRECTORY=\"{}\"", stand_in.directory.path().display()));
        compiler.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut running = compiler.spawn().expect("this test needs a C compiler, as `cc`");
        let mut source = running.stdin.take().expect("piped above");
        std::io::Write::write_all(&mut source, include_bytes!("stand_in.c")).expect("the compiler reads all of it");
        drop(source);
        let output = running.wait_with_output().expect("the compiler ends");
        assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        stand_in.say("count", 1);
        stand_in.say("uuid.0", UUID);
        stand_in.memory(40 << 30, None);
        stand_in.say("utilization", 37);
        stand_in.say("temperature", 61);
        stand_in.say("power", 412_500);
        stand_in
    }

    /// Where the library is.
    pub(crate) fn library(&self) -> PathBuf {
        self.directory.path().join("libnvidia-ml.so.1")
    }

    /// From the next call on it says this.
    pub(crate) fn say(&self, name: &str, value: impl Display) {
        self.change(|says| drop(says.insert(name.to_owned(), value.to_string())));
    }

    /// From the next call on it says nothing of this.
    pub(crate) fn unsay(&self, name: &str) {
        self.change(|says| drop(says.remove(name)));
    }

    /// So much is free, and this process has so much, if the driver knows it.
    pub(crate) fn memory(&self, free: u64, own: Option<u64>) {
        self.change(|says| {
            for (name, value) in
                [("total", Some(TOTAL)), ("free", Some(free)), ("used", Some(TOTAL - free)), ("own", own)]
            {
                match value {
                    Some(value) => drop(says.insert(name.to_owned(), value.to_string())),
                    None => drop(says.remove(name)),
                }
            }
        });
    }

    /// How often this function was called; or the library `loaded`, or `unloaded`.
    pub(crate) fn calls(&self, function: &str) -> usize {
        let calls = std::fs::read_to_string(self.directory.path().join("calls")).unwrap_or_default();
        calls.lines().filter(|call| *call == function).count()
    }

    /// All at once, as no call may read half of it.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) {
        let mut says = self.says.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut says);
        let text: String = says.iter().map(|(name, value)| format!("{name} {value}\n")).collect();
        let (new, script) = (self.directory.path().join("new"), self.directory.path().join("script"));
        std::fs::write(&new, text).and_then(|()| std::fs::rename(new, script)).expect("the directory is writable");
    }
}
