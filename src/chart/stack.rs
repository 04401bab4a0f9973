//! Shares one above the other.

use super::axis::Axis;
use super::path::Path;
use super::series::{Point, x, y};
use super::time::TimeAxis;

/// One area per part, from zero to the sum of this part and those before it. They must be drawn from the last to the
/// first, each over the one before, so that the visible heights are the parts. `parts[k]` and `joined` have one value
/// per column of `columns`; a missing part is zero.
pub fn areas(columns: &[Point], parts: &[Vec<f64>], time: &TimeAxis, axis: &Axis) -> Vec<String> {
    let mut sums = vec![0.0; columns.len()];
    let area = |part: &Vec<f64>| {
        for (sum, v) in sums.iter_mut().zip(part) {
            *sum += v.max(0.0);
        }
        area(columns, &sums, time, axis)
    };
    parts.iter().map(area).collect()
}

fn area(columns: &[Point], sums: &[f64], time: &TimeAxis, axis: &Axis) -> String {
    let ground = y(0.0, axis);
    let mut path = Path::default();
    for (n, (column, sum)) in columns.iter().zip(sums).enumerate() {
        let at = x(column.middle_us(), time);
        let is_start = !(column.is_joined && n > 0);
        let is_end = columns.get(n + 1).is_none_or(|next| !next.is_joined);
        if is_start {
            path.start(if is_end { x(column.from_us, time) } else { at }, ground);
            path.up(y(*sum, axis));
        } else {
            path.line(at, y(*sum, axis));
        }
        if is_end {
            if is_start {
                path.line(x(column.to_us, time).max(x(column.from_us, time) + 2.0), y(*sum, axis));
            }
            path.up(ground);
            path.close();
        }
    }
    path.done()
}

#[cfg(test)]
mod tests {
    use super::super::axis::Base;
    use super::*;

    #[test]
    fn each_is_above_the_one_before() {
        let time = TimeAxis { from_us: 0, to_us: 96, is_since_start: true };
        let at = |us: i64, is_joined| Point { from_us: us, to_us: us, mean: 0.0, low: 0.0, high: 0.0, is_joined };
        let columns = [at(0, false), at(10, true), at(50, false)];
        let parts = [vec![10.0, 20.0, 30.0], vec![10.0, 0.0, 10.0]];
        let areas = areas(&columns, &parts, &time, &Axis::between(0.0, 100.0, Base::Ten));
        assert_eq!(areas[0], "M0 1000V900l100-100V1000zM500 1000V700h2V1000z");
        assert_eq!(areas[1], "M0 1000V800h100V1000zM500 1000V600h2V1000z");
    }
}
