//! The difference of two means, and how sure it is.

use super::student;

/// Mean and spread of values that count as this many independent ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub mean: f64,
    /// The standard deviation, with the divisor n - 1.
    pub deviation: f64,
    /// Number of independent values; not whole where they are [estimated](super::autocorrelation::effective).
    pub count: f64,
}

impl Sample {
    /// Of independent values. None below two values.
    pub fn of(values: &[f64]) -> Option<Sample> {
        if values.len() < 2 {
            return None;
        }
        let count = values.len() as f64;
        let mean = mean(values);
        // Relative to the largest, so that squares neither overflow nor vanish.
        let largest = values.iter().map(|v| (v - mean).abs()).fold(0.0, f64::max);
        let squares: f64 = values.iter().map(|v| ((v - mean) / largest).powi(2)).sum();
        let deviation = if largest > 0.0 { largest * (squares / (count - 1.0)).sqrt() } else { 0.0 };
        Some(Sample { mean, deviation, count })
    }

    /// For values that were read in steps of `quantum`: the spread is at least that of the rounding, although all values
    /// may be the same.
    #[must_use]
    pub fn rounded_to(self, quantum: f64) -> Sample {
        Sample { deviation: self.deviation.max(quantum / 12.0_f64.sqrt()), ..self }
    }

    /// Of the mean.
    pub fn standard_error(&self) -> f64 {
        self.deviation / self.count.sqrt()
    }
}

/// A difference of means with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// New minus base.
    pub value: f64,
    pub standard_error: f64,
    /// Degrees of freedom.
    pub df: f64,
}

impl Difference {
    /// Probability of a difference at least this large, in either direction, if there is none. 1 where neither side
    /// spreads and they are the same; 0 where they are not.
    pub fn p(&self) -> f64 {
        match (self.standard_error > 0.0, self.value == 0.0) {
            (true, _) => student::two_sided(self.value / self.standard_error, self.df),
            (false, true) => 1.0,
            (false, false) => 0.0,
        }
    }

    /// Probability of a difference at least as far above zero if there is none.
    pub fn p_above(&self) -> f64 {
        if self.value > 0.0 { self.p() / 2.0 } else { 1.0 - self.p() / 2.0 }
    }

    /// The interval that contains the real difference with this probability (0.95).
    pub fn interval(&self, confidence: f64) -> (f64, f64) {
        if self.standard_error <= 0.0 {
            return (self.value, self.value);
        }
        let half = student::quantile_of_tail((1.0 - confidence) / 2.0, self.df) * self.standard_error;
        (self.value - half, self.value + half)
    }
}

/// Welch's test: two sides with spreads of their own, Satterthwaite's degrees of freedom.
pub fn welch(base: Sample, new: Sample) -> Difference {
    let (b, n) = (base.standard_error(), new.standard_error());
    let standard_error = b.hypot(n);
    let df = if standard_error > 0.0 {
        // Shares of the variance.
        let (b, n) = ((b / standard_error).powi(2), (n / standard_error).powi(2));
        1.0 / (b * b / (base.count - 1.0) + n * n / (new.count - 1.0))
    } else {
        base.count + new.count - 2.0
    };
    Difference { value: new.mean - base.mean, standard_error, df }
}

/// The paired test: each value of one side belongs to one of the other, such as the runs of one block. None if the
/// numbers differ, or there are fewer than two. `quantum`: see [`Sample::rounded_to`].
pub fn paired(base: &[f64], new: &[f64], quantum: f64) -> Option<Difference> {
    if base.len() != new.len() {
        return None;
    }
    let differences: Vec<f64> = base.iter().zip(new).map(|(b, n)| n - b).collect();
    // Both of a pair are rounded.
    let sample = Sample::of(&differences)?.rounded_to(quantum * std::f64::consts::SQRT_2);
    Some(Difference { value: sample.mean, standard_error: sample.standard_error(), df: sample.count - 1.0 })
}

/// The arithmetic mean; NaN of nothing. Of large values with a small spread no digits are lost.
pub fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let rough = values.iter().sum::<f64>() / count;
    if !rough.is_finite() {
        return rough;
    }
    rough + values.iter().map(|v| v - rough).sum::<f64>() / count
}
