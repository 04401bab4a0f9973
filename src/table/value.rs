//! A value on its way from the kernel to a row.

/// A value as the kernel gave it. `Null` is "no value"; zero means that the kernel said zero.
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
/// Tables hold signed 64-bit integers (Spark reads unsigned ones as decimals): what does not fit has no value.
impl From<u64> for Value<'_> {
    fn from(v: u64) -> Self {
        i64::try_from(v).map_or(Value::Null, Value::Int)
    }
}
/// NaN and the infinities are no measurements, so they have no value.
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

/// A quotient of measurements, rounded to 20 significant bits (a relative 1e-6).
///
/// That is finer than the moment at which a counter is read is known, and halves what a rate or a percentage takes on
/// disk, where digits without meaning do not compress. The counters themselves are stored exactly.
pub fn significant(value: f64) -> f64 {
    const DROPPED: u32 = 52 - 19;
    let half = 1u64 << (DROPPED - 1);
    // Carries into the exponent as it should; infinities and NaN are told apart by those who ask for finite values.
    f64::from_bits(value.to_bits().wrapping_add(half) & !((1u64 << DROPPED) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_what_is_significant() {
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
