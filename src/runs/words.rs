//! What the runs came to, in a line a side.

use super::{Index, Run};
use crate::report::human::time;

pub fn summary(index: &Index) -> Vec<String> {
    let of = |side: Option<&str>| -> Vec<&Run> {
        index.runs.iter().filter(|r| r.counts() && r.wall_s.is_some() && r.side.as_deref() == side).collect()
    };
    let mut lines: Vec<String> = [None, Some("base"), Some("new")]
        .into_iter()
        .filter(|side| !of(*side).is_empty())
        .map(|side| format!("{}{}", side.map_or_else(String::new, |s| format!("{s}: ")), of_side(&of(side))))
        .collect();
    // What failed may have ended early.
    let walls = |side| -> Vec<f64> {
        of(Some(side)).iter().filter(|r| r.exit_status == Some(0)).filter_map(|r| r.wall_s).collect()
    };
    let (base, new) = (mean(&walls("base")), mean(&walls("new")));
    if let (Some(base), Some(new)) = (base, new)
        && base > 0.0
    {
        lines.push(format!("wall time of new: {:.3} times that of base", new / base));
    }
    lines
}

fn of_side(runs: &[&Run]) -> String {
    let all_runs = runs;
    let all = |value: fn(&Run) -> Option<f64>| -> Vec<f64> { runs.iter().filter_map(|run| value(run)).collect() };
    let wall = all(|r| r.wall_s);
    let cpu = all(|r| Some(r.user_s? + r.system_s?));
    let range = match (wall.iter().copied().reduce(f64::min), wall.iter().copied().reduce(f64::max)) {
        (Some(least), Some(most)) if wall.len() > 1 => format!(", {} to {}", time(least), time(most)),
        _ => String::new(),
    };
    let runs = if wall.len() == 1 { "1 run".into() } else { format!("{} runs", wall.len()) };
    let failed = match all_runs.iter().filter(|r| r.exit_status.is_some_and(|status| status != 0)).count() {
        0 => String::new(),
        n => format!(", {n} of them failed"),
    };
    format!("{runs}{failed}: wall {}{range}; CPU {}", with_deviation(&wall), with_deviation(&cpu))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The mean and, of several, the standard deviation of a sample.
fn with_deviation(values: &[f64]) -> String {
    let Some(mean) = mean(values) else { return "unknown".into() };
    if values.len() < 2 {
        return time(mean);
    }
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    format!("{} ± {}", time(mean), time((squares / (values.len() - 1) as f64).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(side: Option<&str>, warmup: bool, wall: f64) -> Run {
        let side = side.map(str::to_string);
        Run {
            side,
            warmup,
            exit_status: Some(0),
            wall_s: Some(wall),
            user_s: Some(wall / 2.0),
            system_s: Some(0.0),
            ..Run::default()
        }
    }

    #[test]
    fn means_and_deviations() {
        let one = Index { runs: vec![run(None, true, 9.0), run(None, false, 2.0)], ..Index::new() };
        assert_eq!(summary(&one), ["1 run: wall 2.00 s; CPU 1.00 s"]);
        // 1, 2, 3, 6: mean 3, squares 4 + 1 + 0 + 9 = 14, over 3.
        let runs = [1.0, 2.0, 3.0, 6.0].map(|wall| run(None, false, wall)).to_vec();
        let four = Index { runs, ..Index::new() };
        let line = "4 runs: wall 3.00 s ± 2.16 s, 1.00 s to 6.00 s; CPU 1.50 s ± 1.08 s";
        assert_eq!(summary(&four), [line]);
        let runs = vec![run(Some("base"), false, 2.0), run(Some("new"), false, 3.0)];
        let two = Index { runs, ..Index::new() };
        assert_eq!(summary(&two)[2], "wall time of new: 1.500 times that of base");
        assert!(summary(&Index::new()).is_empty());
    }
}
