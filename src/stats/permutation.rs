//! Exact tests: the observed assignment of values to two sides, among all possible ones.

/// The largest number of assignments that is tried.
pub const MOST: u64 = 20_000;

/// The number of ways to choose `chosen` of `all`; None above [`MOST`].
fn ways(all: usize, chosen: usize) -> Option<u64> {
    let mut ways = 1u64;
    for i in 0..chosen.min(all - chosen) as u64 {
        ways = ways * (all as u64 - i) / (i + 1);
        if ways > MOST {
            return None;
        }
    }
    Some(ways)
}

/// Two-sided p of the difference of means: twice the share of the assignments whose difference is at least as large in
/// the direction of the observed one, at most 1. None if there are more than [`MOST`] assignments, or a side is empty.
pub fn means(base: &[f64], new: &[f64]) -> Option<f64> {
    if base.is_empty() || new.is_empty() {
        return None;
    }
    let all = [base, new].concat();
    let ways = ways(all.len(), new.len())?;
    let observed: f64 = new.iter().sum();
    // Sums of the same values in another order differ in the last digits.
    let close = all.iter().map(|v| v.abs()).sum::<f64>() * 1e-13;
    let (mut low, mut high) = (0u64, 0u64);
    each_sum(&all, new.len(), 0.0, &mut |sum| {
        low += u64::from(sum <= observed + close);
        high += u64::from(sum >= observed - close);
    });
    Some((2.0 * low.min(high) as f64 / ways as f64).min(1.0))
}

/// Calls `seen` with the sum of each choice of `count` of the values.
fn each_sum(values: &[f64], count: usize, sum: f64, seen: &mut impl FnMut(f64)) {
    if count == 0 {
        seen(sum);
        return;
    }
    for (i, value) in values.iter().enumerate().take(values.len() + 1 - count) {
        each_sum(&values[i + 1..], count - 1, sum + value, seen);
    }
}

/// Most values of both sides of [`ranks`].
pub const MOST_RANKED: usize = 100;

/// Two-sided exact p of Mann and Whitney's U, with ties: twice the smaller tail, at most 1. None if a side is empty, a
/// value is NaN, or there are more than [`MOST_RANKED`] values.
pub fn ranks(base: &[f64], new: &[f64]) -> Option<f64> {
    let all = [base, new].concat();
    if base.is_empty() || new.is_empty() || all.len() > MOST_RANKED || all.iter().any(|v| v.is_nan()) {
        return None;
    }
    // Doubled, so that the mean ranks of ties are whole numbers.
    let rank = |value: &f64| {
        let below = all.iter().filter(|other| *other < value).count();
        let same = all.iter().filter(|other| *other == value).count();
        2 * below + same + 1
    };
    let doubled: Vec<usize> = all.iter().map(rank).collect();
    let observed: usize = doubled[base.len()..].iter().sum();
    let total: usize = doubled.iter().sum();
    // ways[n][s]: choices of n values with the sum s of ranks.
    let mut ways = vec![vec![0.0_f64; total + 1]; new.len() + 1];
    ways[0][0] = 1.0;
    for (seen, rank) in doubled.iter().enumerate() {
        for n in (1..=new.len().min(seen + 1)).rev() {
            for sum in *rank..=total {
                ways[n][sum] += ways[n - 1][sum - rank];
            }
        }
    }
    let of_new = &ways[new.len()];
    let sum = |part: &[f64]| part.iter().sum::<f64>();
    let smaller = sum(&of_new[..=observed]).min(sum(&of_new[observed..]));
    Some((2.0 * smaller / sum(of_new)).min(1.0))
}
