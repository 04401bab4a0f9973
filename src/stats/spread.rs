//! Statistics of slices of numbers.

/// The values at these percentiles. Each is one of the measured values: the one with rank `ceil(percent × n ÷ 100)`,
/// counted from 1 (nearest rank), as in DuckDB's `quantile_disc` and numpy's `inverted_cdf`. Whole percents, because
/// `0.07 × 100` is more than 7 in floating point.
///
/// `percents` must ascend, so that each search only covers the values above the previous one. Reorders `values`. None
/// if there are no values.
pub fn percentiles<T: Copy + Ord, const N: usize>(values: &mut [T], percents: [u8; N]) -> Option<[T; N]> {
    let n = values.len();
    let mut found = [*values.first()?; N];
    let mut last = None;
    // Number of smallest values that are done; `rest` are the others.
    let mut passed = 0;
    let mut rest = values;
    for (percent, found) in percents.into_iter().zip(&mut found) {
        let rank = (usize::from(percent) * n).div_ceil(100).clamp(1, n);
        if rank > passed {
            let (_, value, above) = rest.select_nth_unstable(rank - passed - 1);
            last = Some(*value);
            passed = rank;
            rest = above;
        }
        *found = last?;
    }
    Some(found)
}

/// Maps a float to an integer with the same order: integers are selected and compared faster, and have a total order.
pub fn float_key(v: f64) -> i64 {
    let bits = v.to_bits().cast_signed();
    bits ^ ((bits >> 63) & i64::MAX)
}

/// The float of a [`float_key`].
pub fn key_float(key: i64) -> f64 {
    f64::from_bits((key ^ ((key >> 63) & i64::MAX)).cast_unsigned())
}

/// Minimum, percentiles and maximum of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread<T, const N: usize> {
    pub min: T,
    pub percentiles: [T; N],
    pub max: T,
}

/// The spread of `values`, which are reordered. None if there are no values. `percents` as for [`percentiles`].
pub fn spread<T: Copy + Ord, const N: usize>(values: &mut [T], percents: [u8; N]) -> Option<Spread<T, N>> {
    let first = *values.first()?;
    // Many columns never change; this check stops at the first different value.
    if values.iter().all(|v| *v == first) {
        return Some(Spread { min: first, percentiles: [first; N], max: first });
    }
    let found = percentiles(values, percents)?;
    // The selection has partitioned the values: the minimum is at or below the first percentile, the maximum at or
    // above the last.
    let n = values.len();
    let rank = |percent: u8| (usize::from(percent) * n).div_ceil(100).clamp(1, n);
    let below = values.get(..percents.first().map_or(n, |p| rank(*p)))?;
    let above = values.get(percents.last().map_or(0, |p| rank(*p) - 1)..)?;
    Some(Spread { min: *below.iter().min()?, percentiles: found, max: *above.iter().max()? })
}

/// The spread of weighted values, which are reordered. None if no value has a weight.
///
/// A percentile is the smallest value for which the weights of all values up to it reach that part of the total weight.
/// With equal weights it is the one of [`percentiles`]. Minimum and maximum are those of all values, even without
/// weight. `percents` as for [`percentiles`].
pub fn weighted_spread<T: Copy + Ord, const N: usize>(
    values: &mut [(T, f64)],
    percents: [u8; N],
) -> Option<Spread<T, N>> {
    let first = values.first()?.0;
    let (mut min, mut max, mut total) = (first, first, 0.0);
    for (value, weight) in values.iter() {
        (min, max) = (min.min(*value), max.max(*value));
        total += weight;
    }
    if total <= 0.0 {
        return None;
    }
    let mut found = [first; N];
    if min < max {
        let mut search = PercentileSearch { values, total, below: 0.0 };
        for (percent, found) in percents.into_iter().zip(&mut found) {
            *found = search.percentile(percent);
        }
    }
    Some(Spread { min, percentiles: found, max })
}

/// The remaining values, which may contain the next percentile.
struct PercentileSearch<'v, T> {
    values: &'v mut [(T, f64)],
    total: f64,
    /// Total weight of the smaller values.
    below: f64,
}

/// Number of attempts to guess the position from the weights, which are mostly similar. Afterwards the middle is used,
/// so that the search ends.
const GUESSES: usize = 4;

impl<T: Copy + Ord> PercentileSearch<'_, T> {
    fn percentile(&mut self, percent: u8) -> T {
        // Whole percents, and both sides multiplied: whole weights are compared exactly.
        let target = f64::from(percent) * self.total;
        let reaches = |weight: f64| weight * 100.0 >= target;
        // The result is one of the values before `end`, which together have this weight.
        let mut end = self.values.len();
        let mut weight = self.total - self.below;
        let mut tries = 0;
        loop {
            let guess =
                if tries < GUESSES { ((target / 100.0 - self.below) / weight * end as f64) as usize } else { end / 2 };
            tries += 1;
            let guess = guess.min(end - 1);
            let (left, &mut (value, own), _) =
                self.values[..end].select_nth_unstable_by_key(guess, |(value, _)| *value);
            let left: f64 = left.iter().map(|(_, weight)| weight).sum();
            if guess > 0 && reaches(self.below + left) {
                (end, weight) = (guess, left);
            } else if guess + 1 == end || reaches(self.below + left + own) {
                // Not passed, because the next percentile may be the same value.
                self.pass(guess, left);
                return value;
            } else {
                self.pass(guess + 1, left + own);
                end -= guess + 1;
                weight -= left + own;
            }
        }
    }

    fn pass(&mut self, values: usize, weight: f64) {
        self.values = &mut std::mem::take(&mut self.values)[values..];
        self.below += weight;
    }
}

/// The median; for an even number of values, the mean of the two in the middle. None if there are no values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (below, above) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*below, *above))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighted(mut values: Vec<(i64, f64)>) -> Option<(i64, [i64; 3], i64)> {
        weighted_spread(&mut values, [50, 95, 99]).map(|s| (s.min, s.percentiles, s.max))
    }

    #[test]
    fn weights_determine_percentiles() {
        // 10 for 1 s, 20 for 8 s, 30 for 1 s: half of the 10 s is reached within the 20, 95 and 99 % within the 30.
        assert_eq!(weighted(vec![(30, 1.0), (10, 1.0), (20, 8.0)]), Some((10, [20, 30, 30], 30)));
        // 1 for 95 s and 2 for 5 s: reached exactly at 95.
        assert_eq!(weighted(vec![(2, 5.0), (1, 95.0)]), Some((1, [1, 1, 2], 2)));
        // With 2^-20 s less it is not reached.
        let less = 95.0 - 1.0 / f64::from(1 << 20);
        assert_eq!(weighted(vec![(2, 5.0), (1, less)]), Some((1, [1, 2, 2], 2)));
        // A value without weight cannot be a percentile, but can be the minimum or maximum.
        assert_eq!(weighted(vec![(5, 1.0), (1, 0.0), (9, 0.0)]), Some((1, [5, 5, 5], 9)));
        assert_eq!(weighted(vec![(5, 0.0), (1, 0.0)]), None);
        assert_eq!(weighted(vec![]), None);
        assert_eq!(weighted(vec![(7, 0.25)]), Some((7, [7; 3], 7)));
    }

    #[test]
    fn weighted_as_in_numpy() {
        // numpy 2: i = np.arange(997); v = ((i * 7919) % 1013) ** 2; w = (i * 31) % 17
        // np.quantile(v, [.5, .95, .99], weights=w, method="inverted_cdf")
        let values = (0..997).map(|i| ((i * 7919 % 1013i64).pow(2), (i * 31 % 17) as f64)).collect();
        assert_eq!(weighted(values), Some((0, [261_121, 927_369, 1_006_009], 1_012 * 1_012)));
    }

    /// Compared with summing over the sorted values, for equal, nearly equal and very different weights, and for few
    /// different values.
    #[test]
    fn the_same_as_summing() {
        let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |n: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            (dice >> 11) % n
        };
        for round in 0..400 {
            let n = 1 + below(300);
            let values: Vec<(i64, f64)> = (0..n)
                .map(|_| {
                    let weight = match round % 5 {
                        0 => 1.0,
                        1 => 1.0 + below(400) as f64 / 1e6,
                        2 => below(3) as f64,
                        3 => below(1000).pow(3) as f64,
                        _ => 1.0 / (1 + below(9)) as f64,
                    };
                    (below(if round % 3 == 0 { 4 } else { 1000 }) as i64, weight)
                })
                .collect();
            let mut sorted = values.clone();
            sorted.sort_by_key(|(value, _)| *value);
            let total: f64 = sorted.iter().map(|(_, weight)| weight).sum();
            let of = |percent: f64| {
                let mut sum = 0.0;
                // A tolerance, because fractional weights are summed in a different order.
                let reached = sorted.iter().find(|(_, weight)| {
                    sum += weight;
                    sum > 0.0 && sum * 100.0 >= percent * total * (1.0 - 1e-12)
                });
                reached.unwrap_or(sorted.last().unwrap()).0
            };
            let want = (total > 0.0).then(|| (sorted[0].0, [of(50.0), of(95.0), of(99.0)], sorted.last().unwrap().0));
            assert_eq!(weighted(values), want, "round {round}");
            if round % 5 == 0 {
                let mut plain: Vec<i64> = sorted.iter().map(|(value, _)| *value).collect();
                assert_eq!(spread(&mut plain, [50, 95, 99]).map(|s| (s.min, s.percentiles, s.max)), want);
            }
        }
    }

    #[test]
    fn nearest_rank() {
        // By hand: ranks ceil(0.5 × 5) = 3, ceil(0.95 × 5) = 5, ceil(0.99 × 5) = 5.
        assert_eq!(percentiles(&mut [50, 10, 30, 20, 40], [50, 95, 99]), Some([30, 50, 50]));
        // An even count: the lower of the two in the middle, not their mean.
        assert_eq!(percentiles(&mut [4, 1, 3, 2], [50]), Some([2]));
        // 1..=100 in a scrambled order: the percentile is its number; 7 % is 7, although 0.07 × 100 > 7.
        let mut hundred: Vec<i64> = (0..100).map(|i| i * 37 % 100 + 1).collect();
        assert_eq!(percentiles(&mut hundred, [7, 50, 95, 99, 100]), Some([7, 50, 95, 99, 100]));
        assert_eq!(percentiles(&mut [8], [0, 50, 99]), Some([8, 8, 8]));
        assert_eq!(percentiles::<i64, 1>(&mut [], [50]), None);
    }

    #[test]
    fn the_same_as_in_numpy() {
        // numpy 2: v = np.array([(i * 7919) % 1013 for i in range(997)]) ** 2
        // np.quantile(v, [.5, .95, .99], method="inverted_cdf")
        let mut v: Vec<i64> = (0..997).map(|i| (i * 7919 % 1013i64).pow(2)).collect();
        assert_eq!(percentiles(&mut v, [50, 95, 99]), Some([256_036, 927_369, 1_006_009]));
    }

    #[test]
    fn keys_keep_the_order_of_floats() {
        let ascending = [f64::MIN, -1.5, -f64::MIN_POSITIVE, 0.0, 5e-324, 0.1, 1.0, 1e300, f64::MAX];
        for pair in ascending.windows(2) {
            assert!(float_key(pair[0]) < float_key(pair[1]), "{pair:?}");
        }
        for v in ascending {
            assert_eq!(key_float(float_key(v)).to_bits(), v.to_bits());
        }
    }

    #[test]
    fn smallest_and_largest() {
        let got = spread(&mut [3, -1, 7, 2], [50, 95]);
        assert_eq!(got, Some(Spread { min: -1, percentiles: [2, 7], max: 7 }));
        assert_eq!(spread(&mut [5; 4], [50]), Some(Spread { min: 5, percentiles: [5], max: 5 }));
        assert_eq!(spread(&mut [2, 1], []), Some(Spread { min: 1, percentiles: [], max: 2 }));
        assert_eq!(spread::<i64, 1>(&mut [], [50]), None);
        // A thousand values in a scrambled order: minimum and maximum are outside of the selected ranges.
        let mut scrambled: Vec<i64> = (0..1000).map(|i| i * 617 % 1000).collect();
        let got = spread(&mut scrambled, [50, 95, 99]);
        assert_eq!(got, Some(Spread { min: 0, percentiles: [499, 949, 989], max: 999 }));
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!((median(&[6.0, 1.0, 2.0, 3.0]), median(&[6.0, 1.0, 2.0])), (Some(2.5), Some(2.0)));
    }
}
