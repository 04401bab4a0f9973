//! Percentiles of choice.

use std::fmt;
use std::str::FromStr;

/// A percentile from 0 to 100, with at most four digits after the point. A whole number of parts, because `0.999 × n` is
/// not exact in floating point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percentile(u32);

/// The parts of 100 percent, and of one.
const ALL: u32 = 1_000_000;
const OF_PERCENT: u32 = ALL / 100;

impl Percentile {
    /// The share of all values, as the smallest possible numerator and denominator, so that products with whole weights
    /// stay exact.
    fn share(self) -> (u32, u32) {
        let (mut a, mut b) = (self.0, ALL);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        (self.0 / a, ALL / a)
    }

    /// The rank of this percentile among `n` values, counted from 1; `n` is at least 1.
    fn rank(self, n: usize) -> usize {
        let (above, below) = self.share();
        let rank = (u128::from(above) * n as u128).div_ceil(u128::from(below));
        usize::try_from(rank).unwrap_or(n).clamp(1, n)
    }
}

impl FromStr for Percentile {
    type Err = String;

    /// `99`, `99.9`, `p99`.
    fn from_str(text: &str) -> Result<Percentile, String> {
        let refused = || format!("`{text}` is not a percentile; a number from 0 to 100 is needed, such as 99.9");
        let number = text.trim();
        let number = number.strip_prefix(['p', 'P']).unwrap_or(number);
        let (whole, digits) = number.split_once('.').unwrap_or((number, ""));
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || whole.len() > 3 || digits.len() > 4 || !is_number(whole) || !is_number(digits) {
            return Err(refused());
        }
        let parts: u32 = format!("{whole}{digits:0<4}").parse().map_err(|_| refused())?;
        if parts > ALL { Err(refused()) } else { Ok(Percentile(parts)) }
    }
}

impl fmt::Display for Percentile {
    /// `99.9`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, digits) = (self.0 / OF_PERCENT, format!("{:04}", self.0 % OF_PERCENT));
        match digits.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            digits => write!(f, "{whole}.{digits}"),
        }
    }
}

/// The values at these percentiles by nearest rank, as [`percentiles`](super::percentiles) finds them. Sorts `values`.
/// Empty if there are none.
pub fn at_ranks<T: Copy + Ord>(values: &mut [T], of: &[Percentile]) -> Vec<T> {
    if values.is_empty() {
        return Vec::new();
    }
    values.sort_unstable();
    of.iter().map(|percentile| values[percentile.rank(values.len()) - 1]).collect()
}

/// The smallest values up to which the weights reach these shares of all weights, as
/// [`weighted_spread`](super::weighted_spread) finds them. Sorts `values`. Empty if none has a weight.
pub fn at_weights<T: Copy + Ord>(values: &mut [(T, f64)], of: &[Percentile]) -> Vec<T> {
    values.sort_unstable_by_key(|(value, _)| *value);
    let total: f64 = values.iter().map(|(_, weight)| weight).sum();
    let mut sum = 0.0;
    let sums: Vec<(T, f64)> = values
        .iter()
        .filter(|(_, weight)| *weight > 0.0)
        .map(|(value, weight)| {
            sum += weight;
            (*value, sum)
        })
        .collect();
    let Some((largest, _)) = sums.last() else { return Vec::new() };
    let value = |percentile: &Percentile| {
        let (above, below) = percentile.share();
        let at = sums.partition_point(|(_, sum)| sum * f64::from(below) < f64::from(above) * total);
        sums.get(at).map_or(*largest, |(value, _)| *value)
    };
    of.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{percentiles, weighted_spread};

    fn of(text: &str) -> Vec<Percentile> {
        text.split(',').map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn how_they_are_written() {
        let shown: Vec<String> = of("0,p50,099.90,99.9999,100, 5.05").iter().map(Percentile::to_string).collect();
        assert_eq!(shown, ["0", "50", "99.9", "99.9999", "100", "5.05"]);
        for wrong in ["", "p", "100.1", "101", "-1", "99.99999", "1e2", "50%", "nan", ".5", "1.2.3", "٣"] {
            let said = wrong.parse::<Percentile>().unwrap_err();
            assert!(said.contains("such as 99.9"), "{said}");
        }
    }

    #[test]
    fn nearest_rank_is_exact() {
        // 1 to 1000: 99.9 % of 1000 is 999, although 0.999 × 1000 is more in floating point.
        let mut values: Vec<i64> = (0..1000).map(|i| i * 617 % 1000 + 1).collect();
        assert_eq!(at_ranks(&mut values, &of("0,0.1,7,50,99.9,99.91,100")), [1, 1, 70, 500, 999, 1000, 1000]);
        assert_eq!(at_ranks::<i64>(&mut [], &of("50")), [0; 0]);
    }

    #[test]
    fn weights() {
        // 999 of 1,000 seconds are reached within the 1, and 99.91 % only within the 2.
        let mut values = vec![(2, 1.0), (1, 999.0), (0, 0.0), (3, 0.0)];
        assert_eq!(at_weights(&mut values, &of("0,50,99.9,99.91,100")), [1, 1, 1, 2, 2]);
        assert_eq!(at_weights(&mut [(1, 0.0)], &of("50")), [0; 0]);
    }

    proptest::proptest! {
        /// The same as the other two ways of finding percentiles.
        #[test]
        fn the_same_as_selection(values in proptest::collection::vec((0i64..50, 0u8..4), 1..200)) {
            let mut plain: Vec<i64> = values.iter().map(|(value, _)| *value).collect();
            let selected = percentiles(&mut plain.clone(), [50, 95, 99]).map(|found| found.to_vec());
            proptest::prop_assert_eq!(Some(at_ranks(&mut plain, &of("50,95,99"))), selected);
            let mut weighted: Vec<(i64, f64)> = values.iter().map(|(value, weight)| (*value, f64::from(*weight))).collect();
            let selected = weighted_spread(&mut weighted.clone(), [50, 95, 99]).map(|found| found.percentiles.to_vec());
            proptest::prop_assert_eq!(at_weights(&mut weighted, &of("50,95,99")), selected.unwrap_or_default());
        }
    }
}
