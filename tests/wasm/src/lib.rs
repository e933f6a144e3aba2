//! The core as a WebAssembly module: a client and a server in it do a task. `tests/wasm/run`
//! builds and runs it.

extern crate alloc;

#[path = "../../no_std/src/machines.rs"]
mod machines;

/// Has a site double a number.
#[unsafe(no_mangle)]
pub extern "C" fn doubled(number: u8) -> u32 {
    machines::doubled(&[number])
        .into_iter()
        .map(u32::from)
        .sum()
}
