//! Lines as many versions of perf print them.

use super::*;
use crate::collect::perf::program::line::LineFormat;
use crate::collect::perf::program::line::PrintedCount::{Counted, NotCounted, NotSupported};
use proptest::prelude::*;

fn layout(separator: char, per: Per) -> LineLayout {
    let events = vec!["cycles".into(), "cpu-clock".into()];
    LineLayout { format: LineFormat::Csv { separator }, per, cgroups: false, events }
}

type Found<'a> = (u64, Option<&'a str>, PrintedCount, &'a str, &'a str, Option<f64>);

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
        let found = row(text, ';', &LineLayout { cgroups: true, ..layout(';', Per::Whole) }).unwrap();
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
    for (time, time_ns) in [("0.1", 100_000_000), ("  12.000001", 12_000_001_000), ("1.0000000019", 1_000_000_001)] {
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
    let layout = |separator| LineLayout { events: events.clone(), ..layout(separator, Per::Whole) };
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
    let cgroups = LineLayout { cgroups: true, ..layout(',') };
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
    format!("{whole}.{fraction:09}{s}{value}{s}{s}{event}{s}{runtime}{s}{}.{:02}{s}{s}", percent / 100, percent % 100)
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
        let layout = LineLayout { events: vec![event.clone()], ..layout(separator, Per::Whole) };
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
            let _ = row(&text, separator, &LineLayout { cgroups: keyed, ..layout(separator, per) });
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
                    let _ = row(&text, separator, &LineLayout { cgroups, ..layout(separator, per) });
                }
            }
        }
    }
}
