//! Conditions on a metric, like `accuracy >= 0.97`.

use std::fmt;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// More than.
    More,
    /// At least.
    AtLeast,
    /// Less than.
    Less,
    /// At most.
    AtMost,
}

/// Longer ones first, so that `>=` is not read as `>`.
const WRITTEN: [(&str, Comparison); 4] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    (">", Comparison::More),
    ("<", Comparison::Less),
];

/// A condition on a metric.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Condition {
    /// The metric's name.
    pub metric: String,
    /// How it is compared.
    pub comparison: Comparison,
    /// What it is compared with.
    pub limit: f64,
}

impl Condition {
    /// Reads a condition; why it is none, otherwise.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let operator = WRITTEN.iter().find(|(operator, _)| text.contains(operator));
        let parts = operator.and_then(|(operator, comparison)| {
            let (metric, limit) = text.split_once(operator)?;
            let limit: f64 = limit.trim().parse().ok()?;
            let metric = metric.trim();
            (!metric.is_empty() && limit.is_finite()).then(|| Self {
                metric: metric.to_owned(),
                comparison: *comparison,
                limit,
            })
        });
        parts.ok_or_else(|| format!("{text:?} is no condition: write \"accuracy >= 0.97\""))
    }

    /// Whether a value of the metric meets it.
    pub fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::More => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
            Comparison::Less => value < self.limit,
            Comparison::AtMost => value <= self.limit,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = WRITTEN.iter().find(|(_, it)| *it == self.comparison);
        let operator = operator.map_or("", |(operator, _)| operator);
        write!(formatter, "{} {operator} {}", self.metric, self.limit)
    }
}
