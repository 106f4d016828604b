//! How many threads compute.

/// What candle and rayon read.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Tells candle once how many threads compute: as many as it would find itself, unless the environment says otherwise.
///
/// Without this, candle counts the cores in `/proc/cpuinfo` before each product: a fifth of a small model's step. Call
/// it before any other thread runs and before a model is loaded.
#[allow(unsafe_code)]
pub fn settle() {
    if std::env::var_os(VARIABLE).is_none() {
        let threads = candle_core::utils::get_num_threads().to_string();
        // SAFETY: the environment may be changed while no other thread reads it; programs call this first.
        unsafe { std::env::set_var(VARIABLE, threads) };
    }
}
