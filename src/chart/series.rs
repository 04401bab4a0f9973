//! A series: values over time, as samples or as columns that combine several samples.

use super::axis::Axis;
use super::path::Path;
use super::time::TimeAxis;
use super::{HEIGHT, WIDTH};

/// A sample (`from_us` equal to `to_us`), or the samples of a column of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub from_us: i64,
    pub to_us: i64,
    pub mean: f64,
    pub low: f64,
    pub high: f64,
    /// There is no gap between the point before and this one.
    pub is_joined: bool,
}

impl Point {
    pub fn middle_us(&self) -> i64 {
        self.from_us.midpoint(self.to_us)
    }
}

/// The lines through the means. A point without neighbours is drawn as a short line, so that it can be seen.
pub fn mean_line(points: &[Point], time: &TimeAxis, axis: &Axis) -> String {
    let mut path = Path::default();
    for (n, point) in points.iter().enumerate() {
        let y = y(point.mean, axis);
        if point.is_joined && n > 0 {
            path.line(x(point.middle_us(), time), y);
        } else if points.get(n + 1).is_some_and(|next| next.is_joined) {
            path.start(x(point.middle_us(), time), y);
        } else {
            let (from, to) = (x(point.from_us, time), x(point.to_us, time));
            path.start(from, y);
            path.line(to.max(from + 2.0), y);
        }
    }
    path.done()
}

/// The area between the lowest and the highest values: a step per column. Empty if each point has only one value.
pub fn band(points: &[Point], time: &TimeAxis, axis: &Axis) -> String {
    let mut path = Path::default();
    let mut rest = points;
    while let Some(first) = rest.first() {
        let length = 1 + rest.iter().skip(1).take_while(|p| p.is_joined).count();
        let (run, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        if run.iter().all(|p| p.low == p.high) {
            continue;
        }
        path.start(x(first.from_us, time), y(first.high, axis));
        for (n, point) in run.iter().enumerate() {
            let to = run.get(n + 1).map_or(point.to_us, |next| next.from_us);
            path.across(y(point.high, axis), x(to, time));
        }
        for point in run.iter().rev() {
            path.across(y(point.low, axis), x(point.from_us, time));
        }
        path.close();
    }
    path.done()
}

pub fn x(us: i64, time: &TimeAxis) -> f64 {
    (time.place(us) * WIDTH).clamp(-WIDTH, 2.0 * WIDTH)
}

pub fn y(v: f64, axis: &Axis) -> f64 {
    (1.0 - axis.place(v)) * HEIGHT
}

#[cfg(test)]
mod tests {
    use super::super::axis::Base;
    use super::*;

    fn point(second: i64, mean: f64, low: f64, high: f64, is_joined: bool) -> Point {
        Point { from_us: second * 1_000_000, to_us: (second + 1) * 1_000_000, mean, low, high, is_joined }
    }

    const TIME: TimeAxis = TimeAxis { from_us: 0, to_us: 96_000_000, is_since_start: true };

    /// Ten units of the path per second; 100 is at the top.
    #[test]
    fn gaps_are_gaps() {
        let axis = Axis::between(0.0, 100.0, Base::Ten);
        let points = [
            point(0, 50.0, 50.0, 50.0, false),
            point(1, 100.0, 100.0, 100.0, true),
            point(2, 100.0, 100.0, 100.0, true),
            point(10, 0.0, 0.0, 0.0, false),
        ];
        assert_eq!(mean_line(&points, &TIME, &axis), "M5 500l10-500h10M100 1000h10");
        assert_eq!(band(&points, &TIME, &axis), "");
    }

    /// A spike in one of 86,400 samples reaches the top of the band, also where its column has a low mean.
    #[test]
    fn a_spike_is_in_the_band() {
        let axis = Axis::between(0.0, 100.0, Base::Ten);
        let points = [point(0, 1.0, 0.0, 2.0, false), point(1, 1.5, 0.0, 100.0, true), point(2, 1.0, 0.0, 2.0, true)];
        assert_eq!(band(&points, &TIME, &axis), "M0 980h10V0h10V980h10v20h-30z");
        assert_eq!(mean_line(&points, &TIME, &axis), "M5 990l10-5 10 5");
    }

    #[test]
    fn a_single_sample_is_seen() {
        let axis = Axis::between(0.0, 100.0, Base::Ten);
        let sample = Point { from_us: 0, to_us: 0, ..point(0, 50.0, 50.0, 50.0, false) };
        assert_eq!(mean_line(&[sample], &TIME, &axis), "M0 500h2");
    }
}
