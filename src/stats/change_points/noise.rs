//! How well levels explain a series whose values also depend on the previous ones.
//!
//! The distances from the levels, r, follow `r[t] = a·r[t-1] + b·r[t-2] + e[t]`, with the best a and b for these levels that
//! are not negative; without a there is no b, because values that alternate do not wander. What counts is the sum of the squares of e, the part that cannot be predicted. A series that wanders
//! therefore needs no levels to be explained, and one with levels is not taken for one that wanders: a and b are
//! estimated anew for every choice of levels.

/// The largest sum of both coefficients: beyond, a series has no level.
const MOST_PERSISTENT: f64 = 0.98;

/// Sums of products of distances from the levels: of those at t, t-1 and t-2, for all t from 2.
#[derive(Clone, Copy, Debug, Default)]
struct Products {
    now: f64,
    first: f64,
    second: f64,
    now_first: f64,
    now_second: f64,
    first_second: f64,
}

/// The squares that are left, and the sum of the coefficients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    pub squares: f64,
    pub persistence: f64,
    /// Number of coefficients that are not zero.
    pub coefficients: usize,
}

impl Products {
    fn fit(&self) -> Fit {
        let mut best = Fit { squares: self.now, persistence: 0.0, coefficients: 0 };
        if self.first > 0.0 {
            let a = (self.now_first / self.first).clamp(0.0, MOST_PERSISTENT);
            let squares = self.now - 2.0 * a * self.now_first + a * a * self.first;
            if squares < best.squares {
                best = Fit { squares, persistence: a, coefficients: 1 };
            }
        }
        let determinant = self.first * self.second - self.first_second * self.first_second;
        if determinant > 1e-12 * self.first * self.second {
            let a = (self.now_first * self.second - self.now_second * self.first_second) / determinant;
            let b = (self.now_second * self.first - self.now_first * self.first_second) / determinant;
            let squares = self.now - a * self.now_first - b * self.now_second;
            if a > 0.0 && b > 0.0 && a + b < MOST_PERSISTENT && squares < best.squares {
                best = Fit { squares, persistence: a + b, coefficients: 2 };
            }
        }
        Fit { squares: best.squares.max(0.0), ..best }
    }
}

/// The fit of these distances.
pub fn fit(off: &[f64]) -> Fit {
    let mut products = Products::default();
    for window in off.windows(3) {
        let [second, first, now] = [window[0], window[1], window[2]];
        products.now += now * now;
        products.first += first * first;
        products.second += second * second;
        products.now_first += now * first;
        products.now_second += now * second;
        products.first_second += first * second;
    }
    products.fit()
}

/// Values with sums up to each, so that the fit of any levels takes a time that depends on their number only.
#[derive(Clone, Debug)]
pub struct Sums {
    values: Vec<f64>,
    /// Of the values, and of products with the value 0, 1 and 2 before: up to, but without, each index.
    plain: Vec<f64>,
    lagged: [Vec<f64>; 3],
}

impl Sums {
    /// Of values around zero, not larger than one by much.
    pub fn of(values: Vec<f64>) -> Sums {
        let up_to = |value: &dyn Fn(usize) -> f64| {
            let mut sum = 0.0;
            let sums = (0..values.len()).map(|i| {
                sum += value(i);
                sum
            });
            std::iter::once(0.0).chain(sums).collect::<Vec<f64>>()
        };
        let plain = up_to(&|i| values[i]);
        let lagged = [0, 1, 2].map(|lag| up_to(&|i| if i < lag { 0.0 } else { values[i] * values[i - lag] }));
        Sums { values, plain, lagged }
    }

    pub fn values(&self) -> &[f64] {
        &self.values
    }

    pub fn mean(&self, from: usize, to: usize) -> f64 {
        (self.plain[to] - self.plain[from]) / (to - from) as f64
    }

    /// The sum of products of distances from a level with those `lag` before, both within these values.
    fn products(&self, lag: usize, from: usize, to: usize, level: f64) -> f64 {
        let sum = |from: usize, to: usize| self.plain[to] - self.plain[from];
        let both = sum(from + lag, to) + sum(from, to - lag);
        self.lagged[lag][to] - self.lagged[lag][from + lag] - level * both + (to - from - lag) as f64 * level * level
    }

    /// The fit of levels that begin at zero and at each of `starts`, which ascend. Each level has three values or more.
    pub fn fit(&self, starts: &[usize]) -> Fit {
        let (v, n) = (&self.values, self.values.len());
        let mut sums = [0.0; 3];
        let (mut from, mut before, mut first_level) = (0, None, 0.0);
        for to in starts.iter().copied().chain([n]) {
            let level = self.mean(from, to);
            for (lag, sum) in sums.iter_mut().enumerate() {
                *sum += self.products(lag, from, to, level);
            }
            match before {
                Some(before) => {
                    let (old, new) = (|i: usize| v[i] - before, |i: usize| v[i] - level);
                    sums[1] += old(from - 1) * new(from);
                    sums[2] += old(from - 2) * new(from) + old(from - 1) * new(from + 1);
                }
                None => first_level = level,
            }
            (from, before) = (to, Some(level));
        }
        let last_level = before.unwrap_or_default();
        let (f0, f1) = (v[0] - first_level, v[1] - first_level);
        let (l0, l1) = (v[n - 1] - last_level, v[n - 2] - last_level);
        let [all, one, two] = sums;
        let products = Products {
            now: all - f0 * f0 - f1 * f1,
            first: all - f0 * f0 - l0 * l0,
            second: all - l0 * l0 - l1 * l1,
            now_first: one - f0 * f1,
            now_second: two,
            first_second: one - l0 * l1,
        };
        products.fit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_give_what_the_distances_give() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i * 7919 % 101) / 101.0 - 0.5).collect();
        let sums = Sums::of(values.clone());
        for starts in [&[][..], &[3], &[20], &[37], &[3, 8], &[10, 13, 30]] {
            let mut off = Vec::new();
            let ends = starts.iter().copied().chain([40]);
            ends.fold(0, |from, to| {
                let mean = crate::stats::means::mean(&values[from..to]);
                off.extend(values[from..to].iter().map(|v| v - mean));
                to
            });
            let (quick, slow) = (sums.fit(starts), fit(&off));
            assert!((quick.squares - slow.squares).abs() < 1e-12, "{starts:?}: {quick:?} {slow:?}");
            assert!((quick.persistence - slow.persistence).abs() < 1e-9, "{starts:?}: {quick:?} {slow:?}");
        }
    }

    /// r[t] = 0.5 r[t-1] exactly leaves nothing; r[t] = -0.5 r[t-1] is not explained.
    #[test]
    fn coefficients_are_not_negative() {
        let halves: Vec<f64> = (0..10).map(|i| 0.5f64.powi(i)).collect();
        let found = fit(&halves);
        assert!(found.squares < 1e-15 && (found.persistence - 0.5).abs() < 1e-9, "{found:?}");
        let turning: Vec<f64> = (0..10).map(|i| (-0.5f64).powi(i)).collect();
        let found = fit(&turning);
        assert_eq!((found.persistence, found.coefficients), (0.0, 0));
    }
}
