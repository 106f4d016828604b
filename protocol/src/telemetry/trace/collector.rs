//! What a collector's answer means: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.

use crate::time::Millis;
use serde_json::Value;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken, but for so many spans.
    Taken(u64),
    /// It may be sent once more after so long.
    Again(Millis),
    /// It is lost.
    Refused,
}

/// By its status, its `retry-after` in seconds, and as much of its body as was read. A redirect is no place to follow to:
/// the headers of the settings are for one place.
pub fn verdict(status: u16, retry_after: Option<&str>, body: &[u8]) -> Verdict {
    match status {
        200..=299 => Verdict::Taken(rejected(body)),
        _ if AGAIN.contains(&status) => {
            let seconds = retry_after.and_then(|text| text.trim().parse::<u64>().ok());
            Verdict::Again(seconds.map_or(AGAIN_MS, |seconds| seconds.saturating_mul(1_000)).min(MAX_AGAIN_MS))
        }
        _ => Verdict::Refused,
    }
}

/// How many spans it says that it has not taken.
fn rejected(body: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let rejected = &answer["partialSuccess"]["rejectedSpans"];
    rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok()).unwrap_or(0)
}

/// With what a collector says that it may take a batch later.
const AGAIN: [u16; 4] = [429, 502, 503, 504]; // not a status: what a collector answers
/// After how long a batch is sent again where nothing is said of that, in milliseconds.
const AGAIN_MS: Millis = 1_000;
/// The longest that it waits for that, in milliseconds.
pub const MAX_AGAIN_MS: Millis = 5_000;
