//! The results of the runs as text: two lines per side, and the comparison of the sides.

use super::digits::{Digits, percent};
use super::{Index, Run};
use crate::stats::{self, Shift};

pub fn summary(index: &Index) -> Vec<String> {
    let of = |side: Option<&str>| -> Vec<&Run> {
        index.runs.iter().filter(|r| !r.warmup && r.side.as_deref() == side).collect()
    };
    let mut lines: Vec<String> =
        [None, Some("base"), Some("new")].into_iter().flat_map(|side| of_side(side, &of(side))).collect();
    lines.extend(comparison(&of(Some("base")), &of(Some("new"))));
    lines
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
    let (Some(mean), Some(median)) = (stats::mean(values), stats::median(values)) else { return "unknown".into() };
    let spread = stats::deviation(values);
    let digits = Digits::new(values, spread);
    let Some(spread) = spread else { return digits.write(mean) };
    let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(least, most), v| (least.min(*v), most.max(*v)));
    let write = |v| digits.write(v);
    let median = if values.len() > 2 { format!(", median {}", write(median)) } else { String::new() };
    format!("{} ± {} ({} … {}){median}", write(mean), write(spread), write(least), write(most))
}

/// The difference of the medians, and whether it is larger than the noise of the runs.
fn comparison(base: &[&Run], new: &[&Run]) -> Vec<String> {
    if measured(base).is_empty() || measured(new).is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for (what, base, new) in [("wall", walls(base), walls(new)), ("CPU", cpus(base), cpus(new))] {
        let Some(shift) = stats::shift(&base, &new) else {
            return vec!["too few runs to distinguish a difference from noise: use --runs 4 or more".into()];
        };
        if let Some(of) = stats::median(&base).filter(|of| *of > 0.0) {
            lines.push(format!("{what}: {}", difference(shift, of)));
        }
    }
    lines
}

fn difference(shift: Shift, of: f64) -> String {
    let share = |v: f64| 100.0 * v / of;
    let write = |v: f64| percent(share(v), share(shift.high - shift.low));
    let interval = format!("({} … {})", write(shift.low), write(shift.high));
    if shift.low <= 0.0 && shift.high >= 0.0 {
        return format!("no difference beyond the noise of these runs {interval}");
    }
    let change = write(shift.of_medians.abs());
    let side = if shift.of_medians > 0.0 { "above" } else { "below" };
    format!("the median of new is {} {side} that of base {interval}", change.trim_start_matches('+'))
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

    fn two(base: &[f64], new: &[f64]) -> Vec<String> {
        let runs = |side, walls: &[f64]| walls.iter().map(|wall| run(Some(side), *wall)).collect::<Vec<_>>();
        said([runs("base", base), runs("new", new)].concat())
    }

    #[test]
    fn two_sides() {
        let base = [1.00, 1.01, 1.02, 1.03, 1.04];
        // 15 % more, and one run that waited for something: a mean would be 43 % more.
        let new = [1.15, 1.1615, 1.173, 1.1845, 2.60];
        let lines = two(&base, &new);
        assert!(
            lines[0].starts_with("base: 5 runs: wall 1.02 s ± 0.02 s (1.00 s … 1.04 s), median 1.02 s"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("base: CPU ") && lines[2].starts_with("new: 5 runs: wall "), "{lines:?}");
        assert!(lines[4].starts_with("wall: the median of new is 15 % above that of base (+"), "{lines:?}");
        assert!(lines[5].starts_with("CPU: the median of new is 15 % above that of base (+"), "{lines:?}");
        let lines = two(&new, &base);
        assert!(lines[4].starts_with("wall: the median of new is 13 % below that of base (-"), "{lines:?}");
        // The same command on both sides.
        let lines = two(&[1.1, 0.9, 1.0, 1.4, 1.2], &[1.5, 1.0, 1.3, 0.95, 1.2]);
        assert!(lines[4].starts_with("wall: no difference beyond the noise of these runs (-"), "{lines:?}");
        // No comparison with two or three runs.
        let few = "too few runs to distinguish a difference from noise: use --runs 4 or more";
        assert_eq!(two(&[1.0, 1.0], &[2.0, 2.0])[4..], [few]);
        // A side without successful runs.
        let mut runs = vec![run(Some("base"), 1.0), run(Some("new"), 1.0)];
        runs[1].exit_status = Some(1);
        assert_eq!(said(runs)[2..], ["new: no run to measure: 1 failed"]);
    }
}
