//! A value from the kernel, to be stored in a row.

/// A value from the kernel. `Null` is "no value"; zero means that the kernel reported zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(&'a str),
}

impl From<i64> for Value<'_> {
    fn from(v: i64) -> Self {
        Value::Int(v)
    }
}
impl From<i32> for Value<'_> {
    fn from(v: i32) -> Self {
        Value::Int(v.into())
    }
}
impl From<u32> for Value<'_> {
    fn from(v: u32) -> Self {
        Value::Int(v.into())
    }
}
/// Tables store signed 64-bit integers (Spark reads unsigned ones as decimals): a larger value becomes null.
impl From<u64> for Value<'_> {
    fn from(v: u64) -> Self {
        i64::try_from(v).map_or(Value::Null, Value::Int)
    }
}
/// NaN and infinities are not measurements, so they become null.
impl From<f64> for Value<'_> {
    fn from(v: f64) -> Self {
        if v.is_finite() { Value::Float(v) } else { Value::Null }
    }
}
impl From<bool> for Value<'_> {
    fn from(v: bool) -> Self {
        Value::Bool(v)
    }
}
impl<'a> From<&'a str> for Value<'a> {
    fn from(v: &'a str) -> Self {
        Value::Text(v)
    }
}
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Null, Into::into)
    }
}

/// Rounds a quotient of measurements to 20 significant bits (a relative error of 1e-6).
///
/// This is more precise than the time at which a counter is read, and halves the size of a rate or percentage on disk,
/// because meaningless digits do not compress. Counters are stored exactly.
pub fn significant(value: f64) -> f64 {
    const DROPPED: u32 = 52 - 19;
    let half = 1u64 << (DROPPED - 1);
    // A carry into the exponent is correct. Callers check for infinities and NaN.
    f64::from_bits(value.to_bits().wrapping_add(half) & !((1u64 << DROPPED) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_20_significant_bits() {
        for exact in [0.0, 1.0, 100.0, 0.5, 1024.0, 1_000_000.0, 65_537.0] {
            assert_eq!(significant(exact), exact);
        }
        for value in [1.0 / 3.0, 99.999_999, 123_456_789.123, 1e-9, -2.0 / 3.0, 0.1] {
            let rounded = significant(value);
            assert!(((rounded - value) / value).abs() <= 2f64.powi(-20), "{value} became {rounded}");
            assert_eq!(significant(rounded), rounded);
        }
    }
}
