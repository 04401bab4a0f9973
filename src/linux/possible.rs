//! Values that are impossible, whatever the kernel says: a negative number that wrapped, an unconnected sensor, a
//! host's value in a container. They become null, so that they are not the highest or lowest value of a report.

/// A number of items: from 2^31 on, it is a negative number that wrapped at 32 bits.
pub fn count(n: Option<u64>) -> Option<u64> {
    n.filter(|n| *n < 1 << 31)
}

/// A number of tasks: no kernel can have more than 4,194,304 (`PID_MAX_LIMIT`).
pub fn tasks(n: Option<u64>) -> Option<u64> {
    n.filter(|n| *n <= MOST_TASKS)
}

/// A load average, which is a number of tasks as well.
pub fn load(load: Option<f64>) -> Option<f64> {
    load.filter(|load| *load <= MOST_TASKS as f64)
}

const MOST_TASKS: u64 = 4 << 20;

/// Degrees Celsius from thousandths: between -100 and 250, beyond which no chip works. Unconnected sensors, sleeping
/// chips and firmware report values outside: -273.15 (0 K), -128 and 255 (all bits set), millions.
pub fn celsius(millidegrees: i64) -> Option<f64> {
    (-100_000..=250_000).contains(&millidegrees).then_some(millidegrees as f64 / 1000.0)
}

/// Revolutions per minute: at most 200,000. Chips report millions where no fan is connected.
pub fn rpm(rpm: i64) -> Option<f64> {
    (0..=200_000).contains(&rpm).then_some(rpm as f64)
}

/// Volts or amperes from thousandths: at most 10,000, beyond which no chip measures.
pub fn from_thousandths(n: i64) -> Option<f64> {
    (-10_000_000..=10_000_000).contains(&n).then_some(n as f64 / 1e3)
}

/// Watts from millionths: at most a megawatt.
pub fn watts(microwatts: i64) -> Option<f64> {
    (0..=1_000_000_000_000).contains(&microwatts).then_some(microwatts as f64 / 1e6)
}

/// The frequency of an online CPU in MHz: above zero, and at most 20,000.
pub fn megahertz(mhz: f64) -> Option<f64> {
    (mhz > 0.0 && mhz <= 20_000.0).then_some(mhz)
}

/// A share of time: at most 100.
pub fn percent(percent: Option<f64>) -> Option<f64> {
    percent.filter(|p| (0.0..=100.0).contains(p))
}

/// A part of a whole: if it is larger, it belongs to another machine.
pub fn part(part: Option<u64>, whole: Option<u64>) -> Option<u64> {
    part.filter(|part| whole.is_none_or(|whole| *part <= whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_below_zero_that_wrapped() {
        for wrapped in [u64::MAX, u64::from(u32::MAX), u64::from(u32::MAX) - 7, 1 << 31] {
            assert_eq!((count(Some(wrapped)), tasks(Some(wrapped))), (None, None), "{wrapped}");
        }
        assert_eq!((count(Some(0)), count(Some(65_536)), count(None)), (Some(0), Some(65_536), None));
        assert_eq!((tasks(Some(4_194_304)), tasks(Some(4_194_305))), (Some(4_194_304), None));
        assert_eq!((load(Some(4096.5)), load(Some(184_467_440_737_095.5))), (Some(4096.5), None));
    }

    #[test]
    fn temperatures_that_no_chip_has() {
        for impossible in [3_892_313_987, -650_788_984, -273_150, -128_000, 255_000, 250_001, i64::MAX, i64::MIN] {
            assert_eq!(celsius(impossible), None, "{impossible}");
        }
        for (millidegrees, degrees) in [(41_850, 41.85), (-40_000, -40.0), (0, 0.0), (125_000, 125.0)] {
            assert_eq!(celsius(millidegrees), Some(degrees));
        }
    }

    #[test]
    fn what_no_chip_measures() {
        assert_eq!([0, 1234, 200_000, 5_625_000, -1].map(rpm), [Some(0.0), Some(1234.0), Some(200_000.0), None, None]);
        assert_eq!([1_056, -12_100, 4_294_967_295].map(from_thousandths), [Some(1.056), Some(-12.1), None]);
        assert_eq!([65_000_000, 0, i64::MAX, -1].map(watts), [Some(65.0), Some(0.0), None, None]);
    }

    #[test]
    fn other_bounds() {
        assert_eq!([0.0, 0.1, 5500.0, 4_294_967.295].map(megahertz), [None, Some(0.1), Some(5500.0), None]);
        assert_eq!([0.0, 100.0, 100.01, f64::NAN].map(|p| percent(Some(p))), [Some(0.0), Some(100.0), None, None]);
        assert_eq!(
            [(3, Some(4)), (4, Some(4)), (5, Some(4)), (5, None)].map(|(a, b)| part(Some(a), b)),
            [Some(3), Some(4), None, Some(5)]
        );
    }
}
