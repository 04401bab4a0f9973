//! The values of one column and entity in one interval.

use super::value::Value;
use crate::query::number::Number;

#[derive(Clone, Debug)]
pub enum Cell {
    Last(Value),
    Sum(Sum),
    Mean(Mean),
}

/// A sum of integers stays one as long as it can.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    total: Value,
    extremes: Option<Box<Extremes>>,
}

#[derive(Clone, Debug, Default)]
pub struct Mean {
    sum: f64,
    weighted: f64,
    weight: f64,
    count: u32,
    range: Option<(f64, f64)>,
    extremes: Option<Box<Extremes>>,
}

/// The smallest and largest value, exactly.
#[derive(Clone, Copy, Debug)]
struct Extremes {
    min: Number,
    max: Number,
}

impl Sum {
    pub fn add(&mut self, value: &Value, keeps_extremes: bool) {
        let total = match (&self.total, value) {
            (_, Value::Float(v)) if v.is_nan() => return,
            (Value::Null, Value::Int(_) | Value::Float(_)) => value.clone(),
            (Value::Int(a), Value::Int(b)) => Value::Int(a.saturating_add(*b)),
            (a, b) => match a.as_f64().zip(b.as_f64()) {
                Some((a, b)) => Value::Float(a + b),
                None => return,
            },
        };
        self.total = total;
        if keeps_extremes {
            widen(&mut self.extremes, value);
        }
    }
}

impl Mean {
    /// `weighted`: the value times its weight, if it is known more precisely than by multiplication.
    pub fn add(&mut self, value: &Value, weight: f64, weighted: Option<f64>, keeps_extremes: bool) {
        let Some(v) = value.as_f64() else { return };
        self.count = self.count.saturating_add(1);
        self.sum += v;
        self.weighted += weighted.unwrap_or(v * weight);
        self.weight += weight;
        self.range = Some(self.range.map_or((v, v), |(min, max)| (min.min(v), max.max(v))));
        if keeps_extremes {
            widen(&mut self.extremes, value);
        }
    }

    /// If no value has a weight, all have the same. Rounding does not move the mean out of the measured range.
    fn result(&self) -> Option<f64> {
        let (min, max) = self.range?;
        let mean = if self.weight > 0.0 { self.weighted / self.weight } else { self.sum / f64::from(self.count) };
        Some(mean.max(min).min(max))
    }
}

fn widen(extremes: &mut Option<Box<Extremes>>, value: &Value) {
    let number = match value {
        Value::Int(v) => Number::Int(*v),
        Value::Float(v) if !v.is_nan() => Number::Float(*v),
        _ => return,
    };
    let Some(known) = extremes else {
        *extremes = Some(Box::new(Extremes { min: number, max: number }));
        return;
    };
    if is_less(number, known.min) {
        known.min = number;
    }
    if is_less(known.max, number) {
        known.max = number;
    }
}

/// Integers beyond 2^53 are not compared as floats.
fn is_less(a: Number, b: Number) -> bool {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => a < b,
        (a, b) => a.as_f64() < b.as_f64(),
    }
}

impl Cell {
    pub fn value(&self) -> Value {
        match self {
            Cell::Last(value) => value.clone(),
            Cell::Sum(sum) => sum.total.clone(),
            Cell::Mean(mean) => mean.result().map_or(Value::Null, Value::Float),
        }
    }

    /// The smallest and largest value; null if they were not kept.
    pub fn extremes(&self) -> [Value; 2] {
        let extremes = match self {
            Cell::Last(_) => &None,
            Cell::Sum(sum) => &sum.extremes,
            Cell::Mean(mean) => &mean.extremes,
        };
        let value = |number: Number| match number {
            Number::Int(v) => Value::Int(v),
            Number::Float(v) => Value::Float(v),
        };
        extremes.as_ref().map_or([Value::Null, Value::Null], |e| [value(e.min), value(e.max)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_weighted_and_fall_back_to_equal_weights() {
        let mut mean = Mean::default();
        mean.add(&Value::Float(10.0), 0.0, None, false);
        mean.add(&Value::Int(20), 0.0, None, false);
        mean.add(&Value::Null, 5.0, None, false);
        mean.add(&Value::Float(f64::NAN), 5.0, None, false);
        assert_eq!(mean.result(), Some(15.0));
        mean.add(&Value::Float(40.0), 2.0, None, false);
        assert_eq!(mean.result(), Some(40.0), "the others have no weight");
        assert_eq!(Mean::default().result(), None);
    }

    #[test]
    fn large_integers_are_exact() {
        let (mut sum, mut mean) = (Sum::default(), Mean::default());
        for v in [i64::MAX - 1, 1, i64::MAX - 2] {
            mean.add(&Value::Int(v), 1.0, None, true);
        }
        sum.add(&Value::Int(i64::MAX - 1), false);
        sum.add(&Value::Int(1), false);
        assert_eq!(Cell::Sum(sum).value(), Value::Int(i64::MAX));
        assert_eq!(Cell::Mean(mean).extremes(), [Value::Int(1), Value::Int(i64::MAX - 1)]);
    }
}
