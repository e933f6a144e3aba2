//! Distributes the wines to the sites, unevenly, as real data is.

use std::ops::Range;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use super::generator;
use super::wine::{Dataset, Example};

/// What one site holds.
pub type Share = Vec<Example>;

/// The most sites that can share the wines: among more, some would hold too few to learn.
pub const MAX_SITES: usize = 64;

/// Shares out the training wines to `sites` sites, at least 1 and at most [`MAX_SITES`].
///
/// Every wine goes to exactly one site. Some sites get several times as many as others,
/// and half of them see mostly good wines, half mostly bad ones, so that what each sees on
/// its own misleads it.
pub fn partition(data: &Dataset, sites: usize, seed: u64) -> Vec<Share> {
    let sites = sites.clamp(1, MAX_SITES);
    let mut rng = generator(seed, "shares");
    let sizes: Vec<f64> = (0..sites).map(|_| rng.random_range(SIZE)).collect();
    let good: Vec<f64> = leanings(sites, &mut rng);

    let mut shares = vec![Share::new(); sites];
    for class in [false, true] {
        let wines: Vec<Example> = data
            .training
            .iter()
            .filter(|e| e.good == class)
            .copied()
            .collect();
        let weights = sizes
            .iter()
            .zip(&good)
            .map(|(size, good)| size * if class { *good } else { 1.0 - good });
        for (share, part) in shares.iter_mut().zip(proportional(weights, wines.len())) {
            share.extend_from_slice(&wines[part]);
        }
    }
    shares
}

/// Relative sizes of shares.
const SIZE: Range<f64> = 0.2..1.0;

/// How much of a site's wines are of its rarer kind, were both kinds equally frequent.
const MINORITY: Range<f64> = 0.05..0.2;

/// For each site the chance of good wines against bad ones, in an order drawn.
fn leanings(sites: usize, rng: &mut impl Rng) -> Vec<f64> {
    let mut leanings: Vec<f64> = (0..sites)
        .map(|site| {
            let minority = rng.random_range(MINORITY);
            if site % 2 == 0 {
                minority
            } else {
                1.0 - minority
            }
        })
        .collect();
    leanings.shuffle(rng);
    leanings
}

/// Cuts `0..total` into consecutive ranges with lengths in proportion to `weights`.
fn proportional(
    weights: impl Iterator<Item = f64> + Clone,
    total: usize,
) -> impl Iterator<Item = Range<usize>> {
    let sum: f64 = weights.clone().sum();
    let mut reached = 0.0;
    let mut start = 0;
    weights.map(move |weight| {
        reached += weight;
        let end = ((reached / sum * total as f64).round() as usize).min(total);
        let part = start..end;
        start = end;
        part
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(mut examples: Vec<Example>) -> Vec<Example> {
        examples.sort_by(|a, b| {
            a.features
                .partial_cmp(&b.features)
                .unwrap()
                .then(a.good.cmp(&b.good))
        });
        examples
    }

    #[test]
    fn every_wine_goes_to_exactly_one_site() {
        for seed in 0..20 {
            let data = Dataset::load(seed);
            for sites in [1, 2, 3, 8, MAX_SITES] {
                let shares = partition(&data, sites, seed);
                assert_eq!(shares.len(), sites);
                assert_eq!(sorted(shares.concat()), sorted(data.training.clone()));
                assert!(
                    shares.iter().all(|share| share.len() >= 4),
                    "{sites} sites, seed {seed}"
                );
            }
        }
    }

    #[test]
    fn shares_are_uneven_in_size_and_in_kind() {
        for seed in 0..20 {
            let shares = partition(&Dataset::load(seed), 8, seed);
            let largest = shares.iter().map(Vec::len).max().unwrap();
            let smallest = shares.iter().map(Vec::len).min().unwrap();
            assert!(
                largest * 2 > smallest * 3,
                "seed {seed}: {smallest} to {largest}"
            );
            for share in &shares {
                let good = share.iter().filter(|e| e.good).count() as f64 / share.len() as f64;
                assert!(
                    !(0.38..0.62).contains(&good),
                    "seed {seed}: a balanced share, {good}"
                );
            }
        }
    }

    #[test]
    fn the_number_of_sites_is_bounded() {
        let data = Dataset::load(1);
        assert_eq!(partition(&data, 0, 1).len(), 1);
        assert_eq!(partition(&data, usize::MAX, 1).len(), MAX_SITES);
    }
}
