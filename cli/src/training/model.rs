//! The model: logistic regression, which tells good wines from bad ones.

use super::wine::{Example, FEATURES};

/// Passes over its share that a site makes in each round.
///
/// Fewer would need more rounds; more would pull the sites' models apart between them.
pub const EPOCHS: usize = 5;

/// One weight for each measurement and a constant. The default, all zero, knows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Model {
    /// The weights of the measurements, then the constant.
    pub weights: [f32; FEATURES + 1],
}

/// How well a model does on wines that it has not seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean logarithmic loss, in nats: lower is better, and guessing gives 0.69.
    pub loss: f64,
    /// Part of the wines told rightly, from 0 to 1.
    pub accuracy: f64,
}

impl Model {
    /// This model after `epochs` passes of gradient descent over all of `share`.
    ///
    /// Nothing in it is drawn: a site that starts a round again returns the same. A share
    /// without examples leaves the model as it is.
    pub fn train(mut self, share: &[Example], epochs: usize) -> Self {
        for _ in 0..epochs {
            self.step(share);
        }
        self
    }

    /// Judges this model by `examples`. Without any it returns zero for both figures.
    pub fn evaluate(&self, examples: &[Example]) -> Evaluation {
        let count = examples.len().max(1) as f64;
        let margins = examples.iter().map(|e| {
            if e.good {
                self.score(e)
            } else {
                -self.score(e)
            }
        });
        Evaluation {
            loss: margins
                .clone()
                .map(|m| (-m).max(0.0) + (-m.abs()).exp().ln_1p())
                .sum::<f64>()
                / count,
            accuracy: margins.filter(|m| *m > 0.0).count() as f64 / count,
        }
    }

    /// One pass of gradient descent.
    fn step(&mut self, share: &[Example]) {
        let mut gradient = [0.0; FEATURES + 1];
        for example in share {
            let chance = 1.0 / (1.0 + (-self.score(example)).exp());
            let error = chance - if example.good { 1.0 } else { 0.0 };
            for (slope, input) in gradient.iter_mut().zip(inputs(example)) {
                *slope += error * f64::from(input);
            }
        }
        let rate = RATE / share.len().max(1) as f64;
        for (weight, slope) in self.weights.iter_mut().zip(gradient) {
            *weight -= (rate * slope) as f32;
        }
    }

    /// Logarithm of the odds that a wine is good.
    fn score(&self, example: &Example) -> f64 {
        self.weights
            .iter()
            .zip(inputs(example))
            .map(|(weight, input)| f64::from(weight * input))
            .sum()
    }
}

/// How far one pass follows the gradient. Twice as much overshoots on small shares.
const RATE: f64 = 0.5;

/// The measurements, and a one for the constant.
fn inputs(example: &Example) -> impl Iterator<Item = f32> + '_ {
    example.features.iter().copied().chain([1.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wine(alcohol: f32, good: bool) -> Example {
        let mut features = [0.0; FEATURES];
        features[10] = alcohol;
        Example { features, good }
    }

    #[test]
    fn training_tells_separable_wines_apart() {
        let share = [
            wine(1.0, true),
            wine(2.0, true),
            wine(-1.0, false),
            wine(-0.5, false),
        ];
        let untrained = Model::default().evaluate(&share);
        let trained = Model::default().train(&share, 50).evaluate(&share);
        assert_eq!(untrained.accuracy, 0.0);
        assert!((untrained.loss - 2f64.ln()).abs() < 1e-9);
        assert_eq!(trained.accuracy, 1.0);
        assert!(trained.loss < 0.3, "{}", trained.loss);
    }

    #[test]
    fn one_pass_follows_the_gradient() {
        // A single good wine: the error is one half short, the rate one half.
        let model = Model::default().train(&[wine(2.0, true)], 1);
        assert_eq!(model.weights[10], 0.5);
        assert_eq!(model.weights[FEATURES], 0.25);
    }

    #[test]
    fn nothing_to_learn_from_changes_nothing() {
        let model = Model {
            weights: [0.5; FEATURES + 1],
        };
        assert_eq!(model.train(&[], 3), model);
        assert_eq!(
            model.evaluate(&[]),
            Evaluation {
                loss: 0.0,
                accuracy: 0.0
            }
        );
    }

    #[test]
    fn extreme_weights_give_a_finite_loss() {
        let model = Model {
            weights: [1e9; FEATURES + 1],
        };
        let evaluation = model.evaluate(&[wine(1e9, false)]);
        assert!(evaluation.loss.is_finite());
        assert_eq!(evaluation.accuracy, 0.0);
    }
}
