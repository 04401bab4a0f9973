//! A line of `perf stat` → rows, by the format that perf was asked to print.

use super::line::{Format, Layout, Line, NoRow};
use super::{csv, json};

/// Parses a line, without its line end. A line of JSON may contain several rows.
pub fn each_row<'l>(line: &'l str, layout: &Layout, mut each: impl FnMut(Result<Line<'l>, NoRow>)) {
    match layout.format {
        Format::Csv { separator } => each(csv::row(line, separator, layout)),
        Format::Json => json::rows(line, each),
    }
}
