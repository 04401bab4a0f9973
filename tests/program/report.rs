//! What `perfwatch report` shows of a recording.

use std::fs;
use std::path::Path;

use super::{Said, program};

pub fn report(dir: &Path, args: &[&str]) -> Said {
    program().arg("report").arg(dir).args(args).output().unwrap().into()
}

/// Its CSV for table `tick`.
pub fn report_ticks(dir: &Path) -> Said {
    report(dir, &["-f", "csv", "-t", "tick"])
}

/// The number of ticks that this CSV counts, sealed or not.
pub fn counted(said: &Said) -> usize {
    let line = said.out.lines().find(|l| l.contains(",late_us,")).unwrap_or_else(|| panic!("{said:?}"));
    // …,unit,kind,count,…
    line.split_once(",late_us,").unwrap().1.split(',').nth(2).unwrap().parse().unwrap()
}

/// The lines of its CSV for a metric.
pub fn rows(dir: &Path, table: &str, metric: &str) -> Vec<String> {
    let said = report(dir, &["-f", "csv", "-t", table]);
    let lines = said.out.lines().filter(|l| l.contains(&format!(",{metric},")));
    lines.map(str::to_string).collect()
}

/// One column of a table in order of time, from its export of the rows.
pub fn column(dir: &Path, table: &str, name: &str) -> Vec<String> {
    let out = dir.with_extension("rows");
    report(dir, &["--csv", out.to_str().unwrap(), "--force", "-t", table]).is(0, &[]);
    let text = fs::read_to_string(out.join(format!("{table}.csv"))).unwrap();
    let mut lines = text.lines();
    let at = lines.next().unwrap().split(',').position(|c| c == name).unwrap();
    lines.map(|l| l.split(',').nth(at).unwrap().to_string()).collect()
}
