//! An absolute change: a number in the unit of its metric, or with a unit of its own.

use serde::Serialize;

use crate::table::Unit;

/// What is measured: units of one dimension can be converted into each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Dimension {
    /// The unit of the metric.
    Own,
    Bytes,
    Seconds,
    Percent,
}

/// An amount: `16 MiB`, `10 ms`, `1 %`, `100`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Amount {
    value: f64,
    dimension: Dimension,
}

const KIB: f64 = 1024.0;
const UNITS: [(&str, Dimension, f64); 14] = [
    ("", Dimension::Own, 1.0),
    ("b", Dimension::Bytes, 1.0),
    ("k", Dimension::Bytes, KIB),
    ("kib", Dimension::Bytes, KIB),
    ("m", Dimension::Bytes, KIB * KIB),
    ("mib", Dimension::Bytes, KIB * KIB),
    ("g", Dimension::Bytes, KIB * KIB * KIB),
    ("gib", Dimension::Bytes, KIB * KIB * KIB),
    ("ns", Dimension::Seconds, 1e-9),
    ("us", Dimension::Seconds, 1e-6),
    ("ms", Dimension::Seconds, 1e-3),
    ("s", Dimension::Seconds, 1.0),
    ("min", Dimension::Seconds, 60.0),
    ("%", Dimension::Percent, 1.0),
];

impl Amount {
    /// A number in the unit of the metric.
    pub fn plain(value: f64) -> Amount {
        Amount { value, dimension: Dimension::Own }
    }

    /// # Errors
    /// How amounts are written.
    pub fn parse(text: &str) -> Result<Amount, String> {
        let wrong = || format!("`{text}` is not an amount, such as \"16 MiB\", \"10 ms\", \"1 %\" or 100");
        let end = text.find(|c: char| c.is_ascii_alphabetic() || c == '%').unwrap_or(text.len());
        let unit = text[end..].trim().to_ascii_lowercase();
        let unit = unit.strip_suffix("/s").unwrap_or(&unit);
        let number = text[..end].trim().parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0).ok_or_else(wrong)?;
        let (_, dimension, factor) = UNITS.iter().find(|(word, ..)| *word == unit).ok_or_else(wrong)?;
        Ok(Amount { value: number * factor, dimension: *dimension })
    }

    /// The amount in the unit of a metric.
    ///
    /// # Errors
    /// If the metric has a unit of another dimension.
    pub fn in_unit(&self, unit: Unit) -> Result<f64, String> {
        let (dimension, factor) = match unit {
            Unit::Bytes | Unit::BytesPerSec => (Dimension::Bytes, 1.0),
            Unit::Kibibytes | Unit::KibibytesPerSec => (Dimension::Bytes, KIB),
            Unit::Seconds => (Dimension::Seconds, 1.0),
            Unit::Milliseconds | Unit::MillisecondsPerSec => (Dimension::Seconds, 1e-3),
            Unit::Microseconds | Unit::MicrosecondsPerSec => (Dimension::Seconds, 1e-6),
            Unit::Nanoseconds => (Dimension::Seconds, 1e-9),
            Unit::Percent => (Dimension::Percent, 1.0),
            _ => (Dimension::Own, 1.0),
        };
        match self.dimension {
            Dimension::Own => Ok(self.value),
            own if own == dimension => Ok(self.value / factor),
            _ => Err(format!("the metric is in {}; write a number in this unit", unit.word())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_in_the_unit_of_the_metric() {
        let of = |text: &str, unit| Amount::parse(text).and_then(|amount| amount.in_unit(unit));
        assert_eq!(of("16 MiB", Unit::Bytes), Ok(16.0 * 1048576.0));
        assert_eq!(of("16M", Unit::Kibibytes), Ok(16384.0));
        assert_eq!(of("1 MiB/s", Unit::BytesPerSec), Ok(1048576.0));
        assert_eq!(of("10 ms", Unit::Seconds), Ok(0.01));
        assert_eq!(of("1s", Unit::Milliseconds), Ok(1000.0));
        assert_eq!(of("2%", Unit::Percent), Ok(2.0));
        assert_eq!(of("250", Unit::Celsius), Ok(250.0));
        assert_eq!(of("1.5", Unit::Bytes), Ok(1.5));
        assert!(of("10 ms", Unit::Bytes).unwrap_err().contains("write a number in this unit"));
        for wrong in ["", "ms", "-1", "1 parsec", "nan", "1e999", "1 2"] {
            assert!(Amount::parse(wrong).is_err(), "{wrong}");
        }
    }
}
