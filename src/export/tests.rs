//! Small recordings in memory; what is expected was computed by hand.

use super::format::{Format, writer};
use super::{Columns, Request, Shape, TableRows, openmetrics, perfetto};
use crate::query::Rows;
use crate::report::testing::*;
use crate::store::read::piece::{Source, Window};
use crate::table::{Kind, StoredColumn, StoredOrigin, TableDef, Type, Unit, Weight};

const HOSTILE: &str = "a \"b\",\\ <i>\n\u{1b}[31m 💥";

fn request(columns: &Columns, shape: Shape) -> Request<'_> {
    Request { rows: Rows::ALL, columns, shape }
}

fn written(source: &dyn Source, table: &'static TableDef, request: &Request<'_>, format: Format) -> String {
    let (mut problems, mut out) = (Vec::new(), Vec::new());
    let rows = TableRows::open(source, table, request, &mut problems).unwrap();
    let mut writer = writer(format, rows.schema(), &mut out, false).unwrap();
    rows.each(&mut problems, &mut |batch| writer.write(batch)).unwrap();
    writer.finish().unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    String::from_utf8(out).unwrap()
}

fn csv(source: &dyn Source, table: &'static TableDef, shape: Shape) -> String {
    written(source, table, &request(&Columns::all(Vec::new()), shape), Format::Csv)
}

const EVERY_4_S: Shape = Shape { every_us: Some(4_000_000), extremes: false, wide: false };

/// A disk: reads and their time, a latency that is weighted by the reads, a level, a share of time, a text.
fn disk() -> &'static TableDef {
    let latency = StoredColumn {
        weight: Weight::Growth(vec!["read_count"]),
        origin: StoredOrigin::Raw(9),
        ..column("read_latency_ms", Type::Float64, Kind::Interval, Unit::Milliseconds)
    };
    table(
        "disk",
        vec![
            entity("device"),
            counter("read_count", 0, Unit::Count),
            latency,
            column("in_flight", Type::Int64, Kind::Gauge, Unit::Count),
            column("util_percent", Type::Float64, Kind::Interval, Unit::Percent),
            column("scheduler", Type::Text, Kind::Label, Unit::None),
        ],
    )
}

/// `sda` at seconds 0 to 5, `sdb` only at second 1; the last interval is twice as long.
fn disks(table: &'static TableDef) -> Memory {
    let batch = rows(
        table,
        &[0, 1, 1, 2, 3, 5],
        &[None, Some(1.0), None, Some(1.0), Some(1.0), Some(2.0)],
        vec![
            text([Some("sda"), Some("sda"), Some(HOSTILE), Some("sda"), Some("sda"), Some("sda")]),
            ints([Some(100), Some(101), None, Some(104), Some(104), Some(i64::MAX)]),
            floats([None, Some(8.0), None, Some(2.0), None, Some(1.5)]),
            ints([Some(4), Some(1), None, Some(1), Some(7), Some(9)]),
            floats([None, Some(10.0), None, Some(20.0), Some(60.0), Some(50.0)]),
            text([Some("none"), None, None, Some("bfq"), None, None]),
        ],
    );
    Memory::default().with(table, vec![batch])
}

#[test]
fn as_recorded() {
    let table = disk();
    let source = disks(table);
    let json = written(&source, table, &request(&Columns::all(Vec::new()), Shape::default()), Format::JsonLines);
    let rows: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[5]["ts"], "2026-11-20T07:00:05.000000Z");
    assert_eq!(rows[5]["read_count"], i64::MAX);
    assert_eq!(rows[2]["device"], HOSTILE);
    assert!(rows[2]["read_count"].is_null() && rows[2]["elapsed_s"].is_null());
    let named = Columns::Only { tables: Vec::new(), columns: vec!["disk.in_flight".into()] };
    let csv = written(&source, table, &request(&named, Shape::default()), Format::Csv);
    assert_eq!(csv.lines().next(), Some("ts,device,in_flight"));
    assert!(csv.contains("\n2026-11-20T07:00:01.000000Z,\"a \"\"b\"\",\\ <i>\n\u{1b}[31m 💥\",\n"), "{csv}");
}

/// 0 to 4 s: in_flight (1 × 1 + 1 × 1 + 7 × 1) / 3, because the first row has no interval; util (10 + 20 + 60) / 3;
/// latency (8 × 1 + 2 × 3) / 4, because the reads grew by 1 and 3.
#[test]
fn each_column_is_resampled_as_declared() {
    let table = disk();
    let lines = csv(&disks(table), table, EVERY_4_S);
    let lines: Vec<&str> = lines.split("Z,").collect();
    assert_eq!(lines[1].trim_end(), "3.0,,sda,104,3.5,3.0,30.0,bfq\n2026-11-20T07:00:00.000000");
    // Means of one value.
    assert_eq!(lines[3].trim_end(), "2.0,,sda,9223372036854775807,1.5,9.0,50.0,");
    assert!(lines[2].ends_with("2026-11-20T07:00:04.000000"), "{lines:?}");
}

#[test]
fn extremes_keep_the_type_of_the_column() {
    let table = disk();
    let columns = Columns::Only { tables: Vec::new(), columns: vec!["in_flight".into(), "read_count".into()] };
    let shape = Shape { extremes: true, ..EVERY_4_S };
    let lines = written(&disks(table), table, &request(&columns, shape), Format::Csv);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], "ts,device,read_count,in_flight,in_flight_min,in_flight_max");
    assert_eq!(lines[1], "2026-11-20T07:00:00.000000Z,sda,104,3.0,1,7");
}

#[test]
fn wide_rows_have_a_column_per_metric_and_entity() {
    let table = disk();
    let columns = Columns::Only { tables: Vec::new(), columns: vec!["in_flight".into()] };
    let shape = Shape { wide: true, ..Shape::default() };
    let json = written(&disks(table), table, &request(&columns, shape), Format::JsonLines);
    let rows: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 5, "one per tick");
    assert_eq!(rows[1]["in_flight[sda]"], 1);
    assert!(rows[1][format!("in_flight[{HOSTILE}]")].is_null() && rows[1].as_object().unwrap().len() == 3);
}

fn perf() -> (&'static TableDef, Memory) {
    let table = table(
        "perf",
        vec![
            entity("event"),
            column("value", Type::Float64, Kind::Amount, Unit::None),
            column("running_percent", Type::Float64, Kind::Interval, Unit::Percent),
        ],
    );
    // In the second tick the instructions were on a counter for too short a time.
    let batch = rows(
        table,
        &[1, 1, 2, 2, 3, 3],
        &[Some(1.0); 6],
        vec![
            text([Some("cycles"), Some("instructions")].repeat(3)),
            floats([100.0, 250.0, 100.0, 9000.0, 300.0, 150.0]),
            floats([100.0, 100.0, 100.0, 2.0, 100.0, 100.0]),
        ],
    );
    (table, Memory::default().with(table, vec![batch]))
}

/// The sums of the intervals in which both were counted: (250 + 150) / (100 + 300).
#[test]
fn events_are_columns_with_their_ratios() {
    let (table, source) = perf();
    let wide = Shape { wide: true, ..Shape::default() };
    assert_eq!(
        csv(&source, table, wide),
        "ts,elapsed_s,phase,cycles,instructions,instructions_per_cycle\n\
         2026-11-20T07:00:01.000000Z,1.0,,100.0,250.0,2.5\n\
         2026-11-20T07:00:02.000000Z,1.0,,100.0,9000.0,\n\
         2026-11-20T07:00:03.000000Z,1.0,,300.0,150.0,0.5\n"
    );
    assert_eq!(
        csv(&source, table, Shape { every_us: Some(4_000_000), ..wide }),
        "ts,elapsed_s,phase,cycles,instructions,instructions_per_cycle\n\
         2026-11-20T07:00:00.000000Z,3.0,,500.0,9400.0,1.0\n"
    );
}

/// Of an interval of 4 s with 3 s of counts: (1 + 3) MiB in the two seconds with both directions.
#[test]
fn memory_bandwidth_is_a_column() {
    let (table, _) = perf();
    let (read, write) = (Some("uncore_imc/data_reads/"), Some("uncore_imc/data_writes/"));
    let batch = rows(
        table,
        &[1, 1, 2, 2, 3, 3],
        &[Some(1.0); 6],
        vec![
            text([read, write, read, write, read, write]),
            floats([1.0, 0.5, 7.0, 9.0, 3.0, 1.5]),
            floats([100.0, 100.0, 100.0, 2.0, 100.0, 100.0]),
        ],
    );
    let source = Memory::default().with(table, vec![batch]);
    let lines = csv(&source, table, Shape { wide: true, every_us: Some(4_000_000), ..Shape::default() });
    let (heads, values) = lines.trim_end().split_once('\n').unwrap();
    let value = |name: &str| {
        let at = heads.split(',').position(|head| head == name).unwrap_or_else(|| panic!("{name} in {heads}"));
        values.split(',').nth(at).unwrap().parse::<f64>().unwrap() / 1_048_576.0
    };
    let names = ["memory_bytes_per_sec", "memory_read_bytes_per_sec", "memory_write_bytes_per_sec"];
    let of = |name: &str| value(&format!("{name}[uncore_imc]"));
    // 6 MiB in 2 s, 11 MiB in 3 s, 2 MiB in 2 s.
    assert_eq!(names.map(of), [3.0, 11.0 / 3.0, 1.0]);
}

/// Two entities whose columns would have the same name.
#[test]
fn columns_of_wide_rows_have_different_names() {
    let table =
        table("sensor", vec![entity("chip"), entity("name"), column("t", Type::Int64, Kind::Gauge, Unit::None)]);
    let (chips, names) = (text([Some("a,b"), Some("a"), None]), text([Some("c"), Some("b,c"), Some("c")]));
    let batch = rows(table, &[1, 1, 1], &[Some(1.0); 3], vec![chips, names, ints([1, 2, 3])]);
    let lines = csv(&Memory::default().with(table, vec![batch]), table, Shape { wide: true, ..Shape::default() });
    assert_eq!(lines.lines().next(), Some("ts,elapsed_s,phase,t[c],\"t[a,b,c]\",\"t[a,b,c]#2\""));
    assert!(lines.ends_with(",3,2,1\n"), "{lines}");
}

/// The rows of later files may be of earlier times, because a clock was set back.
#[test]
fn an_interval_is_one_row_also_if_its_rows_are_in_two_files() {
    let table = table("cpu", vec![column("load1", Type::Float64, Kind::Gauge, Unit::None)]);
    let piece = |seconds: &[i64], values: &[f64]| {
        rows(table, seconds, &vec![Some(1.0); seconds.len()], vec![floats(values.to_vec())])
    };
    let pieces = vec![piece(&[0, 1, 9], &[1.0, 2.0, 3.0]), piece(&[2, 3, 10], &[3.0, 6.0, 5.0])];
    assert_eq!(
        csv(&Memory::default().with(table, pieces), table, EVERY_4_S),
        "ts,elapsed_s,phase,load1\n\
         2026-11-20T07:00:00.000000Z,4.0,,3.0\n\
         2026-11-20T07:00:08.000000Z,2.0,,4.0\n"
    );
}

#[test]
fn only_the_window_and_the_phase_are_exported() {
    let table = table("cpu", vec![column("load1", Type::Float64, Kind::Gauge, Unit::None)]);
    let phases = [None, Some("load"), Some("load/warm up"), Some("loader"), Some("load")];
    let batch =
        rows_in_phase(table, &[0, 1, 2, 3, 4], &[Some(1.0); 5], &phases, vec![floats([0.0, 1.0, 2.0, 3.0, 4.0])]);
    let source = Memory::default().with(table, vec![batch]);
    let columns = Columns::Only { tables: Vec::new(), columns: vec!["load1".into()] };
    let window = Window { from_us: START_US, to_us: START_US + 4_000_000 };
    for (shape, expected) in [
        (Shape::default(), "ts,load1\n2026-11-20T07:00:01.000000Z,1.0\n2026-11-20T07:00:02.000000Z,2.0\n"),
        (EVERY_4_S, "ts,load1\n2026-11-20T07:00:00.000000Z,1.5\n"),
    ] {
        let rows = Rows { window, phase: Some("load") };
        let request = Request { rows, ..request(&columns, shape) };
        assert_eq!(written(&source, table, &request, Format::Csv), expected);
    }
}

#[test]
fn openmetrics_has_one_family_per_column() {
    let table = disk();
    let source = disks(table);
    let columns = Columns::Only { tables: Vec::new(), columns: vec!["read_count".into(), "util_percent".into()] };
    let exported = openmetrics::Exported {
        source: &source,
        request: request(&columns, Shape::default()),
        labels: vec![("host", "b\"x".into())],
    };
    let (mut out, mut problems) = (Vec::new(), Vec::new());
    let samples = openmetrics::write(&[exported], &mut out, &mut problems, &mut |_| ()).unwrap();
    let expected = r#"# TYPE perfwatch_disk_read_count counter
# UNIT perfwatch_disk_read_count count
# HELP perfwatch_disk_read_count The read_count.
perfwatch_disk_read_count_total{host="b\"x",device="sda"} 100 1795158000.000000
perfwatch_disk_read_count_total{host="b\"x",device="sda"} 101 1795158001.000000
perfwatch_disk_read_count_total{host="b\"x",device="sda"} 104 1795158002.000000
perfwatch_disk_read_count_total{host="b\"x",device="sda"} 104 1795158003.000000
perfwatch_disk_read_count_total{host="b\"x",device="sda"} 9223372036854775807 1795158005.000000
# TYPE perfwatch_disk_util_percent gauge
# UNIT perfwatch_disk_util_percent percent
# HELP perfwatch_disk_util_percent The util_percent.
perfwatch_disk_util_percent{host="b\"x",device="sda"} 10.0 1795158001.000000
perfwatch_disk_util_percent{host="b\"x",device="sda"} 20.0 1795158002.000000
perfwatch_disk_util_percent{host="b\"x",device="sda"} 60.0 1795158003.000000
perfwatch_disk_util_percent{host="b\"x",device="sda"} 50.0 1795158005.000000
# EOF
"#;
    assert_eq!((String::from_utf8(out).unwrap().as_str(), samples), (expected, 9));
    assert!(problems.is_empty());
}

/// The structure is checked with Perfetto's own definition in `.ci/check_export.py`.
#[test]
fn a_trace_has_all_values() {
    let table = disk();
    let source = disks(table);
    let columns = Columns::Only { tables: Vec::new(), columns: vec!["util_percent".into()] };
    let exported =
        perfetto::Exported { source: &source, request: request(&columns, Shape::default()), name: "run".into() };
    let (mut out, mut problems) = (Vec::new(), Vec::new());
    assert_eq!(perfetto::write(&[exported], &mut out, &mut problems, &mut |_| ()).unwrap(), 4);
    let find = |bytes: &[u8]| out.windows(bytes.len()).any(|window| window == bytes);
    // double_counter_value (field 44) of 60.0.
    assert!(find(&[&[0xe1, 0x02][..], &60.0f64.to_le_bytes()].concat()));
    assert!(find(b"util_percent") && find(b"percent") && find(b"sda"));
    assert!(!find(HOSTILE.as_bytes()), "it has no value");
}
