#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sluice_protocol_fuzz::plant("sse"),
    |bytes: &[u8]| sluice_protocol_fuzz::sse::run(bytes)
);
