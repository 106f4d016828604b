//! Numbers in an order. (One sort for all that is sorted here: each takes several kilobytes of the Worker.)

use std::cmp::Ordering;

/// The numbers below `count`, in the order that `compare` says. Those that it says are equal stay in no order.
#[inline(never)]
pub(crate) fn ordered(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<u32> {
    // There are fewer requests, names and accounts than numbers of 32 bits.
    let mut numbers: Vec<u32> = (0..count as u32).collect();
    numbers.sort_unstable_by(|one, other| compare(*one as usize, *other as usize));
    numbers
}
