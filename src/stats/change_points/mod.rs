//! Where the level of a series changes, and how sure that is.
//!
//! The values of a series depend on each other: a machine that is slow in one run is often slow in the next. Tests that
//! take values for independent find changes in most unchanged series. Here the dependence is part of what is fitted (`noise`),
//! with and without new levels, and the probabilities (`chance`) hold for the strongest dependence. So a change is only found
//! if it is larger than what a series with such a past does by itself.
//!
//! Levels are added as long as they are significant: one, or up to four at once, because a series that changes and changes
//! back looks like one that depends on its past, until all its levels are known. If a straight line explains the series
//! better than levels do, the series drifts.

mod chance;
mod find;
mod noise;
mod tame;

#[cfg(test)]
mod tests;

pub use chance::LEAST;

use super::means::Difference;
use find::Found;
use noise::{Fit, Sums};

/// Each level has at least this many values.
pub const LEAST_OF_LEVEL: usize = 3;

/// What a series looks like.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Flat,
    /// In order; at least one.
    Steps(Vec<Step>),
    Drift(Drift),
}

/// A change from one level to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The index of the first value of the new level.
    pub at: usize,
    /// With a probability of 95 % it is between these, which are included.
    pub earliest: usize,
    pub latest: usize,
    /// The means of the values on both sides, to the next step.
    pub before: f64,
    pub after: f64,
    pub difference: Difference,
    /// Probability of finding this step, and those that were found with it, by chance.
    pub p: f64,
}

/// A straight line.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// Its value at the first and at the last value.
    pub from: f64,
    pub to: f64,
    /// From the first to the last value.
    pub difference: Difference,
    /// Probability that a series without a change would seem to have one.
    pub p: f64,
}

/// A series that can be tested.
#[derive(Clone, Debug)]
pub struct Series {
    sums: Sums,
    /// A value is `offset + scale × value of the sums`.
    offset: f64,
    scale: f64,
    /// The squares that rounding adds.
    of_rounding: f64,
    far: Vec<usize>,
}

impl Series {
    /// `quantum`: the step in which the values were read, or zero. None of fewer than [`LEAST`] values, and if not all are
    /// finite.
    pub fn new(values: &[f64], quantum: f64) -> Option<Series> {
        if values.len() < LEAST || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let (values, far) = tame::tamed(values);
        let offset = super::means::mean(&values);
        let largest = values.iter().map(|v| (v - offset).abs()).fold(0.0, f64::max);
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let sums = Sums::of(values.iter().map(|v| (v - offset) / scale).collect());
        // Squares below this are lost in the sums.
        const LOST: f64 = 1e-14;
        let of_rounding = values.len() as f64 * ((quantum / scale).powi(2) / 12.0).max(LOST);
        Some(Series { sums, offset, scale, of_rounding, far })
    }

    /// Indices of single values that are far off their neighbours, and were drawn in.
    pub fn far(&self) -> &[usize] {
        &self.far
    }

    /// Probability that an unchanged series would seem to change as much as this one.
    pub fn p(&self) -> f64 {
        find::next(self, &[], 0.0).map_or(1.0, |(_, p)| p).min(self.p_of_line())
    }

    /// How much each value still depends on those before it, from 0 to 0.95, if this is the shape. Corrected for what
    /// the shape takes away.
    pub fn autocorrelation(&self, shape: &Shape) -> f64 {
        match shape {
            Shape::Flat => self.persistence(&self.fit(&[]), 1),
            Shape::Steps(steps) => {
                let starts: Vec<usize> = steps.iter().map(|step| step.at).collect();
                self.persistence(&self.fit(&starts), starts.len() + 1)
            }
            Shape::Drift(_) => self.persistence(&self.line().fit, 2),
        }
    }

    /// The shape, in which each change has at most this probability of being by chance.
    pub fn shape(&self, level: f64) -> Shape {
        let Found { starts, p } = find::find(self, level);
        let p_of_line = self.p_of_line();
        if starts.is_empty() && p_of_line > level {
            return Shape::Flat;
        }
        let line = self.line();
        let is_line = self.information(&line.fit, 1) < self.information(&self.fit(&starts), 2 * starts.len());
        if starts.is_empty() || is_line {
            let p = p.first().map_or(p_of_line, |p| p.min(p_of_line));
            return Shape::Drift(self.drift(&line, p));
        }
        Shape::Steps((0..starts.len()).map(|n| self.step(&starts, n, p[n])).collect())
    }

    fn p_of_line(&self) -> f64 {
        let fit = self.line().fit;
        chance::LINE.p(fit.squares / self.fit(&[]).squares, fit.persistence, self.count())
    }

    fn count(&self) -> usize {
        self.sums.values().len()
    }

    fn fit(&self, starts: &[usize]) -> Fit {
        self.with_rounding(self.sums.fit(starts))
    }

    fn with_rounding(&self, fit: Fit) -> Fit {
        Fit { squares: fit.squares + self.of_rounding, ..fit }
    }

    /// Schwarz's information criterion: smaller is better. `parameters`: more than those of one level. The place of a step
    /// is one.
    fn information(&self, fit: &Fit, parameters: usize) -> f64 {
        let n = self.count() as f64;
        (n - 2.0) * fit.squares.ln() + parameters as f64 * n.ln()
    }

    /// Corrected for the bias of short series: Marriott and Pope, per level that was estimated.
    fn persistence(&self, fit: &Fit, levels: usize) -> f64 {
        const MOST: f64 = 0.95;
        let p = fit.persistence;
        (p + (2.0 * p + levels as f64 * (1.0 + p)) / self.count() as f64).min(MOST)
    }

    /// A difference of means with the standard error of dependent values. `share`: the variance of the difference over
    /// that of one independent value. `levels`: how many parameters describe the shape.
    fn difference(&self, value: f64, share: f64, fit: &Fit, levels: usize) -> Difference {
        let n = self.count() as f64;
        let free = (n - 2.0 - (levels + fit.coefficients) as f64).max(1.0);
        let persistence = self.persistence(fit, levels);
        let deviation = self.scale * (fit.squares / free).sqrt() / (1.0 - persistence);
        let independent = n * (1.0 - persistence) / (1.0 + persistence);
        Difference { value, standard_error: deviation * share.sqrt(), df: (independent - levels as f64).max(2.0) }
    }

    fn step(&self, starts: &[usize], n: usize, p: f64) -> Step {
        let from = if n == 0 { 0 } else { starts[n - 1] };
        let (at, to) = (starts[n], starts.get(n + 1).copied().unwrap_or(self.count()));
        let level = |from, to| self.offset + self.scale * self.sums.mean(from, to);
        let (before, after) = (level(from, at), level(at, to));
        let share = 1.0 / (at - from) as f64 + 1.0 / (to - at) as f64;
        let (earliest, latest) = find::range(self, starts, n);
        Step {
            at,
            earliest,
            latest,
            before,
            after,
            difference: self.difference(after - before, share, &self.fit(starts), starts.len() + 1),
            p,
        }
    }

    fn line(&self) -> Line {
        let (values, n) = (self.sums.values(), self.count() as f64);
        let middle = (n - 1.0) / 2.0;
        let moment: f64 = values.iter().enumerate().map(|(i, v)| (i as f64 - middle) * v).sum();
        // The squares of 0..n around their mean.
        let spread = n * (n * n - 1.0) / 12.0;
        let (slope, level) = (moment / spread, self.sums.mean(0, values.len()));
        let off: Vec<f64> = values.iter().enumerate().map(|(i, v)| v - level - slope * (i as f64 - middle)).collect();
        Line { slope, level, middle, spread, fit: self.with_rounding(noise::fit(&off)) }
    }

    fn drift(&self, line: &Line, p: f64) -> Drift {
        let at = |steps: f64| self.offset + self.scale * (line.level + line.slope * steps);
        let (from, to) = (at(-line.middle), at(line.middle));
        let share = (2.0 * line.middle).powi(2) / line.spread;
        Drift { from, to, difference: self.difference(to - from, share, &line.fit, 2), p }
    }
}

/// The straight line through the values of the sums.
struct Line {
    slope: f64,
    /// The value in the middle, and the index of the middle.
    level: f64,
    middle: f64,
    spread: f64,
    fit: Fit,
}
