//! The results of many sides as one table: a row per side, with its time relative to that of the fastest.

use super::digits::Digits;
use super::words::{left_out, measured};
use super::{Index, Run};
use crate::stats::means::{Sample, mean};
use crate::text::grid::{Align, Grid};

/// A side and the times of its successful runs.
struct Row<'i> {
    side: &'i str,
    walls: Vec<f64>,
    mean: f64,
    /// None of a single run.
    deviation: Option<f64>,
    users: Vec<f64>,
    systems: Vec<f64>,
}

/// The lines of the table, and one per side without a run to measure.
pub fn table(index: &Index) -> Vec<String> {
    let mut rows = Vec::new();
    let mut remarks = Vec::new();
    for side in index.sides() {
        let runs: Vec<&Run> =
            index.runs.iter().filter(|run| !run.warmup && run.side.as_deref() == Some(side)).collect();
        let left_out = left_out(&runs);
        match row(side, &measured(&runs)) {
            Some(row) => {
                remarks.extend(left_out.map(|left_out| format!("{side}: left out: {left_out}")));
                rows.push(row);
            }
            None => {
                let why = left_out.map_or_else(String::new, |left_out| format!(": {left_out}"));
                remarks.extend((!runs.is_empty()).then(|| format!("{side}: no run to measure{why}")));
            }
        }
    }
    let mut lines = grid(&rows).lines(usize::MAX);
    if rows.is_empty() {
        lines.clear();
    }
    lines.extend(remarks);
    lines
}

fn row<'i>(side: &'i str, runs: &[&Run]) -> Option<Row<'i>> {
    let of = |value: fn(&Run) -> Option<f64>| runs.iter().filter_map(|run| value(run)).collect::<Vec<f64>>();
    let walls = of(|run| run.wall_s);
    let deviation = Sample::of(&walls).map(|sample| sample.deviation);
    let (users, systems) = (of(|run| run.user_s), of(|run| run.system_s));
    (!walls.is_empty()).then(|| Row { side, mean: mean(&walls), walls, deviation, users, systems })
}

fn grid(rows: &[Row<'_>]) -> Grid {
    use Align::{Left, Right};
    let mut grid = Grid::new([Left, Right, Left, Left, Right, Right, Left]);
    grid.row(["", "runs", "wall (mean ± σ)", "min … max", "user", "system", "relative"]);
    let spread = rows.iter().filter_map(|row| row.deviation).filter(|v| *v > 0.0).reduce(f64::min);
    let walls = Digits::of_seconds(&rows.iter().flat_map(|row| row.walls.clone()).collect::<Vec<_>>(), spread);
    let users = Digits::of_seconds(&rows.iter().flat_map(|row| row.users.clone()).collect::<Vec<_>>(), None);
    let systems = Digits::of_seconds(&rows.iter().flat_map(|row| row.systems.clone()).collect::<Vec<_>>(), None);
    let fastest = rows.iter().min_by(|a, b| a.mean.total_cmp(&b.mean));
    for row in rows {
        let (least, most) = row.walls.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        let mean_of = |values: &[f64], digits: &Digits| {
            if values.is_empty() { String::new() } else { digits.write(mean(values)) }
        };
        let of_single = || walls.write(row.mean);
        grid.row([
            row.side.to_string(),
            row.walls.len().to_string(),
            row.deviation.map_or_else(of_single, |spread| format!("{} ± {}", of_single(), walls.write(spread))),
            row.deviation.map_or_else(String::new, |_| format!("{} … {}", walls.write(least), walls.write(most))),
            mean_of(&row.users, &users),
            mean_of(&row.systems, &systems),
            fastest.map_or_else(String::new, |fastest| relative(row, fastest)),
        ]);
    }
    grid
}

/// The quotient of the means, with its standard deviation by propagation of errors.
fn relative(row: &Row<'_>, fastest: &Row<'_>) -> String {
    if std::ptr::eq(row, fastest) || fastest.mean <= 0.0 {
        return "1.00".into();
    }
    let quotient = row.mean / fastest.mean;
    match (row.deviation, fastest.deviation) {
        (Some(a), Some(b)) => {
            let spread = quotient * (a / row.mean).hypot(b / fastest.mean);
            format!("{quotient:.2} ± {spread:.2}")
        }
        _ => format!("{quotient:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(side: &str, wall: f64) -> Run {
        Run {
            side: Some(side.into()),
            exit_status: Some(0),
            wall_s: Some(wall),
            user_s: Some(wall / 2.0),
            system_s: Some(0.0),
            ..Run::default()
        }
    }

    #[test]
    fn relative_to_the_fastest() {
        // n=1: mean 3, σ 0.3; n=2: mean 2, σ 0.1. 3 / 2 = 1.5, and 1.5 · √(0.1² + 0.05²) = 0.168.
        let mut runs = vec![run("n=2", 2.1), run("n=1", 3.0), run("n=2", 1.9), run("n=1", 2.7), run("n=2", 2.0)];
        runs.extend([run("n=1", 3.3), Run { exit_status: Some(1), ..run("n=4", 1.0) }, run("n=10", 4.0)]);
        let sides = ["n=1", "n=2", "n=4", "n=10"].map(String::from).to_vec();
        let lines = table(&Index { runs, sides, ..Index::new(None) });
        let expected = [
            "      runs  wall (mean ± σ)  min … max          user  system  relative",
            "n=1      3  3.00 s ± 0.30 s  2.70 s … 3.30 s  1.50 s     0 s  1.50 ± 0.17",
            "n=2      3  2.00 s ± 0.10 s  1.90 s … 2.10 s  1.00 s     0 s  1.00",
            "n=10     1  4.00 s                            2.00 s     0 s  2.00",
            "n=4: no run to measure: 1 failed",
        ];
        assert_eq!(lines, expected);
    }
}
