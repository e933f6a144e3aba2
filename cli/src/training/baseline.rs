//! The baselines of a federation: the same training with all data in one place, and at each
//! site alone.

use super::model::{EPOCHS, Evaluation, Model};
use super::share::Share;
use super::wine::Dataset;

/// The same model, trained as long as in a federation, by those who do not federate.
#[derive(Clone, Debug, PartialEq)]
pub struct Baselines {
    /// One party that holds all the training wines.
    pub central: Evaluation,
    /// Each site with nothing but its own share, in the order of the shares.
    pub sites: Vec<Evaluation>,
}

impl Baselines {
    /// Trains and judges them all, as long as `rounds` rounds last.
    pub fn compute(data: &Dataset, shares: &[Share], rounds: u32) -> Self {
        let alone = |wines: &[_]| {
            Model::default()
                .train(wines, EPOCHS * rounds as usize)
                .evaluate(&data.holdout)
        };
        Self {
            central: alone(&data.training),
            sites: shares.iter().map(|share| alone(share)).collect(),
        }
    }

    /// The accuracy of the best site on its own; zero if there are no sites.
    pub fn best_site(&self) -> f64 {
        self.ranked().last().copied().unwrap_or_default()
    }

    /// The accuracy of the median site on its own, between the middle two of an even
    /// number; zero if there are no sites.
    pub fn median_site(&self) -> f64 {
        let ranked = self.ranked();
        let middle = ranked.len() / 2;
        match ranked.len() {
            0 => 0.0,
            n if n % 2 == 1 => ranked[middle],
            _ => (ranked[middle - 1] + ranked[middle]) / 2.0,
        }
    }

    fn ranked(&self) -> Vec<f64> {
        let mut accuracies: Vec<f64> = self.sites.iter().map(|site| site.accuracy).collect();
        accuracies.sort_by(f64::total_cmp);
        accuracies
    }
}

#[cfg(test)]
mod tests {
    use super::super::{federate, partition};
    use super::*;

    fn of(accuracies: &[f64]) -> Baselines {
        let evaluations = accuracies.iter().map(|accuracy| Evaluation {
            loss: 0.0,
            accuracy: *accuracy,
        });
        Baselines {
            central: Evaluation {
                loss: 0.0,
                accuracy: 0.0,
            },
            sites: evaluations.collect(),
        }
    }

    #[test]
    fn median_and_best_are_by_rank() {
        assert_eq!(of(&[0.9, 0.1, 0.5]).median_site(), 0.5);
        assert_eq!(of(&[0.75, 0.0, 1.0, 0.25]).median_site(), 0.5);
        assert_eq!(of(&[0.25, 1.0, 0.5]).best_site(), 1.0);
        assert_eq!((of(&[]).median_site(), of(&[]).best_site()), (0.0, 0.0));
    }

    /// What the demo claims by default. Among fewer sites a site that holds a third of the
    /// wines may come out ahead by luck, though rarely.
    #[test]
    fn federating_comes_near_to_having_all_the_data() {
        for seed in 0..60 {
            let [federated, central, median, best] = compare(8, seed);
            println!(
                "seed {seed}: federated {federated:.3}, central {central:.3}, \
                 median site {median:.3}, best site {best:.3}"
            );
            assert!(federated >= central - 0.02, "seed {seed}");
            assert!(federated >= median, "seed {seed}");
        }
    }

    #[test]
    fn federating_pays_among_any_number_of_sites() {
        for sites in [2, 3, 5, 16, 64] {
            let compared: Vec<_> = (0..10).map(|seed| compare(sites, seed)).collect();
            let lead = compared
                .iter()
                .map(|[federated, _, median, _]| federated - median)
                .sum::<f64>()
                / 10.0;
            assert!(lead > 0.05, "{sites} sites gain {lead}");
        }
    }

    fn compare(sites: usize, seed: u64) -> [f64; 4] {
        const ROUNDS: u32 = 20;
        let data = Dataset::load(seed);
        let shares = partition(&data, sites, seed);
        let baselines = Baselines::compute(&data, &shares, ROUNDS);
        let federated = federate(&shares, ROUNDS).evaluate(&data.holdout);
        [
            federated.accuracy,
            baselines.central.accuracy,
            baselines.median_site(),
            baselines.best_site(),
        ]
    }
}
