//! Numbers as users write them: `qps=1234 p99_ms=3.5 'queue{shard="0"}=7'`.

use serde_json::{Map, Value};

use super::series::{Series, SeriesError};

/// Maximum number of numbers of one mark.
pub const MOST: usize = 100;

/// A number with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    pub series: Series,
    /// Finite.
    pub value: f64,
}

/// Why a text is not a list of numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenError {
    #[error("{0}; write NAME=NUMBER, or NAME{{KEY=\"VALUE\"}}=NUMBER")]
    Series(SeriesError),
    #[error(
        "`{0}` is not a name of letters, digits, `_`, `:` and `.`, with or without labels; others are written {{\"NAME\"}}"
    )]
    Name(String),
    #[error("`{0}` has no number: write {0}=NUMBER")]
    NoNumber(String),
    #[error("{series}: `{found}` is not a finite number")]
    NotANumber { series: String, found: String },
    #[error("{0} is given twice")]
    Twice(String),
    #[error("{0} numbers; the maximum is {MOST} per mark")]
    TooMany(usize),
}

/// Parses numbers that are separated by blanks.
///
/// # Errors
/// The first mistake.
pub fn parse(text: &str) -> Result<Vec<Given>, GivenError> {
    let mut all = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let series;
        (series, rest) = Series::parse(rest, None).map_err(|(why, _)| GivenError::Series(why))?;
        let after = rest.strip_prefix('=').ok_or_else(|| GivenError::NoNumber(series.to_string()))?;
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let (number, after) = after.split_at_checked(end).unwrap_or((after, ""));
        let value = number.parse().ok().filter(|value: &f64| value.is_finite());
        let value = value.ok_or_else(|| GivenError::NotANumber { series: series.to_string(), found: shown(number) })?;
        all.push(Given { series, value });
        rest = after.trim_start();
    }
    checked(all)
}

/// The same from an object: `{"qps": 1234}`.
///
/// # Errors
/// The first mistake.
pub fn from_json(object: &Map<String, Value>) -> Result<Vec<Given>, GivenError> {
    let given = object.iter().map(|(name, number)| {
        let (series, rest) = Series::parse(name.trim(), None).map_err(|(why, _)| GivenError::Series(why))?;
        if !rest.is_empty() {
            return Err(GivenError::Name(shown(name)));
        }
        let value = number.as_f64().filter(|value| value.is_finite());
        let wrong = || GivenError::NotANumber { series: shown(name), found: shown(&number.to_string()) };
        Ok(Given { series, value: value.ok_or_else(wrong)? })
    });
    checked(given.collect::<Result<_, _>>()?)
}

/// The text from which [`parse`] makes the same numbers.
pub fn text(all: &[Given]) -> String {
    let each = all.iter().map(|Given { series, value }| format!("{}={value}", series.written()));
    each.collect::<Vec<_>>().join(" ")
}

fn checked(all: Vec<Given>) -> Result<Vec<Given>, GivenError> {
    if all.len() > MOST {
        return Err(GivenError::TooMany(all.len()));
    }
    let twice = all.iter().enumerate().find(|(n, one)| all.iter().take(*n).any(|other| other.series == one.series));
    match twice {
        Some((_, one)) => Err(GivenError::Twice(one.series.to_string())),
        None => Ok(all),
    }
}

fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        parse(text).map_or_else(|why| why.to_string(), |all| super::text(&all))
    }

    #[test]
    fn several_numbers_in_one_line() {
        assert_eq!(said("qps=1234 p99_ms=3.5"), "qps=1234 p99_ms=3.5");
        assert_eq!(said(" a=-1e-3\tb.c:d=+5  e=.5 "), "a=-0.001 b.c:d=5 e=0.5");
        assert_eq!(said(r#"q{path="/a b",k="="}=1 r=2"#), r#"q{k="=",path="/a b"}=1 r=2"#);
        assert_eq!(said(r#"q{a="1"}=1 q{a="2"}=2 q=3"#), r#"q{a="1"}=1 q{a="2"}=2 q=3"#);
    }

    #[test]
    fn mistakes() {
        assert_eq!(said("qps"), "`qps` has no number: write qps=NUMBER");
        assert_eq!(said("qps 5"), "`qps` has no number: write qps=NUMBER");
        for bad in ["", "x", "1k", "nan", "inf", "-infinity", "1e999", "0x10", "1,5", "1_000"] {
            assert_eq!(said(&format!("qps={bad}")), format!("qps: `{bad}` is not a finite number"));
        }
        assert!(said("=5").starts_with("expected a name, found `=5`; write NAME=NUMBER"));
        assert!(said("größe=5").starts_with("`gr` has no number") || said("größe=5").starts_with("expected a name"));
        assert_eq!(said("a=1 b=2 a=3"), "a is given twice");
        assert_eq!(said(r#"a{x="1",y="2"}=1 a{y="2",x="1"}=3"#), r#"a{x="1",y="2"} is given twice"#);
        let many: String = (0..101).map(|n| format!("n{n}=1 ")).collect();
        assert_eq!(said(&many), "101 numbers; the maximum is 100 per mark");
    }

    #[test]
    fn numbers_in_json() {
        let of = |text: &str| from_json(&serde_json::from_str(text).unwrap());
        assert_eq!(of(r#"{"b": 3.5, "a{k=\"v\"}": 1}"#).map(|all| text(&all)), Ok(r#"a{k="v"}=1 b=3.5"#.into()));
        for (bad, why) in [
            (r#"{"a": "1"}"#, r#"a: `"1"` is not a finite number"#),
            (r#"{"a": null}"#, "a: `null` is not a finite number"),
            (
                r#"{"a=": 1}"#,
                "`a=` is not a name of letters, digits, `_`, `:` and `.`, with or without labels; others are written {\"NAME\"}",
            ),
        ] {
            assert_eq!(of(bad).unwrap_err().to_string(), why);
        }
        assert!(of(r#"{"": 1}"#).unwrap_err().to_string().starts_with("expected a name, found the end"));
    }

    proptest::proptest! {
        #[test]
        fn any_line(line in ".{0,200}") {
            let _ = parse(&line);
        }
    }
}
