//! The records that a store holds: how each is written, and the numbers by which a replay tells
//! what a snapshot holds already.
//!
//! A record is its version, its number, itself and its payload.
//!
//! The records of a store are numbered from 1, across restarts. A snapshot begins with the
//! number of the last record whose effect it holds, and its own records have the number
//! [`IN_SNAPSHOT`]. So records that were on their way when a snapshot was taken may be
//! stored behind it, all or some of them: they are passed over.

use alloc::vec::Vec;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::encoding;
use crate::error::Misuse;
use crate::message::RecordId;

/// The number of a record in a snapshot, which is applied wherever it stands.
pub(crate) const IN_SNAPSHOT: u64 = 0;

/// A record is missing, or contradicts those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

impl From<Damaged> for Misuse {
    fn from(_: Damaged) -> Self {
        Self::Unfit
    }
}

/// How many records a machine has handed out, or a replay has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Records {
    last: u64,
}

impl Records {
    /// As many as a snapshot says.
    pub(crate) fn up_to(last: u64) -> Self {
        Self { last }
    }

    /// The number of the last record.
    pub(crate) fn last(self) -> u64 {
        self.last
    }

    /// With one record more, and its number.
    ///
    /// # Errors
    /// When there are no more numbers.
    pub(crate) fn next(self) -> Result<(Self, RecordId), Damaged> {
        let last = self.last.checked_add(1).ok_or(Damaged)?;
        Ok((Self { last }, RecordId(last)))
    }

    /// Whether a replay has to apply the record of this number; it counts as seen from now
    /// on.
    ///
    /// # Errors
    /// When records before it are missing.
    // spec: P-125
    pub(crate) fn replay(&mut self, number: u64) -> Result<bool, Damaged> {
        let (after, next) = self.next()?;
        if number == next.0 {
            *self = after;
            return Ok(true);
        }
        if number > next.0 {
            return Err(Damaged);
        }
        Ok(number == IN_SNAPSHOT)
    }
}

/// What stands before the payload of a record.
pub(crate) fn encode(version: u8, number: u64, record: &impl Serialize) -> Bytes {
    /// Most records are shorter.
    const LENGTH: usize = 256;
    let mut encoded = Vec::with_capacity(LENGTH);
    encoded.push(version);
    encoding::encode(&(number, record), encoded).into()
}

/// The number, the record, and the payload behind it, which is shared, not copied.
// spec: P-126
pub(crate) fn decode<R>(version: u8, stored: &Bytes) -> Option<(u64, R, Bytes)>
where
    R: Serialize + DeserializeOwned,
{
    let (first, body) = stored.split_first()?;
    if *first != version {
        return None;
    }
    let ((number, record), payload) = encoding::decode(body)?;
    Some((number, record, stored.slice_ref(payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: P-125
    #[test]
    fn a_replay_takes_each_number_once_and_misses_none() {
        let mut records = Records::up_to(2);
        assert_eq!(records.replay(4), Err(Damaged));
        for (number, applies) in [(1, false), (2, false), (3, true), (3, false), (0, true)] {
            assert_eq!(records.replay(number), Ok(applies), "{number}");
        }
        assert_eq!(records.last(), 3);
        assert_eq!(records.replay(5), Err(Damaged));
        assert_eq!(records.replay(4), Ok(true));
    }

    // spec: P-126
    #[test]
    fn a_record_is_read_in_its_version_and_its_one_encoding() {
        let record = encode(3, 5, &300u64);
        assert_eq!(record[..], [3, 5, 0xac, 0x02]);
        let stored = Bytes::from([&record[..], b"payload"].concat());
        let payload = Bytes::from("payload");
        assert_eq!(decode(3, &stored), Some((5, 300u64, payload)));
        assert_eq!(decode::<u64>(2, &stored), None);
        assert_eq!(decode::<u64>(3, &stored.slice(..3)), None);
        assert_eq!(decode::<u64>(3, &Bytes::new()), None);
        let padded = Bytes::from_static(&[3, 0x85, 0x00, 7]);
        assert_eq!(decode::<u64>(3, &padded), None);
    }

    #[test]
    fn the_numbers_come_to_an_end() {
        assert_eq!(Records::up_to(u64::MAX).next(), Err(Damaged));
    }
}
