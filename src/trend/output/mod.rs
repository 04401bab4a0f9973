//! The forms in which a trend is written. The same input gives the same bytes.

mod csv;
mod markdown;
mod text;
mod words;

pub use csv::csv;
pub use markdown::markdown;
pub use text::text;

use super::model::Trend;

/// As JSON.
///
/// # Errors
/// Never, since all keys are text.
pub fn json(trend: &Trend) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(trend)? + "\n")
}
