//! How fast this machine reads memory, the quickest way that is known here: in large pages, from several places at once,
//! with what comes next asked for ahead. What remains is the memory's own time.

use sluice_origin::models::qwen::pages::Pages;
use std::time::Instant;

/// 640 MiB, as much as the weights that are measured and out of caches' reach.
const WORDS: usize = 80 << 20;
/// Places that a thread reads from at once: of 1, 2, 4, 8 and 16 the quickest.
const PLACES: usize = 4;
/// Words of a line of the cache.
const LINE: usize = 8;

/// Bytes a second that all cores read together: the most of several sweeps.
pub(crate) fn measure() -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Where the engine's weights lie.
    let mut words = Pages::default().list(WORDS);
    (0..WORDS as u64).for_each(|word| words.push(word));
    let words: &[u64] = &words;
    let sweep = || {
        let start = Instant::now();
        let sum = std::thread::scope(|scope| {
            let parts = words.chunks_exact(WORDS / threads);
            let parts: Vec<_> = parts.map(|part| scope.spawn(|| sum(part))).collect();
            parts.into_iter().map(|part| part.join().expect("a sum does not panic")).fold(0u64, u64::wrapping_add)
        });
        std::hint::black_box(sum);
        (WORDS / threads * threads * 8) as f64 / start.elapsed().as_secs_f64()
    };
    (0..9).map(|_| sweep()).fold(0.0, f64::max)
}

/// Sums that do not wait for each other.
fn sum(words: &[u64]) -> u64 {
    let mut sums = [[0u64; LINE]; PLACES];
    let places: [&[[u64; LINE]]; PLACES] =
        std::array::from_fn(|place| words[place * (words.len() / PLACES)..].as_chunks().0);
    for line in 0..words.len() / PLACES / LINE {
        for (sums, place) in sums.iter_mut().zip(places) {
            #[cfg(target_arch = "x86_64")]
            {
                use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
                // SAFETY: every x86-64 processor has SSE, and a hint may point anywhere.
                #[allow(unsafe_code)]
                unsafe {
                    _mm_prefetch::<_MM_HINT_T1>((&raw const place[line]).cast::<i8>().wrapping_add(2_048));
                }
            }
            for (sum, word) in sums.iter_mut().zip(place[line]) {
                *sum = sum.wrapping_add(word);
            }
        }
    }
    sums.into_iter().flatten().fold(0, u64::wrapping_add)
}
