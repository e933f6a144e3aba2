//! The fuzzer's bytes, read as a script of decisions.

/// What is left of them. Past the end there is nothing more to do.
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

impl<'a> Script<'a> {
    /// The next byte, unless the script ends.
    pub(crate) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A byte as a number below `bound`; 0 past the end.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.next().unwrap_or(0)) % bound.max(1)
    }

    /// A place in something of this length: two bytes, so that no place is out of reach.
    pub(crate) fn place(&mut self, len: usize) -> usize {
        let place = u16::from_be_bytes([self.next().unwrap_or(0), self.next().unwrap_or(0)]);
        usize::from(place) % len.max(1)
    }

    /// The next bytes; their number comes first. Fewer at the end.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = self.below(256).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }
}
