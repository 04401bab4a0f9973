//! The labels of a series: parsed, and as the canonical text `{a="b",c="d"}`.

use std::fmt::Write;

use super::series::SeriesError;

/// What stands in braces.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// A name in quotes, for names that the bare form cannot have.
    pub name: Option<String>,
    /// In the order of their names.
    pub pairs: Vec<(String, String)>,
}

impl Labels {
    /// Parses text that begins with `{`. Returns the labels and the text after the closing brace.
    ///
    /// # Errors
    /// What is expected, and what was found.
    pub fn parse(text: &str) -> Result<(Labels, &str), SeriesError> {
        let mut rest = text.strip_prefix('{').ok_or_else(|| unexpected("`{`", text))?.trim_start_matches(is_blank);
        let mut labels = Labels::default();
        loop {
            if let Some(after) = rest.strip_prefix('}') {
                labels.pairs.sort();
                return Ok((labels, after));
            }
            let (key, is_quoted);
            (key, rest, is_quoted) = key_of(rest)?;
            rest = rest.trim_start_matches(is_blank);
            match rest.strip_prefix('=') {
                Some(after) => {
                    let (value, after) = quoted(after.trim_start_matches(is_blank))?;
                    labels.set(key, value)?;
                    rest = after.trim_start_matches(is_blank);
                }
                None if is_quoted && labels.name.is_none() => labels.name = Some(key),
                None => return Err(unexpected("`=`", rest)),
            }
            rest = match rest.strip_prefix(',') {
                Some(after) => after.trim_start_matches(is_blank),
                None if rest.starts_with('}') => rest,
                None => return Err(unexpected("`,` or `}`", rest)),
            };
        }
    }

    /// Adds a label. One with an empty value is the same as none.
    fn set(&mut self, key: String, value: String) -> Result<(), SeriesError> {
        if self.pairs.iter().any(|(known, _)| *known == key) {
            return Err(SeriesError::Twice(key));
        }
        if !value.is_empty() {
            self.pairs.push((key, value));
        }
        Ok(())
    }

    /// Adds a label, unless there is one of this name.
    pub fn add(&mut self, key: &str, value: &str) {
        if let Err(at) = self.pairs.binary_search_by(|(known, _)| known.as_str().cmp(key)) {
            self.pairs.insert(at, (key.into(), value.into()));
        }
    }

    /// `{a="b",c="d"}`; nothing without labels.
    pub fn text(&self) -> Option<String> {
        if self.pairs.is_empty() {
            return None;
        }
        let mut text = String::from("{");
        for (n, (key, value)) in self.pairs.iter().enumerate() {
            if n > 0 {
                text.push(',');
            }
            if is_bare(key) {
                text.push_str(key);
            } else {
                let _ = write!(text, "\"{}\"", escaped(key));
            }
            let _ = write!(text, "=\"{}\"", escaped(value));
        }
        text.push('}');
        Some(text)
    }
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// A key that needs no quotes.
fn is_bare(key: &str) -> bool {
    let mut chars = key.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A key, with the text after it and whether it was quoted.
fn key_of(text: &str) -> Result<(String, &str, bool), SeriesError> {
    if text.starts_with('"') {
        let (key, rest) = quoted(text)?;
        return if key.is_empty() { Err(unexpected("the name of a label", text)) } else { Ok((key, rest, true)) };
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (key, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    if is_bare(key) { Ok((key.into(), rest, false)) } else { Err(unexpected("the name of a label", text)) }
}

/// A text in quotes, with `\\`, `\"` and `\n` in it; and the text after it.
fn quoted(text: &str) -> Result<(String, &str), SeriesError> {
    let inside = text.strip_prefix('"').ok_or_else(|| unexpected("`\"`", text))?;
    let mut value = String::new();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok((value, chars.as_str())),
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\')) => value.push(c),
                // Other letters have no meaning after it.
                Some(c) => value.extend(['\\', c]),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err(SeriesError::Unclosed)
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(super) fn unexpected(expected: &'static str, found: &str) -> SeriesError {
    let shown: String = found.chars().map(|c| if c.is_control() { ' ' } else { c }).take(20).collect();
    let found = if shown.is_empty() { "the end".into() } else { format!("`{shown}`") };
    SeriesError::Unexpected { expected, found }
}
