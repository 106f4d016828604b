#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sluice_protocol_fuzz::plant("plan"),
    |bytes: &[u8]| sluice_protocol_fuzz::plan::run(bytes)
);
