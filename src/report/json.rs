//! The whole model as JSON, in the units of the files, unscaled; `version` tells its form.

use super::model::Report;

/// # Errors
/// When the model holds what JSON cannot, which it does not.
pub fn render(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}
