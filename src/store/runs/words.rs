//! The results of the runs as text: a small table per side, or for values of parameters one table with a row per side.

use super::digits::Digits;
use super::{Index, Run, relative};
use crate::stats;
use crate::stats::means::{self, Sample};
use crate::text::grid::{Align, Grid};

/// The lines of the results; none if there was no run except warm-ups.
pub fn summary(index: &Index) -> Vec<String> {
    if index.runs.iter().any(|run| !run.parameters.is_empty()) {
        return relative::table(index);
    }
    let mut sides: Vec<Option<&str>> = index.sides().into_iter().map(Some).collect();
    if index.runs.iter().any(|run| run.side.is_none()) {
        sides.insert(0, None);
    }
    sides.into_iter().flat_map(|side| of_side(side, &runs_of(index, side))).collect()
}

/// The runs of a side, without warm-ups.
fn runs_of<'i>(index: &'i Index, side: Option<&str>) -> Vec<&'i Run> {
    index.runs.iter().filter(|run| !run.warmup && run.side.as_deref() == side).collect()
}

/// The successful runs with figures.
pub fn measured<'r>(runs: &[&'r Run]) -> Vec<&'r Run> {
    runs.iter().filter(|run| run.succeeded() && run.wall_s.is_some()).copied().collect()
}

type DigitsOf = fn(&[f64], Option<f64>) -> Digits;
type ValueOf = fn(&Run) -> Option<f64>;

fn of_side(side: Option<&str>, runs: &[&Run]) -> Vec<String> {
    if runs.is_empty() {
        return Vec::new();
    }
    let name = side.map_or_else(String::new, |side| format!("{side}: "));
    let left_out = left_out(runs);
    let measured = measured(runs);
    let count = match measured.len() {
        0 => return vec![format!("{name}no run to measure: {}", left_out.unwrap_or_default())],
        1 => "1 run".to_string(),
        n => format!("{n} runs"),
    };
    let mut grid = Grid::new([Align::Left; 4]);
    grid.row(match measured.len() {
        1 => [format!("{name}{count}"), String::new(), String::new(), String::new()],
        2 => [format!("{name}{count}"), "mean ± σ".into(), "min … max".into(), String::new()],
        _ => [format!("{name}{count}"), "mean ± σ".into(), "min … max".into(), "median".into()],
    });
    let figures: [(&str, ValueOf, DigitsOf); 4] = [
        ("wall", |run| run.wall_s, Digits::of_seconds),
        ("user", |run| run.user_s, Digits::of_seconds),
        ("system", |run| run.system_s, Digits::of_seconds),
        ("largest process", |run| run.max_rss_bytes.map(|bytes| bytes as f64), Digits::of_bytes),
    ];
    for (what, of, digits) in figures {
        let values: Vec<f64> = measured.iter().filter_map(|run| of(run)).collect();
        if !values.is_empty() {
            let [mean, range, median] = cells(&values, digits);
            grid.row([format!("  {what}"), mean, range, median]);
        }
    }
    let mut lines = grid.lines(usize::MAX);
    lines.extend(left_out.map(|left_out| format!("  left out: {left_out}")));
    lines
}

/// The numbers of runs left out, by reason.
pub fn left_out(runs: &[&Run]) -> Option<String> {
    let count = |is: fn(&Run) -> bool| runs.iter().filter(|run| is(run)).count();
    let kinds = [
        (count(|run| run.counts() && !run.succeeded()), "failed"),
        (count(|run| run.interrupted), "interrupted"),
        (count(|run| !run.interrupted && run.exit_status.is_none()), "with unknown end"),
        (count(|run| run.succeeded() && run.wall_s.is_none()), "without figures"),
    ];
    let words: Vec<String> = kinds.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Mean with standard deviation, range, and the median if there are at least three values.
fn cells(values: &[f64], digits: DigitsOf) -> [String; 3] {
    let (mean, spread) = (means::mean(values), Sample::of(values).map(|sample| sample.deviation));
    let digits = digits(values, spread);
    let Some(spread) = spread else { return [digits.write(mean), String::new(), String::new()] };
    let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(least, most), v| (least.min(*v), most.max(*v)));
    let median = stats::median(values).filter(|_| values.len() > 2).map_or_else(String::new, |v| digits.write(v));
    [
        format!("{} ± {}", digits.write(mean), digits.write(spread)),
        format!("{} … {}", digits.write(least), digits.write(most)),
        median,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    fn run(side: Option<&str>, wall: f64) -> Run {
        let side = side.map(str::to_string);
        Run {
            side,
            exit_status: Some(0),
            wall_s: Some(wall),
            user_s: Some(wall / 2.0),
            system_s: Some(0.0),
            max_rss_bytes: Some(256 * PAGE),
            ..Run::default()
        }
    }

    fn said(runs: Vec<Run>) -> Vec<String> {
        summary(&Index { runs, ..Index::new(None) })
    }

    #[test]
    fn means_deviations_and_medians() {
        let warmup = Run { warmup: true, ..run(None, 9.0) };
        let lines = ["1 run", "  wall             2.00 s", "  user             1.00 s", "  system           0 s"];
        assert_eq!(said(vec![warmup.clone(), run(None, 2.0)])[..4], lines);
        // 1, 2, 3, 6: mean 3, squares 4 + 1 + 0 + 9 = 14, over 3.
        let lines = [
            "4 runs             mean ± σ             min … max            median",
            "  wall             3.00 s ± 2.16 s      1.00 s … 6.00 s      2.50 s",
            "  user             1.50 s ± 1.08 s      0.50 s … 3.00 s      1.25 s",
            "  system           0 s ± 0 s            0 s … 0 s            0 s",
            "  largest process  1.00 MiB ± 0.00 MiB  1.00 MiB … 1.00 MiB  1.00 MiB",
        ];
        assert_eq!(said([1.0, 2.0, 3.0, 6.0].map(|wall| run(None, wall)).to_vec()), lines);
        // `sleep 1`: the unit is s, and enough digits are shown to see the differences.
        let sleeps = [1.0018, 1.0020, 1.0021, 1.0022, 1.0024].map(|wall| run(None, wall)).to_vec();
        assert!(said(sleeps)[1].contains("  1.0021 s ± 0.0002 s  1.0018 s … 1.0024 s  1.0021 s"));
        assert!(said(vec![warmup]).is_empty() && said(Vec::new()).is_empty());
    }

    #[test]
    fn runs_that_do_not_count_are_left_out_and_counted() {
        let failed = Run { exit_status: Some(3), ..run(None, 0.001) };
        let cut = Run { interrupted: true, ..run(None, 0.002) };
        let begun = Run { exit_status: None, wall_s: None, ..run(None, 0.0) };
        let lost = Run { wall_s: None, ..run(None, 0.0) };
        let all = vec![run(None, 2.0), failed.clone(), failed.clone(), cut.clone(), begun, lost];
        let left = "  left out: 2 failed, 1 interrupted, 1 with unknown end, 1 without figures";
        assert_eq!(said(all).last().unwrap(), left);
        assert_eq!(said(vec![failed, cut]), ["no run to measure: 1 failed, 1 interrupted"]);
    }

    #[test]
    fn two_sides() {
        // The first run is one of the second side.
        let mut runs = vec![run(Some("new"), 1.0), run(Some("base"), 1.0), run(Some("base"), 1.02)];
        let of = |runs: &[Run]| {
            let sides = vec!["base".into(), "new".into()];
            summary(&Index { runs: runs.to_vec(), sides, ..Index::new(None) })
        };
        let lines = of(&runs);
        assert!(lines[0].starts_with("base: 2 runs ") && lines[1].contains("1.01 s ± 0.01 s"), "{lines:?}");
        assert!(lines[5].starts_with("new: 1 run") && lines[6].contains("wall"), "{lines:?}");
        // A side without successful runs.
        runs[0].exit_status = Some(1);
        assert_eq!(of(&runs)[5..], ["new: no run to measure: 1 failed"]);
    }
}
