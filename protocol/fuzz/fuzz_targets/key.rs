#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sluice_protocol_fuzz::plant("key"),
    |bytes: &[u8]| sluice_protocol_fuzz::key::run(bytes)
);
