//! `--tag KEY=VALUE`

use std::collections::BTreeMap;

use super::Usage;

/// The tags that were given; of two of one key the later counts.
///
/// # Errors
/// When one is no pair.
pub fn tags(given: &[String]) -> Result<BTreeMap<String, String>, Usage> {
    given
        .iter()
        .map(|tag| match tag.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_string(), value.to_string())),
            _ => Err(Usage(format!("--tag {tag}: a tag is written KEY=VALUE"))),
        })
        .collect()
}
