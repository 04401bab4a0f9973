//! The whole model as JSON, in the units of the files, unscaled. `version` is the version of the format.

use super::model::Report;

/// # Errors
/// When the model contains a value that JSON cannot represent, which does not occur.
pub fn render(report: &Report) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}
