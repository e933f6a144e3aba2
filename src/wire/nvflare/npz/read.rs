//! Reads archives without copying and without trusting them.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::{Buf, Bytes};

use super::{
    CENTRAL, ENCRYPTED, END, END_64, EXTRA_64, LOCAL, LOCATOR_64, MAX_MEMBERS, MAX_NAME, NpzError,
};

/// Bytes of the record at the end, without its comment.
const END_LEN: usize = 22;
/// Bytes of what goes before it where the archive is large.
const LOCATOR_LEN: usize = 20;
/// The longest comment at the end.
const MAX_COMMENT: usize = u16::MAX as usize;
/// Bytes of a local header without name and extra field.
const LOCAL_LEN: usize = 30;

/// A member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, `.npy` included. A name is data: it is no path to write to.
    pub name: String,
    /// What it holds; a slice of the archive.
    pub bytes: Bytes,
}

/// The members of an archive, in their order. Their bytes are slices of it; together they
/// are never longer than it is.
///
/// # Errors
/// When it is not a zip, a member is compressed, damaged or there twice, or members
/// overlap.
pub fn read(archive: &Bytes) -> Result<Vec<Member>, NpzError> {
    let directory = Directory::find(archive).ok_or(NpzError::Malformed)?;
    if directory.count > MAX_MEMBERS as u64 {
        return Err(NpzError::TooMany);
    }
    let mut table = archive.slice(directory.start..directory.end);
    let mut entries = Vec::new();
    for _ in 0..directory.count {
        let entry = Entry::take(&mut table)?;
        let place = entry
            .locate(archive, directory.start)
            .ok_or(NpzError::Malformed)?;
        entries.push((entry, place));
    }
    if !table.is_empty() {
        return Err(NpzError::Malformed);
    }
    check_apart(&entries)?;
    entries
        .into_iter()
        .map(|(entry, place)| {
            let bytes = archive.slice(place.data..place.end);
            if crc32fast::hash(&bytes) != entry.crc {
                return Err(NpzError::Damaged(entry.name));
            }
            Ok(Member {
                name: entry.name,
                bytes,
            })
        })
        .collect()
}

/// Refuses names and bytes that are used twice, before any byte is looked at: else a small
/// archive could ask for a lot of work.
fn check_apart(entries: &[(Entry, Place)]) -> Result<(), NpzError> {
    let mut names = BTreeSet::new();
    if let Some((entry, _)) = entries.iter().find(|(entry, _)| !names.insert(&entry.name)) {
        return Err(NpzError::Twice(entry.name.clone()));
    }
    let mut in_order: Vec<_> = entries.iter().collect();
    in_order.sort_unstable_by_key(|(_, place)| place.start);
    let mut before = 0;
    for (entry, place) in in_order {
        if place.start < before {
            return Err(NpzError::Overlap(entry.name.clone()));
        }
        before = place.end;
    }
    Ok(())
}

/// Where the table of members stands.
struct Directory {
    count: u64,
    start: usize,
    end: usize,
}

impl Directory {
    fn find(archive: &Bytes) -> Option<Self> {
        let at = find_end(archive)?;
        let mut end = archive.slice(at + 4..);
        // One disk only.
        if end.get_u32_le() != 0 || end.get_u16_le() != end.clone().get_u16_le() {
            return None;
        }
        let count = end.get_u16_le();
        let size = end.get_u32_le();
        let start = end.get_u32_le();
        if count == u16::MAX || size == u32::MAX || start == u32::MAX {
            return Self::find_64(archive, at);
        }
        Self::new(count.into(), start.into(), size.into(), at)
    }

    /// The same for an archive whose counts or sizes do not fit.
    fn find_64(archive: &Bytes, at: usize) -> Option<Self> {
        let locator_at = at.checked_sub(LOCATOR_LEN)?;
        let mut locator = archive.slice(locator_at..at);
        if locator.get_u32_le() != LOCATOR_64 || locator.get_u32_le() != 0 {
            return None;
        }
        let record_at = usize::try_from(locator.get_u64_le()).ok()?;
        let mut record = archive.slice(record_at.min(locator_at)..locator_at);
        if record.len() < 56 || record.get_u32_le() != END_64 {
            return None;
        }
        // The size of the record, versions, disks.
        record.advance(20);
        let (here, count) = (record.get_u64_le(), record.get_u64_le());
        let size = record.get_u64_le();
        let start = record.get_u64_le();
        (here == count).then_some(())?;
        Self::new(count, start, size, record_at)
    }

    /// The table must end before what describes it.
    fn new(count: u64, start: u64, size: u64, limit: usize) -> Option<Self> {
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        (end <= limit).then_some(Self { count, start, end })
    }
}

/// The last place where the record at the end may begin.
fn find_end(archive: &[u8]) -> Option<usize> {
    let last = archive.len().checked_sub(END_LEN)?;
    let first = last.saturating_sub(MAX_COMMENT);
    let window = archive.get(first..last + 4)?;
    let at = window
        .windows(4)
        .rposition(|bytes| bytes == END.to_le_bytes())?;
    Some(first + at)
}

/// Where a member stands in the archive.
struct Place {
    /// Its local header.
    start: usize,
    /// What it holds.
    data: usize,
    /// What follows it.
    end: usize,
}

/// One line of the table.
struct Entry {
    name: String,
    crc: u32,
    size: u64,
    offset: u64,
}

impl Entry {
    /// Takes one line off the front of the table.
    fn take(table: &mut Bytes) -> Result<Self, NpzError> {
        if table.len() < 46 || table.get_u32_le() != CENTRAL {
            return Err(NpzError::Malformed);
        }
        table.advance(4);
        let flags = table.get_u16_le();
        let method = table.get_u16_le();
        table.advance(4);
        let crc = table.get_u32_le();
        let mut packed = u64::from(table.get_u32_le());
        let mut size = u64::from(table.get_u32_le());
        let name_len = usize::from(table.get_u16_le());
        let extra_len = usize::from(table.get_u16_le());
        let comment_len = usize::from(table.get_u16_le());
        table.advance(8);
        let mut offset = u64::from(table.get_u32_le());
        if table.len() < name_len + extra_len + comment_len {
            return Err(NpzError::Malformed);
        }
        let name = core::str::from_utf8(&table.split_to(name_len))
            .ok()
            .filter(|name| !name.is_empty() && name.len() <= MAX_NAME)
            .ok_or(NpzError::Name)?
            .to_owned();
        let extra = table.split_to(extra_len);
        table.advance(comment_len);
        if method != 0 || flags & ENCRYPTED != 0 {
            return Err(NpzError::NotStored(name));
        }
        let wide = [&mut size, &mut packed, &mut offset];
        widen(extra, wide.into_iter()).ok_or(NpzError::Malformed)?;
        if size != packed {
            return Err(NpzError::Malformed);
        }
        Ok(Self {
            name,
            crc,
            size,
            offset,
        })
    }

    /// Where the member stands: before `limit`, where the table begins.
    fn locate(&self, archive: &Bytes, limit: usize) -> Option<Place> {
        let start = usize::try_from(self.offset).ok()?;
        let local = archive.get(start..limit)?.get(..LOCAL_LEN)?;
        let (signature, lengths) = (local.get(..4)?, local.get(26..)?);
        let name_len = usize::from(u16::from_le_bytes(*lengths.first_chunk()?));
        let extra_len = usize::from(u16::from_le_bytes(*lengths.last_chunk()?));
        let name = start + LOCAL_LEN;
        let data = name + name_len + extra_len;
        let end = data.checked_add(usize::try_from(self.size).ok()?)?;
        let agrees = signature == LOCAL.to_le_bytes()
            && archive.get(name..name + name_len)? == self.name.as_bytes();
        (agrees && end <= limit).then_some(Place { start, data, end })
    }
}

/// Replaces each number that says "see the extra field" by what stands there.
fn widen<'a>(mut extra: Bytes, numbers: impl Iterator<Item = &'a mut u64>) -> Option<()> {
    let mut wide = Bytes::new();
    while extra.len() >= 4 {
        let kind = extra.get_u16_le();
        let len = usize::from(extra.get_u16_le());
        if len > extra.len() {
            return None;
        }
        let field = extra.split_to(len);
        if kind == EXTRA_64 {
            wide = field;
        }
    }
    for number in numbers.filter(|number| **number == u64::from(u32::MAX)) {
        if wide.len() < 8 {
            return None;
        }
        *number = wide.get_u64_le();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::super::Writer;
    use super::*;

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new();
        for (name, bytes) in members {
            let (a, b) = bytes.split_at(bytes.len() / 2);
            let parts = [a, b].map(Bytes::copy_from_slice);
            writer.add(name, parts).unwrap();
        }
        writer.finish().unwrap().concat()
    }

    #[test]
    fn a_name_that_is_not_ascii_is_said_to_be_utf_8() {
        for (name, flags) in [("e.npy", [0, 0]), ("é.npy", [0, 8])] {
            // Behind the signature and the version that is needed.
            assert_eq!(archive(&[(name, b"")])[6..8], flags, "{name}");
        }
    }

    #[test]
    fn members_come_back_as_slices() {
        let bytes = Bytes::from(archive(&[
            ("a.npy", b"12345"),
            ("é/b.npy", b""),
            ("c", b"6"),
        ]));
        let members = read(&bytes).unwrap();
        let found: Vec<_> = members
            .iter()
            .map(|member| (&member.name[..], &member.bytes[..]))
            .collect();
        assert_eq!(
            found,
            [("a.npy", &b"12345"[..]), ("é/b.npy", b""), ("c", b"6")]
        );
        let range = bytes.as_ptr_range();
        assert!(range.contains(&members[0].bytes.as_ptr()));
        assert_eq!(read(&archive(&[]).into()), Ok(vec![]));
    }

    #[test]
    fn a_comment_and_bytes_before_do_not_matter_unless_they_shift() {
        let mut bytes = archive(&[("a.npy", b"12345")]);
        let at = bytes.len() - 2;
        bytes[at] = 3;
        bytes.extend_from_slice(b"hey");
        assert_eq!(read(&bytes.clone().into()).unwrap().len(), 1);
        let shifted = [b"x".to_vec(), bytes].concat();
        assert!(read(&shifted.into()).is_err());
    }

    #[test]
    fn what_is_cut_short_or_damaged_is_refused() {
        let good = archive(&[("a.npy", b"12345"), ("b.npy", b"678")]);
        for len in 0..good.len() {
            assert!(read(&Bytes::copy_from_slice(&good[..len])).is_err());
        }
        let mut damaged = good.clone();
        let at = damaged
            .windows(5)
            .position(|five| five == b"12345")
            .unwrap();
        damaged[at] = b'0';
        assert_eq!(
            read(&damaged.into()),
            Err(NpzError::Damaged("a.npy".into()))
        );
        let mut deflated = good;
        let at = deflated
            .windows(4)
            .position(|four| four == CENTRAL.to_le_bytes())
            .unwrap();
        deflated[at + 10] = 8;
        assert_eq!(
            read(&deflated.into()),
            Err(NpzError::NotStored("a.npy".into()))
        );
    }

    /// Repeats the only line of the table `count` times.
    fn repeated(count: u16, rename: bool) -> Bytes {
        let good = archive(&[("a.npy", b"12345")]);
        let at = good
            .windows(4)
            .position(|four| four == CENTRAL.to_le_bytes())
            .unwrap();
        let end = good.len() - END_LEN;
        let mut bad = good[..at].to_vec();
        for number in 0..count {
            let mut line = good[at..end].to_vec();
            if rename {
                line[46] = b'a' + u8::try_from(number % 20).unwrap();
            }
            bad.extend_from_slice(&line);
        }
        let size = u32::try_from(bad.len() - at).unwrap();
        let mut tail = good[end..].to_vec();
        tail[8..10].copy_from_slice(&count.to_le_bytes());
        tail[10..12].copy_from_slice(&count.to_le_bytes());
        tail[12..16].copy_from_slice(&size.to_le_bytes());
        [bad, tail].concat().into()
    }

    /// The archive with its end in 64 bits too. Where the old end does not `say` the count,
    /// the size or the start of the table, it refers to the new one.
    fn with_end_64(good: &[u8], say: [bool; 3]) -> Vec<u8> {
        let (front, end) = good.split_at(good.len() - END_LEN);
        let mut numbers = &end[10..];
        let count = numbers.get_u16_le();
        let (size, start) = (numbers.get_u32_le(), numbers.get_u32_le());
        let mut wide = front.to_vec();
        wide.put_u32_le(END_64);
        wide.put_u64_le(44);
        wide.put_u16_le(45);
        wide.put_u16_le(45);
        wide.put_u64_le(0);
        wide.put_u64_le(count.into());
        wide.put_u64_le(count.into());
        wide.put_u64_le(size.into());
        wide.put_u64_le(start.into());
        wide.put_u32_le(LOCATOR_64);
        wide.put_u32_le(0);
        wide.put_u64_le(front.len() as u64);
        wide.put_u32_le(1);
        wide.put_slice(&end[..8]);
        let count = if say[0] { count } else { u16::MAX };
        wide.put_u16_le(count);
        wide.put_u16_le(count);
        wide.put_u32_le(if say[1] { size } else { u32::MAX });
        wide.put_u32_le(if say[2] { start } else { u32::MAX });
        wide.put_u16_le(0);
        wide
    }

    #[test]
    fn whatever_does_not_fit_into_the_end_stands_before_it() {
        let good = archive(&[("a.npy", b"12345"), ("b.npy", b"678")]);
        let members = read(&good.clone().into());
        assert!(members.is_ok());
        for say in [
            [false, true, true],
            [true, false, true],
            [true, true, false],
            [false; 3],
        ] {
            assert_eq!(read(&with_end_64(&good, say).into()), members, "{say:?}");
        }
    }

    #[test]
    fn an_end_in_64_bits_that_lies_is_refused() {
        let good = archive(&[("a.npy", b"12345")]);
        let record = good.len() - END_LEN;
        let locator = record + 56;
        let wide = with_end_64(&good, [false; 3]);
        let bad = |at: usize, byte: u8| {
            let mut bad = wide.clone();
            bad[at] = byte;
            read(&bad.into())
        };
        for (at, byte) in [
            // What they are.
            (record, 0),
            (locator, 0),
            // Another disk, and members on another disk.
            (locator + 4, 1),
            (record + 24, 2),
            // The record is too near, or nowhere.
            (locator + 8, wide[locator + 8] + 1),
            (locator + 15, 1),
        ] {
            assert_eq!(bad(at, byte), Err(NpzError::Malformed), "{at}");
        }
        // Nothing stands before the end.
        assert_eq!(
            read(&Bytes::copy_from_slice(&wide[locator + LOCATOR_LEN..])),
            Err(NpzError::Malformed)
        );
    }

    /// The archive of one member with another line in its table.
    fn with_line(line: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let good = archive(&[("a.npy", b"12345")]);
        let table = LOCAL_LEN + 5 + 5;
        let end = good.len() - END_LEN;
        let mut changed = good[table..end].to_vec();
        line(&mut changed);
        let mut tail = good[end..].to_vec();
        tail[12] = u8::try_from(changed.len()).unwrap();
        [&good[..table], &changed, &tail].concat().into()
    }

    /// The same with these extra fields, to which both sizes and the place refer.
    fn with_extra(extra: &[u8]) -> Bytes {
        with_line(|line| {
            line[20..28].fill(0xff);
            line[42..46].fill(0xff);
            line[30] = u8::try_from(extra.len()).unwrap();
            line.put_slice(extra);
        })
    }

    #[test]
    fn sizes_in_64_bits_stand_in_the_extra_field() {
        let mut field = vec![1, 0, 24, 0];
        field.put_u64_le(5);
        field.put_u64_le(5);
        field.put_u64_le(0);
        let before = [&[9, 9, 2, 0, 7, 7][..], &field].concat();
        let after = [&field[..], &[9, 9, 0, 0]].concat();
        for extra in [&field, &before, &after] {
            let members = read(&with_extra(extra)).unwrap();
            assert_eq!(members[0].bytes, "12345");
        }
        let nowhere = [9, 9, 24, 0].iter().chain(&field[4..]).copied();
        let too_short = [1, 0, 23, 0].iter().chain(&field[4..27]).copied();
        let beyond = [1, 0, 25, 0].iter().chain(&field[4..]).copied();
        for extra in [
            vec![],
            nowhere.collect(),
            too_short.collect(),
            beyond.collect(),
        ] {
            let bad = with_extra(&extra);
            assert_eq!(read(&bad), Err(NpzError::Malformed), "{extra:?}");
        }
    }

    #[test]
    fn what_follows_a_name_is_passed_over_if_it_is_there() {
        let good = with_line(|line| {
            (line[30], line[32]) = (6, 3);
            line.put_slice(&[9, 9, 2, 0, 7, 7]);
            line.put_slice(b"hey");
        });
        assert_eq!(read(&good).unwrap()[0].bytes, "12345");
        for missing in [28, 30, 32] {
            let bad = with_line(|line| line[missing] += 1);
            assert_eq!(read(&bad), Err(NpzError::Malformed), "{missing}");
        }
    }

    #[test]
    fn every_member_has_a_line_and_a_name() {
        let bad = with_line(|line| {
            line[28] = 0;
            line.truncate(46);
        });
        assert_eq!(read(&bad), Err(NpzError::Name));
        let cut = with_line(|line| line.truncate(45));
        assert_eq!(read(&cut), Err(NpzError::Malformed));
    }

    #[test]
    fn members_that_share_bytes_or_names_are_refused() {
        assert_eq!(read(&repeated(1, true)).unwrap().len(), 1);
        assert_eq!(
            read(&repeated(2, false)),
            Err(NpzError::Twice("a.npy".into()))
        );
        // A second name needs a second local header, which then lies inside the first member.
        assert_eq!(read(&repeated(2, true)), Err(NpzError::Malformed));
        let inner = archive(&[("b.npy", b"678")]);
        let local = &inner[..LOCAL_LEN + 5 + 3];
        let outer = archive(&[("a.npy", local)]);
        let at = outer.len() - END_LEN;
        let line = &inner[local.len()..inner.len() - END_LEN];
        let mut line = line.to_vec();
        line[42] = u8::try_from(LOCAL_LEN + 5).unwrap();
        let mut bomb = [&outer[..at], &line, &outer[at..]].concat();
        let tail = bomb.len() - END_LEN;
        bomb[tail + 8] = 2;
        bomb[tail + 10] = 2;
        bomb[tail + 12] += u8::try_from(line.len()).unwrap();
        assert_eq!(read(&bomb.into()), Err(NpzError::Overlap("b.npy".into())));
    }

    #[test]
    fn names_and_counts_are_bounded() {
        let mut writer = Writer::new();
        assert_eq!(writer.add("", []), Err(NpzError::Name));
        assert_eq!(
            writer.add(&"x".repeat(MAX_NAME + 1), []),
            Err(NpzError::Name)
        );
        let longest = "x".repeat(MAX_NAME);
        assert_eq!(
            read(&archive(&[(&longest, b"1")]).into()).unwrap()[0].name,
            longest
        );
        assert_eq!(writer.add("a", []), Ok(()));
        assert_eq!(writer.add("a", []), Err(NpzError::Twice("a".into())));
        for number in 1..MAX_MEMBERS {
            writer.add(&number.to_string(), []).unwrap();
        }
        assert_eq!(writer.add("b", []), Err(NpzError::TooMany));
        let archive = writer.finish().unwrap().concat();
        assert_eq!(read(&archive.into()).unwrap().len(), MAX_MEMBERS);
    }
}
