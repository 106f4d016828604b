//! How many threads compute.

/// What candle and rayon read.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Tells candle, once, how many threads are to compute: as many as it would find itself, unless the environment says.
///
/// Without it candle counts the processor's cores before each of its products, in `/proc/cpuinfo`: a fifth of the time of a
/// small model's step. Call it where no other thread runs yet, before a model is loaded.
#[allow(unsafe_code)]
pub fn settle() {
    if std::env::var_os(VARIABLE).is_none() {
        let threads = candle_core::utils::get_num_threads().to_string();
        // SAFETY: the environment may be changed while no other thread reads it; programs call this first.
        unsafe { std::env::set_var(VARIABLE, threads) };
    }
}
