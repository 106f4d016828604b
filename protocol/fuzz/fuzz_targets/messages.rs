#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sluice_protocol_fuzz::plant("messages"),
    |bytes: &[u8]| sluice_protocol_fuzz::messages::run(bytes)
);
