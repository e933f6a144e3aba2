//! Reads archives without copying and without trusting them.

use std::collections::BTreeSet;

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
        let mut locator = archive.slice(at.checked_sub(LOCATOR_LEN)?..at);
        if locator.get_u32_le() != LOCATOR_64 || locator.get_u32_le() != 0 {
            return None;
        }
        let record_at = usize::try_from(locator.get_u64_le()).ok()?;
        let mut record = archive.slice(record_at.min(at)..at);
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
