#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fedlink_jobs::fuzzing::container(data));
