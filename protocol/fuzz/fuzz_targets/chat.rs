#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sluice_protocol_fuzz::plant("chat"),
    |bytes: &[u8]| sluice_protocol_fuzz::chat::run(bytes)
);
