//! Mean, smallest, largest and last value: grouped by time bucket, the points of a series.

use super::growth::Growth;
use super::number::Number;
use super::values::{Fold, Values};

/// The values of one column in one group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Rows with a value.
    pub count: usize,
    /// Weighted as the column declares. For a counter: its growth per second.
    pub mean: Option<f64>,
    pub min: Option<Number>,
    pub max: Option<Number>,
    /// For a counter: its last value.
    pub last: Option<Number>,
}

/// Folds into [`Point`]s.
pub struct Points;

impl Fold for Points {
    type Out = Point;
    type Buffers = ();

    fn values(&self, values: &Values<'_>, (): &mut ()) -> Point {
        let mut point = Point::default();
        let (mut sum, mut weighted, mut weight) = (0.0, 0.0, 0.0);
        for (value, product, own) in values.weighted() {
            let Some(number) = value.number else { continue };
            let v = number.as_f64();
            point.count += 1;
            (sum, weighted, weight) = (sum + v, weighted + product, weight + own);
            if point.min.is_none_or(|min| v < min.as_f64()) {
                point.min = Some(number);
            }
            if point.max.is_none_or(|max| v > max.as_f64()) {
                point.max = Some(number);
            }
            point.last = Some(number);
        }
        // If no value has a weight, all values have the same.
        let mean = if weight > 0.0 { weighted / weight } else { sum / point.count as f64 };
        if let (Some(min), Some(max)) = (point.min, point.max) {
            // Rounding must not move the mean outside the measured range.
            point.mean = Some(mean.clamp(min.as_f64(), max.as_f64()));
        }
        point
    }

    fn growth(&self, growth: &Growth) -> Point {
        Point { count: growth.count, mean: growth.per_sec(), last: growth.last.map(Number::Int), ..Point::default() }
    }
}
