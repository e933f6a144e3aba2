//! Payloads hashed before a machine asks for their digest.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fedlink::message::{BLOCK, Payload};

/// Hashes a payload on all cores and returns when that is done. A machine that is given
/// the payload then has nothing left to hash, which it would do alone, and while all that
/// it is there for waits.
///
/// The hosts of [`tokio`](crate::tokio) do so by themselves. Whoever calls
/// [`Client::submit`](fedlink::Client::submit) or [`Server::assign`](fedlink::Server::assign)
/// does well to do it before, for payloads of several megabytes.
pub fn hash_ahead(payload: &Payload) {
    let next = AtomicUsize::new(0);
    let work = || while payload.hash_block(next.fetch_add(1, Ordering::Relaxed)) {};
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 1..cores.min(payload.len().div_ceil(BLOCK)) {
            // What nobody else does is done here.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_what_it_would_have_been() {
        let bytes: Vec<u8> = (0..5 * BLOCK + 1).map(|i| (i % 251) as u8).collect();
        for len in [0, 1, BLOCK, bytes.len()] {
            let (ahead, alone) = (Payload::new(bytes[..len].to_vec()), &bytes[..len]);
            hash_ahead(&ahead);
            assert_eq!(ahead.digest(), Payload::new(alone.to_vec()).digest());
        }
    }
}
