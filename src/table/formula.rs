//! How rates, shares and latencies follow from counters.

/// What the growth of the counters above the line is divided by.
#[derive(Clone, Copy, Debug)]
pub enum Over {
    /// The monotonic seconds since the entity's previous sample.
    Elapsed,
    /// The growth of these counters, which together are the time that passed (user, system, idle, …): a share of time.
    Time(&'static [&'static str]),
    /// The growth of these counters, which count what happened (reads, periods); where nothing did there is no value.
    Growth(&'static [&'static str]),
}

/// Every derived value is `factor × Σ growth(of) ÷ over`, capped at `cap`, over two samples of one entity.
///
/// It has no value on the first sample, or where the growth of one of its counters is not known ([`super::step`],
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
    /// `100 × Σ of ÷ Σ all`, 0-100: what part of the time `all` its members `of` were.
    pub const fn share(of: &'static [&'static str], all: &'static [&'static str]) -> Formula {
        Formula { of, over: Over::Time(all), factor: 100.0, cap: 100.0 }
    }
    /// `Σ of ÷ Σ per`: for instance milliseconds of reading per read.
    pub const fn ratio(of: &'static [&'static str], per: &'static [&'static str]) -> Formula {
        Formula { of, over: Over::Growth(per), factor: 1.0, cap: f64::INFINITY }
    }
    /// The same, multiplied: percent of the elapsed time from milliseconds is `0.1`, from microseconds `0.0001`.
    pub const fn times(mut self, factor: f64) -> Formula {
        self.factor = factor;
        self
    }
    /// The same, never above `cap`.
    pub const fn at_most(mut self, cap: f64) -> Formula {
        self.cap = cap;
        self
    }
}
