#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sluice_protocol_fuzz::plant("state"),
    |bytes: &[u8]| sluice_protocol_fuzz::state::run(bytes)
);
