//! Which traces are exported: a share of them, chosen by their ids, so that all who see a trace choose alike.

use super::parent::TraceId;

/// A share of all traces, in units of `Share::WHOLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    /// All of them.
    pub const ALL: Self = Self(Self::WHOLE);
    /// The units that make the whole.
    const WHOLE: u32 = 1_000_000_000;

    /// Reads the setting: a decimal from 0 to 1 with at most nine places, such as `1`, `0.1` or `0.005`.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| "must be a decimal from 0 to 1 with at most nine places, such as 0.1".to_owned())
    }

    fn read(text: &str) -> Option<Self> {
        let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let whole = match whole {
            "0" => 0,
            "1" => Self::WHOLE,
            _ => return None,
        };
        let places = Some(places).filter(|places| is_number(places) && places.len() <= PLACES)?;
        let share = whole + format!("{places:0<PLACES$}").parse::<u32>().ok()?;
        (share <= Self::WHOLE).then_some(Self(share))
    }

    /// Whether a trace is exported. Whatever is exported at a share is exported at every larger one.
    ///
    /// It is if its randomness, of 56 bits, is not below `(1 - share) * 2^56`, which is how OpenTelemetry has samplers
    /// agree: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>.
    pub fn takes(self, trace: TraceId) -> bool {
        let from_top = u128::from(RANDOM - trace.randomness());
        from_top * u128::from(Self::WHOLE) <= u128::from(self.0) * u128::from(RANDOM)
    }
}

/// How many places a share may have.
const PLACES: usize = 9;
/// One more than the largest randomness.
const RANDOM: u64 = 1 << 56;
