//! The summary of recordings: [`summary`] reads a recording into the plain values of [`model`], and one renderer for
//! each output makes bytes of them.

pub mod column;
pub mod csv;
pub mod human;
pub mod index;
pub mod json;
pub mod labels;
pub mod markdown;
pub mod model;
pub mod phases;
pub mod ratios;
pub mod rows;
pub mod summary;
pub mod target;
pub mod text;
pub mod view;
pub mod window;

#[cfg(test)]
mod render_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
