//! A plan as bytes, wherever they come from: a seed, a property test, the fuzzer.

use core::fmt::Write as _;

use crate::world::dice::Dice;

/// Bytes that describe the federation itself. What follows are faults.
pub const HEAD: usize = 112;

/// Bytes of one fault.
pub const FAULT: usize = 6;

/// Most faults of a plan that is drawn from a seed.
const MAX_DRAWN: usize = 44;

/// The bytes that a seed stands for.
pub fn of_seed(seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let faults = dice.below(MAX_DRAWN + 1);
    (0..HEAD + faults * FAULT)
        .map(|_| dice.next() as u8)
        .collect()
}

/// Bytes as people pass them on.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The bytes that somebody passed on.
///
/// # Panics
/// When they are not in hexadecimal digits.
pub fn from_hex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = core::str::from_utf8(pair).expect("digits");
            u8::from_str_radix(pair, 16).expect("hexadecimal digits")
        })
        .collect()
}

/// Draws choices from bytes. Past their end there are zeros, and a zero draws the first
/// choice, the smallest number, or no: what is mildest. So bytes that are made smaller
/// make a simpler plan.
pub struct Draw<'a>(&'a [u8]);

impl<'a> Draw<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub fn long(&mut self) -> u64 {
        (0..8).fold(0, |long, _| long << 8 | u64::from(self.byte()))
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) * end / 256
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// True about `permille` times in a thousand.
    pub fn chance(&mut self, permille: u32) -> bool {
        u32::from(self.byte()) * 1000 >= (1000 - permille) * 256
    }

    /// A part of so many milliseconds.
    pub fn within(&mut self, millis: u64) -> u64 {
        u64::from(self.word()) * millis / (1 << 16)
    }
}
