//! W3C's trace context: where a request is in its caller's trace.
//!
//! <https://www.w3.org/TR/trace-context/>, sections 3.2 (`traceparent`) and 3.3 (`tracestate`).

use crate::id::{hex, parse_hex};
use std::fmt;

/// A trace: 16 bytes, not all of which are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// A span of a trace: 8 bytes, not all of which are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

/// What `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// The trace.
    pub trace: TraceId,
    /// The span that the request belongs below.
    pub span: SpanId,
    /// Whether whoever sends it exports that span.
    pub is_sampled: bool,
}

impl TraceId {
    /// A new one of these random bytes.
    pub fn of(random: [u8; 16]) -> Self {
        Self(if random == [0; 16] { [1; 16] } else { random })
    }

    /// Its last 56 bits, by which traces are chosen: they are random in traces that keep to the standard.
    pub(super) fn randomness(self) -> u64 {
        self.0[9..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl SpanId {
    /// A new one of these random bytes.
    pub fn of(random: [u8; 8]) -> Self {
        Self(if random == [0; 8] { [1; 8] } else { random })
    }
}

impl Traceparent {
    /// Reads the header. `None` for what the standard takes for invalid: an id of zeros, the version `ff`, letters in
    /// capitals, another length. Of a version that nobody knows yet, what stands before a further `-` counts.
    pub fn parse(text: &str) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let [version] = parse_hex(parts.next()?)?;
        let (trace, span) = (parse_hex(parts.next()?)?, parse_hex(parts.next()?)?);
        let [flags]: [u8; 1] = parse_hex(parts.next()?)?;
        let is_version = match version {
            0 => rest.is_empty(),
            u8::MAX => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let is_valid = is_version && parts.next().is_none() && trace != [0; 16] && span != [0; 8];
        is_valid.then_some(Self { trace: TraceId(trace), span: SpanId(span), is_sampled: flags & SAMPLED != 0 })
    }
}

/// Whether a caller's `tracestate` is passed on: it is of plain text, and no longer than what has to be (512 characters,
/// section 3.3.1.5). It is cut nowhere, and read by nobody here.
pub fn passes_state(text: &str) -> bool {
    (1..=MAX_STATE).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t')
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Display for Traceparent {
    /// As the header has it, in version 00. Of its flags, the one that this version knows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, is_sampled } = self;
        write!(f, "00-{trace}-{span}-0{}", u8::from(*is_sampled))
    }
}

/// How long a `traceparent` of version 00 is.
const LENGTH: usize = 55;
/// The flag of a span that is exported.
const SAMPLED: u8 = 1;
/// The longest `tracestate` that is passed on, in bytes.
const MAX_STATE: usize = 512; // not a status: bytes
