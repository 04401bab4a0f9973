//! Parses a line of `perf stat -I … -j`.
//!
//! ```text
//! {"interval" : 1.001089747, "cpu" : "0", "counter-value" : "2497454658.000000", "unit" : "", "event" : "cycles", …}
//! ```
//!
//! This is almost JSON. perf escapes nothing, so a thread named `a"b` or `a\n` breaks every strict reader, or is
//! misread by it. Some versions end an object with a comma, and two objects may be on one line. Therefore we use our
//! own reader, which looks for what perf prints.

use super::line::{NoRow, PerfLine, digits, reading, seconds};

/// Parses the objects of a line in their order.
pub fn rows<'l>(line: &'l str, mut each: impl FnMut(Result<PerfLine<'l>, NoRow>)) {
    let mut rest = line.trim();
    if rest.is_empty() || rest.starts_with('#') {
        return each(Err(NoRow::Known));
    }
    while !rest.is_empty() {
        if !rest.starts_with('{') {
            // Text between two objects, or after the last one.
            each(Err(NoRow::Unknown));
            let Some(next) = rest.find('{') else { return };
            rest = &rest[next..];
        }
        match object(rest) {
            Some((fields, after)) => {
                each(fields.row());
                rest = after.trim_start_matches([' ', ',', '\t']);
            }
            None => {
                each(Err(NoRow::Unknown));
                // Cut off or broken; another object may follow.
                let Some(next) = rest.get(1..).and_then(|r| r.find("{\"")) else { return };
                rest = &rest[next + 1..];
            }
        }
    }
}

/// The fields of an object that make a row.
#[derive(Default)]
struct Fields<'l> {
    interval: Option<&'l str>,
    cpu: Option<&'l str>,
    key: Option<&'l str>,
    cgroup: Option<&'l str>,
    value: Option<&'l str>,
    unit: Option<&'l str>,
    event: Option<&'l str>,
    running: Option<&'l str>,
}

impl<'l> Fields<'l> {
    fn set(&mut self, name: &str, value: &'l str) {
        let slot = match name {
            "interval" => &mut self.interval,
            "cpu" => &mut self.cpu,
            "core" | "socket" | "die" | "node" | "cache" | "cluster" | "thread" => &mut self.key,
            "cgroup" => &mut self.cgroup,
            "counter-value" => &mut self.value,
            "unit" => &mut self.unit,
            "event" => &mut self.event,
            "pcnt-running" => &mut self.running,
            _ => return,
        };
        *slot = Some(value);
    }

    fn row(self) -> Result<PerfLine<'l>, NoRow> {
        // Sums at the end have no time; additional metrics have no event or no count.
        let (Some(interval), Some(value), Some(event)) = (self.interval, self.value, self.event) else {
            return Err(NoRow::Known);
        };
        let time_ns = time(interval).ok_or(NoRow::Unknown)?;
        let reading = reading(value.trim()).ok_or(NoRow::Unknown)?;
        // perf writes all counts with six decimals: for a whole number they are zero.
        let whole = value.split_once('.').is_none_or(|(_, fraction)| fraction.bytes().all(|b| b == b'0'));
        let cpu = match self.cpu {
            Some(cpu) => Some(cpu_number(cpu).ok_or(NoRow::Unknown)?),
            None => None,
        };
        Ok(PerfLine {
            time_ns,
            cpu,
            key: self.key,
            cgroup: self.cgroup,
            reading,
            whole,
            unit: self.unit.filter(|u| *u != "(null)").unwrap_or_default().trim(),
            event: event.trim(),
            running_percent: self.running.and_then(|p| p.parse().ok()).filter(|p: &f64| p.is_finite()),
        })
    }
}

/// A number of seconds, in any form that JSON allows.
fn time(text: &str) -> Option<u64> {
    if text.contains(['e', 'E']) {
        let seconds: f64 = text.trim().parse().ok()?;
        return std::time::Duration::try_from_secs_f64(seconds).ok().and_then(|t| u64::try_from(t.as_nanos()).ok());
    }
    match text.contains('.') {
        true => seconds(text),
        false => digits(text.trim())?.checked_mul(1_000_000_000),
    }
}

/// `"0"`; `CPU0` as in the other format is also accepted.
fn cpu_number(text: &str) -> Option<i32> {
    digits(text.strip_prefix("CPU").unwrap_or(text)).and_then(|n| i32::try_from(n).ok())
}

/// The object at the beginning of `text`, and what follows it; `None` if it is cut off or broken.
fn object(text: &str) -> Option<(Fields<'_>, &str)> {
    let mut fields = Fields::default();
    let mut rest = text.strip_prefix('{')?.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((fields, after));
        }
        let (name, after) = rest.strip_prefix('"')?.split_once('"')?;
        rest = after.trim_start().strip_prefix(':')?.trim_start();
        let value;
        (value, rest) = match rest.strip_prefix('"') {
            Some(inside) => string(inside)?,
            None => {
                let end = rest.find([',', '}'])?;
                (rest[..end].trim_end(), &rest[end..])
            }
        };
        fields.set(name, value);
        rest = match rest.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if rest.starts_with('}') => rest,
            None => return None,
        };
    }
}

/// A string up to the quote after which the object continues or ends, and what follows that quote.
fn string(text: &str) -> Option<(&str, &str)> {
    text.match_indices('"').find_map(|(at, _)| {
        let after = text[at + 1..].trim_start();
        let goes_on = match after.strip_prefix(',') {
            // Another name, or the extra comma of some versions.
            Some(next) => {
                let next = next.trim_start();
                next.starts_with('}')
                    || next.strip_prefix('"').and_then(|n| n.split_once('"')).is_some_and(|(name, after)| {
                        name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && after.trim_start().starts_with(':')
                    })
            }
            None => after.starts_with('}'),
        };
        goes_on.then(|| (&text[..at], after))
    })
}

#[cfg(test)]
mod tests {
    use super::super::line::PrintedCount::{Counted, NotCounted, NotSupported};
    use super::*;
    use proptest::prelude::*;

    fn all(line: &str) -> Vec<Result<PerfLine<'_>, NoRow>> {
        let mut found = Vec::new();
        rows(line, |row| found.push(row));
        found
    }

    fn one(line: &str) -> PerfLine<'_> {
        let found = all(line);
        assert_eq!(found.len(), 1, "{line}");
        found[0].unwrap_or_else(|why| panic!("{why:?}: {line}"))
    }

    #[test]
    fn rows_of_perf_6() {
        let line = one(concat!(
            r#"{"interval" : 1.001089747, "counter-value" : "2497454658.000000", "unit" : "", "event" : "cycles", "#,
            r#""event-runtime" : 16045374810, "pcnt-running" : 100.00, "metric-value" : 2.5, "metric-unit" : "GHz"}"#
        ));
        let expected = PerfLine {
            time_ns: 1_001_089_747,
            cpu: None,
            key: None,
            cgroup: None,
            reading: Counted(2_497_454_658.0),
            whole: true,
            unit: "",
            event: "cycles",
            running_percent: Some(100.0),
        };
        assert_eq!(line, expected);
        let line = one(concat!(
            r#"{"interval" : 2.000000000, "cpu" : "3", "counter-value" : "<not supported>", "unit" : "(null)", "#,
            r#""event" : "LLC-loads", "event-runtime" : 0, "pcnt-running" : 100.00, "metric-value" : "nan", "metric-unit" : ""}"#
        ));
        assert_eq!((line.cpu, line.reading, line.unit), (Some(3), NotSupported, ""));
        let line = one(concat!(
            r#"{"interval" : 2.000000000, "core" : "S0-D0-C0", "aggregate-number" : 2, "counter-value" : "<not counted>", "#,
            r#""unit" : "msec", "event" : "cpu-clock", "event-runtime" : 0, "pcnt-running" : 0.00}"#
        ));
        assert_eq!((line.key, line.reading, line.unit), (Some("S0-D0-C0"), NotCounted, "msec"));
    }

    #[test]
    fn strings_are_not_escaped() {
        for name in
            [r#"q"x-9027"#, r"a\-1", r#"a\"b-2"#, r#"x", y-3"#, "tab\there-4", r#""-5"#, "a}b-6", r#"a",b" : -7"#]
        {
            let text = format!(
                r#"{{"interval" : 1.000000000, "thread" : "{name}", "counter-value" : "5.000000", "unit" : "", "event" : "cs"}}"#
            );
            assert_eq!(one(&text).key, Some(name));
        }
    }

    #[test]
    fn text_that_is_almost_json() {
        let object =
            r#"{"interval" : 1.000000000, "counter-value" : "5.000000", "event" : "cs", "pcnt-running" : 100.00, }"#;
        assert_eq!(one(object).running_percent, Some(100.0));
        let two = format!("{object} {object}");
        assert_eq!(all(&two).iter().filter(|r| r.is_ok()).count(), 2);
        let glued = format!("{object}{object}\r");
        assert_eq!(all(&glued).len(), 2);
        let cut = format!("{}{object}", &object[..40]);
        assert_eq!(all(&cut).iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true]);
        let words = format!("warning! {object} and more");
        assert_eq!(all(&words).iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false]);
        // A decimal comma would be read as two numbers.
        let comma = object.replace("100.00", "100,00");
        assert_eq!(all(&comma), [Err(NoRow::Unknown)]);
        assert_eq!(all(&object.replace("5.000000", "5,000000")), [Err(NoRow::Unknown)]);
    }

    #[test]
    fn objects_that_are_not_rows() {
        for known in [
            "",
            "# started on Fri Nov 20 09:45:00 2026",
            r#"{"interval" : 1.0, "metric-value" : "0.61", "metric-unit" : "stalled cycles per insn"}"#,
            r#"{"interval" : 1.000000000, "metricgroup" : "TopdownL1"}"#,
            r#"{"counter-value" : "5.000000", "unit" : "", "event" : "cs"}"#,
            "{}",
        ] {
            assert_eq!(all(known), [Err(NoRow::Known)], "{known}");
        }
        for unknown in ["cycles", "{", r#"{"interval"}"#, r#"{"interval" : "#, "{]", "}"] {
            assert_eq!(all(unknown), [Err(NoRow::Unknown)], "{unknown}");
        }
        for time in ["x", "1,5", "-1.5", "1.5.5", ".", "1.", "99999999999999999999", "1e99", "nan", "inf", "\"\""] {
            let text = format!(r#"{{"interval" : {time}, "counter-value" : "5.000000", "event" : "cs"}}"#);
            assert_eq!(all(&text), [Err(NoRow::Unknown)], "{time}");
        }
    }

    #[test]
    fn any_number_of_seconds_is_a_time() {
        for (time, time_ns) in [
            ("1.500000000", 1_500_000_000),
            ("1.5", 1_500_000_000),
            ("1", 1_000_000_000),
            ("0.000001", 1000),
            ("12.0000000019", 12_000_000_001),
            ("1.5e0", 1_500_000_000),
            ("15E-1", 1_500_000_000),
            ("\"1.5\"", 1_500_000_000),
            ("\"       1.500000000\"", 1_500_000_000),
        ] {
            let text = format!(r#"{{"interval" : {time}, "counter-value" : "5.000000", "event" : "cs"}}"#);
            assert_eq!(one(&text).time_ns, time_ns, "{time}");
        }
    }

    #[test]
    fn a_percentage_that_is_not_a_number_is_null_and_the_value_is_kept() {
        for percent in ["nan", "-nan", "inf", "\"nan\"", "\"\""] {
            let text = format!(
                r#"{{"interval" : 1.000000000, "counter-value" : "12.000000", "event" : "cs", "pcnt-running" : {percent}}}"#
            );
            let found = one(&text);
            assert_eq!((found.reading, found.running_percent), (Counted(12.0), None), "{percent}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            all(&text);
        }

        #[test]
        fn no_text_similar_to_json_makes_it_panic(pieces in prop::collection::vec(
            prop::sample::select(vec!["{", "}", "\"", "\"interval\"", " : ", "1.000000000", ", ", "\"event\" : \"cs\"", "ä", "\\"]),
            0..30,
        )) {
            all(&pieces.concat());
        }

        #[test]
        fn a_row_has_the_values_of_its_text(
            time_ns in 0..4_000_000_000_000_000u64,
            value in prop::option::of(0..1u64 << 53),
            event in "[a-z][a-z0-9_.-]{0,12}(/[a-z=0-9x,]{1,12}/)?(:[uk])?",
            thread in prop::option::of("[a-z\"'\\\\ :{-]{0,12}-[0-9]{1,5}"),
            percent in 0..=10_000u32,
            decimals in 0..=9usize,
        ) {
            let unit = 10u64.pow(9 - decimals as u32);
            let time_ns = time_ns / unit * unit;
            let fraction = format!("{:09}", time_ns % 1_000_000_000);
            let point = if decimals == 0 { "" } else { "." };
            let time = format!("{}{point}{}", time_ns / 1_000_000_000, &fraction[..decimals]);
            let key = thread.as_deref().map_or(String::new(), |t| format!(r#""thread" : "{t}", "#));
            let number = value.map_or("<not supported>".to_string(), |v| format!("{v}.000000"));
            let text = format!(
                r#"{{"interval" : {time}, {key}"counter-value" : "{number}", "unit" : "", "event" : "{event}", "event-runtime" : 7, "pcnt-running" : {}.{:02}}}"#,
                percent / 100, percent % 100,
            );
            let found = one(&text);
            prop_assert_eq!((found.time_ns, found.event, found.key), (time_ns, event.as_str(), thread.as_deref()));
            prop_assert_eq!(found.reading, value.map_or(NotSupported, |v| Counted(v as f64)));
            prop_assert_eq!(found.running_percent, Some(f64::from(percent) / 100.0));
        }

        #[test]
        fn a_row_that_is_cut_anywhere_is_not_a_row(at in 0usize..200) {
            let object = r#"{"interval" : 1.000000000, "cpu" : "0", "counter-value" : "5.000000", "event" : "cs", "pcnt-running" : 100.00}"#;
            let cut = &object[..at.min(object.len() - 1)];
            prop_assert!(all(cut).iter().all(Result::is_err));
        }
    }
}
