//! Sums of values and of their weights: with them, entities of one recording can be put together exactly.

use super::growth::Growth;
use super::number::Number;
use super::statistics::{GroupValues, Statistics};
use super::values::{Fold, Values};
use crate::table::Kind;

/// The sums of one column in one group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    /// Rows with a value.
    pub count: usize,
    /// Values × weights, and the weights, as the column declares. Zero for a counter.
    pub product: f64,
    pub weight: f64,
    /// The smallest and the largest value. None for a counter.
    pub range: Option<(f64, f64)>,
    /// Growth of a counter; sum of amounts. None if it is not known.
    pub total: Option<f64>,
    /// The time in which `total` came about.
    pub seconds: f64,
    /// Only if asked for; weighted like the mean.
    pub p50: Option<f64>,
    pub p95: Option<f64>,
}

/// The smallest and the largest value of both.
pub fn wider(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// Folds into [`Sum`]s.
pub struct Sums {
    pub percentiles: bool,
}

impl Fold for Sums {
    type Out = Sum;
    type Buffers = GroupValues;

    fn values(&self, values: &Values<'_>, buffers: &mut GroupValues) -> Sum {
        let mut sum = Sum::default();
        let mut plain = 0.0;
        for (value, product, weight) in values.weighted() {
            sum.count += 1;
            sum.seconds += value.elapsed_s.max(0.0);
            (sum.product, sum.weight) = (sum.product + product, sum.weight + weight);
            let Some(v) = value.number.map(Number::as_f64) else { continue };
            plain += v;
            sum.range = wider(sum.range, Some((v, v)));
        }
        // If no value has a weight, all values have the same.
        if sum.weight <= 0.0 {
            (sum.product, sum.weight) = (plain, sum.count as f64);
        }
        if values.column.kind == Kind::Amount {
            sum.total = (sum.count > 0).then_some(plain);
        } else if self.percentiles {
            let (stats, _) = Statistics.values(values, buffers);
            (sum.p50, sum.p95) = (stats.p50.map(Number::as_f64), stats.p95.map(Number::as_f64));
        }
        sum
    }

    fn growth(&self, growth: &Growth) -> Sum {
        let total = growth.known().map(|total| total as f64);
        Sum { count: growth.count, total, seconds: growth.seconds, ..Sum::default() }
    }
}
