//! `--tag KEY=VALUE`

use std::collections::BTreeMap;

use super::Usage;

/// Parses tags; if a key is given twice, the later value is used.
///
/// # Errors
/// When a tag is not KEY=VALUE.
pub fn tags(given: &[String]) -> Result<BTreeMap<String, String>, Usage> {
    given
        .iter()
        .map(|tag| match tag.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_string(), value.to_string())),
            _ => Err(Usage(format!("--tag {tag}: a tag is written KEY=VALUE"))),
        })
        .collect()
}
