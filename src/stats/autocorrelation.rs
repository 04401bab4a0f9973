//! Values that follow each other in time are not independent: how many independent values they are worth.

use super::means::{Sample, mean};

/// The integrated autocorrelation time in samples, at least 1: by Geyer's initial monotone positive sequence. 1 of a
/// constant series.
pub fn time(values: &[f64]) -> f64 {
    let mean = mean(values);
    let off: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let covariance = |lag: usize| -> f64 { off.iter().zip(off.iter().skip(lag)).map(|(a, b)| a * b).sum() };
    let variance = covariance(0);
    if values.len() < 2 || variance <= 0.0 || !variance.is_finite() {
        return 1.0;
    }
    let (mut sum, mut last) = (0.0, f64::INFINITY);
    for lag in (0..values.len() - 1).step_by(2) {
        let pair = (covariance(lag) + covariance(lag + 1)) / variance;
        if pair <= 0.0 {
            break;
        }
        last = pair.min(last);
        sum += last;
    }
    (2.0 * sum - 1.0).max(1.0)
}

/// The mean of a series, with the number of independent values that it is worth. None below two values.
pub fn effective(values: &[f64]) -> Option<Sample> {
    let Sample { mean, deviation, count } = Sample::of(values)?;
    let time = time(values).min(count / 2.0).max(1.0);
    // The spread within a correlated series is too small by this factor.
    let deviation = if time > 1.0 { deviation * (count / (count - time)).sqrt() } else { deviation };
    Some(Sample { mean, deviation, count: count / time })
}
