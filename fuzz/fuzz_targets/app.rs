#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fedlink_host::nvflare::fuzz_app(data));
