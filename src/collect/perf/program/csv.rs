//! Parses a line of `perf stat -I … -x ';'` into a row.
//!
//! ```text
//! [time;] [key;[n;]] value; unit; event; [variance%;] runtime_ns; running_pct; [metric; metric unit]
//! ```
//!
//! The columns differ between versions of perf, and distributions backport new formats to old version numbers. So every
//! column is recognised by its shape, and anything that does not look like a row is not a row.

use super::line::{Layout, Line, NoRow, Reading, cpu, digits, reading, seconds};
use crate::collect::perf::options::Per;
use crate::events::generic::usual_name;
use crate::events::name::parts;
use crate::events::request::Request;

/// Unlike a comma, it is not used in event names (`cpu/event=0x3c,umask=0x0/`).
pub const SEPARATOR: char = ';';

/// Parses a line, without its line end.
///
/// # Errors
/// If it is not a row.
pub fn row<'l>(line: &'l str, separator: char, layout: &Layout) -> Result<Line<'l>, NoRow> {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.starts_with('#') {
        return Err(NoRow::Known);
    }
    let mut rest = Fields { rest: Some(line), separator };
    let first = rest.next().ok_or(NoRow::Unknown)?;
    let other = || if is_known(first, rest) { NoRow::Known } else { NoRow::Unknown };
    let found = behind_time(seconds(first).ok_or_else(other)?, rest, layout);
    // A sum of `--summary` looks like a time, except for its decimals and what follows.
    if has_nine_decimals(first) { found } else { found.map_err(|_| other()) }
}

fn has_nine_decimals(time: &str) -> bool {
    time.trim().split_once('.').is_some_and(|(_, fraction)| fraction.len() == 9)
}

/// Parses what follows the time.
fn behind_time<'l>(time_ns: u64, rest: Fields<'l>, layout: &Layout) -> Result<Line<'l>, NoRow> {
    let no_key = Line {
        time_ns,
        cpu: None,
        key: None,
        cgroup: None,
        reading: Reading::NotCounted,
        whole: false,
        unit: "",
        event: "",
        running_percent: None,
    };
    if layout.per == Per::Thread {
        return thread(rest, &no_key, layout);
    }
    let mut after_key = rest;
    let field = after_key.next().ok_or(NoRow::Unknown)?.trim();
    if layout.per == Per::Whole || !is_key(field) {
        return counts(rest, no_key, layout);
    }
    if let Some(cpu) = cpu(field) {
        return counts(after_key, Line { cpu: Some(cpu), ..no_key }, layout);
    }
    // Every key except a CPU is followed by the number of counters that were added up.
    after_key.next().ok_or(NoRow::Unknown)?;
    counts(after_key, Line { key: Some(field), ..no_key }, layout)
}

/// Parses what follows the key.
fn counts<'l>(mut rest: Fields<'l>, before: Line<'l>, layout: &Layout) -> Result<Line<'l>, NoRow> {
    let field = rest.next().ok_or(NoRow::Unknown)?.trim();
    if field.is_empty() {
        return Err(NoRow::Known);
    }
    let reading = reading(field).ok_or(NoRow::Unknown)?;
    let whole = !field.contains('.');

    let after_value = rest;
    let mut unit = rest.next().ok_or(NoRow::Unknown)?.trim();
    if rest.rest.is_none() || layout.events.iter().any(|e| is_named(e, unit)) {
        rest = after_value;
        unit = "";
    }
    let found = event(rest);
    let (mut event, mut cgroup) = (found.name, None);
    if layout.cgroups {
        (event, cgroup) = match found.is_timed {
            true => with_cgroup(event, rest.separator, layout),
            false => (event, found.after),
        };
    }
    if event.is_empty() {
        return Err(NoRow::Known);
    }
    // Without a percentage (before perf 4.1) the event is at the end of the line, but this also holds for a line that
    // was cut off.
    let is_whole = found.is_timed || !found.has_more && is_asked(event, layout);
    if !is_whole {
        return Err(NoRow::Unknown);
    }
    Ok(Line { reading, whole, unit, event, cgroup, running_percent: found.running_percent, ..before })
}

/// Whether perf prints this name for an event that was typed like this.
fn is_named(typed: &str, printed: &str) -> bool {
    typed == printed || typed.contains("name=") && Request::new(typed).given_name() == Some(printed)
}

/// Whether this is one of the requested events, under any name and with any suffix added by perf.
fn is_asked(event: &str, layout: &Layout) -> bool {
    let base = |name: &str| usual_name(parts(name).base);
    let is_member =
        |member: &String| Request::new(member.as_str()).is_answered_by(event) || base(member) == base(event);
    layout.events.is_empty()
        || layout.events.iter().any(|e| e == event || Request::new(e.as_str()).members().iter().any(is_member))
}

/// The cgroup follows the event. Both may contain the separator, but the requested events are known.
fn with_cgroup<'l>(text: &'l str, separator: char, layout: &Layout) -> (&'l str, Option<&'l str>) {
    let names = layout.events.iter().map(|e| Request::new(e.as_str()));
    let asked = names.into_iter().find_map(|e| {
        let behind = |name: &str| text.strip_prefix(name)?.strip_prefix(separator);
        behind(&e.text).or_else(|| behind(e.given_name()?))
    });
    let (event, cgroup) = match asked {
        Some(cgroup) => (&text[..text.len() - cgroup.len() - separator.len_utf8()], cgroup),
        None => match text.rsplit_once(separator) {
            Some(both) => both,
            None => return (text, None),
        },
    };
    (event.trim(), Some(cgroup.trim()).filter(|c| !c.is_empty()))
}

/// A line added by `--summary` or `--metric-only`: marked as such, or from perf 5.8 to 5.11 a row without its first
/// column.
fn is_known(first: &str, mut rest: Fields<'_>) -> bool {
    let mut first = first.trim();
    if first == "summary" || first == "time" || first.starts_with("time,") {
        return true;
    }
    if is_key(first) {
        if cpu(first).is_none() {
            rest.next();
        }
        first = rest.next().unwrap_or_default().trim();
    }
    // A value, a unit, and then an event with a run time and a percentage.
    reading(first).is_some() && rest.next().is_some() && event(rest).is_timed
}

/// A thread is `comm-tid`, and a comm may contain anything, including the separator. It ends where a number and a value
/// follow. If there are two such places, the event decides.
fn thread<'l>(fields: Fields<'l>, before: &Line<'l>, layout: &Layout) -> Result<Line<'l>, NoRow> {
    let text = fields.rest.ok_or(NoRow::Unknown)?;
    let (mut cursor, mut first) = (fields, None);
    while cursor.next().is_some() {
        let Some(tail) = cursor.rest else { break };
        let end = (text.len() - tail.len()).saturating_sub(fields.separator.len_utf8());
        let name = text.get(..end).unwrap_or_default();
        if name.rsplit_once('-').is_none_or(|(_, tid)| digits(tid).is_none()) {
            continue;
        }
        match counts(cursor, Line { key: Some(name), ..*before }, layout) {
            Ok(line) if is_asked(line.event, layout) => return Ok(line),
            Ok(line) => first = first.or(Some(line)),
            Err(_) => {}
        }
    }
    first.map_or_else(|| counts(fields, *before, layout), Ok)
}

/// The fields of a line; a copy remembers a position in it.
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

/// The name of an event, and what follows it.
#[derive(Default)]
struct Event<'l> {
    name: &'l str,
    /// It is followed by a run time and a percentage.
    is_timed: bool,
    running_percent: Option<f64>,
    /// Otherwise: the next field, unless that is the variance of `-r`, `3.26%`.
    after: Option<&'l str>,
    /// Otherwise: whether there is more than that.
    has_more: bool,
}

/// The event extends to the first pair of run time and percentage, because its name may contain the separator. Without
/// such a pair (before perf 4.1) it is one field. The variance is between the two.
fn event(fields: Fields<'_>) -> Event<'_> {
    let Some(text) = fields.rest else { return Event::default() };
    let mut cursor = fields;
    let name = cursor.next().unwrap_or_default().trim();
    let behind = cursor;
    // `cursor` is after the first field now, so the pair is searched from the second field on.
    while let Some(tail) = cursor.rest {
        let mut pair = cursor;
        let (Some(runtime), Some(percent)) = (pair.next(), pair.next()) else { break };
        if let (Some(_), Some(running_percent)) = (digits(runtime.trim()), percentage(percent.trim())) {
            // The text before the tail, and before the separator in front of it.
            let end = (text.len() - tail.len()).saturating_sub(fields.separator.len_utf8());
            let name = without_variance(text.get(..end).unwrap_or_default(), fields.separator).trim();
            return Event { name, is_timed: true, running_percent, ..Event::default() };
        }
        cursor.next();
    }
    let is_variance = |field: &&str| field.strip_suffix('%').is_some_and(|v| reading(v).is_some());
    let mut more = std::iter::from_fn({
        let mut behind = behind;
        move || behind.next()
    })
    .map(str::trim)
    .filter(|f| !f.is_empty() && !is_variance(f));
    let after = more.next();
    // A number is a run time: the line was cut off after it.
    let has_more = more.next().is_some() || after.is_some_and(|a| digits(a).is_some());
    Event { name, after, has_more, ..Event::default() }
}

fn without_variance(name: &str, separator: char) -> &str {
    match name.rsplit_once(separator) {
        Some((name, last)) if last.trim().strip_suffix('%').is_some_and(|v| reading(v).is_some()) => name,
        _ => name,
    }
}

/// `58.51`. If perf divided by a time of zero, a word instead of a number, which says nothing about the value.
fn percentage(field: &str) -> Option<Option<f64>> {
    if matches!(field, "nan" | "-nan" | "inf" | "-inf") {
        return Some(None);
    }
    let (whole, fraction) = field.split_once('.')?;
    digits(whole)?;
    digits(fraction).filter(|_| fraction.len() == 2)?;
    field.parse().ok().map(Some)
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
    cpu(field).is_some() || id('S') || id('N')
}

#[cfg(test)]
mod tests {
    use super::super::line::Format;
    use super::super::line::Reading::{Counted, NotCounted, NotSupported};
    use super::*;
    use proptest::prelude::*;

    fn layout(separator: char, per: Per) -> Layout {
        let events = vec!["cycles".into(), "cpu-clock".into()];
        Layout { format: Format::Csv { separator }, per, cgroups: false, events }
    }

    type Found<'a> = (u64, Option<&'a str>, Reading, &'a str, &'a str, Option<f64>);

    fn take(text: &str, separator: char, keyed: bool) -> Result<Found<'_>, NoRow> {
        let l = row(text, separator, &layout(separator, if keyed { Per::Core } else { Per::Whole }))?;
        Ok((l.time_ns, l.key, l.reading, l.unit, l.event, l.running_percent))
    }

    /// Captured: perf 6.1.187, Debian 12, a virtual machine without a PMU.
    #[test]
    fn perf_6_1() {
        assert_eq!(
            take("     1.001091601;2002.81;msec;cpu-clock;2002807735;100.00;2.003;CPUs utilized", ';', false),
            Ok((1_001_091_601, None, Counted(2002.81), "msec", "cpu-clock", Some(100.0)))
        );
        assert_eq!(
            take("     2.002768801;58800;;page-faults;2002976643;100.00;29.356;K/sec", ';', false),
            Ok((2_002_768_801, None, Counted(58800.0), "", "page-faults", Some(100.0)))
        );
        assert_eq!(
            take("     1.001091601;<not supported>;;cycles;0;100.00;;", ';', false),
            Ok((1_001_091_601, None, NotSupported, "", "cycles", Some(100.0)))
        );
        assert_eq!(
            take("     0.200406471;<not counted>;msec;cpu-clock:u;0;100.00;;", ';', false),
            Ok((200_406_471, None, NotCounted, "msec", "cpu-clock:u", Some(100.0)))
        );
        assert_eq!(
            take("     0.100149765;CPU1;5;;cs;100273039;100.00;49.864;/sec", ';', true),
            Ok((100_149_765, None, Counted(5.0), "", "cs", Some(100.0)))
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
            let expected = (1_000_100_000, None, Counted(4711.0), unit, "cycles", None);
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
            let expected = (1_000_100_000, None, Counted(4711.0), "", "cycles", Some(58.51));
            assert_eq!(take(text, ',', false), Ok(expected), "{text}");
        }
        // A row of three columns whose event was not typed like this.
        assert_eq!(
            take("1.000100000,4711,cpu-cycles", ',', false),
            Ok((1_000_100_000, None, Counted(4711.0), "", "cpu-cycles", None))
        );
    }

    #[test]
    fn scaled_and_large_values() {
        assert_eq!(
            take("2.000000000;208.33;Joules;power/energy-pkg/;2000000000;100.00;;", ';', false),
            Ok((2_000_000_000, None, Counted(208.33), "Joules", "power/energy-pkg/", Some(100.0)))
        );
        assert_eq!(
            take("2.000000000;18446744073709551616;;msr/tsc/;5;0.00;;", ';', false),
            Ok((2_000_000_000, None, Counted(18_446_744_073_709_551_616.0), "", "msr/tsc/", Some(0.0)))
        );
        let whole = |text| row(text, ';', &layout(';', Per::Whole)).unwrap().whole;
        assert!(!whole("1.000000000;210.898701;;cpu-clock;210898701;100.00"));
        assert!(whole("1.000000000;210898701;;cpu-clock;210898701;100.00"));
    }

    #[test]
    fn names_may_contain_the_separator() {
        assert_eq!(
            take("1.000000000,12,,cpu/event=0x3c,umask=0x0/,1000,50.00,,", ',', false),
            Ok((1_000_000_000, None, Counted(12.0), "", "cpu/event=0x3c,umask=0x0/", Some(50.0)))
        );
        assert_eq!(
            take("1.000000000,<not counted>,,cpu/event=0x3c,umask=0x0/,7.1%,0,0.00,,", ',', false),
            Ok((1_000_000_000, None, NotCounted, "", "cpu/event=0x3c,umask=0x0/", Some(0.0)))
        );
    }

    #[test]
    fn keys() {
        // 5.3 and 5.4 print a blank after the separator.
        assert_eq!(
            take("1.000000000,CPU0, 103.60,msec,cpu-clock,103600000,100.00", ',', true),
            Ok((1_000_000_000, None, Counted(103.6), "msec", "cpu-clock", Some(100.0)))
        );
        for key in ["S0-C0", "S0-D0-C0", "S8442-D0-C96", "S-1", "S0", "N0", "S0-D0-L3-ID0", "S0-D0-CLS65535"] {
            let text = format!("1.000000000,{key},2,4711,,cycles,900,100.00,,");
            let expected = (1_000_000_000, Some(key), Counted(4711.0), "", "cycles", Some(100.0));
            assert_eq!(take(&text, ',', true), Ok(expected));
        }
        // Requested with a key where the topology is unknown: the column is missing, not empty.
        assert_eq!(
            take("1.000000000,4711,,cycles,900,100.00,,", ',', true),
            Ok((1_000_000_000, None, Counted(4711.0), "", "cycles", Some(100.0)))
        );
        assert_eq!(take("1.000000000,CPU0,4711,,cycles,900,100.00,,", ',', false), Err(NoRow::Unknown));
        assert_eq!((cpu("CPU17"), cpu("S0"), cpu("CPU"), cpu("CPU-1")), (Some(17), None, None, None));
        let on = |text| row(text, ';', &layout(';', Per::Cpu)).unwrap().cpu;
        assert_eq!(on("0.100149765;CPU1;5;;cs;100273039;100.00;49.864;/sec"), Some(1));
    }

    #[test]
    fn threads_have_any_name() {
        for name in ["a-1", "a;b-9026", "kworker/u8:1-ext4-rsv-conversion-32", "x-1;2-77", "two words-5", "-3"] {
            let text = format!("1.000000000;{name};4711;;cycles;900;100.00;;");
            let found = row(&text, ';', &layout(';', Per::Thread)).unwrap();
            assert_eq!((found.key, found.reading, found.event), (Some(name), Counted(4711.0), "cycles"));
        }
    }

    #[test]
    fn cgroups_follow_the_event() {
        for (text, percent) in [
            ("1.000000000;12;;cycles;system.slice/a.service;1000;50.00;;", 50.0),
            ("1.000000000;12;;cycles;system.slice/a.service;3.26%;1000;58.51;;", 58.51),
        ] {
            let found = row(text, ';', &Layout { cgroups: true, ..layout(';', Per::Whole) }).unwrap();
            assert_eq!((found.event, found.cgroup), ("cycles", Some("system.slice/a.service")));
            assert_eq!(found.running_percent, Some(percent));
        }
    }

    /// perf divides by the time that an event was enabled, which may be zero.
    #[test]
    fn a_percentage_that_is_not_a_number_is_null_and_the_value_is_kept() {
        for percent in ["nan", "-nan", "inf", "-inf"] {
            let text = format!("0.100000000;12;;cs;1;{percent};;");
            assert_eq!(take(&text, ';', false), Ok((100_000_000, None, Counted(12.0), "", "cs", None)), "{percent}");
            let text = format!("0.100000000,S0,2,12,,cpu/event=1,umask=2/,0,{percent},,");
            let expected = (100_000_000, Some("S0"), Counted(12.0), "", "cpu/event=1,umask=2/", None);
            assert_eq!(take(&text, ',', true), Ok(expected));
            let text = format!("0.100000000;<not counted>;;cs;0;{percent};;");
            assert_eq!(take(&text, ';', false), Ok((100_000_000, None, NotCounted, "", "cs", None)));
        }
    }

    #[test]
    fn a_time_stamp_is_recognised_by_what_follows_it() {
        for (time, time_ns) in [("0.1", 100_000_000), ("  12.000001", 12_000_001_000), ("1.0000000019", 1_000_000_001)]
        {
            let expected = (time_ns, None, Counted(12.0), "", "cs", None);
            assert_eq!(take(&format!("{time};12;;cs;1;nan;;"), ';', false), Ok(expected), "{time}");
        }
        // A sum of `--summary` is not a row: a value and its unit, without a time before them.
        assert_eq!(take("8013.48;msec;cpu-clock;8013476891;100.00;;", ';', false), Err(NoRow::Known));
        assert_eq!(take("0.11;;power/energy-pkg/;8013476891;100.00;;", ';', false), Err(NoRow::Known));
    }

    #[test]
    fn names_given_in_quotes() {
        let events = vec!["msr/tsc,name='a,b'/".to_string(), "cs".to_string()];
        let layout = |separator| Layout { events: events.clone(), ..layout(separator, Per::Whole) };
        for (text, separator) in [
            ("0.100000000;12;;a,b;1000;100.00;;", ';'),
            ("0.100000000,12,,a,b,1000,100.00,,", ','),
            // Before perf 4.1, and before 3.14.
            ("0.100000000;12;;a,b", ';'),
            ("0.100000000;12;a,b", ';'),
        ] {
            let found = row(text, separator, &layout(separator)).unwrap();
            assert_eq!((found.event, found.reading, found.unit), ("a,b", Counted(12.0), ""), "{text}");
        }
        let cgroups = Layout { cgroups: true, ..layout(',') };
        let found = row("0.100000000,12,,a,b,x,y,1000,100.00,,", ',', &cgroups).unwrap();
        assert_eq!((found.event, found.cgroup), ("a,b", Some("x,y")));
    }

    #[test]
    fn lines_that_are_not_rows() {
        for known in [
            "",
            "# started on Fri Nov 20 09:45:00 2026",
            "1.000000000;;;;0.61;stalled cycles per insn",
            "     1.001000000;;;;;;0.61;stalled cycles per insn",
            "1.000000000;;16067494476;100.00;;;;TopdownL1 (cpu_core)",
            "8013.48;msec;cpu-clock;8013476891;100.00;2.000;CPUs utilized",
            "         summary;8013.48;msec;cpu-clock;8013476891;100.00",
        ] {
            assert_eq!(take(known, ';', false), Err(NoRow::Known), "{known}");
        }
        assert_eq!(take("1.000000000;S0;1;;;;0.61;stalled cycles per insn", ';', true), Err(NoRow::Known));
        for unknown in [
            "event syntax error: 'nosuch'",
            "time;",
            "1.000000000",
            "1.000000000;",
            "1.000000000;12",
            "1.000000000;abc;;cycles;1;100.00",
            "1.000000000;-5;;cycles;1;100.00",
            "1.000000000;nan;;cycles;1;100.00",
            "1;12;;cycles;1;100.00",
            "1.;12;;cycles;1;100.00",
            "1.0e0;12;;cycles;1;100.00",
            "99999999999999999999.000000000;12;;cycles;1;100.00",
            "1.00100;210,898701;msec;cpu-clock;210898701;100,00",
        ] {
            assert!(take(unknown, ';', false).is_err(), "{unknown}");
        }
        assert_eq!(take("event syntax error: 'nosuch'", ';', false), Err(NoRow::Unknown));
    }

    /// A row as perf prints it with these values.
    fn printed(time_ns: u64, value: Option<u64>, event: &str, runtime: u64, percent: u32, separator: char) -> String {
        let s = separator;
        let (whole, fraction) = (time_ns / 1_000_000_000, time_ns % 1_000_000_000);
        let value = value.map_or("<not counted>".to_string(), |v| v.to_string());
        format!(
            "{whole}.{fraction:09}{s}{value}{s}{s}{event}{s}{runtime}{s}{}.{:02}{s}{s}",
            percent / 100,
            percent % 100
        )
    }

    proptest! {
        #[test]
        fn a_row_has_the_values_of_its_text(
            time_ns in 0..4_000_000_000_000_000u64,
            value in prop::option::of(0..1u64 << 53),
            event in "[a-z][a-z0-9_.-]{0,12}(/[a-z=0-9x,]{1,12}/)?(:[uk])?",
            runtime: u64,
            percent in 0..=10_000u32,
            separator in prop::sample::select(vec![';', '\t', '@']),
            cut in 1..200usize,
        ) {
            let text = printed(time_ns, value, &event, runtime, percent, separator);
            let layout = Layout { events: vec![event.clone()], ..layout(separator, Per::Whole) };
            let found = row(&text, separator, &layout).unwrap();
            prop_assert_eq!((found.time_ns, found.event), (time_ns, event.as_str()));
            prop_assert_eq!(found.reading, value.map_or(NotCounted, |v| Counted(v as f64)));
            prop_assert_eq!(found.running_percent, Some(f64::from(percent) / 100.0));
            // A line that was cut off is not a row, or still has the same value of the same event, perhaps without its
            // modifiers.
            if let Ok(found) = row(text.get(..cut.min(text.len())).unwrap_or_default(), separator, &layout) {
                prop_assert!(found.time_ns == time_ns && event.starts_with(found.event), "{:?}", found);
                prop_assert_eq!(found.reading, value.map_or(NotCounted, |v| Counted(v as f64)));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", separator in prop::sample::select(vec![';', ',', 'ä']), keyed: bool) {
            for per in [Per::Whole, Per::Cpu, Per::Thread] {
                let _ = row(&text, separator, &Layout { cgroups: keyed, ..layout(separator, per) });
            }
        }

        #[test]
        fn no_text_similar_to_a_row_makes_it_panic(parts in prop::collection::vec(
            prop::sample::select(vec![
                "1.000000000", "0.1", "12", "1.50", "", "nan", "<not counted>", "CPU0", "S0-C1", "x-7", "3.1%", "ä", "cycles",
            ]),
            0..12,
        )) {
            for separator in [";", ",", "ä"] {
                let text = parts.join(separator);
                let separator = separator.chars().next().unwrap();
                for per in [Per::Whole, Per::Core, Per::Thread] {
                    for cgroups in [false, true] {
                        let _ = row(&text, separator, &Layout { cgroups, ..layout(separator, per) });
                    }
                }
            }
        }
    }
}
