//! One line of `perf stat -I … -x ';'` becomes one row.
//!
//! ```text
//! [time;] [key;[n;]] value; unit; event; [variance%;] runtime_ns; running_pct; [metric; metric unit]
//! ```
//!
//! The columns differ between versions of perf, and distributions put new formats under old version numbers. So every
//! column is recognised by its shape, and what does not look like a row is none.

/// Unlike a comma, it occurs in no event name (`cpu/event=0x3c,umask=0x0/`).
pub const SEPARATOR: char = ';';

/// What was asked of perf, as far as it shows in the lines.
#[derive(Clone, Debug)]
pub struct Layout {
    pub separator: char,
    /// Asked for counts per CPU, core, die, socket or node: the column behind the time may be a key.
    pub keyed: bool,
    /// The events as typed, to tell the three columns of perf 3.9-3.13 (no unit) from four.
    pub events: Vec<String>,
}

/// What perf says about an event in an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    Counted(f64),
    /// Never on a counter in this interval.
    NotCounted,
    /// perf could not open the event; it stays so.
    NotSupported,
}

/// A line taken apart; nothing is converted yet but the numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line<'l> {
    /// Nanoseconds from the enabling of the counters to the end of the interval.
    pub time_ns: u64,
    /// `CPU3`, `S0-D0-C0`.
    pub key: Option<&'l str>,
    pub reading: Reading,
    /// The value was printed with a decimal point.
    pub decimal: bool,
    pub unit: &'l str,
    pub event: &'l str,
    /// How long the event was on a counter, nanoseconds; null before perf 4.1.
    pub runtime_ns: Option<u64>,
    /// Share of its enabled time that it was on a counter, 0-100; null before perf 4.1.
    pub running_percent: Option<f64>,
}

/// Why a line is no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRow {
    /// A line that perf is known to print between rows: a comment, a further metric of the row above.
    Known,
    Unknown,
}

/// Takes a line apart, without its end.
///
/// # Errors
/// When it is no row.
pub fn line<'l>(line: &'l str, layout: &Layout) -> Result<Line<'l>, NoRow> {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.starts_with('#') {
        return Err(NoRow::Known);
    }
    let mut rest = Fields { rest: Some(line), separator: layout.separator };
    let time_ns = rest.next().and_then(seconds).ok_or(NoRow::Unknown)?;

    let mut field = rest.next().ok_or(NoRow::Unknown)?.trim();
    let mut key = None;
    if layout.keyed && is_key(field) {
        key = Some(field);
        // Every key but a CPU is followed by the number of counters that were added up.
        if !is_cpu(field) {
            rest.next().ok_or(NoRow::Unknown)?;
        }
        field = rest.next().ok_or(NoRow::Unknown)?.trim();
    }
    if field.is_empty() {
        return Err(NoRow::Known);
    }
    let reading = reading(field).ok_or(NoRow::Unknown)?;
    let decimal = field.contains('.');

    let after_value = rest;
    let mut unit = rest.next().ok_or(NoRow::Unknown)?.trim();
    if rest.rest.is_none() || layout.events.iter().any(|e| e == unit) {
        rest = after_value;
        unit = "";
    }
    let (event, runtime_ns, running_percent) = event(rest);
    if event.is_empty() {
        return Err(NoRow::Known);
    }
    Ok(Line { time_ns, key, reading, decimal, unit, event, runtime_ns, running_percent })
}

/// The number of the CPU in a key `CPU3`.
pub fn cpu(key: &str) -> Option<i32> {
    let digits = key.strip_prefix("CPU")?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The fields of a line; a copy remembers a place in it.
#[derive(Clone, Copy)]
struct Fields<'l> {
    rest: Option<&'l str>,
    separator: char,
}

impl<'l> Fields<'l> {
    fn next(&mut self) -> Option<&'l str> {
        let rest = self.rest?;
        match rest.split_once(self.separator) {
            Some((field, rest)) => {
                self.rest = Some(rest);
                Some(field)
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}

/// The event runs up to the first pair of run time and percentage, for its name may hold the separator; without such a
/// pair (before perf 4.1) it is one field. The variance of `-r`, `3.26%`, stands between the two.
fn event(fields: Fields<'_>) -> (&str, Option<u64>, Option<f64>) {
    let Some(text) = fields.rest else { return ("", None, None) };
    let mut cursor = fields;
    let single = cursor.next().unwrap_or_default().trim();
    // `cursor` stands behind the first field now, so the pair is looked for from the second on.
    while let Some(tail) = cursor.rest {
        let mut pair = cursor;
        let (Some(runtime), Some(percent)) = (pair.next(), pair.next()) else { break };
        if let (Some(runtime), Some(percent)) = (digits(runtime.trim()), hundredths(percent.trim())) {
            // What lies before the tail, and before the separator in front of it.
            let end = (text.len() - tail.len()).saturating_sub(fields.separator.len_utf8());
            let name = text.get(..end).unwrap_or_default();
            return (without_variance(name, fields.separator).trim(), Some(runtime), Some(percent));
        }
        cursor.next();
    }
    (single, None, None)
}

fn without_variance(name: &str, separator: char) -> &str {
    match name.rsplit_once(separator) {
        Some((name, last)) if last.trim().strip_suffix('%').is_some_and(|v| reading(v).is_some()) => name,
        _ => name,
    }
}

/// A time stamp: seconds with always nine decimals, which tells it from the sums of `--summary`. Padded up to perf 6.1.
fn seconds(field: &str) -> Option<u64> {
    let (whole, fraction) = field.trim().split_once('.')?;
    if fraction.len() != 9 {
        return None;
    }
    digits(whole)?.checked_mul(1_000_000_000)?.checked_add(digits(fraction)?)
}

fn digits(field: &str) -> Option<u64> {
    if !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit()) { field.parse().ok() } else { None }
}

fn hundredths(field: &str) -> Option<f64> {
    let (whole, fraction) = field.split_once('.')?;
    digits(whole)?;
    digits(fraction).filter(|_| fraction.len() == 2)?;
    field.parse().ok()
}

fn reading(field: &str) -> Option<Reading> {
    match field {
        "<not counted>" => return Some(Reading::NotCounted),
        "<not supported>" => return Some(Reading::NotSupported),
        _ => {}
    }
    let (whole, fraction) = field.split_once('.').unwrap_or((field, "0"));
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !number(whole) || !number(fraction) {
        return None;
    }
    // Digits alone always parse; a number too long for a double becomes infinite, which is no count.
    field.parse().ok().filter(|v: &f64| v.is_finite()).map(Reading::Counted)
}

fn is_cpu(key: &str) -> bool {
    cpu(key).is_some()
}

/// `CPU3`, or `S0`, `S0-D0`, `S8442-D0-C96`, `S-1`, `N0`, `S0-D0-L3-ID0`, `S0-D0-CLS65535`.
fn is_key(field: &str) -> bool {
    let id = |prefix: char| {
        let rest = field.strip_prefix(prefix).unwrap_or_default();
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        let number = rest.split('-').next().unwrap_or_default();
        !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    is_cpu(field) || id('S') || id('N')
}

#[cfg(test)]
mod tests {
    use super::Reading::{Counted, NotCounted, NotSupported};
    use super::*;
    use proptest::prelude::*;

    fn layout(separator: char, keyed: bool) -> Layout {
        Layout { separator, keyed, events: vec!["cycles".into(), "cpu-clock".into()] }
    }

    type Found<'a> = (u64, Option<&'a str>, Reading, &'a str, &'a str, Option<u64>, Option<f64>);

    fn take(text: &str, separator: char, keyed: bool) -> Result<Found<'_>, NoRow> {
        let l = line(text, &layout(separator, keyed))?;
        Ok((l.time_ns, l.key, l.reading, l.unit, l.event, l.runtime_ns, l.running_percent))
    }

    /// Captured: perf 6.1.187, Debian 12, a virtual machine without a PMU.
    #[test]
    fn perf_6_1() {
        assert_eq!(
            take("     1.001091601;2002.81;msec;cpu-clock;2002807735;100.00;2.003;CPUs utilized", ';', false),
            Ok((1_001_091_601, None, Counted(2002.81), "msec", "cpu-clock", Some(2_002_807_735), Some(100.0)))
        );
        assert_eq!(
            take("     2.002768801;58800;;page-faults;2002976643;100.00;29.356;K/sec", ';', false),
            Ok((2_002_768_801, None, Counted(58800.0), "", "page-faults", Some(2_002_976_643), Some(100.0)))
        );
        assert_eq!(
            take("     1.001091601;<not supported>;;cycles;0;100.00;;", ';', false),
            Ok((1_001_091_601, None, NotSupported, "", "cycles", Some(0), Some(100.0)))
        );
        assert_eq!(
            take("     0.200406471;<not counted>;msec;cpu-clock:u;0;100.00;;", ';', false),
            Ok((200_406_471, None, NotCounted, "msec", "cpu-clock:u", Some(0), Some(100.0)))
        );
        assert_eq!(
            take("     0.100149765;CPU1;5;;cs;100273039;100.00;49.864;/sec", ';', true),
            Ok((100_149_765, Some("CPU1"), Counted(5.0), "", "cs", Some(100_273_039), Some(100.0)))
        );
    }

    #[test]
    fn columns_of_other_versions() {
        // 3.9-3.13: no unit; 3.14-4.0: unit, no run time; 4.1-4.5: no metric; RHEL 7: four empty columns.
        for (text, unit) in [
            ("1.000100000,4711,cycles", ""),
            ("1.000100000,4711,cycles,", ""),
            ("1.000100000,4711,,cycles", ""),
            ("1.000100000,4711,MiB,cycles", "MiB"),
        ] {
            let expected = (1_000_100_000, None, Counted(4711.0), unit, "cycles", None, None);
            assert_eq!(take(text, ',', false), Ok(expected), "{text}");
        }
        for text in [
            "     1.000100000,4711,,cycles,900000,58.51",
            "1.000100000,4711,,cycles,900000,58.51,,",
            "     1.000100000,4711,,cycles,900000,58.51,,,,",
            "1.000100000,4711,,cycles,900000,58.51,3.100,GHz",
            "1.000100000,4711,,cycles,900000,58.51,,insn per cycle\r\n",
            "1.000100000,4711,,cycles,3.26%,900000,58.51,,",
        ] {
            let expected = (1_000_100_000, None, Counted(4711.0), "", "cycles", Some(900_000), Some(58.51));
            assert_eq!(take(text, ',', false), Ok(expected), "{text}");
        }
        // A three-column row of an event that was not typed so.
        assert_eq!(
            take("1.000100000,4711,cpu-cycles", ',', false),
            Ok((1_000_100_000, None, Counted(4711.0), "", "cpu-cycles", None, None))
        );
    }

    #[test]
    fn scaled_values_and_great_ones() {
        assert_eq!(
            take("2.000000000;208.33;Joules;power/energy-pkg/;2000000000;100.00;;", ';', false),
            Ok((2_000_000_000, None, Counted(208.33), "Joules", "power/energy-pkg/", Some(2_000_000_000), Some(100.0)))
        );
        assert_eq!(
            take("2.000000000;18446744073709551616;;msr/tsc/;5;0.00;;", ';', false),
            Ok((2_000_000_000, None, Counted(18_446_744_073_709_551_616.0), "", "msr/tsc/", Some(5), Some(0.0)))
        );
        assert!(line("1.000000000;210.898701;;cpu-clock;210898701;100.00", &layout(';', false)).unwrap().decimal);
        assert!(!line("1.000000000;210898701;;cpu-clock;210898701;100.00", &layout(';', false)).unwrap().decimal);
    }

    #[test]
    fn names_may_hold_the_separator() {
        assert_eq!(
            take("1.000000000,12,,cpu/event=0x3c,umask=0x0/,1000,50.00,,", ',', false),
            Ok((1_000_000_000, None, Counted(12.0), "", "cpu/event=0x3c,umask=0x0/", Some(1000), Some(50.0)))
        );
        assert_eq!(
            take("1.000000000,<not counted>,,cpu/event=0x3c,umask=0x0/,7.1%,0,0.00,,", ',', false),
            Ok((1_000_000_000, None, NotCounted, "", "cpu/event=0x3c,umask=0x0/", Some(0), Some(0.0)))
        );
    }

    #[test]
    fn keys() {
        // 5.3 and 5.4 put a blank behind the separator.
        assert_eq!(
            take("1.000000000,CPU0, 103.60,msec,cpu-clock,103600000,100.00", ',', true),
            Ok((1_000_000_000, Some("CPU0"), Counted(103.6), "msec", "cpu-clock", Some(103_600_000), Some(100.0)))
        );
        for key in ["S0-C0", "S0-D0-C0", "S8442-D0-C96", "S-1", "S0", "N0", "S0-D0-L3-ID0", "S0-D0-CLS65535"] {
            let text = format!("1.000000000,{key},2,4711,,cycles,900,100.00,,");
            let expected = (1_000_000_000, Some(key), Counted(4711.0), "", "cycles", Some(900), Some(100.0));
            assert_eq!(take(&text, ',', true), Ok(expected));
        }
        // Asked for a key where the topology is unknown: the column is absent, not empty.
        assert_eq!(
            take("1.000000000,4711,,cycles,900,100.00,,", ',', true),
            Ok((1_000_000_000, None, Counted(4711.0), "", "cycles", Some(900), Some(100.0)))
        );
        assert_eq!(take("1.000000000,CPU0,4711,,cycles,900,100.00,,", ',', false), Err(NoRow::Unknown));
        assert_eq!((cpu("CPU17"), cpu("S0"), cpu("CPU"), cpu("CPU-1")), (Some(17), None, None, None));
    }

    #[test]
    fn lines_that_are_no_rows() {
        for known in [
            "",
            "# started on Fri Nov 20 09:45:00 2026",
            "1.000000000;;;;0.61;stalled cycles per insn",
            "     1.001000000;;;;;;0.61;stalled cycles per insn",
            "1.000000000;;16067494476;100.00;;;;TopdownL1 (cpu_core)",
        ] {
            assert_eq!(take(known, ';', false), Err(NoRow::Known), "{known}");
        }
        assert_eq!(take("1.000000000;S0;1;;;;0.61;stalled cycles per insn", ';', true), Err(NoRow::Known));
        for unknown in [
            "8013.48;msec;cpu-clock;8013476891;100.00;2.000;CPUs utilized",
            "         summary;8013.48;msec;cpu-clock;8013476891;100.00",
            "event syntax error: 'nosuch'",
            "time;",
            "1.000000000",
            "1.000000000;",
            "1.000000000;12",
            "1.000000000;abc;;cycles;1;100.00",
            "1.000000000;-5;;cycles;1;100.00",
            "1.000000000;nan;;cycles;1;100.00",
            "1.00000000;12;;cycles;1;100.00",
            "99999999999999999999.000000000;12;;cycles;1;100.00",
            "1.00100;210,898701;msec;cpu-clock;210898701;100,00",
        ] {
            assert!(take(unknown, ';', false).is_err(), "{unknown}");
        }
        assert_eq!(take("event syntax error: 'nosuch'", ';', false), Err(NoRow::Unknown));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", separator in prop::sample::select(vec![';', ',', 'ä']), keyed: bool) {
            let _ = line(&text, &layout(separator, keyed));
        }

        #[test]
        fn nor_text_that_is_nearly_a_row(parts in prop::collection::vec(
            prop::sample::select(vec!["1.000000000", "12", "1.50", "", "<not counted>", "CPU0", "S0-C1", "3.1%", "ä", "cycles"]),
            0..12,
        )) {
            for separator in [";", ",", "ä"] {
                let text = parts.join(separator);
                for keyed in [false, true] {
                    let _ = line(&text, &layout(separator.chars().next().unwrap(), keyed));
                }
            }
        }
    }
}
