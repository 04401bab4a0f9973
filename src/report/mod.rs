//! The summary of recordings: [`summary`] reads a recording into the plain values of [`model`], and one renderer for
//! each output makes bytes of them.

pub mod clean;
pub mod column;
pub mod csv;
pub mod fields;
pub mod growth;
pub mod human;
pub mod index;
pub mod json;
pub mod labels;
pub mod lives;
pub mod markdown;
pub mod marks;
pub mod model;
pub mod order;
pub mod phases;
pub mod ratios;
pub mod rows;
pub mod summary;
pub mod target;
pub mod text;
pub mod view;
pub mod walk;
pub mod weights;
pub mod window;

#[cfg(test)]
mod render_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
