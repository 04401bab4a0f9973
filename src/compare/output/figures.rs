//! A change as text: in percent, or in the unit of its metric.

use crate::table::Unit;
use crate::table::human::{digits, scaled};

/// A change from a base; what is not known is None.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub base: Option<f64>,
    pub relative: Option<f64>,
    pub relative_95: Option<(f64, f64)>,
    pub absolute: Option<f64>,
    pub absolute_95: Option<(f64, f64)>,
    /// Smaller absolute changes do not matter.
    pub min_abs: f64,
    pub unit: Unit,
}

impl Change {
    /// `+13 %`; in the unit of the metric if the base is near zero, where a percentage says nothing.
    pub fn size(&self) -> String {
        match (self.relative, self.absolute) {
            (Some(relative), _) if !self.is_near_zero() => format!("{} %", percent(relative)),
            (_, Some(absolute)) => self.absolute_size(absolute),
            _ => "-".into(),
        }
    }

    /// `+20 % (+17…+23)`
    pub fn with_bounds(&self) -> String {
        let size = self.size();
        match self.bounds() {
            // The unit of a percentage is that of the change.
            Some((low, high, unit)) if unit == " %" => format!("{size} ({low}…{high})"),
            Some((low, high, unit)) => format!("{size} ({low}…{high}{unit})"),
            None => size,
        }
    }

    /// `+10 … +15 %`
    pub fn interval(&self) -> String {
        self.bounds().map_or_else(String::new, |(low, high, unit)| format!("{low} … {high}{unit}"))
    }

    /// The bounds of the interval, and the unit that belongs to both; in the unit of [`Change::size`] if that is relative.
    pub fn bounds(&self) -> Option<(String, String, String)> {
        match (self.relative_95, self.absolute_95) {
            (Some((low, high)), _) if !self.is_near_zero() => Some((percent(low), percent(high), " %".into())),
            (_, Some((low, high))) => {
                let (low, high) = (self.absolute_size(low), self.absolute_size(high));
                // A unit that both have is written once. Bounds are not known to three digits.
                let ((low, of_low), (high, of_high)) = (two_digits(&low), two_digits(&high));
                let of_low = if of_low == of_high { "" } else { of_low };
                Some((format!("{low}{of_low}"), high, of_high.to_string()))
            }
            _ => None,
        }
    }

    /// Is the whole base smaller than a change that matters?
    fn is_near_zero(&self) -> bool {
        self.base.is_none_or(|base| base.abs() < self.min_abs)
    }

    fn absolute_size(&self, v: f64) -> String {
        signed(v, &scaled(v.abs(), self.unit))
    }
}

/// `0.012`, `< 0.001`
pub fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}

fn percent(relative: f64) -> String {
    let percent = relative * 100.0;
    let size = percent.abs();
    let shown = match size {
        _ if size >= 1000.0 => digits(size),
        _ if size >= 9.95 => format!("{size:.0}"),
        _ => format!("{size:.1}"),
    };
    signed(percent, &shown)
}

/// The number with two digits, and the rest with its unit.
fn two_digits(text: &str) -> (String, &str) {
    let (number, unit) = text.split_at(text.find(' ').unwrap_or(text.len()));
    let Ok(v) = number.parse::<f64>() else { return (number.to_string(), unit) };
    let places = usize::from(v.abs() < 9.95) + usize::from(v.abs() < 0.995);
    (format!("{v:+.places$}"), unit)
}

fn signed(v: f64, size: &str) -> String {
    let sign = if v < 0.0 { "-" } else { "+" };
    format!("{sign}{size}")
}
