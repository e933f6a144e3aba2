//! The order in which sites are summed.

use sha2::{Digest, Sha256};

/// How many groups sites are in, in each project.
pub const GROUPS: u8 = 64;

/// The group of a site: the first eight bytes of SHA-256 over `fedlink shard`, the project's
/// name and the site's name, all UTF-8 with nothing between them, read as a big-endian
/// number, modulo [`GROUPS`].
pub fn group(project: &str, site: &str) -> u8 {
    let hash = Sha256::new()
        .chain_update("fedlink shard")
        .chain_update(project)
        .chain_update(site)
        .finalize();
    let number = hash
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    (number % u64::from(GROUPS)) as u8
}
