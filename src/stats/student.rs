//! Student's t distribution.

use std::f64::consts::PI;

/// Probability that t with `df` degrees of freedom, which need not be a whole number, is above `t`. The relative error
/// is below 1e-9 up to a million degrees of freedom. NaN if `t` is NaN, or `df` is not above zero.
pub fn upper_tail(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return f64::NAN;
    }
    if t < 0.0 {
        return 1.0 - upper_tail(-t, df);
    }
    let df = df.min(1e12);
    let (a, odds) = (df / 2.0, t * t / df);
    if !odds.is_finite() {
        return 0.0;
    }
    // The tail is I_x(a, 1/2) / 2 with x = 1 / (1 + odds): the regularised incomplete beta function.
    let log_front = -a * odds.ln_1p() + 0.5 * (odds / (1.0 + odds)).ln() - log_beta_half(a);
    let front = log_front.exp();
    let x = 1.0 / (1.0 + odds);
    if x < (a + 1.0) / (a + 2.5) {
        0.5 * front * beta_fraction(a, 0.5, x) / a
    } else {
        0.5 - front * beta_fraction(0.5, a, odds / (1.0 + odds))
    }
}

/// Probability that |t| is at least this.
pub fn two_sided(t: f64, df: f64) -> f64 {
    (2.0 * upper_tail(t.abs(), df)).min(1.0)
}

/// The value that t exceeds with probability `tail`. NaN if `tail` is not between zero and one.
pub fn quantile_of_tail(tail: f64, df: f64) -> f64 {
    if !(tail > 0.0 && tail < 1.0 && df > 0.0) {
        return f64::NAN;
    }
    if tail > 0.5 {
        return -quantile_of_tail(1.0 - tail, df);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while upper_tail(high, df) > tail && high < 1e300 {
        (low, high) = (high, high * 2.0);
    }
    // Newton's method, which needs some six steps; where it leaves the bracket, the middle of that.
    let mut t = low + (high - low) / 2.0;
    loop {
        let excess = upper_tail(t, df) - tail;
        if excess > 0.0 {
            low = t
        } else {
            high = t
        }
        let newton = t + excess / density(t, df);
        let next = if newton > low && newton < high { newton } else { low + (high - low) / 2.0 };
        // One step of Newton's changes less than the tail is exact.
        if (next - t).abs() <= 1e-15 * t || next <= low || next >= high {
            return next;
        }
        t = next;
    }
}

/// The density of t at this value.
fn density(t: f64, df: f64) -> f64 {
    (-0.5 * (df + 1.0) * (t * t / df).ln_1p() - 0.5 * df.ln() - log_beta_half(df / 2.0)).exp()
}

/// ln B(a, 1/2).
fn log_beta_half(a: f64) -> f64 {
    PI.sqrt().ln() - log_gamma_step(a)
}

/// ln Γ(a + 1/2) - ln Γ(a). The difference of the two would lose all digits of a large `a`.
fn log_gamma_step(a: f64) -> f64 {
    // Γ(a + 1/2) / Γ(a) = Γ(a + 3/2) / Γ(a + 1) · a / (a + 1/2)
    let (mut a, mut product) = (a, 1.0);
    while a < 20.0 {
        product *= a / (a + 0.5);
        a += 1.0;
    }
    let r = 1.0 / a;
    // The logarithm of the asymptotic series of the quotient: Bernoulli polynomials at 1/2 and 0.
    let series = r * (-1.0 / 8.0 + r * r * (1.0 / 192.0 + r * r * (-1.0 / 640.0 + r * r * (17.0 / 14336.0))));
    0.5 * a.ln() + series + f64::ln(product)
}

/// The continued fraction of the incomplete beta function, by Lentz's method.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    fraction
}
