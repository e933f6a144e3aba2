mod crash;
mod damage;
pub(super) mod disk;
mod names;
mod owner;

use std::collections::BTreeMap;
use std::fs;
use std::panic::Location;

use tempfile::TempDir;

use super::folder::{ASIDE, CURRENT, NEXT};
use super::format::{BLOCK, RECORDS};
use super::*;

/// Three records, each synced, and where each of them begins.
fn three(directory: &Path) -> (Vec<u8>, [usize; 3]) {
    let (mut store, _) = FileStore::open(directory).unwrap();
    let starts = [b"first".as_slice(), b"", b"the third record"].map(|record| {
        let start = store.len_bytes() as usize;
        store.append(&[record]).unwrap();
        store.sync().unwrap();
        start
    });
    drop(store);
    (fs::read(directory.join(CURRENT)).unwrap(), starts)
}

/// A store of one record that was stored, and two that were not and are in the file.
fn unsynced(directory: &Path) -> (Vec<u8>, [usize; 2]) {
    let (mut store, _) = FileStore::open(directory).unwrap();
    store.append(&[b"stored"]).unwrap();
    store.sync().unwrap();
    let starts = [b"not stored".as_slice(), b"neither"].map(|record| {
        let start = store.len_bytes() as usize;
        store.append(&[record]).unwrap();
        start
    });
    drop(store);
    (fs::read(directory.join(CURRENT)).unwrap(), starts)
}

/// Puts these bytes in the place of the store and opens it.
fn opened(directory: &Path, bytes: &[u8]) -> Result<Vec<Bytes>, StoreError> {
    fs::write(directory.join(CURRENT), bytes).unwrap();
    FileStore::open(directory).map(|(_, records)| records)
}

#[track_caller]
fn damage<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Damage {
    match result {
        Err(StoreError::Damaged { problem, .. }) => problem,
        other => panic!("not damaged, at {}: {other:?}", Location::caller()),
    }
}

/// Every file of a directory.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn records_come_back_in_order() {
    let place = TempDir::new().unwrap();
    let directory = place.path().join("made/when/needed");
    for round in 0..5_u8 {
        let (mut store, records) = FileStore::open(&directory).unwrap();
        let expected: Vec<Bytes> = (0..round)
            .flat_map(|round| [Bytes::from(vec![round; 3]), Bytes::new()])
            .collect();
        assert_eq!(records, expected);
        assert_eq!(store.set_aside(), None);
        store.append(&[&[round], &[], &[round, round]]).unwrap();
        store.append(&[]).unwrap();
        store.sync().unwrap();
        let length = directory.join(CURRENT).metadata().unwrap().len();
        assert_eq!(store.len_bytes(), length);
    }
}

#[test]
fn a_torn_end_is_set_aside_wherever_it_was_torn() {
    let place = TempDir::new().unwrap();
    let (bytes, starts) = unsynced(place.path());
    for end in starts[0]..bytes.len() {
        let place = TempDir::new().unwrap();
        fs::write(place.path().join(CURRENT), &bytes[..end]).unwrap();
        let (mut store, records) = FileStore::open(place.path()).unwrap();
        let whole = if end < starts[1] {
            starts[0]
        } else {
            starts[1]
        };
        let expected = 1 + usize::from(end >= starts[1]);
        assert_eq!(records.len(), expected, "torn at {end}");
        match store.set_aside() {
            None => assert_eq!(end, whole),
            Some(aside) => {
                assert_eq!(fs::read(&aside.path).unwrap(), bytes[whole..end]);
                assert_eq!(aside.from, whole as u64);
                assert_eq!(aside.bytes, (end - whole) as u64);
            }
        }
        // The remainder is gone from the file, so it cannot damage what follows.
        store.append(&[b"after the crash"]).unwrap();
        store.sync().unwrap();
        drop(store);
        let (store, records) = FileStore::open(place.path()).unwrap();
        assert_eq!(store.set_aside(), None);
        assert_eq!(records.last().unwrap(), "after the crash", "torn at {end}");
        assert_eq!(records.len(), expected + 1, "torn at {end}");
    }
}

#[test]
fn what_is_set_aside_is_never_written_over() {
    let place = TempDir::new().unwrap();
    let (bytes, starts) = unsynced(place.path());
    for round in 1..=3 {
        let mut torn = bytes.clone();
        torn.truncate(bytes.len() - round);
        assert_eq!(opened(place.path(), &torn).unwrap().len(), 2);
    }
    let files = files(place.path());
    for round in 1..=3 {
        let aside = &files[&format!("{ASIDE}{round}")];
        assert_eq!(*aside, bytes[starts[1]..bytes.len() - round]);
    }
}

/// What follows may fail, so that the same bytes are found again the next time.
#[test]
fn the_same_bytes_are_set_aside_once() {
    let place = TempDir::new().unwrap();
    let (bytes, starts) = unsynced(place.path());
    let torn = &bytes[..bytes.len() - 1];
    let asides = |place: &Path| {
        let names = fs::read_dir(place)
            .unwrap()
            .map(|it| it.unwrap().file_name());
        let is_aside = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(ASIDE);
        names.filter(is_aside).count()
    };
    for _ in 0..3 {
        assert_eq!(opened(place.path(), torn).unwrap().len(), 2);
        assert_eq!(asides(place.path()), 1);
    }
    let mut other = torn.to_vec();
    *other.last_mut().unwrap() ^= 1;
    opened(place.path(), &other).unwrap();
    assert_eq!(asides(place.path()), 2);
    assert_eq!(files(place.path())[&format!("{ASIDE}1")], torn[starts[1]..]);

    // The whole file, where the next one cannot be written.
    let place = TempDir::new().unwrap();
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    store.append(&[&[7; 20_000]]).unwrap();
    drop(store);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(place.path().join(CURRENT));
    file.unwrap().set_len(20_000).unwrap();
    fs::create_dir(place.path().join(NEXT)).unwrap();
    for _ in 0..3 {
        FileStore::open(place.path()).unwrap_err();
        assert_eq!(asides(place.path()), 1);
    }
    fs::remove_dir(place.path().join(NEXT)).unwrap();
    let (store, _) = FileStore::open(place.path()).unwrap();
    assert_eq!(store.set_aside().unwrap().bytes, 20_000);
    assert_eq!(asides(place.path()), 1);
}

#[test]
fn a_torn_end_that_is_longer_than_the_rest_is_set_aside_with_it_and_not_copied() {
    let place = TempDir::new().unwrap();
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    store.append(&[b"stored"]).unwrap();
    store.sync().unwrap();
    store.append(&[&[7; 20_000]]).unwrap();
    drop(store);
    let path = place.path().join(CURRENT);
    let bytes = fs::read(&path).unwrap();
    for round in 1..=2 {
        let torn = &bytes[..bytes.len() - round];
        fs::remove_file(&path).unwrap();
        fs::write(&path, torn).unwrap();
        #[cfg(unix)]
        let file = std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
        let (mut store, records) = FileStore::open(place.path()).unwrap();
        assert_eq!(records, ["stored"]);
        let aside = store.set_aside().unwrap().clone();
        assert_eq!((aside.from, aside.bytes), (0, torn.len() as u64));
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::MetadataExt::ino(&aside.path.metadata().unwrap()),
            file
        );
        store.append(&[b"after the crash"]).unwrap();
        store.sync().unwrap();
        drop(store);
        assert_eq!(fs::read(&aside.path).unwrap(), torn);
        let (store, records) = FileStore::open(place.path()).unwrap();
        assert_eq!(records, ["stored", "after the crash"]);
        assert_eq!(store.set_aside(), None);
    }
}

#[test]
fn a_torn_end_that_reads_as_zeros_is_set_aside() {
    let place = TempDir::new().unwrap();
    let (bytes, starts) = unsynced(place.path());
    for at in starts[1]..bytes.len() {
        let mut torn = bytes.clone();
        torn[at..].fill(0);
        torn.extend([0; 7]);
        let records = opened(place.path(), &torn).unwrap();
        assert_eq!(records, ["stored", "not stored"], "zeros from {at}");
    }
}

#[test]
fn one_flipped_bit_of_a_thousand_records_is_damage_and_changes_nothing() {
    let place = TempDir::new().unwrap();
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    let mut second = 0;
    for record in 0..1000_u32 {
        store.append(&[&record.to_le_bytes()]).unwrap();
        if record == 0 {
            second = store.len_bytes();
        }
    }
    store.sync().unwrap();
    drop(store);
    let mut bytes = fs::read(place.path().join(CURRENT)).unwrap();
    bytes[second as usize + 2] ^= 1;
    fs::write(place.path().join(CURRENT), &bytes).unwrap();
    let before = files(place.path());
    for _ in 0..2 {
        let error = FileStore::open(place.path()).unwrap_err();
        assert!(
            matches!(error, StoreError::Damaged { readable: 1, .. }),
            "{error}"
        );
        let told = error.to_string();
        for what in [
            "records: the record at byte 8212",
            "restore the file from a copy",
            "sets the file aside and goes on with the 1 records",
        ] {
            assert!(told.contains(what), "{told}");
        }
        assert_eq!(damage(Err::<(), _>(error)), Damage::Record(second));
        assert_eq!(files(place.path()), before);
    }
}

#[test]
fn every_flipped_bit_of_a_record_is_damage() {
    let place = TempDir::new().unwrap();
    let (bytes, starts) = three(place.path());
    for bit in RECORDS * 8..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let start = starts.iter().rev().find(|start| **start <= bit / 8);
        let expected = Damage::Record(*start.unwrap() as u64);
        assert_eq!(
            damage(opened(place.path(), &flipped)),
            expected,
            "bit {bit}"
        );
    }
}

#[test]
fn a_flipped_bit_of_a_header_is_mended() {
    let place = TempDir::new().unwrap();
    let (bytes, _) = three(place.path());
    for header in [0, BLOCK] {
        for byte in [0, 7, 10, 20, 25, 33] {
            let mut flipped = bytes.clone();
            flipped[header + byte] ^= 1;
            assert_eq!(opened(place.path(), &flipped).unwrap().len(), 3);
            // Now the other header may be damaged.
            let mut mended = fs::read(place.path().join(CURRENT)).unwrap();
            mended[(header + BLOCK) % RECORDS + byte] ^= 1;
            assert_eq!(opened(place.path(), &mended).unwrap().len(), 3);
        }
    }
}

#[test]
fn a_repaired_store_has_the_records_before_the_damage_and_the_whole_file_beside_it() {
    let place = TempDir::new().unwrap();
    let (bytes, starts) = three(place.path());
    let mut flipped = bytes.clone();
    flipped[starts[2] + 20] ^= 1;
    damage(opened(place.path(), &flipped));
    let (mut store, records) = FileStore::repair(place.path()).unwrap();
    assert_eq!(records, ["first", ""]);
    let aside = store.set_aside().unwrap().clone();
    assert_eq!((aside.from, aside.bytes), (0, bytes.len() as u64));
    assert_eq!(fs::read(&aside.path).unwrap(), flipped);
    store.append(&[b"new"]).unwrap();
    store.sync().unwrap();
    drop(store);
    // A store that is whole is not repaired.
    for open in [FileStore::open, FileStore::repair] {
        let (store, records) = open(place.path()).unwrap();
        assert_eq!(records, ["first", "", "new"]);
        assert_eq!(store.set_aside(), None);
    }
    for bytes in [&b""[..], b"[package]\nname = \"x\"", &bytes[..30]] {
        fs::write(place.path().join(CURRENT), bytes).unwrap();
        let (store, records) = FileStore::repair(place.path()).unwrap();
        assert!(records.is_empty());
        let aside = store.set_aside().unwrap();
        assert_eq!(fs::read(&aside.path).unwrap(), bytes);
    }
}

#[test]
fn records_of_one_sync_may_be_torn_in_any_order() {
    let place = TempDir::new().unwrap();
    let (mut bytes, starts) = unsynced(place.path());
    bytes[starts[0] + 2] ^= 1;
    assert_eq!(opened(place.path(), &bytes).unwrap(), ["stored"]);
}

#[test]
fn what_was_read_once_is_promised() {
    let place = TempDir::new().unwrap();
    let (_, starts) = unsynced(place.path());
    drop(FileStore::open(place.path()).unwrap());
    let mut bytes = fs::read(place.path().join(CURRENT)).unwrap();
    bytes[starts[1] + 1] ^= 1;
    assert_eq!(
        damage(opened(place.path(), &bytes)),
        Damage::Record(starts[1] as u64)
    );
}

#[test]
fn a_record_inside_a_record_is_content() {
    let place = TempDir::new().unwrap();
    let other = TempDir::new().unwrap();
    let (inner, _) = three(other.path());
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    let start = store.len_bytes() as usize;
    store.append(&[&inner, &inner]).unwrap();
    drop(store);
    let mut bytes = fs::read(place.path().join(CURRENT)).unwrap();
    bytes[start] ^= 1;
    assert!(opened(place.path(), &bytes).unwrap().is_empty());
}

#[test]
fn replacing_keeps_only_what_is_given() {
    let place = TempDir::new().unwrap();
    three(place.path());
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    let before = store.len_bytes();
    store.append(&[b"neither synced nor kept"]).unwrap();
    store.replace([["kept"]]).unwrap();
    assert!(store.len_bytes() < before);
    store.append(&[b"appended"]).unwrap();
    store.sync().unwrap();
    drop(store);
    assert!(!files(place.path()).contains_key(NEXT));
    let (_, records) = FileStore::open(place.path()).unwrap();
    assert_eq!(records, ["kept", "appended"]);
}

#[test]
fn all_of_a_replacement_is_promised() {
    let place = TempDir::new().unwrap();
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    store.replace([["on", "e"], ["", "two"]]).unwrap();
    let promised = store.len_bytes();
    drop(store);
    let bytes = fs::read(place.path().join(CURRENT)).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(matches!(
        damage(opened(place.path(), &flipped)),
        Damage::Record(_)
    ));
    let found = promised - 1;
    assert_eq!(
        damage(opened(place.path(), &bytes[..found as usize])),
        Damage::Short { promised, found }
    );
}

#[test]
fn a_crash_while_replacing_leaves_the_old_records() {
    let place = TempDir::new().unwrap();
    let (old, _) = three(place.path());
    let other = TempDir::new().unwrap();
    let (mut store, _) = FileStore::open(other.path()).unwrap();
    store.replace([["new"]]).unwrap();
    drop(store);
    let new = fs::read(other.path().join(CURRENT)).unwrap();
    for end in [
        0,
        7,
        36,
        BLOCK,
        BLOCK + 36,
        RECORDS,
        RECORDS + 16,
        new.len(),
    ] {
        fs::write(place.path().join(NEXT), &new[..end]).unwrap();
        let records = opened(place.path(), &old).unwrap();
        assert_eq!(
            records,
            ["first", "", "the third record"],
            "crashed after {end} bytes"
        );
        let (mut store, _) = FileStore::open(place.path()).unwrap();
        store.replace([["newer"]]).unwrap();
        drop(store);
        let (_, records) = FileStore::open(place.path()).unwrap();
        assert_eq!(records, ["newer"], "crashed after {end} bytes");
    }
}

#[test]
fn a_crash_while_the_first_file_is_made_leaves_an_empty_store() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join(NEXT), "fedl").unwrap();
    let (_, records) = FileStore::open(place.path()).unwrap();
    assert!(records.is_empty());
}

#[test]
fn a_replacement_that_fails_changes_nothing() {
    let place = TempDir::new().unwrap();
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    store.append(&[b"old"]).unwrap();
    fs::create_dir(place.path().join(NEXT)).unwrap();
    let error = store.replace([["new"]]).unwrap_err();
    assert!(matches!(error, StoreError::InTheWay { .. }), "{error}");
    store.sync().unwrap();
    drop(store);
    let (_, records) = FileStore::open(place.path()).unwrap();
    assert_eq!(records, ["old"]);
}

#[test]
fn two_cannot_share_a_store() {
    let place = TempDir::new().unwrap();
    let (store, _) = FileStore::open(place.path()).unwrap();
    for open in [FileStore::open, FileStore::repair] {
        let error = open(place.path()).unwrap_err();
        assert!(matches!(error, StoreError::Locked(_)), "{error}");
        assert!(error.to_string().contains("another process"), "{error}");
    }
    drop(store);
    FileStore::open(place.path()).unwrap();
}

#[test]
fn other_files_are_not_taken_for_a_store() {
    let place = TempDir::new().unwrap();
    assert_eq!(damage(opened(place.path(), b"")), Damage::Foreign);
    assert_eq!(
        damage(opened(place.path(), b"[package]\nname = \"x\"")),
        Damage::Foreign
    );
    assert_eq!(damage(opened(place.path(), b"fedlink")), Damage::Headers);
    assert_eq!(
        damage(opened(place.path(), b"fedlink\x03 and")),
        Damage::Headers
    );
}

#[test]
fn a_store_of_another_version_is_told_and_left_alone() {
    let place = TempDir::new().unwrap();
    for version in [0, 1, 2, 4, 255] {
        let store = [b"fedlink", &[version][..], &[7; 9000]].concat();
        fs::write(place.path().join(CURRENT), &store).unwrap();
        for open in [FileStore::open, FileStore::repair] {
            let error = open(place.path()).unwrap_err();
            assert!(
                matches!(error, StoreError::Version { found, known: 3, .. } if found == version),
                "{error}"
            );
            assert!(error.to_string().contains("move the file"), "{error}");
            assert_eq!(fs::read(place.path().join(CURRENT)).unwrap(), store);
        }
    }
}

#[test]
fn a_store_that_failed_says_so_until_it_is_replaced() {
    let place = TempDir::new().unwrap();
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    // Nothing can be written through a handle for reading.
    store
        .log
        .put_disk(File::open(place.path().join(CURRENT)).unwrap());
    store.append(&[b"lost"]).unwrap();
    assert!(matches!(store.sync(), Err(StoreError::Io { .. })));
    assert!(matches!(
        store.append(&[b"refused"]),
        Err(StoreError::FailedBefore(_))
    ));
    assert!(matches!(store.sync(), Err(StoreError::FailedBefore(_))));
    store.replace([["found again"]]).unwrap();
    store.append(&[b"goes on"]).unwrap();
    store.sync().unwrap();
    drop(store);
    let (_, records) = FileStore::open(place.path()).unwrap();
    assert_eq!(records, ["found again", "goes on"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_with_what_to_do() {
    let place = TempDir::new().unwrap();
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    store.log.put_disk(full.unwrap());
    store.append(&[b"lost"]).unwrap();
    let error = store.sync().unwrap_err().to_string();
    assert!(error.contains("free space there"), "{error}");
    assert!(matches!(store.sync(), Err(StoreError::FailedBefore(_))));
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_records() {
    use std::os::unix::fs::PermissionsExt;

    let place = TempDir::new().unwrap();
    let directory = place.path().join("state");
    let (mut store, _) = FileStore::open(&directory).unwrap();
    let mode = |name: &str| {
        directory
            .join(name)
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(CURRENT), 0o600);
    store.replace([["again"]]).unwrap();
    assert_eq!(mode(CURRENT), 0o600);
    assert_eq!(mode(""), 0o700);
    store.append(&[b"not synced"]).unwrap();
    drop(store);
    let length = directory.join(CURRENT).metadata().unwrap().len();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(directory.join(CURRENT));
    file.unwrap().set_len(length - 1).unwrap();
    let (store, _) = FileStore::open(&directory).unwrap();
    let aside = store.set_aside().unwrap();
    assert_eq!(
        aside.path.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
}

/// Whoever removes or replaces the file of a process that runs is told so by that process.
#[cfg(unix)]
#[test]
fn records_that_go_to_a_file_without_its_name_are_not_stored() {
    type Change = fn(&Path);
    let changes: [Change; 3] = [
        |directory| fs::remove_dir_all(directory).unwrap(),
        |directory| fs::rename(directory.join(CURRENT), directory.join("other")).unwrap(),
        |directory| {
            fs::copy(directory.join(CURRENT), directory.join("copy")).unwrap();
            fs::rename(directory.join("copy"), directory.join(CURRENT)).unwrap();
        },
    ];
    for change in changes {
        let place = TempDir::new().unwrap();
        let directory = place.path().join("state");
        let (mut store, _) = FileStore::open(&directory).unwrap();
        store.append(&[b"stored"]).unwrap();
        store.sync().unwrap();
        change(&directory);
        store.append(&[b"lost"]).unwrap();
        let error = store.sync().unwrap_err();
        assert!(matches!(error, StoreError::Moved(_)), "{error}");
        assert!(error.to_string().contains("put the file back"), "{error}");
        assert!(matches!(store.sync(), Err(StoreError::FailedBefore(_))));
    }
}
