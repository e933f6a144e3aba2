//! Whose records a store holds.

use std::fs;

use tempfile::TempDir;

use crate::store::folder::CURRENT;
use crate::store::format::{self, BLOCK, RECORDS};
use crate::store::{FileStore, Found, StoreError};

const OURS: &str = "the site mosel of wine";
const THEIRS: &str = "the site nahe of wine";

/// A store of ours with one record.
fn ours(place: &TempDir) {
    let (mut store, _) = FileStore::open_for(place.path(), OURS).unwrap();
    store.append(&[b"a record"]).unwrap();
    store.sync().unwrap();
}

#[track_caller]
fn is_foreign(place: &TempDir) {
    let before = fs::read(place.path().join(CURRENT)).unwrap();
    let told = |error: StoreError| {
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("{OURS}, and this is {THEIRS}")),
            "{text}"
        );
    };
    told(FileStore::open_for(place.path(), THEIRS).unwrap_err());
    told(FileStore::repair_for(place.path(), THEIRS).unwrap_err());
    told(FileStore::look(place.path(), THEIRS).unwrap_err());
    assert_eq!(fs::read(place.path().join(CURRENT)).unwrap(), before);
    let (_, records) = FileStore::open_for(place.path(), OURS).unwrap();
    assert_eq!(records, ["a record"]);
}

#[test]
fn records_of_another_owner_are_refused_and_left_alone() {
    let place = TempDir::new().unwrap();
    ours(&place);
    is_foreign(&place);
    // The file alone, copied to where another one was.
    let other = TempDir::new().unwrap();
    drop(FileStore::open_for(other.path(), THEIRS).unwrap());
    let [from, to] = [&place, &other].map(|it| it.path().join(CURRENT));
    fs::copy(from, to).unwrap();
    is_foreign(&other);
}

#[test]
fn an_owner_stays_whatever_happens_to_the_records() {
    let place = TempDir::new().unwrap();
    ours(&place);
    let path = place.path().join(CURRENT);
    // Whoever does not ask keeps it, too.
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    store.replace([["a record"]]).unwrap();
    drop(store);
    is_foreign(&place);
    // A crash in the middle of a header, of each in turn.
    let whole = fs::read(&path).unwrap();
    for block in [0, BLOCK] {
        let mut torn = whole.clone();
        torn[block..block + BLOCK].fill(0);
        fs::write(&path, torn).unwrap();
        is_foreign(&place);
    }
    // An end that is set aside, and with the whole file.
    for torn in [1, 2 * whole.len()] {
        let mut bytes = whole.clone();
        bytes.resize(whole.len() + torn, 7);
        fs::write(&path, bytes).unwrap();
        is_foreign(&place);
    }
}

#[test]
fn a_store_of_nobody_becomes_that_of_who_replaces_it() {
    let place = TempDir::new().unwrap();
    let (mut store, _) = FileStore::open(place.path()).unwrap();
    store.append(&[b"old"]).unwrap();
    store.sync().unwrap();
    drop(store);
    drop(FileStore::open_for(place.path(), THEIRS).unwrap());
    let (mut store, records) = FileStore::open_for(place.path(), OURS).unwrap();
    assert_eq!(records, ["old"]);
    store.replace([["a record"]]).unwrap();
    drop(store);
    is_foreign(&place);
}

#[test]
fn a_long_owner_is_cut_at_a_character() {
    let place = TempDir::new().unwrap();
    let long = format!("x{}", "ü".repeat(4000));
    drop(FileStore::open_for(place.path(), &long).unwrap());
    drop(FileStore::open_for(place.path(), &long).unwrap());
    let (mut store, _) = FileStore::open_for(place.path(), &long).unwrap();
    store.append(&[b"a record"]).unwrap();
    store.sync().unwrap();
    drop(store);
    FileStore::open_for(place.path(), OURS).unwrap_err();
}

/// Whoever has corrected a name goes on where nothing was stored under the wrong one.
#[test]
fn a_store_without_records_is_anybodys() {
    let place = TempDir::new().unwrap();
    drop(FileStore::open_for(place.path(), THEIRS).unwrap());
    let found = FileStore::look(place.path(), OURS).unwrap();
    assert!(
        matches!(found, Found::Store { records: 0, .. }),
        "{found:?}"
    );
    ours(&place);
    is_foreign(&place);
}

#[test]
fn only_what_was_written_as_an_owner_is_one() {
    assert_eq!(format::owner(&format::head(Some(OURS))), Some(OURS.into()));
    assert_eq!(format::owner(&format::head(None)), None);
    for length in 0..RECORDS {
        let owner = format::owner(&format::head(Some(OURS))[..length]);
        assert!(owner.is_none_or(|it| it == OURS), "{length}");
    }
    for byte in [0x01, 0x7f, 0xff] {
        assert_eq!(format::owner(&[byte; RECORDS]), None);
    }
}

#[test]
fn a_look_finds_what_there_is_and_makes_nothing() {
    let place = TempDir::new().unwrap();
    let look = |path: &std::path::Path| FileStore::look(path, OURS).unwrap();
    let directory = place.path().join("not/made");
    assert_eq!(look(&directory), Found::Nothing);
    assert_eq!(look(place.path()), Found::Nothing);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    ours(&place);
    let found = look(place.path());
    assert!(
        matches!(found, Found::Store { records: 1, .. }),
        "{found:?}"
    );
    let (store, _) = FileStore::open_for(place.path(), OURS).unwrap();
    assert_eq!(look(place.path()), Found::InUse);
    drop(store);
    assert_eq!(look(place.path()), found);
    fs::remove_file(place.path().join(CURRENT)).unwrap();
    let gone = FileStore::look(place.path(), OURS).unwrap_err();
    assert!(matches!(gone, StoreError::Missing(_)), "{gone}");
}
