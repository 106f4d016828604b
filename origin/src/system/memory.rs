//! How much memory there is, and who gets it.

/// Bytes that a program could take without swapping, as the kernel estimates; `None` where nobody says.
#[cfg(not(feature = "cuda"))]
pub(crate) fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    parse(&text)
}

/// Free bytes of the GPU that computes, as its driver counts: weights, keys and values lie there. `None` if it does not say.
#[cfg(feature = "cuda")]
pub(crate) fn available() -> Option<u64> {
    // The device's primary context, which candle's device is made in; asking binds it to this thread.
    let context = candle_core::cuda_backend::cudarc::driver::CudaContext::new(0).ok()?;
    let (free, _all) = context.mem_get_info().ok()?;
    Some(free as u64)
}

/// What is free, if that is less than this; `None` where it suffices, or where nobody says.
pub(crate) fn short_of(needed: u64) -> Option<u64> {
    available().filter(|available| needed > *available)
}

/// `1.5 GiB`.
pub(crate) fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// What `/proc/meminfo` says; not asked where a GPU's memory counts.
#[cfg(any(test, not(feature = "cuda")))]
fn parse(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        assert_eq!(parse("MemTotal:  9 kB\nMemAvailable:    2048 kB\nCached: 1 kB\n"), Some(2_097_152));
        assert_eq!(parse("MemTotal: 9 kB\n"), None);
        assert_eq!(parse("MemAvailable: many kB\n"), None);
    }
}
