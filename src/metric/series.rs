//! The name of a number: a metric and its labels.

use std::fmt;

use super::labels::{Labels, escaped, unexpected};

/// Maximum number of bytes of a metric's name.
pub const LONGEST_NAME: usize = 200;
/// Maximum number of bytes of the labels as text.
pub const LONGEST_LABELS: usize = 1000;

/// What a number is about: `qps`, `http_requests_total{code="200",method="get"}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    pub metric: Box<str>,
    /// The canonical text: sorted by name, without blanks. `None` if there are no labels.
    pub labels: Option<Box<str>>,
}

/// Why a text does not begin with a series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    #[error("expected {expected}, found {found}")]
    Unexpected { expected: &'static str, found: String },
    #[error("a text in quotes does not end")]
    Unclosed,
    #[error("the label `{0}` is given twice")]
    Twice(String),
    #[error("the name is {0} bytes long; the maximum is {LONGEST_NAME}")]
    LongName(usize),
    #[error("the labels are {0} bytes long; the maximum is {LONGEST_LABELS}")]
    LongLabels(usize),
}

impl SeriesError {
    /// Is the series well written, but too long to be stored?
    pub fn is_length(&self) -> bool {
        matches!(self, SeriesError::LongName(_) | SeriesError::LongLabels(_))
    }
}

impl Series {
    /// Parses the series at the beginning of a text: `NAME`, `NAME{KEY="VALUE",…}` or `{"NAME",KEY="VALUE",…}`. Returns it
    /// with the text after it. `more`: a label to add.
    ///
    /// # Errors
    /// If there is none, or if it is too long; then the text after it is known too.
    pub fn parse<'t>(text: &'t str, more: Option<(&str, &str)>) -> Result<(Series, &'t str), (SeriesError, &'t str)> {
        let end = text.find(|c: char| !is_name(c)).unwrap_or(text.len());
        let (bare, mut rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let mut labels = Labels::default();
        if bare.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return Err((unexpected("a name", text), text));
        }
        if let Some(at) = Some(rest.trim_start_matches([' ', '\t'])).filter(|at| at.starts_with('{')) {
            (labels, rest) = Labels::parse(at).map_err(|error| (error, at))?;
        }
        let name = match (bare, labels.name.take()) {
            ("", Some(name)) => name,
            ("", None) => return Err((unexpected("a name", text), text)),
            (_, Some(_)) => return Err((unexpected("`=`", "a second name"), rest)),
            (bare, None) => bare.to_string(),
        };
        if let Some((key, value)) = more {
            labels.add(key, value);
        }
        let labels = labels.text();
        if name.len() > LONGEST_NAME {
            return Err((SeriesError::LongName(name.len()), rest));
        }
        match labels.as_ref().map_or(0, String::len) {
            0..=LONGEST_LABELS => Ok((Series { metric: name.into(), labels: labels.map(Into::into) }, rest)),
            found => Err((SeriesError::LongLabels(found), rest)),
        }
    }
}

impl Series {
    /// The text from which [`Series::parse`] makes this series: a name that needs quotes is in the braces.
    pub fn written(&self) -> String {
        let starts_well = !self.metric.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if starts_well && self.metric.chars().all(is_name) {
            return self.to_string();
        }
        let labels = self.labels.as_deref().and_then(|labels| labels.strip_prefix('{')).unwrap_or("}");
        let comma = if labels == "}" { "" } else { "," };
        format!("{{\"{}\"{comma}{labels}", escaped(&self.metric))
    }
}

/// The labels of the text that [`Series::labels`] has; none if it is not one.
pub fn pairs(labels: &str) -> Vec<(String, String)> {
    Labels::parse(labels).map(|(labels, _)| labels.pairs).unwrap_or_default()
}

/// In a name without quotes. Prometheus has no dots in it, and other systems do.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.')
}

/// As Prometheus writes it. A name that needs quotes has them in braces there, but not here, where it is read by people.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.metric, self.labels.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<(String, &str), String> {
        Series::parse(text, None).map(|(series, rest)| (series.to_string(), rest)).map_err(|(why, _)| why.to_string())
    }

    #[test]
    fn names_and_labels() {
        for (text, series, rest) in [
            ("qps=1", "qps", "=1"),
            ("a.b:c_1 5", "a.b:c_1", " 5"),
            ("x{} 1", "x", " 1"),
            (r#"x{b="2",a="1"} 1"#, r#"x{a="1",b="2"}"#, " 1"),
            (r#"x {b = "2" , a="1", } 1"#, r#"x{a="1",b="2"}"#, " 1"),
            (r#"x{path="/a/b",q="a \"b\" \\ c\n"}1"#, r#"x{path="/a/b",q="a \"b\" \\ c\n"}"#, "1"),
            (r#"x{a=""} 1"#, "x", " 1"),
            (r#"x{a="}",b=",{"} 1"#, r#"x{a="}",b=",{"}"#, " 1"),
            (r#"{"disk/used.%",a="1"} 1"#, r#"disk/used.%{a="1"}"#, " 1"),
            (r#"x{"a b"="1"} 1"#, r#"x{"a b"="1"}"#, " 1"),
            (r#"x{a="größe 😀 <b>"} 1"#, r#"x{a="größe 😀 <b>"}"#, " 1"),
        ] {
            assert_eq!(parsed(text), Ok((series.to_string(), rest)), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            ("", "expected a name, found the end"),
            ("5 x", "expected a name, found `5 x`"),
            ("-x", "expected a name, found `-x`"),
            ("{} 1", "expected a name, found `{} 1`"),
            ("x{a} 1", "expected `=`, found `} 1`"),
            ("x{a=b} 1", "expected `\"`, found `b} 1`"),
            ("x{a=\"b\"", "expected `,` or `}`, found the end"),
            ("x{a=\"b", "a text in quotes does not end"),
            ("x{a=\"b\\", "a text in quotes does not end"),
            ("x{1=\"b\"}", "expected the name of a label, found `1=\"b\"}`"),
            ("x{a=\"b\" c=\"d\"}", "expected `,` or `}`, found `c=\"d\"}`"),
            ("x{a=\"1\",a=\"2\"}", "the label `a` is given twice"),
            ("x{\"y\"}", "expected `=`, found `a second name`"),
        ] {
            assert_eq!(parsed(text), Err(why.to_string()), "{text}");
        }
        assert_eq!(parsed(&"x".repeat(201)), Err("the name is 201 bytes long; the maximum is 200".into()));
        let long = format!("x{{a=\"{}\"}}", "b".repeat(1000));
        assert_eq!(parsed(&long), Err("the labels are 1006 bytes long; the maximum is 1000".into()));
    }

    #[test]
    fn a_label_is_added_unless_it_is_there() {
        let with = |text: &str| Series::parse(text, Some(("instance", "a:1"))).unwrap().0.to_string();
        assert_eq!(with("x"), r#"x{instance="a:1"}"#);
        assert_eq!(with(r#"x{z="1",a="2"}"#), r#"x{a="2",instance="a:1",z="1"}"#);
        assert_eq!(with(r#"x{instance="own"}"#), r#"x{instance="own"}"#);
    }

    proptest! {
        #[test]
        fn the_canonical_text_means_the_same(
            text in r#"[a-z]{1,3}(\{("?[a-z ]{1,3}"?="[ -~]{0,6}",?){0,4}\})?|\{"[ -~]{1,5}"(,[a-z]="[ -~]{0,4}")?\}"#
        ) {
            if let Ok((series, _)) = Series::parse(&text, None) {
                let text = series.written();
                prop_assert_eq!(Series::parse(&text, None), Ok((series, "")));
            }
        }

        #[test]
        fn any_text(text in ".{0,80}", inside in ".{0,40}") {
            let _ = Series::parse(&text, None);
            let _ = Series::parse(&format!("x{{{inside}"), None);
        }
    }
}
