//! The results of the runs as text: two lines per side.

use super::digits::Digits;
use super::{Index, Run};
use crate::stats;
use crate::stats::means::{self, Sample};

pub fn summary(index: &Index) -> Vec<String> {
    let of = |side: Option<&str>| -> Vec<&Run> {
        index.runs.iter().filter(|r| !r.warmup && r.side.as_deref() == side).collect()
    };
    [None, Some("base"), Some("new")].into_iter().flat_map(|side| of_side(side, &of(side))).collect()
}

/// The successful runs with figures.
fn measured<'r>(runs: &[&'r Run]) -> Vec<&'r Run> {
    runs.iter().filter(|run| run.succeeded() && run.wall_s.is_some()).copied().collect()
}

fn walls(runs: &[&Run]) -> Vec<f64> {
    measured(runs).iter().filter_map(|run| run.wall_s).collect()
}

fn cpus(runs: &[&Run]) -> Vec<f64> {
    measured(runs).iter().filter_map(|run| Some(run.user_s? + run.system_s?)).collect()
}

fn of_side(side: Option<&str>, runs: &[&Run]) -> Vec<String> {
    if runs.is_empty() {
        return Vec::new();
    }
    let name = side.map_or_else(String::new, |side| format!("{side}: "));
    let left_out = left_out(runs);
    let count = match measured(runs).len() {
        0 => return vec![format!("{name}no run to measure: {}", left_out.unwrap_or_default())],
        1 => "1 run".to_string(),
        n => format!("{n} runs"),
    };
    let left_out = left_out.map_or_else(String::new, |left_out| format!("; left out: {left_out}"));
    vec![
        format!("{name}{count}: wall {}{left_out}", figures(&walls(runs))),
        format!("{name}CPU {}", figures(&cpus(runs))),
    ]
}

/// The numbers of runs left out, by reason.
fn left_out(runs: &[&Run]) -> Option<String> {
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

/// Mean and standard deviation, range, and the median if there are at least three values.
fn figures(values: &[f64]) -> String {
    let Some(median) = stats::median(values) else { return "unknown".into() };
    let (mean, spread) = (means::mean(values), Sample::of(values).map(|sample| sample.deviation));
    let digits = Digits::new(values, spread);
    let Some(spread) = spread else { return digits.write(mean) };
    let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(least, most), v| (least.min(*v), most.max(*v)));
    let write = |v| digits.write(v);
    let median = if values.len() > 2 { format!(", median {}", write(median)) } else { String::new() };
    format!("{} ± {} ({} … {}){median}", write(mean), write(spread), write(least), write(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(side: Option<&str>, wall: f64) -> Run {
        let side = side.map(str::to_string);
        Run {
            side,
            exit_status: Some(0),
            wall_s: Some(wall),
            user_s: Some(wall / 2.0),
            system_s: Some(0.0),
            ..Run::default()
        }
    }

    fn said(runs: Vec<Run>) -> Vec<String> {
        summary(&Index { runs, ..Index::new(None) })
    }

    #[test]
    fn means_deviations_and_medians() {
        let warmup = Run { warmup: true, ..run(None, 9.0) };
        assert_eq!(said(vec![warmup.clone(), run(None, 2.0)]), ["1 run: wall 2.00 s", "CPU 1.00 s"]);
        // 1, 2, 3, 6: mean 3, squares 4 + 1 + 0 + 9 = 14, over 3.
        let lines = [
            "4 runs: wall 3.00 s ± 2.16 s (1.00 s … 6.00 s), median 2.50 s",
            "CPU 1.50 s ± 1.08 s (0.50 s … 3.00 s), median 1.25 s",
        ];
        assert_eq!(said([1.0, 2.0, 3.0, 6.0].map(|wall| run(None, wall)).to_vec()), lines);
        // `sleep 1`: the unit is s, and enough digits are shown to see the differences.
        let sleeps = [1.0018, 1.0020, 1.0021, 1.0022, 1.0024].map(|wall| run(None, wall)).to_vec();
        assert_eq!(said(sleeps)[0], "5 runs: wall 1.0021 s ± 0.0002 s (1.0018 s … 1.0024 s), median 1.0021 s");
        assert!(said(vec![warmup]).is_empty() && said(Vec::new()).is_empty());
    }

    #[test]
    fn runs_that_do_not_count_are_left_out_and_counted() {
        let failed = Run { exit_status: Some(3), ..run(None, 0.001) };
        let cut = Run { interrupted: true, ..run(None, 0.002) };
        let begun = Run { exit_status: None, wall_s: None, ..run(None, 0.0) };
        let lost = Run { wall_s: None, ..run(None, 0.0) };
        let all = vec![run(None, 2.0), failed.clone(), failed.clone(), cut.clone(), begun, lost];
        let left = "2 failed, 1 interrupted, 1 with unknown end, 1 without figures";
        assert_eq!(said(all)[0], format!("1 run: wall 2.00 s; left out: {left}"));
        assert_eq!(said(vec![failed, cut]), ["no run to measure: 1 failed, 1 interrupted"]);
    }

    #[test]
    fn two_sides() {
        let mut runs = vec![run(Some("base"), 1.0), run(Some("base"), 1.02), run(Some("new"), 1.0)];
        let lines = said(runs.clone());
        assert!(lines[0].starts_with("base: 2 runs: wall 1.01 s ± 0.01 s (1.00 s … 1.02 s)"), "{lines:?}");
        assert!(lines[1].starts_with("base: CPU ") && lines[2].starts_with("new: 1 run: wall "), "{lines:?}");
        // A side without successful runs.
        runs[2].exit_status = Some(1);
        assert_eq!(said(runs)[2..], ["new: no run to measure: 1 failed"]);
    }
}
