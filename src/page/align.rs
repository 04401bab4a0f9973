//! One axis of time for several runs. Runs with the same phases are aligned by them: each phase begins at the same place in
//! all, and lasts as long as in the slowest run. Others are aligned by their starts.

use super::marks::{MOST_BANDS, spans};
use super::single::Subject;
use crate::chart::frame::Background;
use crate::chart::series::Point;
use crate::chart::time::TimeAxis;

/// The places of several runs on one axis.
pub struct Alignment {
    /// In the order of the runs.
    runs: Vec<Run>,
    /// The phases by which they are aligned; empty if they are aligned by their starts.
    pub phases: Vec<String>,
    bands: Vec<(i64, i64)>,
    length_us: i64,
}

/// The parts of a run: before, in and between its outermost phases, and after them.
pub struct Run {
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    /// In the time of the run.
    from_us: i64,
    /// On the axis.
    at_us: i64,
    /// It begins where the part before ended, also on the axis.
    is_joined: bool,
}

impl Alignment {
    pub fn of(subjects: &[&Subject<'_>]) -> Alignment {
        let found: Vec<_> = subjects.iter().map(|subject| spans(subject.marks, subject.span().1)).collect();
        let names = |n: usize| found.get(n).into_iter().flatten().map(|span| span.name.as_str());
        let is_same = (0..found.len()).all(|n| names(n).eq(names(0))) && names(0).count() <= MOST_BANDS;
        let bounds: Vec<Vec<i64>> = (subjects.iter().zip(&found))
            .map(|(subject, spans)| {
                let (start, end) = subject.span();
                let inner = spans.iter().filter(|_| is_same).flat_map(|span| [span.from_us, span.to_us]);
                [start].into_iter().chain(inner).chain([end]).collect()
            })
            .collect();
        // A phase outside of the part of the recording that is drawn.
        if bounds.iter().any(|bounds| !bounds.is_sorted()) {
            return Alignment::new(
                &subjects.iter().map(|s| vec![s.span().0, s.span().1]).collect::<Vec<_>>(),
                Vec::new(),
            );
        }
        let phases = if is_same { names(0).map(String::from).collect() } else { Vec::new() };
        Alignment::new(&bounds, phases)
    }

    /// `bounds`: of each run, the start of each part and the end of the last; equally many of each.
    fn new(bounds: &[Vec<i64>], phases: Vec<String>) -> Alignment {
        let mut runs: Vec<Run> = bounds.iter().map(|_| Run { parts: Vec::new() }).collect();
        let (mut at_us, mut bands) = (0_i64, Vec::new());
        // Of each run, whether its part before was as long as the longest.
        let mut were_longest = vec![false; bounds.len()];
        let part = |n: usize| {
            move |bounds: &Vec<i64>| Some((*bounds.get(n)?, bounds.get(n + 1)?.saturating_sub(*bounds.get(n)?)))
        };
        for (n, parts) in
            (0..).map_while(|n| Some((n, bounds.iter().map(part(n)).collect::<Option<Vec<(i64, i64)>>>()?)))
        {
            let Some(longest_us) = parts.iter().map(|(_, length_us)| *length_us).max() else { break };
            for ((run, (from_us, length_us)), was_longest) in runs.iter_mut().zip(parts).zip(&mut were_longest) {
                run.parts.push(Part { from_us, at_us, is_joined: *was_longest });
                *was_longest = length_us == longest_us;
            }
            let end_us = at_us.saturating_add(longest_us);
            // Every second part is a phase.
            bands.extend((n % 2 == 1).then_some((at_us, end_us)));
            at_us = end_us;
        }
        Alignment { runs, phases, bands, length_us: at_us }
    }

    pub fn axis(&self) -> TimeAxis {
        TimeAxis::new(0, self.length_us, true)
    }

    pub fn background(&self) -> Background {
        Background { bands: self.bands.clone(), lines: Vec::new() }
    }

    pub fn run(&self, n: usize) -> Option<&Run> {
        self.runs.get(n)
    }

    /// Of what the axis shows, for people.
    pub fn words(&self) -> String {
        match self.phases.is_empty() {
            true => "by the time since the start of each".into(),
            false => format!("aligned by their phases ({})", self.phases.join(", ")),
        }
    }
}

impl Run {
    /// Moves points from the time of the run to the axis. A point is about the time before it.
    pub fn place(&self, points: &mut [Point]) {
        let mut before = 0;
        for point in points {
            let n = self.parts.partition_point(|part| part.from_us < point.to_us).saturating_sub(1);
            let Some(part) = self.parts.get(n) else { continue };
            let moved = |us: i64| us.max(part.from_us).saturating_sub(part.from_us).saturating_add(part.at_us);
            (point.from_us, point.to_us) = (moved(point.from_us), moved(point.to_us));
            let crossed = self.parts.get(before + 1..=n).unwrap_or(&[]);
            point.is_joined &= crossed.iter().all(|part| part.is_joined);
            before = n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(us: i64) -> Point {
        Point { from_us: us, to_us: us, mean: 1.0, low: 1.0, high: 1.0, is_joined: true }
    }

    fn placed(alignment: &Alignment, run: usize, times: &[i64]) -> Vec<(i64, bool)> {
        let mut points: Vec<Point> = times.iter().copied().map(point).collect();
        alignment.run(run).unwrap().place(&mut points);
        points.iter().map(|point| (point.to_us, point.is_joined)).collect()
    }

    /// Two runs: 10 and 20 before the phase, 100 and 50 in it, 5 after it.
    #[test]
    fn phases_begin_at_the_same_place() {
        let bounds = [vec![1000, 1010, 1110, 1115], vec![5000, 5020, 5070, 5075]];
        let alignment = Alignment::new(&bounds, vec!["load".into()]);
        assert_eq!(alignment.axis(), TimeAxis::new(0, 20 + 100 + 5, true));
        assert_eq!(alignment.background().bands, [(20, 120)]);
        // The end of a part belongs to it.
        let of_first = placed(&alignment, 0, &[1000, 1010, 1011, 1110, 1112]);
        assert_eq!(of_first, [(0, true), (10, true), (21, false), (120, true), (122, true)]);
        let of_second = placed(&alignment, 1, &[5000, 5020, 5021, 5070, 5075]);
        assert_eq!(of_second, [(0, true), (20, true), (21, true), (70, true), (125, false)]);
    }

    #[test]
    fn a_column_of_time_that_reaches_into_a_phase() {
        let alignment = Alignment::new(&[vec![0, 10, 20, 30], vec![0, 15, 20, 30]], vec!["load".into()]);
        let mut points = [Point { from_us: 8, to_us: 12, ..point(0) }];
        alignment.run(0).unwrap().place(&mut points);
        assert_eq!((points[0].from_us, points[0].to_us, points[0].is_joined), (15, 17, false));
    }

    #[test]
    fn without_phases_the_starts_are_aligned() {
        let alignment = Alignment::new(&[vec![1000, 1100], vec![5000, 5300]], Vec::new());
        assert_eq!(alignment.axis(), TimeAxis::new(0, 300, true));
        assert!(alignment.background().bands.is_empty());
        assert_eq!(placed(&alignment, 1, &[5000, 5300]), [(0, true), (300, true)]);
    }
}
