use std::panic::Location;

use tempfile::TempDir;

use super::error::Damage;
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

/// Puts these bytes in the place of the store and opens it.
fn opened(directory: &Path, bytes: &[u8]) -> Result<Vec<Bytes>, StoreError> {
    fs::write(directory.join(CURRENT), bytes).unwrap();
    FileStore::open(directory).map(|(_, records)| records)
}

#[track_caller]
fn damage(result: Result<Vec<Bytes>, StoreError>) -> Damage {
    match result {
        Err(StoreError::Damaged { problem, .. }) => problem,
        other => panic!("not damaged, at {}: {other:?}", Location::caller()),
    }
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
        store.append(&[&[round], &[], &[round, round]]).unwrap();
        store.append(&[]).unwrap();
        store.sync().unwrap();
        let length = directory.join(CURRENT).metadata().unwrap().len();
        assert_eq!(store.len_bytes(), length);
    }
}

#[test]
fn a_torn_end_is_dropped_wherever_it_was_torn() {
    let place = TempDir::new().unwrap();
    let (bytes, starts) = three(place.path());
    for end in starts[0]..bytes.len() {
        let whole = [starts[1], starts[2]]
            .iter()
            .filter(|start| end >= **start)
            .count();
        let records = opened(place.path(), &bytes[..end]).unwrap();
        assert_eq!(records.len(), whole, "torn at {end}");
        // The remainder is gone from the file as well, so it cannot damage what follows.
        let (mut store, _) = FileStore::open(place.path()).unwrap();
        store.append(&[b"after the crash"]).unwrap();
        store.sync().unwrap();
        drop(store);
        let (_, records) = FileStore::open(place.path()).unwrap();
        assert_eq!(records.last().unwrap(), "after the crash", "torn at {end}");
        assert_eq!(records.len(), whole + 1, "torn at {end}");
    }
}

#[test]
fn a_torn_end_that_reads_as_zeros_is_dropped() {
    let place = TempDir::new().unwrap();
    let (bytes, starts) = three(place.path());
    for at in starts[2]..bytes.len() {
        let mut torn = bytes.clone();
        torn[at..].fill(0);
        torn.extend([0; 7]);
        assert_eq!(
            opened(place.path(), &torn).unwrap(),
            ["first", ""],
            "zeros from {at}"
        );
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let place = TempDir::new().unwrap();
    let (bytes, starts) = three(place.path());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let result = opened(place.path(), &flipped);
        let at = bit / 8;
        if at < 7 {
            assert_eq!(damage(result), Damage::Foreign);
        } else if at == 7 {
            assert!(matches!(damage(result), Damage::Version(_)));
        } else if at < starts[0] {
            assert_eq!(damage(result), Damage::Header);
        } else if at < starts[2] {
            let start = if at < starts[1] { starts[0] } else { starts[1] };
            assert_eq!(damage(result), Damage::Record(start as u64), "bit {bit}");
        } else {
            // No later record vouches for the last one: it counts as torn.
            assert_eq!(result.unwrap(), ["first", ""], "bit {bit}");
        }
    }
}

#[test]
fn records_of_one_sync_may_be_torn_in_any_order() {
    let place = TempDir::new().unwrap();
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    store.append(&[b"stored"]).unwrap();
    store.sync().unwrap();
    let torn = store.len_bytes() as usize;
    store.append(&[b"its page was not written"]).unwrap();
    store.append(&[b"the next one was"]).unwrap();
    store.sync().unwrap();
    drop(store);
    let mut bytes = fs::read(place.path().join(CURRENT)).unwrap();
    bytes[torn + 2] ^= 1;
    assert_eq!(opened(place.path(), &bytes).unwrap(), ["stored"]);
}

#[test]
fn what_was_read_once_is_promised() {
    let place = TempDir::new().unwrap();
    let (_, starts) = three(place.path());
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    store.append(&[b"written by the next process"]).unwrap();
    store.sync().unwrap();
    drop(store);
    let mut bytes = fs::read(place.path().join(CURRENT)).unwrap();
    bytes[starts[2] + 1] ^= 1;
    assert_eq!(
        damage(opened(place.path(), &bytes)),
        Damage::Record(starts[2] as u64)
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
    store.sync().unwrap();
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
    assert!(!place.path().join(NEXT).exists());
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
    for end in 0..=new.len() {
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
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    store.sync().unwrap();
    drop(store);
    let (_, records) = FileStore::open(place.path()).unwrap();
    assert_eq!(records, ["old"]);
}

#[test]
fn two_cannot_share_a_store() {
    let place = TempDir::new().unwrap();
    let (store, _) = FileStore::open(place.path()).unwrap();
    let error = FileStore::open(place.path()).unwrap_err();
    assert!(matches!(error, StoreError::Locked(_)), "{error}");
    assert!(error.to_string().contains("another process"), "{error}");
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
    assert_eq!(damage(opened(place.path(), b"fedlink")), Damage::Header);
    assert_eq!(
        damage(opened(place.path(), b"fedlink\x01")),
        Damage::Version(1)
    );
    assert_eq!(
        damage(opened(place.path(), b"fedlink\x02 and")),
        Damage::Header
    );
}

#[test]
fn a_store_that_failed_says_so_until_it_is_replaced() {
    let place = TempDir::new().unwrap();
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    // Nothing can be written through a handle for reading.
    store.log.file = BufWriter::new(File::open(place.path().join(CURRENT)).unwrap());
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
}
