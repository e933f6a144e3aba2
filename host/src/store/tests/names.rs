//! What stands where the store has its directory and its files.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use tempfile::TempDir;

use super::three;
use crate::store::folder::{CURRENT, Folder, LOCK, NEXT, in_place};
use crate::store::{FileStore, Obstacle, StoreError};

#[track_caller]
fn obstacle(directory: &Path) -> Obstacle {
    match FileStore::open(directory) {
        Err(StoreError::InTheWay { obstacle, .. }) => obstacle,
        other => panic!("nothing in the way: {other:?}"),
    }
}

#[test]
fn a_store_that_has_vanished_is_told_until_it_is_repaired() {
    let place = TempDir::new().unwrap();
    let (bytes, _) = three(place.path());
    let path = place.path().join(CURRENT);
    fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        let error = FileStore::open(place.path()).unwrap_err();
        assert!(matches!(error, StoreError::Missing(_)), "{error}");
        let told = error.to_string();
        assert!(told.contains("restore it from a copy"), "{told}");
        assert!(!path.exists());
    }
    fs::write(&path, bytes).unwrap();
    assert_eq!(FileStore::open(place.path()).unwrap().1.len(), 3);
    fs::remove_file(&path).unwrap();
    let (store, records) = FileStore::repair(place.path()).unwrap();
    assert!(records.is_empty() && store.set_aside().is_none());
    drop(store);
    FileStore::open(place.path()).unwrap();
}

#[test]
fn a_crash_before_the_first_file_is_in_place_is_not_a_store_that_has_vanished() {
    let place = TempDir::new().unwrap();
    drop(Folder::open(place.path()).unwrap());
    assert!(place.path().join(LOCK).exists());
    // And one that comes before the marker is made up for by whoever opens it next.
    drop(FileStore::open(place.path()).unwrap());
    fs::write(place.path().join(LOCK), "").unwrap();
    drop(FileStore::open(place.path()).unwrap());
    fs::remove_file(place.path().join(CURRENT)).unwrap();
    let error = FileStore::open(place.path()).unwrap_err();
    assert!(matches!(error, StoreError::Missing(_)), "{error}");
}

#[test]
fn a_directory_in_the_place_of_a_file_is_in_the_way() {
    for name in [CURRENT, LOCK] {
        let place = TempDir::new().unwrap();
        fs::create_dir(place.path().join(name)).unwrap();
        assert_eq!(obstacle(place.path()), Obstacle::NotAFile);
    }
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join(NEXT)).unwrap();
    assert_eq!(obstacle(place.path()), Obstacle::NotAFile);
    fs::remove_dir(place.path().join(NEXT)).unwrap();
    FileStore::open(place.path()).unwrap();
}

#[test]
fn a_file_in_the_place_of_the_directory_is_in_the_way() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(obstacle(&file), Obstacle::File);
    assert_eq!(obstacle(&file.join("a/b")), Obstacle::File);
}

#[test]
fn what_is_mounted_is_told_with_what_to_do() {
    let error = in_place(Path::new("state/records"))(ErrorKind::ResourceBusy.into());
    assert_eq!(
        error.to_string(),
        "state/records is mounted or otherwise in use, so that it cannot be replaced: mount the whole directory instead"
    );
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_in_the_place_of_a_file_is_neither_followed_nor_replaced() {
        let elsewhere = TempDir::new().unwrap();
        three(elsewhere.path());
        for name in [CURRENT, LOCK, NEXT] {
            for target in ["nothing", CURRENT] {
                let place = TempDir::new().unwrap();
                let target = elsewhere.path().join(target);
                let before = fs::read(&target).ok();
                symlink(&target, place.path().join(name)).unwrap();
                assert_eq!(obstacle(place.path()), Obstacle::Link, "{name}");
                assert_eq!(fs::read(&target).ok(), before, "{name}");
                assert!(place.path().join(name).is_symlink(), "{name}");
            }
        }
    }

    #[test]
    fn a_link_that_comes_later_is_not_replaced() {
        let place = TempDir::new().unwrap();
        let (mut store, _) = FileStore::open(place.path()).unwrap();
        store.append(&[b"old"]).unwrap();
        let (path, moved) = (place.path().join(CURRENT), place.path().join("moved"));
        fs::rename(&path, &moved).unwrap();
        symlink(&moved, &path).unwrap();
        let error = store.replace([["new"]]).unwrap_err();
        assert!(matches!(error, StoreError::InTheWay { .. }), "{error}");
        // The store goes on with the old records.
        store.sync().unwrap();
        drop(store);
        fs::rename(&moved, &path).unwrap();
        assert_eq!(FileStore::open(place.path()).unwrap().1, ["old"]);
    }

    #[test]
    fn the_directory_may_be_a_link_to_one_that_exists() {
        let place = TempDir::new().unwrap();
        let (link, target) = (place.path().join("state"), place.path().join("disk"));
        symlink(&target, &link).unwrap();
        for directory in [&link, &link.join("inside")] {
            assert_eq!(obstacle(directory), Obstacle::DanglingLink);
        }
        assert!(!target.exists());
        fs::create_dir(&target).unwrap();
        three(&link);
        assert_eq!(FileStore::open(&target).unwrap().1.len(), 3);
    }

    #[test]
    fn an_error_of_the_system_is_not_taken_for_a_new_store() {
        let place = TempDir::new().unwrap();
        let ring = place.path().join("ring");
        symlink(&ring, &ring).unwrap();
        for directory in [&ring, &ring.join("inside")] {
            let error = FileStore::open(directory).unwrap_err();
            assert!(matches!(error, StoreError::Io { .. }), "{error}");
        }
    }
}
