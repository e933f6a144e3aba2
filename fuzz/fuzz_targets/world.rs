#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/world/mod.rs"]
#[allow(dead_code, unused_imports)] // The tests use more of it.
mod world;

use world::{Log, Manner, Plan};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    world::run(Plan::decode(bytes), Manner::default(), &mut Log::default());
});
