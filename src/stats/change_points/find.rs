//! The search for levels.

use super::chance::LEVELS;
use super::{LEAST_OF_LEVEL, Series};

/// A level between two new starts has at least this many values: three that are high by chance are found in many series.
const LEAST_IN_BETWEEN: usize = 5;

/// In longer series, pairs are only tried at every second, third, … place, which [`settle`] then corrects.
const ALL_PAIRS: usize = 250;

/// The starts of all levels but the first, in order, each with the probability of finding it and those found with it by
/// chance.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub starts: Vec<usize>,
    pub p: Vec<f64>,
}

/// Finds levels until no more are significant.
pub fn find(series: &Series, level: f64) -> Found {
    let mut found = Found::default();
    while let Some((starts, p)) = next(series, &found.starts, level).filter(|(_, p)| *p <= level) {
        // Starts move when others are added, but stay in order.
        let is_new = newest(&found.starts, &starts);
        let mut old = found.p.into_iter();
        let of_each = is_new.into_iter().map(|is_new| if is_new { p } else { old.next().unwrap_or(p) });
        found = Found { p: of_each.collect(), starts };
    }
    found
}

/// Which of `now` are new: those that are farthest from the ones before, of which each is in `now`, perhaps moved.
fn newest(before: &[usize], now: &[usize]) -> Vec<bool> {
    let mut is_new = vec![true; now.len()];
    for start in before {
        let free = (0..now.len()).filter(|n| is_new[*n]);
        if let Some(nearest) = free.min_by_key(|n| now[*n].abs_diff(*start)) {
            is_new[nearest] = false;
        }
    }
    is_new
}

/// The fewest additions, at most four, that are significant, with the probability of finding them by chance; the most
/// significant ones if none are. None if there is no room.
///
/// The fewest, because what is still missing is found with what is known then; more at once often split a level.
pub fn next(series: &Series, starts: &[usize], level: f64) -> Option<(Vec<usize>, f64)> {
    let base = series.fit(starts).squares;
    let count = series.count() - starts.len();
    let mut path = vec![starts.to_vec()];
    let mut best: Option<(Vec<usize>, f64)> = None;
    for law in LEVELS {
        let Some(more) = one_more(series, &path) else { break };
        let fit = series.fit(&more);
        let p = law.p(fit.squares / base, fit.persistence, count);
        if best.as_ref().is_none_or(|(_, least)| p < *least) {
            best = Some((more.clone(), p));
        }
        if p <= level {
            break;
        }
        path.push(more);
    }
    best
}

/// The best way to one more start: one added to the last of the path, or two to the one before. A level that was left
/// again is invisible to a search for one.
fn one_more(series: &Series, path: &[Vec<usize>]) -> Option<Vec<usize>> {
    let [.., last] = path else { return None };
    let single = best(series, last, singles(series, last));
    let double = match path {
        [.., before, _] => best(series, before, pairs(series, before)),
        _ => None,
    };
    let settled = single.into_iter().chain(double).map(|starts| settle(series, starts));
    settled.min_by(|a, b| series.fit(a).squares.total_cmp(&series.fit(b).squares))
}

/// The starts with the addition that leaves the smallest squares.
fn best<const N: usize>(
    series: &Series,
    starts: &[usize],
    additions: impl Iterator<Item = [usize; N]>,
) -> Option<Vec<usize>> {
    let mut tried = Vec::with_capacity(starts.len() + N);
    let mut best: Option<(f64, [usize; N])> = None;
    for addition in additions {
        merge(starts, &addition, &mut tried);
        let squares = series.fit(&tried).squares;
        if best.is_none_or(|(least, _)| squares < least) {
            best = Some((squares, addition));
        }
    }
    let (_, addition) = best?;
    merge(starts, &addition, &mut tried);
    Some(tried)
}

/// Both in ascending order; all of `more` are in one gap of `starts`.
fn merge(starts: &[usize], more: &[usize], into: &mut Vec<usize>) {
    let below = more.first().map_or(0, |first| starts.partition_point(|start| start < first));
    into.clear();
    into.extend_from_slice(&starts[..below]);
    into.extend_from_slice(more);
    into.extend_from_slice(&starts[below..]);
}

/// First index of each level, and of the next one.
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

/// Where start `n` can be if the others stay.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_moves_keeps_its_probability() {
        assert_eq!(newest(&[], &[4, 9]), [true, true]);
        assert_eq!(newest(&[20], &[10, 21]), [true, false]);
        assert_eq!(newest(&[10, 30], &[9, 15, 22, 30]), [false, true, true, false]);
    }

    #[test]
    fn additions_keep_the_order_and_the_shortest_level() {
        let series = Series::new(&[0.0, 1.0, 0.0, 1.0, 0.0, 5.0, 6.0, 5.0, 6.0, 5.0, 6.0, 5.0], 0.0).unwrap();
        let ones: Vec<[usize; 1]> = singles(&series, &[6]).collect();
        assert_eq!(ones, [[3], [9]]);
        let twos: Vec<[usize; 2]> = pairs(&series, &[]).collect();
        assert_eq!(twos, [[3, 8], [3, 9], [4, 9]]);
        let mut merged = Vec::new();
        merge(&[5, 20], &[9, 15], &mut merged);
        assert_eq!(merged, [5, 9, 15, 20]);
    }
}
