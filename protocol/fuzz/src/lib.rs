//! What is fuzzed: for each of the protocol's doors, a function that takes any bytes and panics if a law is broken, and a
//! few inputs to begin with, made by code.
//!
//! Two drivers share them: libFuzzer (`fuzz_targets/`, for as long as you like) and `tests/laws/fuzz.rs` (a bounded run of
//! fixed mutations with every `cargo test`). So they use the protocol and serde_json only.

pub mod chat;
pub mod completion;
pub mod key;
pub mod messages;
pub mod plan;
pub mod sse;
pub mod state;
pub mod token;

/// A door under test.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: that of its module and its binary.
    pub name: &'static str,
    /// Takes any bytes; panics if a law is broken.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target { name: "key", run: key::run, seeds: key::seeds },
    Target { name: "token", run: token::run, seeds: token::seeds },
    Target { name: "plan", run: plan::run, seeds: plan::seeds },
    Target { name: "state", run: state::run, seeds: state::seeds },
    Target { name: "messages", run: messages::run, seeds: messages::seeds },
    Target { name: "sse", run: sse::run, seeds: sse::seeds },
    Target { name: "chat", run: chat::run, seeds: chat::seeds },
    Target { name: "completion", run: completion::run, seeds: completion::seeds },
];

/// Writes a target's seeds to `corpus/<target>/`, for libFuzzer to begin with.
pub fn plant(name: &str) {
    let target = TARGETS.into_iter().find(|target| target.name == name).expect("a binary is named after its target");
    let dir = std::path::Path::new("corpus").join(name);
    std::fs::create_dir_all(&dir).expect("libFuzzer keeps its corpus below the working directory");
    for (index, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(dir.join(format!("seed-{index}")), seed).expect("the directory was just made");
    }
}

/// Bytes that are taken from the front. What is missing is zero or empty: every input means something.
pub struct Input<'b>(pub &'b [u8]);

impl<'b> Input<'b> {
    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// Eight bytes, the least significant first.
    pub fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A few bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// Two bytes for a length, then as many bytes as that.
    pub fn part(&mut self) -> &'b [u8] {
        let length = u16::from_le_bytes(self.array());
        self.take(usize::from(length))
    }

    fn take(&mut self, length: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// What [`Input::part`] reads.
pub fn part(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a seed is small");
    [&length.to_le_bytes(), bytes].concat()
}
