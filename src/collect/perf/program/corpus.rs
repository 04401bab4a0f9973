//! Captured output of perf, and the rows that a person reads in it: `tests/fixtures/perf/output`.

use std::fs;
use std::path::{Path, PathBuf};

use super::intervals::Intervals;
use super::line::{LineFormat, LineLayout, NoRow};
use super::lines::Lines;
use super::parse::each_row;
use crate::collect::perf::now::Now;
use crate::collect::perf::options::Per;
use crate::collect::perf::rows::PerfRow;
use crate::events::request::{Request, split_list};

struct Case {
    name: String,
    text: Vec<u8>,
    layout: LineLayout,
    asked: Vec<String>,
    known: usize,
    unknown: usize,
    /// The fields of each row.
    rows: Vec<Vec<String>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/perf/output")
}

impl Case {
    fn read(path: &Path) -> Case {
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let expected = fs::read_to_string(path).unwrap();
        let header = |key: &str| {
            let prefix = format!("# {key}: ");
            expected.lines().find_map(|l| l.strip_prefix(&prefix)).map(str::to_string)
        };
        let number = |key: &str| header(key).map_or(0, |n| n.trim().parse().unwrap());
        let separator = match header("separator").as_deref() {
            Some("tab") => '\t',
            Some(one) => one.chars().next().unwrap(),
            None => ';',
        };
        let per = match header("by").unwrap().as_str() {
            "none" => Per::Whole,
            "cpu" => Per::Cpu,
            "core" => Per::Core,
            "die" => Per::Die,
            "socket" => Per::Socket,
            "node" => Per::Node,
            "cluster" => Per::Cluster,
            "cache" => Per::Cache,
            "thread" => Per::Thread,
            other => panic!("{name}: by {other}"),
        };
        let format = match header("format").unwrap().as_str() {
            "csv" => LineFormat::Csv { separator },
            "json" => LineFormat::Json,
            other => panic!("{name}: {other}"),
        };
        let asked = split_list(&header("asked").unwrap_or_default());
        let cgroups = header("cgroups").as_deref() == Some("yes");
        let rows = expected.lines().filter(|l| !l.starts_with("# ") && !l.is_empty());
        Case {
            text: fs::read(path.with_extension("txt")).unwrap(),
            layout: LineLayout { format, per, cgroups, events: asked.clone() },
            asked,
            known: number("known"),
            unknown: number("unknown"),
            rows: rows.map(|l| l.split('\t').map(|f| f.replace("\\t", "\t")).collect()).collect(),
            name,
        }
    }

    /// The rows as fields, and the numbers of known and unknown lines.
    fn found(&self) -> (Vec<Vec<String>>, usize, usize) {
        let requests = self.asked.iter().map(|e| Request::new(e.as_str())).collect();
        let mut intervals = Intervals::new(requests, 0);
        let now = Now { mono_ns: 0, wall_ns: 0 };
        let (mut done, mut times, mut known, mut unknown) = (Vec::new(), Vec::new(), 0, 0);
        Lines::default().feed(&self.text, |line| {
            let text = String::from_utf8_lossy(line.unwrap_or(b"?"));
            each_row(&text, &self.layout, |row| match row {
                Ok(row) => {
                    times.push(row.time_ns);
                    intervals.add(&row, now, &mut done);
                }
                Err(NoRow::Known) => known += 1,
                Err(NoRow::Unknown) => unknown += 1,
            });
        });
        intervals.flush(&mut done);
        let rows = done.iter().flat_map(|i| &i.rows).zip(times).map(|(row, time)| fields(row, time)).collect();
        (rows, known, unknown)
    }
}

fn fields(row: &PerfRow, time_ns: u64) -> Vec<String> {
    let text = |t: Option<&str>| t.unwrap_or("-").to_string();
    let number = |n: Option<f64>| n.map_or("-".to_string(), |n| n.to_string());
    vec![
        time_ns.to_string(),
        row.cpu.map_or("-".to_string(), |c| c.to_string()),
        text(row.target.as_deref()),
        row.name.printed.clone(),
        number(row.value),
        text(row.unit.as_deref()),
        number(row.running_percent),
        row.status.word().to_string(),
        text(row.name.pmu.as_deref()),
        text(row.name.modifiers.as_deref()),
    ]
}

/// Columns that contain numbers: `100.00` and `100` are equal.
const NUMBERS: [usize; 2] = [4, 6];

fn same(found: &[String], expected: &[String]) -> bool {
    let number = |text: &String| text.parse::<f64>().ok();
    found.len() == expected.len()
        && found.iter().zip(expected).enumerate().all(|(column, (f, e))| {
            f == e
                || NUMBERS.contains(&column)
                    && number(f).zip(number(e)).is_some_and(|(f, e)| (f - e).abs() <= 1e-12 * e.abs())
        })
}

#[test]
fn every_line_is_read_as_a_person_reads_it() {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "rows"));
    paths.sort();
    assert!(paths.len() > 150, "{}", paths.len());
    let mut wrong = String::new();
    for path in paths {
        let case = Case::read(&path);
        let (rows, known, unknown) = case.found();
        let mut say = |what: String| wrong.push_str(&format!("{}: {what}\n", case.name));
        if (known, unknown) != (case.known, case.unknown) {
            say(format!("{known} known and {unknown} unknown lines, expected {} and {}", case.known, case.unknown));
        }
        if rows.len() != case.rows.len() {
            say(format!("{} rows, expected {}", rows.len(), case.rows.len()));
        }
        for (found, expected) in rows.iter().zip(&case.rows) {
            if !same(found, expected) {
                say(format!("\n    found    {}\n    expected {}", found.join(" | "), expected.join(" | ")));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
