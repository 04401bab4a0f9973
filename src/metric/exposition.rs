//! The text in which programs expose their numbers to Prometheus, and its successor OpenMetrics:
//!
//! ```text
//! # TYPE http_requests_total counter
//! http_requests_total{method="get",code="200"} 1027
//! # TYPE queue_length gauge
//! queue_length 3 1395066363000
//! ```
//!
//! Written for this program: the crates that parse it need a parser generator, or regular expressions and a calendar, for
//! a format of one number per line, and stop at names with dots or quotes. As Prometheus does, an answer with a mistake is
//! refused as a whole: after one, nobody knows what the rest means.

use std::collections::{HashMap, HashSet};

use super::MOST_SERIES;
use super::series::Series;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub series: Series,
    /// The type of its family; `None` if nothing says it.
    pub kind: Option<&'static str>,
    /// It only grows until the program is started again.
    pub is_counter: bool,
    /// `None` for NaN and infinities, which are no measurements.
    pub value: Option<f64>,
}

/// What a text says.
#[derive(Debug, Default, PartialEq)]
pub struct Exposed {
    /// Of different series.
    pub samples: Vec<Sample>,
    /// Why some lines are not among them: a series that is there twice, too long, or one too many.
    pub left_out: Option<String>,
}

/// The first mistake of a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpositionError {
    #[error("line {line}: {why}")]
    Line { line: usize, why: String },
    #[error("it ends in the middle of a line")]
    Cut,
}

const KINDS: [&str; 9] =
    ["counter", "gauge", "histogram", "summary", "untyped", "unknown", "gaugehistogram", "info", "stateset"];

/// Parses a whole text. `instance`: the value of a label of this name, for series without one.
///
/// # Errors
/// Where and what the first mistake is.
pub fn parse(text: &[u8], instance: Option<&str>) -> Result<Exposed, ExpositionError> {
    let mut kinds: HashMap<&str, &'static str> = HashMap::new();
    let mut seen: HashSet<Series> = HashSet::new();
    let mut exposed = Exposed::default();
    let instance = instance.map(|value| ("instance", value));
    for (n, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
        let wrong = |why: String| ExpositionError::Line { line: n + 1, why };
        let is_whole = line.ends_with(b"\n");
        let line = std::str::from_utf8(line).map_err(|_| wrong("not UTF-8".into()))?.trim();
        if line == "# EOF" {
            break;
        }
        if !is_whole {
            return Err(ExpositionError::Cut);
        }
        if let Some(comment) = line.strip_prefix('#') {
            kinds.extend(kind_in(comment));
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let (series, rest) = match Series::parse(line, instance) {
            Ok(found) => found,
            Err((why, _)) if why.is_length() => {
                exposed.left_out.get_or_insert_with(|| format!("line {}: {why}", n + 1));
                continue;
            }
            Err((why, _)) => return Err(wrong(why.to_string())),
        };
        let value = value(rest).map_err(wrong)?;
        if seen.len() >= MOST_SERIES {
            exposed.left_out.get_or_insert_with(too_many);
            continue;
        }
        if !seen.insert(series.clone()) {
            exposed.left_out.get_or_insert_with(|| format!("line {}: {series} is there twice", n + 1));
            continue;
        }
        let (kind, is_counter) = meaning(&series.metric, &kinds);
        exposed.samples.push(Sample { series, kind, is_counter, value });
    }
    Ok(exposed)
}

/// Why series are missing.
pub fn too_many() -> String {
    format!("there are more than {MOST_SERIES} different series; those above are left out")
}

/// `TYPE http_requests_total counter`
fn kind_in(comment: &str) -> Option<(&str, &'static str)> {
    let rest = comment.trim_start().strip_prefix("TYPE")?;
    let (name, kind) = rest.trim().rsplit_once([' ', '\t'])?;
    let name = name.trim_end();
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    Some((name, KINDS.into_iter().find(|known| *known == kind)?))
}

/// The number after a series, before a time stamp and an exemplar, which are not used.
fn value(text: &str) -> Result<Option<f64>, String> {
    let mut words = text.split_ascii_whitespace();
    let number = words.next().ok_or("a number is missing")?;
    let shown = || number.chars().take(20).collect::<String>();
    let value: f64 = number.parse().map_err(|_| format!("expected a number, found `{}`", shown()))?;
    match (words.next(), words.next()) {
        (None, _) => {}
        (Some(exemplar), _) if exemplar.starts_with('#') => {}
        (Some(time), None) if time.parse::<f64>().is_ok() => {}
        (Some(time), Some(exemplar)) if time.parse::<f64>().is_ok() && exemplar.starts_with('#') => {}
        (Some(other), _) => {
            return Err(format!("expected a time stamp, found `{}`", other.chars().take(20).collect::<String>()));
        }
    }
    Ok(Some(value).filter(|value| value.is_finite()))
}

/// The type of a series, and whether it is a counter. The series of a histogram have names of their own, and the type has
/// that of the family.
fn meaning(name: &str, kinds: &HashMap<&str, &'static str>) -> (Option<&'static str>, bool) {
    if let Some(kind) = kinds.get(name) {
        return (Some(kind), *kind == "counter");
    }
    for suffix in ["_total", "_bucket", "_sum", "_count", "_created", "_gsum", "_gcount", "_info"] {
        let Some(kind) = name.strip_suffix(suffix).and_then(|family| kinds.get(family)) else { continue };
        let is_counter = match *kind {
            "counter" => suffix == "_total",
            "histogram" | "summary" => matches!(suffix, "_bucket" | "_sum" | "_count"),
            _ => false,
        };
        return (Some(kind), is_counter);
    }
    (None, false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `name{labels} kind value`, with `+` after the kind of a counter.
    fn lines(text: &str) -> Vec<String> {
        let shown = |sample: &Sample| {
            let Sample { series, kind, is_counter, value } = sample;
            let value = value.map_or("null".into(), |value| value.to_string());
            format!("{series} {}{} {value}", kind.unwrap_or("-"), if *is_counter { "+" } else { "" })
        };
        parse(text.as_bytes(), None).unwrap().samples.iter().map(shown).collect()
    }

    /// The example of the format's description, with its odd forms.
    #[test]
    fn prometheus_text() {
        let text = "# HELP http_requests_total The total number of HTTP requests.\n\
                    # TYPE http_requests_total counter\n\
                    http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\
                    http_requests_total{method=\"post\",code=\"400\"}    3 1395066363000\n\
                    \n\
                    # Escaping in label values:\n\
                    msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot find file:\\n\\\"FILE.TXT\\\"\"} 1.458255915e9\n\
                    metric_without_timestamp_and_labels 12.47\n\
                    something_weird{problem=\"division by zero\"} +Inf -3982045\n\
                    # TYPE http_request_duration_seconds histogram\n\
                    http_request_duration_seconds_bucket{le=\"0.05\"} 24054\n\
                    http_request_duration_seconds_bucket{le=\"+Inf\"} 144320\n\
                    http_request_duration_seconds_sum 53423\n\
                    http_request_duration_seconds_count 144320\n\
                    # TYPE rpc_duration_seconds summary\n\
                    rpc_duration_seconds{quantile=\"0.99\"} NaN\n\
                    rpc_duration_seconds_sum 1.7560473e+07\n\
                    rpc_duration_seconds_count 2693\n\
                    # TYPE up untyped\n\
                    up 1\n";
        assert_eq!(
            lines(text),
            [
                r#"http_requests_total{code="200",method="post"} counter+ 1027"#,
                r#"http_requests_total{code="400",method="post"} counter+ 3"#,
                r#"msdos_file_access_time_seconds{error="Cannot find file:\n\"FILE.TXT\"",path="C:\\DIR\\FILE.TXT"} - 1458255915"#,
                "metric_without_timestamp_and_labels - 12.47",
                r#"something_weird{problem="division by zero"} - null"#,
                r#"http_request_duration_seconds_bucket{le="0.05"} histogram+ 24054"#,
                r#"http_request_duration_seconds_bucket{le="+Inf"} histogram+ 144320"#,
                "http_request_duration_seconds_sum histogram+ 53423",
                "http_request_duration_seconds_count histogram+ 144320",
                r#"rpc_duration_seconds{quantile="0.99"} summary null"#,
                "rpc_duration_seconds_sum summary+ 17560473",
                "rpc_duration_seconds_count summary+ 2693",
                "up untyped 1",
            ]
        );
    }

    #[test]
    fn open_metrics() {
        let text = "# TYPE foo counter\n\
                    # UNIT foo_seconds seconds\n\
                    foo_total 17.0 1520879607.789 # {trace_id=\"KOO5S4vxi0o\"} 0.67\n\
                    foo_created 1520430000.123\n\
                    # TYPE h histogram\n\
                    h_bucket{le=\"1\"} 5 # {a=\"b\"} 0.3 1520879607.789\n\
                    h_created 1520430000\n\
                    # TYPE \"my.disk/used\" gauge\n\
                    {\"my.disk/used\",dev=\"sda\"} 3\n\
                    # TYPE build info\n\
                    build_info{version=\"1\"} 1\n\
                    # EOF\n\
                    what comes after the end\n";
        assert_eq!(
            lines(text),
            [
                "foo_total counter+ 17",
                "foo_created counter 1520430000.123",
                r#"h_bucket{le="1"} histogram+ 5"#,
                "h_created histogram 1520430000",
                r#"my.disk/used{dev="sda"} gauge 3"#,
                r#"build_info{version="1"} info 1"#,
            ]
        );
        assert_eq!(lines("a 1\n# EOF"), ["a - 1"], "the last line needs no end then");
    }

    #[test]
    fn an_answer_with_a_mistake_is_refused_as_a_whole() {
        let said = |text: &[u8]| parse(text, None).unwrap_err().to_string();
        assert_eq!(said(b"a 1\nb 2"), "it ends in the middle of a line");
        assert_eq!(said(b"a 1\nb two\n"), "line 2: expected a number, found `two`");
        assert_eq!(said(b"a\n"), "line 1: a number is missing");
        assert_eq!(said(b"a 1 2 3\n"), "line 1: expected a time stamp, found `2`");
        assert_eq!(said(b"a 1 now\n"), "line 1: expected a time stamp, found `now`");
        assert_eq!(said(b"\n<html>\n"), "line 2: expected a name, found `<html>`");
        assert_eq!(said(b"a{b=\"\xff\"} 1\n"), "line 1: not UTF-8");
        assert_eq!(said(b"a{b=\"c} 1\n"), "line 1: a text in quotes does not end");
    }

    #[test]
    fn what_is_left_out_is_told() {
        let of = |text: &str| parse(text.as_bytes(), None).unwrap();
        let twice = of("a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\n");
        assert_eq!(
            (twice.samples.len(), twice.left_out.unwrap()),
            (1, r#"line 2: a{x="1",y="2"} is there twice"#.into())
        );
        let long = of(&format!("{} 1\nb 2\n", "a".repeat(300)));
        assert_eq!(long.samples.len(), 1);
        assert_eq!(long.left_out.unwrap(), "line 1: the name is 300 bytes long; the maximum is 200");
        let many: String = (0..MOST_SERIES + 5).map(|n| format!("a{n} 1\n")).collect();
        let many = of(&many);
        assert_eq!((many.samples.len(), many.left_out), (MOST_SERIES, Some(too_many())));
    }

    #[test]
    fn instances_are_told_apart() {
        let exposed = parse(b"a 1\nb{instance=\"x\"} 1\n", Some("h:1")).unwrap();
        let names: Vec<String> = exposed.samples.iter().map(|sample| sample.series.to_string()).collect();
        assert_eq!(names, [r#"a{instance="h:1"}"#, r#"b{instance="x"}"#]);
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = parse(&bytes, Some("i"));
        }

        #[test]
        fn any_pieces_of_the_format(text in r#"((# TYPE |# HELP |a|b_total|\{|\}|"|\\|=|,| |1|NaN|#|\n|é| counter){1,3}){0,60}"#) {
            let _ = parse(text.as_bytes(), None);
            let _ = parse(format!("{text}\n").as_bytes(), None);
        }
    }
}
