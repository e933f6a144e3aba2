//! Sums of one piece of an array over sites.

use std::ops::AddAssign;

use num_bigint::BigInt;
use num_integer::Integer;
use safetensors::Dtype;

use super::Weight;
use super::element::{self, Class};

/// Whose values are summed: group, weight, and whether they are differences, in the order of
/// summation.
pub(super) type Addend = (u8, Weight, bool);

/// The sum so far of one piece of an array.
#[derive(Debug)]
pub(super) enum Sum {
    /// In f64, in the order of the tree.
    Float(FloatSum),
    /// In whole numbers of 128 bits, where they cannot overflow.
    Whole(WholeSum<i128>),
    /// In whole numbers of any length.
    Long(WholeSum<BigInt>),
}

impl Sum {
    /// No sum yet over `parts` of numbers of a type that has a mean.
    pub(super) fn new(class: Class, numbers: usize, parts: &[Addend]) -> Self {
        if class == Class::Float {
            return Self::Float(FloatSum::new(numbers, parts));
        }
        let least = parts.iter().map(|(_, weight, _)| weight.parts().1).min();
        let units = |(_, weight, difference): &Addend| {
            let (mantissa, exponent) = weight.parts();
            let units = BigInt::from(mantissa) << (exponent - least.unwrap_or_default());
            (units, *difference)
        };
        let long: Vec<_> = parts.iter().map(units).collect();
        let short =
            |(units, difference): &(BigInt, bool)| Some((units.try_into().ok()?, *difference));
        // A number has at most 64 bits and a sign, so that each sum fits.
        let total: BigInt = long.iter().map(|(units, _)| units).sum();
        let fits = i64::try_from(total).is_ok();
        match long.iter().map(short).collect() {
            Some(short) if fits => Self::Whole(WholeSum::new(numbers, short)),
            _ => Self::Long(WholeSum::new(numbers, long)),
        }
    }

    /// Adds the values of the next part, whose number is `part`.
    pub(super) fn add(&mut self, dtype: Dtype, part: usize, bytes: &[u8]) {
        match self {
            Self::Float(sum) => sum.add(dtype, part, bytes),
            Self::Whole(sum) => sum.add(dtype, part, bytes),
            Self::Long(sum) => sum.add(dtype, part, bytes),
        }
    }

    /// The mean, with the model's values added to differences, as elements; or the number of
    /// the first that the type cannot hold.
    pub(super) fn finish(self, dtype: Dtype, model: Option<&[u8]>) -> Result<Vec<u8>, usize> {
        match self {
            Self::Float(sum) => sum.finish(dtype, model),
            Self::Whole(sum) => sum.finish(dtype, model, Some),
            Self::Long(sum) => sum.finish(dtype, model, |mean| i128::try_from(mean).ok()),
        }
    }
}

/// What adds nothing, not even to a sign.
const NOTHING: f64 = -0.0;

#[derive(Debug)]
pub(super) struct FloatSum {
    parts: Vec<Addend>,
    /// The sums of the groups before.
    total: Vec<f64>,
    /// The sum of the group that is being added.
    group: Vec<f64>,
}

impl FloatSum {
    fn new(numbers: usize, parts: &[Addend]) -> Self {
        Self {
            parts: parts.to_vec(),
            total: vec![NOTHING; numbers],
            group: vec![NOTHING; numbers],
        }
    }

    fn add(&mut self, dtype: Dtype, part: usize, bytes: &[u8]) {
        let Some((group, weight, _)) = self.parts.get(part).copied() else {
            return;
        };
        let weight = weight.get();
        element::floats(dtype, bytes, self.group.iter_mut(), |sum, value| {
            *sum += weight * value;
        });
        if self
            .parts
            .get(part + 1)
            .is_none_or(|(next, ..)| *next != group)
        {
            for (total, sum) in self.total.iter_mut().zip(&mut self.group) {
                *total += std::mem::replace(sum, NOTHING);
            }
        }
    }

    fn finish(self, dtype: Dtype, model: Option<&[u8]>) -> Result<Vec<u8>, usize> {
        let weights = tree_sum(
            self.parts
                .iter()
                .map(|(group, weight, _)| (*group, *weight)),
        );
        let mut means = self.total;
        for mean in &mut means {
            *mean /= weights;
        }
        if let Some(model) = model {
            let differences = self.parts.iter().filter(|(.., difference)| *difference);
            let share = tree_sum(differences.map(|(group, weight, _)| (*group, *weight))) / weights;
            element::floats(dtype, model, means.iter_mut(), |mean, value| {
                *mean += value * share;
            });
        }
        let mut bytes = Vec::with_capacity(means.len() * element::width(dtype));
        for (index, mean) in means.into_iter().enumerate() {
            if !element::push_float(dtype, mean, &mut bytes) {
                return Err(index);
            }
        }
        Ok(bytes)
    }
}

/// The sum of weights, in the order in which values are summed.
fn tree_sum(weights: impl Iterator<Item = (u8, Weight)>) -> f64 {
    let (mut total, mut sum, mut current) = (NOTHING, NOTHING, None);
    for (group, weight) in weights {
        if current != Some(group) {
            total += std::mem::replace(&mut sum, NOTHING);
            current = Some(group);
        }
        sum += weight.get();
    }
    total + sum
}

#[derive(Debug)]
pub(super) struct WholeSum<T> {
    sums: Vec<T>,
    /// The weights, as multiples of what divides all of them.
    weights: Vec<T>,
    total: T,
    /// The weights of differences.
    differences: T,
}

impl<T: Integer + Clone + From<u8> + From<i128> + AddAssign> WholeSum<T> {
    fn new(numbers: usize, weights: Vec<(T, bool)>) -> Self {
        let sum = |weights: &mut dyn Iterator<Item = &(T, bool)>| {
            weights.fold(T::zero(), |sum, (units, _)| sum + units.clone())
        };
        Self {
            sums: vec![T::zero(); numbers],
            total: sum(&mut weights.iter()),
            differences: sum(&mut weights.iter().filter(|(_, difference)| *difference)),
            weights: weights.into_iter().map(|(units, _)| units).collect(),
        }
    }

    fn add(&mut self, dtype: Dtype, part: usize, bytes: &[u8]) {
        if let Some(weight) = self.weights.get(part).cloned() {
            self.add_weighted(dtype, &weight, bytes);
        }
    }

    fn add_weighted(&mut self, dtype: Dtype, weight: &T, bytes: &[u8]) {
        element::wholes(dtype, bytes, self.sums.iter_mut(), |sum, value| {
            *sum += T::from(value) * weight.clone();
        });
    }

    fn finish(
        mut self,
        dtype: Dtype,
        model: Option<&[u8]>,
        short: impl Fn(T) -> Option<i128>,
    ) -> Result<Vec<u8>, usize> {
        if let Some(model) = model {
            let differences = self.differences.clone();
            self.add_weighted(dtype, &differences, model);
        }
        let two = T::from(2u8);
        let mut bytes = Vec::with_capacity(self.sums.len() * element::width(dtype));
        for (index, sum) in self.sums.into_iter().enumerate() {
            let mean = if dtype == Dtype::BOOL {
                Some(i128::from(sum * two.clone() >= self.total))
            } else {
                short(round_half_even(&sum, &self.total))
            };
            if !mean.is_some_and(|mean| element::push_whole(dtype, mean, &mut bytes)) {
                return Err(index);
            }
        }
        Ok(bytes)
    }
}

/// The whole number nearest to `sum / total`, the even one of two.
fn round_half_even<T: Integer + Clone>(sum: &T, total: &T) -> T {
    let (below, rest) = sum.div_mod_floor(total);
    let to_next = total.clone() - rest.clone();
    if rest > to_next || rest == to_next && below.is_odd() {
        below + T::one()
    } else {
        below
    }
}
