//! Slices in, numbers out.

/// The values at these percentiles, each always one of the values that were measured: the one at rank
/// `ceil(percent × n ÷ 100)`, counted from 1 (nearest rank), as DuckDB's `quantile_disc` and numpy's `inverted_cdf`
/// have it. In whole percents, for `0.07 × 100` is above 7 in floating point.
///
/// `percents` ascend, so that each search looks only at what lies above the one before. Reorders `values`; nothing for
/// no values.
pub fn percentiles<T: Copy + Ord, const N: usize>(values: &mut [T], percents: [u8; N]) -> Option<[T; N]> {
    let n = values.len();
    let mut found = [*values.first()?; N];
    let mut last = None;
    // How many of the smallest values are behind us; `rest` are the others.
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

/// An integer in the order of the float: integers are selected and compared faster, and have a total order.
pub fn float_key(v: f64) -> i64 {
    let bits = v.to_bits().cast_signed();
    bits ^ ((bits >> 63) & i64::MAX)
}

/// The float of a [`float_key`].
pub fn key_float(key: i64) -> f64 {
    f64::from_bits((key ^ ((key >> 63) & i64::MAX)).cast_unsigned())
}

/// Smallest, percentiles and largest of some values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread<T, const N: usize> {
    pub min: T,
    pub percentiles: [T; N],
    pub max: T,
}

/// The spread of the values, which are reordered; nothing for no values. Percents as for [`percentiles`].
pub fn spread<T: Copy + Ord, const N: usize>(values: &mut [T], percents: [u8; N]) -> Option<Spread<T, N>> {
    let first = *values.first()?;
    // Many columns of a machine never change: this stops at the first value that differs.
    if values.iter().all(|v| *v == first) {
        return Some(Spread { min: first, percentiles: [first; N], max: first });
    }
    let found = percentiles(values, percents)?;
    // What was selected parted the values: the smallest is not above the first, the largest not below the last.
    let n = values.len();
    let rank = |percent: u8| (usize::from(percent) * n).div_ceil(100).clamp(1, n);
    let below = values.get(..percents.first().map_or(n, |p| rank(*p)))?;
    let above = values.get(percents.last().map_or(0, |p| rank(*p) - 1)..)?;
    Some(Spread { min: *below.iter().min()?, percentiles: found, max: *above.iter().max()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        // By hand: ranks ceil(0.5 × 5) = 3, ceil(0.95 × 5) = 5, ceil(0.99 × 5) = 5.
        assert_eq!(percentiles(&mut [50, 10, 30, 20, 40], [50, 95, 99]), Some([30, 50, 50]));
        // An even count: the lower of the two in the middle, no mean of them.
        assert_eq!(percentiles(&mut [4, 1, 3, 2], [50]), Some([2]));
        // 1..=100 in a scrambled order: the percentile is its number; 7 % is 7, although 0.07 × 100 > 7.
        let mut hundred: Vec<i64> = (0..100).map(|i| i * 37 % 100 + 1).collect();
        assert_eq!(percentiles(&mut hundred, [7, 50, 95, 99, 100]), Some([7, 50, 95, 99, 100]));
        assert_eq!(percentiles(&mut [8], [0, 50, 99]), Some([8, 8, 8]));
        assert_eq!(percentiles::<i64, 1>(&mut [], [50]), None);
    }

    #[test]
    fn as_numpy_has_them() {
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
        // A thousand values, scrambled: the ends lie outside of what the percentiles looked at.
        let mut scrambled: Vec<i64> = (0..1000).map(|i| i * 617 % 1000).collect();
        let got = spread(&mut scrambled, [50, 95, 99]);
        assert_eq!(got, Some(Spread { min: 0, percentiles: [499, 949, 989], max: 999 }));
    }
}
