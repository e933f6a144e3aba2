//! Which sites are drawn for a round.

use sha2::{Digest, Sha256};

/// `count` of `sites`, drawn by the seed and the round: those whose SHA-256 over `fedlink
/// sample`, both numbers as eight bytes big-endian, and the site's name is least. A site that
/// comes or goes changes at most one of them.
pub(super) fn draw(mut sites: Vec<String>, count: usize, seed: u64, round: u32) -> Vec<String> {
    sites.sort_by_cached_key(|site| {
        Sha256::new()
            .chain_update("fedlink sample")
            .chain_update(seed.to_be_bytes())
            .chain_update(u64::from(round).to_be_bytes())
            .chain_update(site)
            .finalize()
    });
    sites.truncate(count);
    sites.sort();
    sites
}
