//! Hashes payloads ahead, before a machine asks for their digest.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use fedlink::message::{BLOCK, Payload};

/// Hashes a payload on all cores, and returns when its digest is known: the machine that is
/// given the payload would hash it alone, and do nothing else meanwhile.
///
/// The tokio hosts do so for [`submit`](crate::tokio::ClientHandle::submit) and
/// [`assign`](crate::tokio::ServerHandle::assign). Whoever calls the machine's own methods
/// does well to do it before, for payloads of several megabytes.
pub fn hash_ahead(payload: &Payload) {
    /// One payload has all cores, and the next finds them free.
    static CORES: Mutex<()> = Mutex::new(());
    let _cores = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    if !payload.hash_block(0) {
        return;
    }
    let next = AtomicUsize::new(1);
    let work = || while payload.hash_block(next.fetch_add(1, Ordering::Relaxed)) {};
    let blocks_left = payload.len().div_ceil(BLOCK) - 1;
    if blocks_left > 0 {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 1..cores.min(blocks_left) {
                // What nobody else does is done here.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
    }
    let _ = payload.digest();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_known_and_what_it_would_have_been() {
        let bytes: Vec<u8> = (0..5 * BLOCK + 1).map(|i| (i % 251) as u8).collect();
        for len in [0, 1, BLOCK, bytes.len()] {
            let (ahead, alone) = (Payload::new(bytes[..len].to_vec()), &bytes[..len]);
            hash_ahead(&ahead);
            assert!(!ahead.hash_block(0), "there is nothing left to hash");
            hash_ahead(&ahead);
            assert_eq!(ahead.digest(), Payload::new(alone.to_vec()).digest());
        }
    }
}
