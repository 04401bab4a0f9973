//! The forms in which a comparison is written. The same input gives the same bytes.

mod csv;
pub mod figures;
mod github;
mod junit;
mod markdown;
mod moved;
mod openmetrics;
mod page;
mod self_check;
mod text;
mod words;

pub use csv::csv;
pub use github::annotations;
pub use junit::junit;
pub use markdown::markdown;
pub use openmetrics::openmetrics;
pub use page::{Row, Sentences};
pub use self_check::{self_check, self_check_json};
pub use text::text;
pub use words::{change_with_bounds, conclusion, is_shown, rest};

use super::comparison::Comparison;

/// As JSON.
///
/// # Errors
/// Never, since all keys are text.
pub fn json(comparison: &Comparison) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(comparison)? + "\n")
}
