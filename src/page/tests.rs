//! Pages of machines of all sizes, and of unusual values.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};

use super::{Amount, Side, Subject, beside, page, svgs};
use crate::collect::catalog;
use crate::query::Query;
use crate::report::clean::clean_recording;
use crate::report::testing::{rows as rows_of, *};
use crate::store::read::piece::Source;
use crate::table::{StoredColumn, TableDef, Type};

/// A table with these entities at each second. `value`: of a column of an entity at a second.
fn filled(
    table: &'static TableDef,
    seconds: i64,
    entities: &[String],
    value: &dyn Fn(&StoredColumn, usize, i64) -> Option<f64>,
) -> arrow_array::RecordBatch {
    let rows: Vec<(i64, usize)> = (0..seconds).flat_map(|s| (0..entities.len()).map(move |e| (s, e))).collect();
    let stamps: Vec<i64> = rows.iter().map(|(s, _)| *s).collect();
    let elapsed: Vec<Option<f64>> = rows.iter().map(|(s, _)| (*s > 0).then_some(1.0)).collect();
    let column = |c: &StoredColumn| -> ArrayRef {
        let numbers = || rows.iter().map(|(s, e)| value(c, *e, *s));
        match c.ty {
            Type::Text => text(rows.iter().map(|(_, e)| Some(entities[*e].as_str()))),
            Type::Int32 => int32s(rows.iter().map(|(_, e)| Some(*e as i32))),
            Type::Int64 => ints(numbers().map(|v| v.map(|v| v as i64))),
            Type::Float64 => floats(numbers()),
            Type::Bool => Arc::new(rows.iter().map(|_| Some(false)).collect::<BooleanArray>()),
        }
    };
    rows_of(table, &stamps, &elapsed, table.stored.iter().map(column).collect())
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("dev{n}")).collect()
}

fn of_table(
    name: &str,
    seconds: i64,
    entities: &[String],
    value: &dyn Fn(&StoredColumn, usize, i64) -> Option<f64>,
) -> Memory {
    let table = catalog::table(name).unwrap();
    Memory::default().with(table, vec![filled(table, seconds, entities, value)])
}

fn html(memory: &Memory, amount: Amount) -> String {
    let mut recording = memory.whole();
    clean_recording(&mut recording);
    let query = Query::of([memory as &dyn Source]);
    let subject = Subject { source: memory, query, recording: &recording, marks: &[] };
    let mut problems = Vec::new();
    let html = page(&subject, amount, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    is_whole(&html);
    for (name, svg) in svgs(&subject, amount, &mut problems) {
        assert!(svg.starts_with("<svg xmlns") && !svg.contains("NaN") && !svg.contains("inf"), "{name}: {svg}");
    }
    html
}

/// Every element is one that the page uses, and is closed; there is no number that is none.
fn is_whole(html: &str) {
    let names: BTreeSet<&str> = "html head meta title style body font main svg defs g path rect line text use header h1 h2 div p b \
        small code section nav a table caption thead tbody tr th td figure figcaption span details summary ul li footer script"
        .split_whitespace()
        .collect();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html.split_once("<html").map(|(_, rest)| format!("<html{rest}")).unwrap();
    // Their content is not markup.
    for raw in ["style", "script"] {
        let (before, after) = rest.split_once(&format!("<{raw}>")).unwrap();
        rest = before.to_string() + after.split_once(&format!("</{raw}>")).unwrap().1;
    }
    for tag in rest.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("no end: {tag}"));
        assert!(tag.matches('"').count() % 2 == 0, "{tag}");
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
        assert!(names.contains(name), "<{tag}>");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
        } else if !tag.ends_with('/') && name != "meta" {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for wrong in ["NaN", "=\"inf", ">inf", "http:", "https:", "@import", " src=", " style="] {
        assert!(!rest.contains(wrong), "{wrong}");
    }
}

#[test]
fn any_number_of_cores() {
    for cores in [1, 2, 256] {
        let usage = |c: &StoredColumn, core: usize, s: i64| {
            (c.name == "usage_percent" && s > 0).then(|| if core == cores - 1 { 100.0 } else { 0.0 })
        };
        let page = html(&of_table("cpu_core", 600, &numbered(cores), &usage), Amount::Headline);
        let plots = page.split("class=\"plot\"").skip(1).map(|plot| plot.split("viewBox=\"0 0 ").nth(1).unwrap());
        let units: Vec<usize> =
            plots.map(|plot| plot.split('"').next().unwrap().split(' ').next().unwrap().parse().unwrap()).collect();
        let rows = format!(" {cores}\" preserveAspectRatio");
        assert!(page.contains(&rows), "a row per core");
        assert!(units.iter().all(|columns| (70..=480).contains(columns)), "{cores}: {units:?}");
        assert!(page.len() < 300_000, "{} bytes", page.len());
    }
    let none = html(&Memory::default(), Amount::Headline);
    assert!(none.contains("<h1>my-run</h1>"));
}

#[test]
fn any_number_of_disks() {
    let value = |_: &StoredColumn, disk: usize, s: i64| (s > 0).then_some((disk * 10) as f64);
    let few = html(&of_table("disk", 10, &numbered(1), &|_, _, s| (s > 0).then_some(5.0)), Amount::Headline);
    assert!(!few.contains(" others: "));
    let many = of_table("disk", 30, &numbered(300), &value);
    let page = html(&many, Amount::Headline);
    // Of 300 the four largest and the one that changed most; 295 others.
    assert!(page.contains("295 others: sum") && page.contains("295 others: highest"), "rates are added, times are not");
    assert!(page.contains("disk: 240 of 300 are not listed"));
    assert!(page.len() < 400_000, "{} bytes", page.len());
    let all = html(&many, Amount::All);
    assert!(!all.contains("others: sum") && all.contains("dev123"));
}

#[test]
fn one_tick() {
    let page = html(&of_table("memory", 1, &numbered(1), &|_, _, _| Some(7.0)), Amount::Headline);
    assert!(page.contains("<figure id=\"memory-used_bytes\">"));
}

#[test]
fn unusual_values() {
    let big = |s: i64| if s % 2 == 0 { -1e308 } else { 1e308 };
    let values: [&dyn Fn(i64) -> Option<f64>; 6] = [
        &|_| Some(0.0),
        &|_| Some(1e15),
        &|s| Some(1e15 + if s % 2 == 0 { 1.0 } else { -1.0 }),
        &|s| Some(big(s)),
        &|_| None,
        &|s| Some(if s == 3 { f64::INFINITY } else { 1.0 }),
    ];
    for (n, value) in values.iter().enumerate() {
        for seconds in [1, 2, 9, 1000] {
            let gauges = of_table("sensor", seconds, &numbered(2), &|_, _, s| value(s));
            let page = html(&gauges, Amount::Headline);
            assert!(page.len() < 100_000, "{n}: {} bytes", page.len());
        }
    }
}

/// A day at one second: one busy sample in 86,400 reaches the top of the band.
#[test]
fn a_spike_in_a_day_is_seen() {
    let spike = |c: &StoredColumn, _: usize, s: i64| {
        (c.name == "used_bytes").then_some(if s == 40_000 { 1024.0 * 1024.0 * 1024.0 } else { 0.0 })
    };
    let page = html(&of_table("memory", 86_400, &numbered(1), &spike), Amount::Headline);
    let figure = page.split("<figure id=\"memory-used_bytes\">").nth(1).unwrap();
    let band = figure.split("class=\"b\"").nth(1).unwrap().split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
    // From the ground (1000) to the top (0) of an axis that ends at 1 GiB.
    assert!(band.contains("V0h2V1000"), "{band}");
    assert!(figure.len() < page.len() && page.len() < 60_000, "{} bytes", page.len());
}

#[test]
fn names_are_only_text() {
    let long = "x".repeat(200);
    let names = ["\"><script>alert('x')</script>", "a&b<i>", "😀 \u{202e}\u{1b}[2J\n", "|", &long].map(str::to_string);
    let memory = of_table("disk", 5, &names, &|_, n, s| (s > 0).then_some(n as f64 + 1.0));
    let page = html(&memory, Amount::Headline);
    assert!(page.contains("&quot;&gt;&lt;script&gt;alert") && page.contains("a&amp;b&lt;i&gt;") && page.contains("😀"));
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let memory =
        of_table("network", 700, &numbered(9), &|c, n, s| (s > 0).then(|| (c.name.len() * n) as f64 + s as f64));
    assert_eq!(html(&memory, Amount::Headline), html(&memory, Amount::Headline));
}

/// By the time since the start of each, with the difference of their means.
#[test]
fn several_recordings_over_each_other() {
    let of = |level: f64| of_table("memory", 20, &numbered(1), &move |_, _, _| Some(level));
    let (a, b) = (of(1000.0), of(1500.0));
    let recordings = [a.whole(), b.whole()];
    let subject = |memory, recording| Subject {
        source: memory,
        query: Query::of([memory as &dyn Source]),
        recording,
        marks: &[],
    };
    let sides = [
        Side { name: "a".into(), subjects: vec![subject(&a, &recordings[0])] },
        Side { name: "b<".into(), subjects: vec![subject(&b, &recordings[1])] },
    ];
    let page = beside(&sides, Amount::Headline, &mut Vec::new());
    is_whole(&page);
    assert!(page.contains("b&lt;") && page.contains("data-v=50>+50.0\u{a0}%"));
    assert_eq!(
        page.split("<figure id=\"memory-used_bytes")
            .nth(1)
            .unwrap()
            .split("</figure>")
            .next()
            .unwrap()
            .matches("class=\"m\"")
            .count(),
        2
    );
}

/// A recording of another build: its tables are drawn by their first columns.
#[test]
fn an_unknown_table_has_a_page() {
    let table = table(
        "pump",
        vec![entity("device"), column("level", Type::Float64, crate::table::Kind::Gauge, crate::table::Unit::Celsius)],
    );
    let memory =
        Memory::default().with(table, vec![filled(table, 9, &numbered(2), &|_, n, s| Some(n as f64 + s as f64))]);
    assert!(html(&memory, Amount::Headline).contains("<figure id=\"pump-level\">"));
}

/// A machine with two CPUs that are busy from second 10 to 16. `command`: how busy the command is then, in percent of one CPU.
fn busy_for_a_while(machine: f64, command: f64) -> String {
    let at = |s: i64, high: f64, low: f64| if (11..=16).contains(&s) { high } else { low };
    let value = |high: f64| {
        move |c: &StoredColumn, _: usize, s: i64| (c.name == "usage_percent" && s > 0).then(|| at(s, high, 5.0))
    };
    let mut memory = Memory::default();
    for (name, entities, high) in [("cpu", 1, machine), ("cpu_core", 2, machine), ("command", 1, command)] {
        let table = catalog::table(name).unwrap();
        memory = memory.with(table, vec![filled(table, 40, &numbered(entities), &value(high))]);
    }
    let page = html(&memory, Amount::Headline);
    page.split_once("</header>").unwrap().0.to_string() + page.split("id=\"glance\"").nth(1).unwrap()
}

#[test]
fn whose_cpu_time_it_was() {
    // One thread, a sixth of the time.
    let alone = busy_for_a_while(52.0, 95.0);
    assert!(alone.contains("What was short: <b>the CPU</b>, mostly from "), "{alone}");
    assert!(alone.contains("the command kept a CPU busy part of the time"), "{alone}");
    let others = busy_for_a_while(100.0, 9.0);
    assert!(others.contains("<b>the CPU, because of other programs</b>, mostly from "), "{others}");
    assert!(!others.contains("kept a CPU busy"), "{others}");
    let all = busy_for_a_while(100.0, 198.0);
    assert!(all.contains("<b>the CPU</b>") && !all.contains("other programs"), "{all}");
    let none = busy_for_a_while(6.0, 10.0);
    assert!(none.contains("<b>No resource was short</b>"), "{none}");
}
