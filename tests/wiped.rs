//! That the memory of a process holds no seed any more, which the process itself reads.
#![cfg(feature = "x509")]
#![cfg(target_os = "linux")]

mod common;

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use common::pki::{Pki, name};
use fedlink::identity::{Identity, Role};
use fedlink::{Client, ClientConfig, Instant, Seed, Server, ServerConfig};
use zeroize::Zeroize;

/// What is looked for, each byte inverted, so that this is no copy of it.
fn inverted() -> [u8; 32] {
    core::array::from_fn(|at| (at as u8).wrapping_mul(151).wrapping_add(29))
}

fn seed() -> Seed {
    Seed::fill(|bytes| {
        let pairs = bytes.iter_mut().zip(inverted());
        pairs.for_each(|(byte, inverted)| *byte = !inverted);
        Ok::<(), ()>(())
    })
    .unwrap()
}

/// How often the seed stands in all memory that the process can write. What is read is
/// wiped again, or it would be found as a copy.
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the memory is a file"
)]
fn copies() -> usize {
    let wanted = inverted();
    let maps = String::from_utf8(std::fs::read("/proc/self/maps").unwrap()).unwrap();
    let mut memory = std::fs::File::open("/proc/self/mem").unwrap();
    let mut buffer = [0; 1 << 14];
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|it| u64::from_str_radix(it, 16).unwrap());
        // Pieces overlap, so that no copy lies across two.
        for start in (start..end).step_by(buffer.len() - wanted.len() + 1) {
            memory.seek(SeekFrom::Start(start)).unwrap();
            let mut piece = (&memory).take(end - start);
            // Some memory, such as a guard page, cannot be read.
            let len = piece.read(&mut buffer).unwrap_or(0);
            let is_it = |it: &&[u8]| it.iter().zip(&wanted).all(|(byte, no)| byte ^ no == 0xff);
            found += buffer[..len].windows(wanted.len()).filter(is_it).count();
            buffer.zeroize();
        }
    }
    found
}

#[test]
fn a_seed_has_one_copy_and_none_once_a_machine_has_taken_it() {
    let pki = Pki::new(1);
    let identity = |own: &str, role| {
        let (chain, key) = match role {
            Role::Server => pki.server(own),
            Role::Client => pki.site(own),
        };
        Identity::new(name(own), chain, Arc::new(key), pki.roots()).unwrap()
    };
    let start = Instant::default();
    assert_eq!(copies(), 0);

    let kept = seed();
    assert_eq!(copies(), 1);
    let config = Arc::new(ServerConfig::new(name("project")));
    let server = Server::new(config, identity("server", Role::Server), kept, start).unwrap();
    assert_eq!(copies(), 0);

    let kept = Box::new(seed());
    assert_eq!(copies(), 1);
    let mut config = ClientConfig::new(name("project"));
    config.server = Some(name("server"));
    let config = Arc::new(config);
    let client = Client::new(config, identity("site-1", Role::Client), *kept, start).unwrap();
    assert_eq!(copies(), 0);

    let kept = seed();
    assert_eq!(copies(), 1);
    drop(kept);
    assert_eq!(copies(), 0);
    drop((server, client));
}
