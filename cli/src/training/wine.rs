//! The data: 1,599 red wines, eleven measurements each, and how tasters graded them.

use std::array;

use linfa_datasets::winequality;
use rand::seq::SliceRandom;

use super::generator;

/// Measurements of one wine.
pub const FEATURES: usize = 11;

/// One wine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Example {
    /// The measurements, scaled to about zero mean and unit spread.
    pub features: [f32; FEATURES],
    /// Whether tasters graded the wine six of ten or better. A little over half of all are.
    pub good: bool,
}

/// All wines, split into those that sites may hold and those that none of them sees.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What the sites share out among themselves: four fifths of the wines.
    pub training: Vec<Example>,
    /// What models are judged by: one fifth, which no site ever sees.
    pub holdout: Vec<Example>,
}

impl Dataset {
    /// The wines, split by `seed`.
    pub fn load(seed: u64) -> Self {
        let wines = winequality();
        let mut training: Vec<Example> = wines
            .records()
            .outer_iter()
            .zip(wines.targets())
            .map(|(measured, grade)| Example {
                features: array::from_fn(|i| {
                    let (centre, spread) = SCALE[i];
                    ((measured[i] - centre) / spread) as f32
                }),
                good: *grade >= GOOD,
            })
            .collect();
        training.shuffle(&mut generator(seed, "holdout"));
        let holdout = training.split_off(training.len() - training.len() / HOLDOUT);
        Self { training, holdout }
    }
}

/// One wine in this many is held out.
const HOLDOUT: usize = 5;

/// The lowest grade that counts as good: it splits the wines nearly in half.
const GOOD: usize = 6;

/// Centre and spread by which each measurement is scaled.
///
/// They are rounded figures for red wine at large and come with the program: no site has
/// to tell anyone how its own wines are distributed, and all sites scale alike.
const SCALE: [(f64, f64); FEATURES] = [
    (8.3, 1.7),       // fixed acidity, g/l
    (0.53, 0.18),     // volatile acidity, g/l
    (0.27, 0.2),      // citric acid, g/l
    (2.5, 1.4),       // residual sugar, g/l
    (0.09, 0.05),     // chlorides, g/l
    (16.0, 10.0),     // free sulfur dioxide, mg/l
    (46.0, 33.0),     // total sulfur dioxide, mg/l
    (0.9967, 0.0019), // density, g/ml
    (3.3, 0.15),      // pH
    (0.66, 0.17),     // sulphates, g/l
    (10.4, 1.1),      // alcohol, percent by volume
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_held_out_and_nothing_is_lost() {
        let data = Dataset::load(1);
        assert_eq!((data.training.len(), data.holdout.len()), (1280, 319));
        let good = data
            .training
            .iter()
            .chain(&data.holdout)
            .filter(|e| e.good)
            .count();
        assert_eq!(good, 855);
    }

    #[test]
    fn the_split_follows_the_seed() {
        let data = Dataset::load(1);
        assert_eq!(data.holdout, Dataset::load(1).holdout);
        assert_ne!(data.holdout, Dataset::load(2).holdout);
    }

    #[test]
    fn every_measurement_is_scaled() {
        let data = Dataset::load(1);
        for i in 0..FEATURES {
            let values = data.training.iter().map(|e| f64::from(e.features[i]));
            let mean = values.clone().sum::<f64>() / data.training.len() as f64;
            let square = values.map(|v| v * v).sum::<f64>() / data.training.len() as f64;
            assert!(mean.abs() < 0.2, "measurement {i} has mean {mean}");
            assert!(
                (square - 1.0).abs() < 0.3,
                "measurement {i} has square {square}"
            );
        }
    }
}
