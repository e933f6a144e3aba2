//! How much a site's result counts.

/// The largest weight: up to here each whole number is one of f64.
pub const MAX_WEIGHT: f64 = 9_007_199_254_740_992.0;
/// The smallest weight, 2⁻⁶⁴: a product with it loses nothing but for numbers that are almost
/// none themselves.
pub const MIN_WEIGHT: f64 = 1.0 / 18_446_744_073_709_551_616.0;

/// How much a site's result counts: the number of its examples, or any other from
/// [`MIN_WEIGHT`] to [`MAX_WEIGHT`]; fractions count as they are.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Weight(f64);

/// Why a number is no weight.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightError {
    /// There is none.
    #[error("no weight: return the number of examples, or set weight = \"equal\" in the job")]
    Missing,
    /// Not a number.
    #[error("weight is {0}, not a number")]
    NotANumber(String),
    /// Zero, negative, infinite, or out of bounds.
    #[error(
        "weight is {0}: it has to be from 2^-64 to 2^53; a site without examples has nothing to add"
    )]
    OutOfRange(String),
}

impl Weight {
    /// What each result has if all count alike.
    pub const ONE: Self = Self(1.0);

    /// This number as a weight.
    ///
    /// # Errors
    ///
    /// If it is less than [`MIN_WEIGHT`], more than [`MAX_WEIGHT`], or none.
    pub fn new(weight: f64) -> Result<Self, WeightError> {
        if (MIN_WEIGHT..=MAX_WEIGHT).contains(&weight) {
            Ok(Self(weight))
        } else {
            Err(WeightError::OutOfRange(weight.to_string()))
        }
    }

    /// The weight that a program has written in JSON, if it has.
    ///
    /// # Errors
    ///
    /// If it is missing, no number, or out of bounds.
    pub fn from_json(value: Option<&serde_json::Value>) -> Result<Self, WeightError> {
        match value {
            None | Some(serde_json::Value::Null) => Err(WeightError::Missing),
            Some(serde_json::Value::Number(number)) => match number.as_u64() {
                // As f64 it could be rounded to the largest that is allowed.
                Some(whole) if whole > MAX_WEIGHT as u64 => {
                    Err(WeightError::OutOfRange(whole.to_string()))
                }
                _ => Self::new(number.as_f64().unwrap_or(f64::NAN)),
            },
            Some(other) => {
                let begins = other.to_string().chars().take(40).collect();
                Err(WeightError::NotANumber(begins))
            }
        }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The weight as `mantissa · 2^exponent`, with the largest exponent.
    pub(super) fn parts(self) -> (u64, i32) {
        let bits = self.0.to_bits();
        let fraction = bits & ((1 << 52) - 1) | 1 << 52;
        let exponent = (bits >> 52) as i32 - 1075;
        let zeros = fraction.trailing_zeros();
        (fraction >> zeros, exponent + zeros as i32)
    }
}

impl TryFrom<f64> for Weight {
    type Error = WeightError;

    fn try_from(weight: f64) -> Result<Self, WeightError> {
        Self::new(weight)
    }
}

impl From<Weight> for f64 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}
