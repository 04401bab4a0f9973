//! Formulas for rates, shares and latencies of counters.

/// The divisor of a formula.
#[derive(Clone, Copy, Debug)]
pub enum Over {
    /// The monotonic seconds since the previous sample of the entity.
    Elapsed,
    /// The growth of these counters, which add up to the elapsed time (user, system, idle, …): the result is a share of
    /// time.
    Time(&'static [&'static str]),
    /// The growth of these counters, which count events (reads, periods). There is no value if nothing happened.
    Growth(&'static [&'static str]),
}

/// A derived value is `factor × Σ growth(of) ÷ over`, limited to `cap`, between two samples of one entity.
///
/// There is no value for the first sample, or if the growth of one of its counters is not known ([`super::step`],
/// [`super::rates`]).
#[derive(Clone, Copy, Debug)]
pub struct Formula {
    pub of: &'static [&'static str],
    pub over: Over,
    pub factor: f64,
    pub cap: f64,
}

impl Formula {
    /// Growth per second: `Σ of ÷ elapsed`.
    pub const fn rate(of: &'static [&'static str]) -> Formula {
        Formula { of, over: Over::Elapsed, factor: 1.0, cap: f64::INFINITY }
    }
    /// `100 × Σ of ÷ Σ all`, 0-100: the share of `of` in the time `all`.
    pub const fn share(of: &'static [&'static str], all: &'static [&'static str]) -> Formula {
        Formula { of, over: Over::Time(all), factor: 100.0, cap: 100.0 }
    }
    /// `Σ of ÷ Σ per`: for instance milliseconds of reading per read.
    pub const fn ratio(of: &'static [&'static str], per: &'static [&'static str]) -> Formula {
        Formula { of, over: Over::Growth(per), factor: 1.0, cap: f64::INFINITY }
    }
    /// Multiplied by a factor: percent of the elapsed time is `0.1` for milliseconds, `0.0001` for microseconds.
    pub const fn times(mut self, factor: f64) -> Formula {
        self.factor = factor;
        self
    }
    /// Limited to `cap`.
    pub const fn at_most(mut self, cap: f64) -> Formula {
        self.cap = cap;
        self
    }
}
