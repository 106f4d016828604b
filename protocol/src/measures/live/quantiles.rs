//! How long something took, as far as buckets tell.

use crate::measures::series::BOUNDS;
use crate::time::Millis;
use serde::Serialize;

/// How long half of something took at most, and nineteen of twenty, in milliseconds: read between the bounds of the buckets as
/// Prometheus' `histogram_quantile` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// How many there were.
    pub count: u64,
    /// Of one half.
    pub p50: Millis,
    /// Of nineteen of twenty.
    pub p95: Millis,
}

/// A histogram.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Buckets([u64; BOUNDS.len() + 1]);

impl Buckets {
    pub(super) fn add(&mut self, bucket: u8, count: u64) {
        self.0[usize::from(bucket).min(BOUNDS.len())] += count;
    }

    pub(super) fn quantiles(&self) -> Option<Quantiles> {
        let count = self.0.iter().sum();
        (count > 0).then(|| Quantiles { count, p50: self.quantile(50, count), p95: self.quantile(95, count) })
    }

    /// In a bucket, durations are taken for evenly spread; behind the last bound, for that bound.
    fn quantile(&self, percent: u64, count: u64) -> Millis {
        // In hundredths of a request, so that nothing is lost to rounding.
        let (rank, mut below) = (u128::from(percent) * u128::from(count), 0_u128);
        for (index, (in_bucket, upper)) in self.0.iter().zip(BOUNDS).enumerate() {
            let here = 100 * u128::from(*in_bucket);
            if here > 0 && below + here >= rank {
                let lower = index.checked_sub(1).map_or(0, |index| BOUNDS[index]);
                let within = u128::from(upper - lower) * (rank - below) / here;
                return lower + Millis::try_from(within).unwrap_or(Millis::MAX);
            }
            below += here;
        }
        BOUNDS[BOUNDS.len() - 1]
    }
}
