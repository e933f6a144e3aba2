//! Runs the inputs that the fuzzer found worth keeping.

// The core may not touch files; its tests read theirs.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;

/// Runs the files of one folder; returns how many there were.
fn replay(target: &str, body: fn(&[u8])) -> usize {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| body(&std::fs::read(file.unwrap().path()).unwrap()))
        .count()
}

/// A test of its own for each target, with the least number of files that it must find.
macro_rules! replays {
    ($($target:ident: $least:literal,)*) => {$(
        #[test]
        fn $target() {
            let count = replay(stringify!($target), super::$target);
            assert!(count >= $least, "only {count} files");
        }
    )*};
}

replays! {
    client: 150,
    client_lives: 20,
    decode: 300,
    frames: 10,
    server: 150,
    server_lives: 20,
}

#[cfg(feature = "x509")]
replays! {
    certificate: 300,
}

#[cfg(feature = "nvflare")]
replays! {
    nvflare_client: 100,
}
