//! A flip of every byte and a cut at every byte, of stores of several shapes.

use std::path::Path;

use super::disk::Simulated;
use crate::store::error::Damage;
use crate::store::format::{BLOCK, Headers, RECORDS};
use crate::store::log::Log;
use crate::store::scan::{Progress, Scanned, scan};

/// A file, and what must be in it.
struct Shape {
    file: Vec<u8>,
    /// Where each record begins, and where the last one ends.
    starts: Vec<usize>,
    /// How much of it was stored.
    synced: usize,
}

/// How many bytes of a header say something.
const HEADER: usize = 36;

impl Shape {
    /// A store that was written anew with the first batch, and got the others one by one;
    /// the last of them was not synced.
    fn new(batches: &[&[usize]], unsynced: &[usize]) -> Self {
        let disk = Simulated::default();
        let mut starts = vec![RECORDS];
        let mut record = |length: usize| {
            starts.push(starts.last().unwrap() + 16 + length);
            vec![length as u8; length]
        };
        let first: Vec<_> = batches[0].iter().map(|length| [record(*length)]).collect();
        let mut log = Log::write(disk.clone(), None, first).unwrap();
        for batch in &batches[1..] {
            for length in *batch {
                log.append(&[&record(*length)]).unwrap();
            }
            log.sync().unwrap();
        }
        let synced = log.length() as usize;
        for length in unsynced {
            log.append(&[&record(*length)]).unwrap();
        }
        drop(log);
        let file = disk.seen();
        assert_eq!(file.len(), *starts.last().unwrap());
        Self {
            file,
            starts,
            synced,
        }
    }

    /// How many records end at or before this place.
    fn whole_at(&self, place: usize) -> usize {
        self.starts[1..].iter().filter(|end| **end <= place).count()
    }
}

fn shapes() -> [Shape; 7] {
    [
        Shape::new(&[&[]], &[]),
        Shape::new(&[&[], &[5; 300]], &[]),
        Shape::new(&[&[], &[20_000]], &[]),
        Shape::new(&[&[], &[1, 0, 40], &[0], &[3, 700], &[9, 9, 9]], &[]),
        Shape::new(&[&[30; 40]], &[]),
        Shape::new(&[&[30; 40], &[7, 0], &[8]], &[]),
        Shape::new(&[&[30; 4], &[7, 0], &[8]], &[50, 0, 600, 1]),
    ]
}

fn scanned(file: &[u8]) -> Scanned {
    let length = file.len() as u64;
    scan(file, length, &mut Progress::new(Path::new(""), length)).unwrap()
}

#[test]
fn no_flip_of_any_byte_loses_a_stored_record_in_silence() {
    for shape in shapes() {
        for at in 0..shape.file.len() {
            let mut file = shape.file.clone();
            file[at] ^= 1 << (at % 8);
            let Scanned {
                promised, records, ..
            } = scanned(&file);
            if at < RECORDS {
                // Either header is enough.
                let whole = at % BLOCK >= HEADER;
                assert_eq!(promised.unwrap().both_whole, whole, "flip at {at}");
                assert_eq!(records.len(), shape.starts.len() - 1, "flip at {at}");
                continue;
            }
            let before = shape.whole_at(at);
            assert_eq!(records.len(), before, "flip at {at}");
            if at < shape.synced {
                let damaged = Damage::Record(shape.starts[before] as u64);
                assert_eq!(promised, Err(damaged), "flip at {at}");
            } else {
                assert!(promised.is_ok(), "flip at {at}");
            }
        }
    }
}

#[test]
fn no_cut_loses_a_stored_record_in_silence_and_each_unsynced_end_opens() {
    for shape in shapes() {
        for found in 0..shape.file.len() {
            let Scanned {
                promised, records, ..
            } = scanned(&shape.file[..found]);
            if found >= shape.synced {
                assert!(promised.is_ok(), "cut at {found}");
                assert_eq!(records.len(), shape.whole_at(found), "cut at {found}");
                continue;
            }
            match promised.unwrap_err() {
                Damage::Foreign => assert!(found < b"fedlink".len(), "cut at {found}"),
                Damage::Headers => assert!((7..HEADER).contains(&found), "cut at {found}"),
                Damage::Short {
                    promised,
                    found: told,
                } => {
                    assert!(found >= HEADER);
                    assert_eq!(told, found as u64);
                    if found >= BLOCK + HEADER {
                        assert_eq!(promised, shape.synced as u64, "cut at {found}");
                    }
                }
                other => panic!("cut at {found}: {other:?}"),
            }
        }
    }
}

#[test]
fn no_stretch_of_zeros_loses_a_stored_record_in_silence() {
    for shape in shapes() {
        for at in (RECORDS..shape.file.len()).step_by(7) {
            for length in [1, 16, 512, 4096] {
                let mut file = shape.file.clone();
                let end = shape.file.len().min(at + length);
                file[at..end].fill(0);
                let Scanned {
                    promised, records, ..
                } = scanned(&file);
                if promised.is_ok() {
                    assert!(
                        records.len() >= shape.whole_at(shape.synced),
                        "zeros at {at}"
                    );
                }
            }
        }
    }
}

#[test]
fn with_a_damaged_header_every_record_must_be_whole() {
    let shape = Shape::new(&[&[], &[7, 7], &[8, 8, 8]], &[]);
    let last = shape.starts[3];
    for header in [0, BLOCK] {
        let mut file = shape.file.clone();
        file[header + 20] ^= 1;
        assert_eq!(scanned(&file).records.len(), 5);
        file[last + 3] ^= 1;
        let promised = Headers::decode(&file).unwrap().newest.synced;
        let expected = if promised > last as u64 {
            Damage::Record(last as u64)
        } else {
            Damage::HeaderAndRecord(last as u64)
        };
        assert_eq!(scanned(&file).promised, Err(expected));
        // The same of a file that has lost its end.
        let short = scanned(&file[..last + 3]).promised.unwrap_err();
        assert!(
            matches!(short, Damage::Short { .. } | Damage::HeaderAndRecord(_)),
            "{short}"
        );
    }
}

#[test]
fn headers_of_two_files_are_damage() {
    let mut file = Shape::new(&[&[1]], &[]).file;
    let other = Shape::new(&[&[1]], &[]).file;
    file[BLOCK..RECORDS].copy_from_slice(&other[BLOCK..RECORDS]);
    assert_eq!(scanned(&file).promised, Err(Damage::Headers));
    file[0..BLOCK].fill(0);
    file[BLOCK] ^= 1;
    assert_eq!(scanned(&file).promised, Err(Damage::Foreign));
}

#[test]
fn a_record_at_another_place_or_of_another_file_is_none() {
    let shape = Shape::new(&[&[], &[5, 5, 5, 5]], &[]);
    let mut file = shape.file.clone();
    let [first, second, third] = [0, 1, 2].map(|record| shape.starts[record]);
    file.copy_within(first..second, second);
    assert_eq!(scanned(&file).promised, Err(Damage::Record(second as u64)));
    let other = Shape::new(&[&[], &[5, 5, 5, 5]], &[]).file;
    let mut file = shape.file.clone();
    file[second..third].copy_from_slice(&other[second..third]);
    assert_eq!(scanned(&file).promised, Err(Damage::Record(second as u64)));
}
