//! Reports: [`summary`] computes the plain values of [`model`] from a recording, and one renderer per format writes
//! them.

pub mod changes;
pub mod clean;
pub mod csv;
pub mod health;
pub mod holes;
pub mod json;
pub mod markdown;
pub mod marks;
pub mod matrix;
pub mod model;
pub mod order;
pub mod perf;
pub mod phases;
pub mod ratios;
pub mod summary;
pub mod text;
pub mod traces;
pub mod view;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
