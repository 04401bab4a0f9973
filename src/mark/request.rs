//! A requested mark, and the line that requests it.
//!
//! A line consists either of words, where the rest of the line is the name or the text, including blanks:
//!
//! ```text
//! start NAME
//! end NAME
//! event TEXT
//! value NAME=NUMBER NAME=NUMBER…
//! ```
//!
//! or of JSON, which can also have tags: `{"start": "NAME", "tags": {"KEY": "VALUE"}}`, `{"value": {"NAME": NUMBER}}`. The
//! first form needs no quoting, and the second is available in every language.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::metric::given::{self, Given, GivenError};
use crate::table::phase::SEPARATOR;
use crate::text::nearest::did_you_mean;

/// The kind of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkKind {
    /// A phase begins.
    Start,
    /// A phase ends.
    End,
    /// Something happened.
    Event,
    /// Numbers of the program: rows of table `metric`, not of `mark`.
    Value,
}

impl MarkKind {
    pub const ALL: [MarkKind; 4] = [MarkKind::Start, MarkKind::End, MarkKind::Event, MarkKind::Value];

    /// The word used in lines and in the table.
    pub fn word(self) -> &'static str {
        match self {
            MarkKind::Start => "start",
            MarkKind::End => "end",
            MarkKind::Event => "event",
            MarkKind::Value => "value",
        }
    }

    /// What follows the word.
    fn object(self) -> &'static str {
        match self {
            MarkKind::Start | MarkKind::End => "name",
            MarkKind::Event => "text",
            MarkKind::Value => "name=number",
        }
    }

    fn most_bytes(self) -> usize {
        match self {
            MarkKind::Start | MarkKind::End => LONGEST_NAME,
            MarkKind::Event => LONGEST_TEXT,
            MarkKind::Value => LONGEST_VALUES,
        }
    }

    /// Does the mark start or end a phase?
    pub fn changes_phase(self) -> bool {
        matches!(self, MarkKind::Start | MarkKind::End)
    }
}

impl fmt::Display for MarkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Maximum number of bytes of a phase's name.
pub const LONGEST_NAME: usize = 100;
/// Maximum number of bytes of an event's text.
pub const LONGEST_TEXT: usize = 1000;
/// Maximum number of bytes of the numbers of a mark, as text.
pub const LONGEST_VALUES: usize = 4000;
/// Maximum number of bytes of all tags together, as JSON.
pub const LONGEST_TAGS: usize = 1000;
/// Maximum number of bytes of a line: the longest text and tags, if every character is escaped.
pub const LONGEST_LINE: usize = 4096;

/// A valid mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    kind: MarkKind,
    text: String,
    tags: BTreeMap<String, String>,
    /// Only of a mark with numbers.
    values: Vec<Given>,
}

/// Why a line or an argument is not a valid mark.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    Value(#[from] GivenError),
    #[error("numbers have no tags; write labels: NAME{{KEY=\"VALUE\"}}=NUMBER")]
    Tagged,
    #[error("{kind} needs a {what}: `{kind} {upper}`", kind = .0, what = .0.object(), upper = .0.object().to_uppercase())]
    Empty(MarkKind),
    #[error("the {} is {found} bytes long; the maximum is {}", .kind.object(), .kind.most_bytes())]
    TooLong { kind: MarkKind, found: usize },
    #[error("the tags are {0} bytes long as JSON; the maximum is {LONGEST_TAGS}")]
    TagsTooLong(usize),
    #[error(
        "`{0}` contains a `{SEPARATOR}`, which separates the names of nested phases: start one phase after the other"
    )]
    Separator(String),
    #[error("control characters such as tabs and line breaks cannot be stored")]
    Control,
    #[error("a tag needs a key: KEY=VALUE")]
    NoKey,
    #[error("not UTF-8")]
    NotText,
    #[error("{0}; a line is `start NAME`, `end NAME`, `event TEXT`, `value NAME=NUMBER`, or one of these in JSON")]
    NotOurs(String),
    #[error("the line is longer than {LONGEST_LINE} bytes")]
    LongLine,
}

/// The JSON form of a line.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

impl Request {
    /// # Errors
    /// If the name, text or tags cannot be stored.
    pub fn new(kind: MarkKind, text: &str, tags: BTreeMap<String, String>) -> Result<Request, RequestError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(RequestError::Empty(kind));
        }
        if text.len() > kind.most_bytes() {
            return Err(RequestError::TooLong { kind, found: text.len() });
        }
        let texts = [text].into_iter().chain(tags.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()]));
        if texts.into_iter().any(|text| text.contains(char::is_control)) {
            return Err(RequestError::Control);
        }
        if kind.changes_phase() && text.contains(SEPARATOR) {
            return Err(RequestError::Separator(text.into()));
        }
        if tags.keys().any(String::is_empty) {
            return Err(RequestError::NoKey);
        }
        if kind == MarkKind::Value {
            return if tags.is_empty() { Request::of_values(given::parse(text)?) } else { Err(RequestError::Tagged) };
        }
        let request = Request { kind, text: text.into(), tags, values: Vec::new() };
        match request.tags().map_or(0, |tags| tags.len()) {
            0..=LONGEST_TAGS => Ok(request),
            found => Err(RequestError::TagsTooLong(found)),
        }
    }

    /// A mark with these numbers.
    fn of_values(values: Vec<Given>) -> Result<Request, RequestError> {
        let text = given::text(&values);
        match text.len() {
            0 => Err(RequestError::Empty(MarkKind::Value)),
            // Line breaks in labels are escaped in the text.
            1..=LONGEST_VALUES if !text.contains(char::is_control) => {
                Ok(Request { kind: MarkKind::Value, text, tags: BTreeMap::new(), values })
            }
            1..=LONGEST_VALUES => Err(RequestError::Control),
            found => Err(RequestError::TooLong { kind: MarkKind::Value, found }),
        }
    }

    /// Parses a line, without its line end.
    ///
    /// # Errors
    /// If it is not a valid mark.
    pub fn parse(line: &[u8]) -> Result<Request, RequestError> {
        if line.len() > LONGEST_LINE {
            return Err(RequestError::LongLine);
        }
        let line = std::str::from_utf8(line).map_err(|_| RequestError::NotText)?.trim();
        if line.starts_with('{') {
            return Request::from_json(line);
        }
        let (word, text) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match MarkKind::ALL.into_iter().find(|kind| kind.word() == word) {
            Some(kind) => Request::new(kind, text, BTreeMap::new()),
            None if word.is_empty() => Err(RequestError::NotOurs("an empty line".into())),
            None => {
                let shown: String = word.chars().filter(|c| !c.is_control()).take(40).collect();
                let hint = did_you_mean(&shown, MarkKind::ALL.map(MarkKind::word));
                Err(RequestError::NotOurs(format!("unknown word `{shown}`{hint}")))
            }
        }
    }

    fn from_json(line: &str) -> Result<Request, RequestError> {
        let Line { start, end, event, value, tags } =
            serde_json::from_str(line).map_err(|error| RequestError::NotOurs(error.to_string()))?;
        if let (Some(object), None, None, None) = (&value, &start, &end, &event) {
            return if tags.is_empty() {
                Request::of_values(given::from_json(object)?)
            } else {
                Err(RequestError::Tagged)
            };
        }
        let given = [(MarkKind::Start, start), (MarkKind::End, end), (MarkKind::Event, event)];
        let mut given = given.into_iter().filter_map(|(kind, text)| Some((kind, text?)));
        match (given.next(), given.next()) {
            (Some((kind, text)), None) if value.is_none() => Request::new(kind, &text, tags),
            _ => Err(RequestError::NotOurs("exactly one of `start`, `end`, `event` and `value` is needed".into())),
        }
    }

    /// The line that requests this mark, without its line end.
    pub fn line(&self) -> String {
        if self.kind == MarkKind::Value {
            return format!("{} {}", self.kind, self.text);
        }
        let mut line = Line { tags: self.tags.clone(), ..Line::default() };
        let field = match self.kind {
            MarkKind::Start => &mut line.start,
            MarkKind::End => &mut line.end,
            MarkKind::Event | MarkKind::Value => &mut line.event,
        };
        *field = Some(self.text.clone());
        json(&line)
    }

    pub fn kind(&self) -> MarkKind {
        self.kind
    }

    /// The name of the phase; for an event its text; for numbers what [`given::parse`] reads.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The numbers.
    pub fn values(&self) -> &[Given] {
        &self.values
    }

    /// The tags as compact JSON, sorted by key.
    pub fn tags(&self) -> Option<String> {
        (!self.tags.is_empty()).then(|| json(&self.tags))
    }
}

/// Maps of strings can always be converted to JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn lines_of_words() {
        let new = |kind, said| Request::new(kind, said, BTreeMap::new());
        for (line, kind, said) in [
            ("start load", MarkKind::Start, "load"),
            ("start  big load \r", MarkKind::Start, "big load"),
            ("end\tload", MarkKind::End, "load"),
            ("event the cache is warm: 5/7 k=v", MarkKind::Event, "the cache is warm: 5/7 k=v"),
            ("event \"quoted\" 'text'", MarkKind::Event, "\"quoted\" 'text'"),
            ("start größe", MarkKind::Start, "größe"),
        ] {
            assert_eq!(Request::parse(line.as_bytes()), new(kind, said), "{line}");
        }
    }

    #[test]
    fn lines_of_json() {
        let line = br#" {"start": "big load", "tags": {"b": "2 \"x\"", "a": "1"}}"#;
        let request = Request::parse(line).unwrap();
        assert_eq!(request, Request::new(MarkKind::Start, "big load", tags(&[("a", "1"), ("b", "2 \"x\"")])).unwrap());
        assert_eq!(request.tags().unwrap(), r#"{"a":"1","b":"2 \"x\""}"#);
        assert_eq!(request.line(), r#"{"start":"big load","tags":{"a":"1","b":"2 \"x\""}}"#);
        assert_eq!(Request::parse(br#"{"event":"x"}"#).unwrap().tags(), None);
        for bad in [
            "{}",
            "{",
            r#"{"start":"a","end":"a"}"#,
            r#"{"start":"a","tag":{"k":"v"}}"#,
            r#"{"start":"a"} {"end":"a"}"#,
            r#"{"start":7}"#,
            r#"{"tags":{"k":"v"}}"#,
        ] {
            let said = Request::parse(bad.as_bytes()).unwrap_err();
            assert!(matches!(said, RequestError::NotOurs(_)), "{bad}: {said}");
        }
    }

    #[test]
    fn numbers() {
        let request = Request::parse(b"value qps=1234  p99_ms=3.50 q{shard=\"a b\"}=1").unwrap();
        assert_eq!((request.kind(), request.text()), (MarkKind::Value, r#"qps=1234 p99_ms=3.5 q{shard="a b"}=1"#));
        assert_eq!(request.line(), r#"value qps=1234 p99_ms=3.5 q{shard="a b"}=1"#);
        assert_eq!(request.values().len(), 3);
        let json = br#"{"value": {"p99_ms": 3.5, "q{shard=\"a b\"}": 1, "qps": 1234}}"#;
        let mut names: Vec<String> =
            Request::parse(json).unwrap().values().iter().map(|one| one.series.to_string()).collect();
        names.sort();
        assert_eq!(names, ["p99_ms", "qps", r#"q{shard="a b"}"#]);
        let said = |line: &[u8]| Request::parse(line).unwrap_err().to_string();
        assert_eq!(said(b"value"), "value needs a name=number: `value NAME=NUMBER`");
        assert_eq!(said(b"value qps"), "`qps` has no number: write qps=NUMBER");
        assert_eq!(said(br#"{"value": {}}"#), "value needs a name=number: `value NAME=NUMBER`");
        assert!(said(br#"{"value": {"a": 1}, "tags": {"k": "v"}}"#).starts_with("numbers have no tags"));
        assert!(said(br#"{"value": {"a": 1}, "event": "x"}"#).starts_with("exactly one of"));
        assert!(said(br#"{"value": 5}"#).contains("expected a map"));
        assert!(said("value a{b=\"\u{7}\"}=1".as_bytes()).starts_with("control characters"));
        // A line break in a label is stored as `\n`.
        assert!(Request::parse(br#"{"value": {"a{b=\"x\\ny\"}": 1}}"#).is_ok());
        let long = format!("value {}", (0..95).map(|n| format!("{n:_>40}=1 ")).collect::<String>());
        assert_eq!(said(long.as_bytes()), "the name=number is 4084 bytes long; the maximum is 4000");
    }

    #[test]
    fn reasons_why_a_mark_is_refused() {
        let said = |line: &[u8]| Request::parse(line).unwrap_err().to_string();
        assert_eq!(said(b"start"), "start needs a name: `start NAME`");
        assert_eq!(said(b"event  "), "event needs a text: `event TEXT`");
        assert!(said(b"start a/b").starts_with("`a/b` contains a `/`"));
        assert!(said(b"strat a").contains("unknown word `strat` (did you mean `start`?); a line is `start NAME`"));
        assert!(said(b"").starts_with("an empty line;"));
        assert_eq!(said(b"start \xff"), "not UTF-8");
        assert!(said(b"event a\x07b").starts_with("control characters"));
        assert!(said(br#"{"event": "two\nlines"}"#).starts_with("control characters"));
        assert!(said(br#"{"event": "x", "tags": {"k": "\u0000"}}"#).starts_with("control characters"));
        assert!(said(br#"{"event": "x", "tags": {"": "v"}}"#).starts_with("a tag needs a key"));
        assert_eq!(
            said(&[b"start ".as_slice(), &[b'x'; 101]].concat()),
            "the name is 101 bytes long; the maximum is 100"
        );
        assert_eq!(said(&[b'x'; 5000]), "the line is longer than 4096 bytes");
        let long = Request::new(MarkKind::Event, "x", tags(&[("k", &"v".repeat(1000))])).unwrap_err();
        assert_eq!(long, RequestError::TagsTooLong(1008));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
            let _ = Request::parse(&bytes);
        }

        #[test]
        fn any_text_after_a_word(kind in 0..3usize, said in ".{0,1200}") {
            let kind = MarkKind::ALL[kind];
            if let Ok(request) = Request::parse(format!("{kind} {said}").as_bytes()) {
                prop_assert_eq!((request.kind(), request.text()), (kind, said.trim()));
            }
        }

        #[test]
        fn a_request_survives_its_line(
            kind in 0..3usize,
            said in ".{0,150}",
            tags in proptest::collection::btree_map(".{0,20}", ".{0,40}", 0..12),
        ) {
            if let Ok(request) = Request::new(MarkKind::ALL[kind], &said, tags) {
                let line = request.line();
                prop_assert!(line.len() <= LONGEST_LINE && !line.contains('\n'));
                prop_assert_eq!(Request::parse(line.as_bytes()), Ok(request));
            }
        }
    }
}
