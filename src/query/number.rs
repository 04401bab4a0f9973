//! A measured value in its stored type.

use serde::Serialize;

use crate::stats::key_float;

/// The key of a row without a value. No float has this key, and no integer that is measured.
pub(super) const NULL: i64 = i64::MIN;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Int(v) => v as f64,
            Number::Float(v) => v,
        }
    }

    /// The key of an integer is the integer itself, that of a float its [`float_key`](crate::stats::float_key).
    #[inline]
    pub fn from_key(key: i64, is_float: bool) -> Number {
        if is_float { Number::Float(key_float(key)) } else { Number::Int(key) }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Number::Int(v) => v.fmt(f),
            Number::Float(v) => v.fmt(f),
        }
    }
}
