//! An answer that the edge writes itself, piece by piece.

use super::channel::Channel;
use crate::platform::Fault;

/// A body that is being written.
pub struct Feed(Channel);

impl Feed {
    /// Nothing is written yet.
    pub fn begin() -> Result<Self, Fault> {
        Ok(Self(Channel::default()))
    }

    pub(in crate::platform::scripted) fn readable(&self) -> Channel {
        self.0.clone()
    }

    /// Writes a piece; to nobody, if the caller has left.
    pub fn push(&self, bytes: &[u8]) {
        self.0.write(bytes.to_vec());
    }

    /// Whether the caller has taken all that was written.
    pub fn is_taken(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the caller has left.
    pub fn is_left(&self) -> bool {
        self.0.is_abandoned()
    }

    /// Nothing more is written.
    pub fn end(&self) {
        self.0.end(Ok(()));
    }
}

impl Drop for Feed {
    /// A caller's connection breaks with the isolate.
    fn drop(&mut self) {
        self.0.end(Err("the isolate is gone".into()));
    }
}
