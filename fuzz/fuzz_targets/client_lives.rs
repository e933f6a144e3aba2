#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fedlink::fuzzing::client_lives(data));
