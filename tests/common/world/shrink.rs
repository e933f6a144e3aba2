//! Makes the bytes of a plan smaller for as long as something stays true of it.

use super::plan::bytes::{FAULT, HEAD};

/// The smallest bytes that can be found by leaving out faults and by making numbers
/// smaller, within so many tries, and of which `holds` is true as it is of `bytes`.
pub fn shrink(bytes: &[u8], tries: usize, mut holds: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut shrinker = Shrinker {
        best: bytes.to_vec(),
        tries,
        holds: &mut holds,
    };
    loop {
        let before = shrinker.best.clone();
        shrinker.leave_out_faults();
        shrinker.make_smaller();
        if shrinker.best == before || shrinker.tries == 0 {
            return shrinker.best;
        }
    }
}

struct Shrinker<'a> {
    best: Vec<u8>,
    tries: usize,
    holds: &'a mut dyn FnMut(&[u8]) -> bool,
}

impl Shrinker<'_> {
    /// Leaves out half of the faults, then a quarter, and so on to single ones.
    fn leave_out_faults(&mut self) {
        let mut chunk = self.faults().div_ceil(2);
        while chunk > 0 {
            let mut first = 0;
            while first < self.faults() {
                let from = HEAD + first * FAULT;
                let to = (from + chunk * FAULT).min(self.best.len());
                let mut smaller = self.best.clone();
                smaller.drain(from..to);
                if !self.accepts(smaller) {
                    first += chunk;
                }
            }
            chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
        }
    }

    /// Makes numbers zero, whole stretches of them first, or else half as large.
    fn make_smaller(&mut self) {
        for width in [32, 8, 1] {
            for from in (0..self.best.len()).step_by(width) {
                let to = (from + width).min(self.best.len());
                let zero = |_: u8| 0;
                let half = |byte: u8| byte / 2;
                if !self.changes(from..to, zero) && width == 1 {
                    while self.changes(from..to, half) {}
                }
            }
        }
    }

    fn faults(&self) -> usize {
        self.best.len().saturating_sub(HEAD).div_ceil(FAULT)
    }

    fn changes(&mut self, range: core::ops::Range<usize>, change: fn(u8) -> u8) -> bool {
        let mut smaller = self.best.clone();
        for byte in &mut smaller[range] {
            *byte = change(*byte);
        }
        smaller != self.best && self.accepts(smaller)
    }

    fn accepts(&mut self, smaller: Vec<u8>) -> bool {
        if self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        let accepted = (self.holds)(&smaller);
        if accepted {
            self.best = smaller;
        }
        accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a head and of faults whose first bytes are these.
    fn plan(head: [u8; 3], faults: &[u8]) -> Vec<u8> {
        let mut bytes = vec![7; HEAD];
        bytes[..3].copy_from_slice(&head);
        for fault in faults {
            bytes.extend([*fault, 1, 2, 3, 4, 5]);
        }
        bytes
    }

    #[test]
    fn what_does_not_matter_goes() {
        let bytes = plan([200, 9, 9], &[1, 2, 3, 4, 5, 6, 7]);
        let matters = |bytes: &[u8]| {
            let faults: Vec<u8> = bytes[HEAD..].chunks(FAULT).map(|it| it[0]).collect();
            bytes[0] >= 50 && faults.contains(&3) && faults.contains(&6)
        };
        let small = shrink(&bytes, 10_000, matters);
        let mut expected = vec![0; HEAD];
        expected[0] = 50;
        expected.extend([3, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0]);
        assert_eq!(small, expected);
    }

    #[test]
    fn it_stops_after_so_many_tries() {
        let mut tried = 0;
        shrink(&plan([1; 3], &[1; 40]), 25, |_| {
            tried += 1;
            true
        });
        assert!(tried <= 25);
    }
}
