//! Statistics of slices of numbers: how they spread, whether two sides differ, and how sure that is.
//!
//! Everything here is a pure function. The tests of significance are checked against SciPy and statsmodels.

pub mod autocorrelation;
pub mod change_points;
pub mod many;
pub mod means;
pub mod percentile;
pub mod permutation;
pub mod random;
mod spread;
pub mod student;
pub mod warmup;

#[cfg(test)]
mod tests;

pub use spread::*;
