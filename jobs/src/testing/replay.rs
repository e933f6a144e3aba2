//! What the fuzzer begins with, run again, and changed.

// The machines may not touch files; their tests read theirs.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::Index;

use super::fuzzing;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|it| it.unwrap().path()).collect();
    files.sort();
    let read = |file: &PathBuf| std::fs::read(file).unwrap();
    files.iter().map(read).collect()
}

#[test]
fn containers_of_the_corpus() {
    let files = corpus("container");
    assert!(files.len() >= 2);
    files.iter().for_each(|file| fuzzing::container(file));
}

proptest! {
    #[test]
    fn changed_containers(
        file in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), prop::sample::select(b"\0\x01\xff09aeU8F{}[]\":,$ ".to_vec())), 1..4),
        cut in prop::option::of(any::<Index>()),
    ) {
        let files = corpus("container");
        let mut file = file.get(&files).clone();
        for (place, byte) in changes {
            let place = place.index(file.len());
            file[place] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        fuzzing::container(&file);
    }
}
