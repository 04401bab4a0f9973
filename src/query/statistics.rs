//! Statistics of a column. They are exact because they are computed from all values of a group.

use serde::Serialize;

use super::counted::{Counted, counted};
use super::growth::Growth;
use super::intervals::Interval;
use super::number::{NULL, Number};
use super::values::{Fold, Values};
use super::weights::{Own, Weights};
use crate::stats::percentile::{Percentile, at_ranks, at_weights};
use crate::stats::{Spread, float_key, spread, weighted_spread};
use crate::table::Kind;

/// Statistics of one column of one group.
///
/// Levels and intervals have `min` to `max`. Counters have `total` and `per_sec`, because their level has no meaning.
/// Amounts have both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    pub count: usize,
    pub nulls: usize,
    pub min: Option<Number>,
    /// Mean and percentiles are weighted as the column declares: by `elapsed_s` if a value belongs to an interval, by
    /// the divisor if it is a quotient.
    pub mean: Option<f64>,
    pub p50: Option<Number>,
    pub p95: Option<Number>,
    pub p99: Option<Number>,
    pub max: Option<Number>,
    /// The growth of a counter, or the sum of amounts.
    pub total: Option<Number>,
    /// `total` per second of the intervals that it includes.
    pub per_sec: Option<f64>,
}

impl Stats {
    fn set_spread(&mut self, spread: Spread<i64, 3>, mean: f64, number: impl Fn(i64) -> Number) {
        let Spread { min, percentiles: [p50, p95, p99], max } = spread;
        // Rounding must not move the mean outside the measured range.
        self.mean = Some(mean.clamp(number(min).as_f64(), number(max).as_f64()));
        (self.min, self.max) = (Some(number(min)), Some(number(max)));
        (self.p50, self.p95, self.p99) = (Some(number(p50)), Some(number(p95)), Some(number(p99)));
    }
}

/// The spread of amounts per second: each amount divided by the length of its interval, and weighted by it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rates {
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

impl Rates {
    /// None if no interval has a length.
    fn from_stats(stats: &Stats) -> Option<Rates> {
        let number = |v: Option<Number>| v.map(Number::as_f64);
        Some(Rates {
            min: number(stats.min)?,
            mean: stats.mean?,
            p50: number(stats.p50)?,
            p95: number(stats.p95)?,
            p99: number(stats.p99)?,
            max: number(stats.max)?,
        })
    }
}

/// Folds into [`Stats`], and for amounts their [`Rates`].
pub struct Statistics;

impl Fold for Statistics {
    type Out = (Stats, Option<Rates>);
    type Buffers = GroupValues;

    fn values(&self, values: &Values<'_>, buffers: &mut GroupValues) -> Self::Out {
        if values.column.kind != Kind::Amount {
            return (buffers.stats(values, Way::Values), None);
        }
        let rates = buffers.stats(values, Way::Rates);
        (buffers.stats(values, Way::Amounts), Rates::from_stats(&rates))
    }

    fn growth(&self, growth: &Growth) -> Self::Out {
        let stats = Stats {
            count: growth.count,
            nulls: growth.nulls,
            total: growth.known().map(Number::Int),
            per_sec: growth.per_sec(),
            ..Stats::default()
        };
        (stats, None)
    }
}

/// The same, and more percentiles.
pub struct WithPercentiles<'p>(pub &'p [Percentile]);

/// Statistics with percentiles of choice, in their order; none where there is no value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MoreStats {
    pub stats: Stats,
    pub rates: Option<Rates>,
    pub percentiles: Vec<Number>,
    pub of_rates: Vec<f64>,
}

impl Fold for WithPercentiles<'_> {
    type Out = MoreStats;
    type Buffers = GroupValues;

    fn values(&self, values: &Values<'_>, buffers: &mut GroupValues) -> MoreStats {
        let (stats, rates) = Statistics.values(values, buffers);
        let mut more = MoreStats { stats, rates, ..MoreStats::default() };
        if !self.0.is_empty() {
            more.percentiles = buffers.percentiles(values, Way::Values, self.0);
            if rates.is_some() {
                more.of_rates =
                    buffers.percentiles(values, Way::Rates, self.0).into_iter().map(Number::as_f64).collect();
            }
        }
        more
    }

    fn growth(&self, growth: &Growth) -> MoreStats {
        MoreStats { stats: Statistics.growth(growth).0, ..MoreStats::default() }
    }
}

const PERCENTS: [u8; 3] = [50, 95, 99];

/// What is computed from the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Values,
    /// Also the sum, and the sum per second.
    Amounts,
    /// Values divided by the length of their interval.
    Rates,
}

/// The values of one group that is being summarised.
#[derive(Debug, Default)]
pub struct GroupValues {
    keys: Vec<i64>,
    /// Keys with their weights, if weights differ.
    weighted: Vec<(i64, f64)>,
    /// The weight of each of few different values.
    counts: Vec<f64>,
    /// The keys of a piece with codes.
    piece: Vec<i64>,
}

/// Sums in the order of the rows.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    nulls: usize,
    sum: f64,
    weighted: f64,
    weight: f64,
}

impl Sums {
    /// Adds the value of an interval; returns its key and weight.
    #[inline]
    fn pair(&mut self, interval: &Interval, (key, value): (i64, f64)) -> (i64, f64) {
        // A first sample has no interval (NaN), so it has no weight. Neither has a null.
        let weight = if key == NULL { 0.0 } else { interval.elapsed_s.max(0.0) };
        self.sum += value;
        self.weighted += value * weight;
        self.weight += weight;
        (key, interval.weight)
    }
}

impl GroupValues {
    fn stats(&mut self, values: &Values<'_>, way: Way) -> Stats {
        let is_float = values.is_float || way == Way::Rates;
        let number = |key| Number::from_key(key, is_float);
        if let Some((key, nulls)) = values.constant().filter(|_| way == Way::Values) {
            let (only, count) = (Some(number(key)), values.rows - nulls);
            let mean = only.map(Number::as_f64);
            return Stats {
                count,
                nulls,
                mean,
                min: only,
                p50: only,
                p95: only,
                p99: only,
                max: only,
                ..Stats::default()
            };
        }
        let counted = if way == Way::Values { counted(values, PERCENTS, &mut self.counts) } else { None };
        if let Some(Counted { spread, nulls, weighted, weight }) = counted {
            let mut stats = Stats { count: values.rows - nulls, nulls, ..Stats::default() };
            stats.set_spread(spread, weighted / weight, number);
            return stats;
        }
        let sums = self.fill(values, way);
        let mut stats = Stats { count: values.rows - sums.nulls, nulls: sums.nulls, ..Stats::default() };
        let Some((spread, is_in_keys)) = self.spread() else { return stats };
        let sum = || match is_in_keys {
            true => self.keys.iter().map(|key| number(*key).as_f64()).sum::<f64>(),
            false => sums.sum,
        };
        if way == Way::Amounts {
            let sum = sum();
            stats.total = Some(if is_float { Number::Float(sum) } else { Number::Int(sum as i64) });
            stats.per_sec = (sums.weight > 0.0).then(|| sum / sums.weight);
        }
        // If no value has a weight, all values have the same.
        let mean = if sums.weight > 0.0 { sums.weighted / sums.weight } else { sum() / stats.count as f64 };
        stats.set_spread(spread, mean, number);
        stats
    }

    /// Percentiles of all values, which are collected and sorted for them.
    fn percentiles(&mut self, values: &Values<'_>, way: Way, of: &[Percentile]) -> Vec<Number> {
        self.fill(values, way);
        let GroupValues { keys, weighted, .. } = self;
        let mut found = at_weights(weighted, of);
        if found.is_empty() {
            // All the same weight, or none.
            keys.extend(weighted.iter().map(|(key, _)| *key));
            found = at_ranks(keys, of);
        }
        let is_float = values.is_float || way == Way::Rates;
        found.into_iter().map(|key| Number::from_key(key, is_float)).collect()
    }

    /// Collects the values of all pieces.
    fn fill(&mut self, values: &Values<'_>, way: Way) -> Sums {
        self.keys.clear();
        self.weighted.clear();
        match (values.weights, way) {
            (Weights::Rows, Way::Values) => self.rows(values),
            (Weights::Own(own), Way::Values) => self.own(values, own),
            (_, Way::Values | Way::Amounts) => self.intervals(values, |key, _| (key, values.number(key))),
            (_, Way::Rates) => {
                let sums = self.intervals(values, |key, interval| {
                    let rate = values.number(key) / interval.elapsed_s;
                    if rate.is_finite() { (float_key(rate + 0.0), rate) } else { (NULL, 0.0) }
                });
                // An interval without length has no rate (a division by zero or NaN).
                self.weighted.retain(|(key, _)| *key != NULL);
                Sums { nulls: values.rows - self.weighted.len(), ..sums }
            }
        }
    }

    fn rows(&mut self, values: &Values<'_>) -> Sums {
        for piece in values.pieces {
            let piece = piece.keys(&mut self.piece);
            if piece.contains(&NULL) {
                self.keys.extend(piece.iter().filter(|key| **key != NULL));
            } else {
                self.keys.extend_from_slice(piece);
            }
        }
        let sum = self.keys.iter().map(|key| values.number(*key)).sum();
        let count = self.keys.len();
        Sums { nulls: values.rows - count, sum, weighted: sum, weight: count as f64 }
    }

    fn intervals(&mut self, values: &Values<'_>, take: impl Fn(i64, &Interval) -> (i64, f64)) -> Sums {
        let mut sums = Sums::default();
        let mut intervals = values.intervals();
        for piece in values.pieces {
            let piece = piece.keys(&mut self.piece);
            let (own, rest) = intervals.split_at(piece.len().min(intervals.len()));
            intervals = rest;
            let pairs = piece.iter().zip(own);
            if piece.contains(&NULL) {
                let pairs = pairs
                    .filter(|(key, _)| **key != NULL)
                    .map(|(key, interval)| sums.pair(interval, take(*key, interval)));
                self.weighted.extend(pairs);
            } else {
                self.weighted.extend(pairs.map(|(key, interval)| sums.pair(interval, take(*key, interval))));
            }
        }
        sums.nulls = values.rows - self.weighted.len();
        sums
    }

    fn own(&mut self, values: &Values<'_>, own: &Own) -> Sums {
        let mut sums = Sums::default();
        for (i, key) in values.keys().enumerate() {
            if key == NULL {
                sums.nulls += 1;
                continue;
            }
            let value = values.number(key);
            let (product, weight) = own.at(values.start + i, value);
            sums.sum += value;
            sums.weighted += product;
            sums.weight += weight;
            self.weighted.push((key, weight));
        }
        sums
    }

    /// The spread of the values, and whether they are in `keys`, which is then reordered.
    fn spread(&mut self) -> Option<(Spread<i64, 3>, bool)> {
        let GroupValues { keys, weighted, .. } = self;
        if let Some((_, first)) = weighted.first() {
            // If all weights are the same, the unweighted spread is the same and faster.
            let alike = weighted.iter().all(|(_, weight)| weight == first);
            let found = if alike { None } else { weighted_spread(weighted, PERCENTS) };
            if let Some(spread) = found {
                return Some((spread, false));
            }
            keys.extend(weighted.iter().map(|(key, _)| *key));
        }
        spread(keys, PERCENTS).map(|spread| (spread, true))
    }
}
