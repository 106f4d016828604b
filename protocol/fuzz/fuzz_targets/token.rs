#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sluice_protocol_fuzz::plant("token"),
    |bytes: &[u8]| sluice_protocol_fuzz::token::run(bytes)
);
