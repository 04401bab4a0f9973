//! The search for levels.

use super::chance::{self, SHARE_OF_ONE, SHARE_OF_TWO};
use super::{LEAST_OF_LEVEL, Series};

/// A level that is followed by another new one in the same step of the search has at least this many values: three that
/// are high by chance are found in many series.
const LEAST_IN_BETWEEN: usize = 5;

/// In longer series, pairs are only tried at every second, third, … place, which [`settle`] then corrects.
const ALL_PAIRS: usize = 250;

/// Levels with one or two more starts.
pub struct Next {
    starts: Vec<usize>,
    /// Probability of explaining that much more by chance.
    pub p: f64,
}

/// The starts of all levels but the first.
pub fn starts(series: &Series, level: f64) -> Vec<usize> {
    let mut starts = Vec::new();
    while let Some(next) = next(series, &starts).filter(|next| next.p <= level) {
        starts = settle(series, next.starts);
    }
    // A level that was needed first may not be needed with the later ones.
    while starts.len() > 1 {
        let each = (0..starts.len()).map(|n| (without(series, &starts, n), n));
        match each.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((p, n)) if p > level => drop(starts.remove(n)),
            _ => break,
        }
        starts = settle(series, starts);
    }
    starts
}

/// The most significant addition to these levels. None if there is no room.
pub fn next(series: &Series, starts: &[usize]) -> Option<Next> {
    let base = series.fit(starts).squares;
    let count = series.count() - starts.len();
    let one = best(series, starts, singles(series, starts));
    let two = best(series, starts, pairs(series, starts));
    let next = |found: Option<(f64, Vec<usize>)>, p: fn(f64, usize) -> f64, share: f64| {
        let (squares, starts) = found?;
        Some(Next { starts, p: (p(squares / base, count) / share).min(1.0) })
    };
    let one = next(one, chance::of_one, SHARE_OF_ONE);
    let two = next(two, chance::of_two, SHARE_OF_TWO);
    // Of equal ones the simpler.
    one.into_iter().chain(two).min_by(|a, b| a.p.total_cmp(&b.p))
}

/// The smallest squares of these additions, with the starts that have them.
fn best<const N: usize>(
    series: &Series,
    starts: &[usize],
    additions: impl Iterator<Item = [usize; N]>,
) -> Option<(f64, Vec<usize>)> {
    let mut tried = Vec::with_capacity(starts.len() + N);
    let mut best: Option<(f64, [usize; N])> = None;
    for addition in additions {
        tried.clear();
        merge(starts, &addition, &mut tried);
        let squares = series.fit(&tried).squares;
        if best.is_none_or(|(least, _)| squares < least) {
            best = Some((squares, addition));
        }
    }
    let (squares, addition) = best?;
    tried.clear();
    merge(starts, &addition, &mut tried);
    Some((squares, tried))
}

/// Both in ascending order; all of `more` are in one gap of `starts`.
fn merge(starts: &[usize], more: &[usize], into: &mut Vec<usize>) {
    let below = more.first().map_or(0, |first| starts.partition_point(|start| start < first));
    into.extend_from_slice(&starts[..below]);
    into.extend_from_slice(more);
    into.extend_from_slice(&starts[below..]);
}

/// First and end of each level.
fn levels(series: &Series, starts: &[usize]) -> Vec<(usize, usize)> {
    let ends = starts.iter().copied().chain([series.count()]);
    std::iter::once(0).chain(starts.iter().copied()).zip(ends).collect()
}

fn singles(series: &Series, starts: &[usize]) -> impl Iterator<Item = [usize; 1]> {
    let each = levels(series, starts).into_iter();
    each.flat_map(|(from, to)| (from + LEAST_OF_LEVEL..(to + 1).saturating_sub(LEAST_OF_LEVEL)).map(|at| [at]))
}

fn pairs(series: &Series, starts: &[usize]) -> impl Iterator<Item = [usize; 2]> {
    let pace = series.count().div_ceil(ALL_PAIRS);
    levels(series, starts).into_iter().flat_map(move |(from, to)| {
        let end = (to + 1).saturating_sub(LEAST_OF_LEVEL);
        let firsts = (from + LEAST_OF_LEVEL..end).step_by(pace);
        firsts.flat_map(move |a| (a + LEAST_IN_BETWEEN..end).step_by(pace).map(move |b| [a, b]))
    })
}

/// Where the start of level `n` can be if the others stay.
fn room(series: &Series, starts: &[usize], n: usize) -> std::ops::RangeInclusive<usize> {
    let before = if n == 0 { 0 } else { starts[n - 1] };
    let after = starts.get(n + 1).copied().unwrap_or(series.count());
    before + LEAST_OF_LEVEL..=after - LEAST_OF_LEVEL
}

/// Moves each start to its best place, until all are.
fn settle(series: &Series, mut starts: Vec<usize>) -> Vec<usize> {
    /// Each round has smaller squares than the one before; a few are enough.
    const MOST_ROUNDS: usize = 20;
    for _ in 0..MOST_ROUNDS {
        let before = starts.clone();
        for n in 0..starts.len() {
            let mut least = series.fit(&starts).squares;
            let mut place = starts[n];
            for at in room(series, &starts, n) {
                starts[n] = at;
                let squares = series.fit(&starts).squares;
                if squares < least {
                    (least, place) = (squares, at);
                }
            }
            starts[n] = place;
        }
        if starts == before {
            break;
        }
    }
    starts
}

/// Probability that levels without start `n` would seem to have one more.
pub fn without(series: &Series, starts: &[usize], n: usize) -> f64 {
    let mut fewer = starts.to_vec();
    fewer.remove(n);
    let ratio = series.fit(starts).squares / series.fit(&fewer).squares;
    (chance::of_one(ratio, series.count() - fewer.len()) / SHARE_OF_ONE).min(1.0)
}

/// The first and last place of start `n` that the values do not exclude, with a probability of 95 %: Hansen's set of
/// places whose likelihood is near the largest.
pub fn range(series: &Series, starts: &[usize], n: usize) -> (usize, usize) {
    /// -2 ln(1 - √0.95)
    const NEAR: f64 = 7.352;
    let least = series.fit(starts).squares;
    let limit = least * (NEAR / (series.count() as f64 - 2.0)).exp();
    let mut tried = starts.to_vec();
    let mut is_possible = |at: &usize| {
        tried[n] = *at;
        series.fit(&tried).squares <= limit
    };
    let possible: Vec<usize> = room(series, starts, n).filter(|at| *at == starts[n] || is_possible(at)).collect();
    (possible.first().copied().unwrap_or(starts[n]), possible.last().copied().unwrap_or(starts[n]))
}
