//! The axis of values: its range, and at most [`MOST_TICKS`] ticks at round values.

/// More are never drawn, whatever the values.
pub const MOST_TICKS: usize = 8;

/// About this many are drawn.
const USUAL_TICKS: f64 = 5.0;

/// What round values are multiples of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// 1, 2 and 5 times a power of ten.
    Ten,
    /// Powers of two.
    Bytes,
}

/// Both ends are finite, and `low` is less than `high`.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<f64>,
}

impl Axis {
    /// An axis that has all these values. Values that are not finite do not count. It begins at zero, unless there are
    /// negative values or all differ by less than a millionth.
    pub fn of(values: impl IntoIterator<Item = f64>, base: Base) -> Axis {
        let finite = values.into_iter().filter(|v| v.is_finite());
        let range = finite.fold(None, |range: Option<(f64, f64)>, v| match range {
            Some((low, high)) => Some((low.min(v), high.max(v))),
            None => Some((v, v)),
        });
        let Some((mut low, mut high)) = range else { return Axis::between(0.0, 1.0, base) };
        if low >= 0.0 && (high == low || high - low > high * 1e-6) {
            low = 0.0;
        }
        if low <= 0.0 && high <= 0.0 {
            high = 0.0;
        }
        if low == high {
            high = low + 1.0;
        }
        Axis::between(low, high, base).rounded()
    }

    /// An axis with exactly this range.
    pub fn between(low: f64, high: f64, base: Base) -> Axis {
        let (low, high) = if low < high { (low, high) } else { (low, low + low.abs().max(1.0)) };
        // Halves, because the whole range of 64 bits does not fit in 64 bits.
        let step = round_step((high / 2.0 - low / 2.0) / (USUAL_TICKS / 2.0), base);
        let mut ticks: Vec<f64> = Vec::new();
        let first = (low / step).ceil();
        for n in 0..MOST_TICKS {
            let tick = (first + n as f64) * step;
            let is_more = ticks.last().is_none_or(|last| tick > *last);
            if !tick.is_finite() || tick > high || !is_more {
                break;
            }
            // Not -0.
            ticks.push(tick + 0.0);
        }
        Axis { low, high, ticks }
    }

    /// The end is moved to half a step above the last tick, or the next tick.
    fn rounded(self) -> Axis {
        let Axis { low, high, ticks } = self;
        let (Some(last), Some(step)) = (ticks.last(), ticks.get(1).zip(ticks.first()).map(|(b, a)| b - a)) else {
            return Axis { low, high, ticks };
        };
        let half = last + step / 2.0;
        let next = last + step;
        let end = if high <= *last {
            *last
        } else if high <= half {
            half
        } else {
            next
        };
        if !end.is_finite() || end < high {
            return Axis { low, high, ticks };
        }
        let mut ticks = ticks;
        if end == next && ticks.len() < MOST_TICKS {
            ticks.push(next);
        }
        Axis { low, high: end, ticks }
    }

    /// The place of a value: 0 at the low end, 1 at the high end.
    pub fn place(&self, v: f64) -> f64 {
        // Halves as above.
        let place = (v / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// The smallest round number that is at least this large.
fn round_step(step: f64, base: Base) -> f64 {
    let mut unit = 1.0;
    let mut rest = step;
    if base == Base::Bytes {
        while rest >= 1024.0 {
            (rest, unit) = (rest / 1024.0, unit * 1024.0);
        }
    }
    let power = 10f64.powf(rest.log10().floor());
    let decimal = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|n| *n >= rest * 0.999_999);
    let binary = Some(2f64.powf((rest * 0.999_999).log2().ceil()));
    let round = if base == Base::Bytes && rest * unit > 1.0 { binary } else { decimal };
    match round.map(|round| round * unit) {
        Some(step) if step.is_finite() && step > 0.0 => step,
        _ => step.max(f64::MIN_POSITIVE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Axis {
        Axis::of(values.iter().copied(), Base::Ten)
    }

    #[test]
    fn round_values() {
        assert_eq!(of(&[3.0, 88.0]), Axis { low: 0.0, high: 90.0, ticks: vec![0.0, 20.0, 40.0, 60.0, 80.0] });
        assert_eq!(of(&[0.0, 0.43]).ticks.len(), 5);
        assert_eq!(of(&[-10.0, 10.0]).ticks, [-10.0, -5.0, 0.0, 5.0, 10.0]);
        let bytes = Axis::of([0.0, 900.0 * 1024.0 * 1024.0], Base::Bytes);
        let mib: Vec<f64> = bytes.ticks.iter().map(|t| t / 1024.0 / 1024.0).collect();
        assert_eq!(mib, [0.0, 256.0, 512.0, 768.0, 1024.0]);
    }

    /// An axis is drawn for any values, with few ticks.
    #[test]
    fn never_too_many() {
        let hostile: [&[f64]; 14] = [
            &[],
            &[0.0],
            &[0.0, 0.0],
            &[7.0, 7.0, 7.0],
            &[1e15],
            &[1e15 - 1.0, 1e15 + 1.0],
            &[-1e308, 1e308],
            &[f64::MIN, f64::MAX],
            &[1e-320, 2e-320],
            &[f64::NAN, f64::INFINITY],
            &[88_924_150.0],
            &[-5.0, -5.0],
            &[0.1, 0.1 + f64::EPSILON],
            &[-3.0, f64::NEG_INFINITY],
        ];
        for values in hostile {
            for base in [Base::Ten, Base::Bytes] {
                let axis = Axis::of(values.iter().copied(), base);
                assert!(axis.low < axis.high && axis.low.is_finite() && axis.high.is_finite(), "{values:?}: {axis:?}");
                assert!((1..=MOST_TICKS).contains(&axis.ticks.len()), "{values:?}: {axis:?}");
                assert!(axis.ticks.iter().all(|t| axis.low <= *t && *t <= axis.high), "{values:?}: {axis:?}");
                assert!(axis.ticks.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}: {axis:?}");
                for v in values.iter().filter(|v| v.is_finite()) {
                    assert!(axis.low <= *v && *v <= axis.high, "{values:?}: {axis:?}");
                }
            }
        }
        let near = of(&[1e15 - 1.0, 1e15 + 1.0]);
        assert!(near.place(1e15 + 1.0) - near.place(1e15 - 1.0) > 0.5, "a difference that exists is seen: {near:?}");
    }
}
