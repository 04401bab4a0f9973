//! A line of `perf stat` → rows, by the format that perf was asked to print.

use super::line::{LineFormat, LineLayout, NoRow, PerfLine};
use super::{csv, json};

/// Parses a line, without its line end. A line of JSON may contain several rows.
pub fn each_row<'l>(line: &'l str, layout: &LineLayout, mut each: impl FnMut(Result<PerfLine<'l>, NoRow>)) {
    match layout.format {
        LineFormat::Csv { separator } => each(csv::row(line, separator, layout)),
        LineFormat::Json => json::rows(line, each),
    }
}
