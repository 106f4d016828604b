#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sluice_protocol_fuzz::plant("completion"),
    |bytes: &[u8]| sluice_protocol_fuzz::completion::run(bytes)
);
