//! The core in a program without the standard library: a client and a server do a task, with
//! the C library as their allocator. `tests/no_std/run` builds and runs it.

#![no_std]
#![no_main]

extern crate alloc;

mod bare;
mod machines;

use fedlink::identity::{Chain, ChainError};

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    assert_eq!(machines::doubled(&[1, 2, 3]), [2, 4, 6]);

    // A certificate is refused for what it is, not as nonsense.
    let certificate = include_bytes!("../../certificates/site.der");
    let length = u32::try_from(certificate.len()).expect("it is short");
    let chain = [&[1], &length.to_be_bytes()[..], certificate].concat();
    assert_eq!(Chain::parse(&chain), Err(ChainError::NoX509));
    0
}
