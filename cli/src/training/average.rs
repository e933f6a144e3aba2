//! Federated averaging: one model from what the sites return.

use super::checkpoint::Checkpoint;
use super::model::{EPOCHS, Model};
use super::share::Share;

/// The mean of `updates`, each counting by the examples it states, or `None` if they state
/// none at all.
///
/// Sums depend on their order in the last bit: give the updates in the order of the sites'
/// names to get the same model each time.
pub fn average<'a>(updates: impl IntoIterator<Item = &'a Checkpoint>) -> Option<Model> {
    let mut sums = Model::default().weights.map(f64::from);
    let mut examples = 0.0;
    for update in updates {
        let count = f64::from(update.examples);
        examples += count;
        for (sum, weight) in sums.iter_mut().zip(update.model.weights) {
            *sum += count * f64::from(weight);
        }
    }
    (examples > 0.0).then(|| Model {
        weights: sums.map(|sum| (sum / examples) as f32),
    })
}

/// What `rounds` rounds among `shares` come to with no network between them: a federation
/// over any carrier, whatever befalls it, must end with exactly this model.
pub fn federate(shares: &[Share], rounds: u32) -> Model {
    let mut model = Model::default();
    for round in 1..=rounds {
        let updates: Vec<Checkpoint> = shares
            .iter()
            .map(|share| Checkpoint {
                round,
                examples: share.len() as u32,
                model: model.train(share, EPOCHS),
            })
            .collect();
        model = average(&updates).unwrap_or(model);
    }
    model
}

#[cfg(test)]
mod tests {
    use super::super::wine::FEATURES;
    use super::super::{Dataset, partition};
    use super::*;

    fn update(examples: u32, weight: f32) -> Checkpoint {
        Checkpoint {
            round: 1,
            examples,
            model: Model {
                weights: [weight; FEATURES + 1],
            },
        }
    }

    #[test]
    fn updates_count_by_their_examples() {
        let mean = average(&[update(30, 1.0), update(10, 5.0)]).unwrap();
        assert_eq!(mean.weights, [2.0; FEATURES + 1]);
    }

    #[test]
    fn no_examples_give_no_model() {
        assert_eq!(average(&[]), None);
        assert_eq!(average(&[update(0, 1.0)]), None);
    }

    #[test]
    fn a_federation_of_one_is_training_alone() {
        let data = Dataset::load(3);
        let shares = partition(&data, 1, 3);
        assert_eq!(
            federate(&shares, 4),
            Model::default().train(&shares[0], 4 * EPOCHS)
        );
    }
}
