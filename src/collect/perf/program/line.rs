//! The content of a line of `perf stat`, in either format: one row, or none.

use crate::collect::perf::options::Per;

/// The output format that perf was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// `-x SEPARATOR`
    Csv { separator: char },
    /// `-j`, from perf 6.0
    Json,
}

/// The options of perf that change its lines.
#[derive(Clone, Debug)]
pub struct LineLayout {
    pub format: LineFormat,
    /// What the counts are split by: the column after the time may be a key.
    pub per: Per,
    /// Cgroups were requested: their column follows the event's.
    pub cgroups: bool,
    /// The events as typed, to tell the three columns of perf 3.9-3.13 (no unit) from four.
    pub events: Vec<String>,
}

/// The count of an event in an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PrintedCount {
    Counted(f64),
    /// Never on a counter in this interval.
    NotCounted,
    /// perf could not open the event; this does not change.
    NotSupported,
}

/// A parsed line; only the numbers are converted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerfLine<'l> {
    /// Nanoseconds from the enabling of the counters to the end of the interval.
    pub time_ns: u64,
    pub cpu: Option<i32>,
    /// `S0-D0-C0`, or a thread.
    pub key: Option<&'l str>,
    pub cgroup: Option<&'l str>,
    pub reading: PrintedCount,
    /// Determines the unit of a clock without a unit: perf 4 prints milliseconds with decimals, 6.17 whole nanoseconds.
    pub whole: bool,
    pub unit: &'l str,
    pub event: &'l str,
    /// Share of its enabled time that the event was on a counter, 0-100; null before perf 4.1.
    pub running_percent: Option<f64>,
}

/// Why a line is not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRow {
    /// A line that perf is known to print between rows: a comment, an additional metric of the row above, a summary.
    Known,
    Unknown,
}

/// `<not counted>`, `<not supported>`, or a number without sign or exponent.
pub fn reading(field: &str) -> Option<PrintedCount> {
    match field {
        "<not counted>" => return Some(PrintedCount::NotCounted),
        "<not supported>" => return Some(PrintedCount::NotSupported),
        _ => {}
    }
    let (whole, fraction) = field.split_once('.').unwrap_or((field, "0"));
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !number(whole) || !number(fraction) {
        return None;
    }
    // Digits alone always parse; a number too long for a double becomes infinite, which is not a count.
    field.parse().ok().filter(|v: &f64| v.is_finite()).map(PrintedCount::Counted)
}

/// A time stamp in nanoseconds: seconds with decimals, of which perf prints nine. Padded up to perf 6.1.
pub fn seconds(field: &str) -> Option<u64> {
    let (whole, fraction) = field.trim().split_once('.')?;
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Digits beyond nanoseconds are cut off.
    let nanoseconds = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = nanoseconds.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    digits(whole)?.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

pub fn digits(field: &str) -> Option<u64> {
    if !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit()) { field.parse().ok() } else { None }
}

/// The number of the CPU in a key `CPU3`.
pub fn cpu(key: &str) -> Option<i32> {
    digits(key.strip_prefix("CPU")?).and_then(|n| i32::try_from(n).ok())
}
