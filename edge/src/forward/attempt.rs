//! One reservation of a request. There are two where the origin counts more tokens than the edge had guessed.

use sluice_protocol::id::RequestId;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::request::bodies::chat::Used;

/// Which reservation of which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    first: RequestId,
    is_second: bool,
}

impl Attempt {
    /// The reservation by the edge's guess.
    pub const fn first(request: RequestId) -> Self {
        Self { first: request, is_second: false }
    }

    /// The reservation by what the origin counted.
    pub const fn again(self) -> Self {
        Self { is_second: true, ..self }
    }

    /// The id under which its Gate and its origin know it.
    pub fn request(self) -> RequestId {
        if self.is_second { self.first.again() } else { self.first }
    }

    /// The reservation before it, if there was one.
    pub fn before(self) -> Option<RequestId> {
        self.is_second.then_some(self.first)
    }

    /// How it is settled if it comes to nothing. What the origin had to count stays counted, whatever comes after it: it would be
    /// free otherwise.
    pub const fn unserved(self) -> Outcome {
        if self.is_second { Outcome::Served(Some(Used::NOTHING)) } else { Outcome::NotServed }
    }
}
