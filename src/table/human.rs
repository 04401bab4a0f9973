//! Numbers for people: three digits and a unit of suitable size.

use super::Unit;

/// A value in this unit, at most eleven characters wide.
pub fn scaled(v: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => bytes(v),
        Unit::Kibibytes => bytes(v * 1024.0),
        Unit::BytesPerSec => bytes(v) + "/s",
        Unit::KibibytesPerSec => bytes(v * 1024.0) + "/s",
        Unit::Percent => digits(v) + " %",
        Unit::Seconds => time(v),
        Unit::Milliseconds => time(v * 1e-3),
        Unit::Microseconds => time(v * 1e-6),
        Unit::Nanoseconds => time(v * 1e-9),
        Unit::MillisecondsPerSec => time(v * 1e-3) + "/s",
        Unit::MicrosecondsPerSec => time(v * 1e-6) + "/s",
        Unit::Celsius => digits(v) + " °C",
        Unit::Megahertz if v.abs() >= 1000.0 => digits(v / 1000.0) + " GHz",
        Unit::Megahertz => digits(v) + " MHz",
        Unit::Watts => small(v, "W"),
        Unit::Volts => small(v, "V"),
        Unit::Amperes => small(v, "A"),
        Unit::WattHours => digits(v) + " Wh",
        Unit::Rpm => digits(v) + " rpm",
        Unit::Microwatts => small(v * 1e-6, "W"),
        Unit::Microjoules => joules(v * 1e-6),
        Unit::CountPerSec | Unit::PagesPerSec => count(v) + "/s",
        Unit::None | Unit::Count | Unit::Pages => count(v),
        Unit::Other(word) => format!("{} {word}", count(v)),
    }
}

/// A count: `999`, `12.3 k`, `4.56 M`.
pub fn count(v: f64) -> String {
    let (v, suffix) = step(v, 1000.0, &["", " k", " M", " G", " T", " P"]);
    if suffix.is_empty() && v.fract() == 0.0 { format!("{v:.0}") } else { digits(v) + suffix }
}

fn bytes(v: f64) -> String {
    let (v, suffix) = step(v, 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB", " PiB"]);
    if suffix == " B" && v.fract() == 0.0 { format!("{v:.0} B") } else { digits(v) + suffix }
}

/// With thousandths where it is less than one.
fn small(v: f64, unit: &str) -> String {
    match v.abs() {
        size if size > 0.0 && size < 0.9995 => digits(v * 1e3) + " m" + unit,
        _ => suffixed(v, unit),
    }
}

fn joules(v: f64) -> String {
    suffixed(v, "J")
}

fn suffixed(v: f64, unit: &str) -> String {
    let (v, suffix) = step(v, 1000.0, &[" ", " k", " M", " G"]);
    digits(v) + suffix + unit
}

/// A time in seconds.
pub fn time(s: f64) -> String {
    let size = s.abs();
    let (v, unit) = match size {
        _ if size == 0.0 => (0.0, "s"),
        // After rounding: 999.9 ms is 1.00 s.
        _ if size < 999.5e-9 => (s * 1e9, "ns"),
        _ if size < 999.5e-6 => (s * 1e6, "us"),
        _ if size < 999.5e-3 => (s * 1e3, "ms"),
        _ if size < 120.0 => (s, "s"),
        _ if size < 7200.0 => (s / 60.0, "min"),
        _ => (s / 3600.0, "h"),
    };
    format!("{} {unit}", digits(v))
}

/// The largest suffix with a value of at least one after rounding: 999.9 is 1.00 k.
fn step(mut v: f64, base: f64, suffixes: &[&'static str]) -> (f64, &'static str) {
    let mut suffixes = suffixes.iter();
    let mut suffix = suffixes.next().copied().unwrap_or("");
    for next in suffixes {
        if v.abs() < base - 0.5 {
            break;
        }
        v /= base;
        suffix = next;
    }
    (v, suffix)
}

/// Three significant digits; all digits before the decimal point up to 100,000.
pub fn digits(v: f64) -> String {
    let size = v.abs();
    match size {
        _ if size == 0.0 => "0".to_string(),
        _ if size >= 1e5 => format!("{v:.2e}"),
        _ if size >= 99.95 => format!("{v:.0}"),
        _ if size >= 9.995 => format!("{v:.1}"),
        _ if size >= 0.9995 => format!("{v:.2}"),
        _ if size >= 0.0995 => format!("{v:.3}"),
        _ if size >= 0.00095 => format!("{v:.4}"),
        _ => format!("{v:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit() {
        for (v, unit, text) in [
            (0.0, Unit::Bytes, "0 B"),
            (1023.0, Unit::Bytes, "1023 B"),
            (1024.0, Unit::Bytes, "1.00 KiB"),
            (1_048_575.9, Unit::BytesPerSec, "1.00 MiB/s"),
            (24.0 * 1024.0 * 1024.0 * 1024.0, Unit::Bytes, "24.0 GiB"),
            (3.0, Unit::Kibibytes, "3.00 KiB"),
            (99.97, Unit::Percent, "100 %"),
            (0.25, Unit::Percent, "0.250 %"),
            (2.5, Unit::Milliseconds, "2.50 ms"),
            (0.25, Unit::Milliseconds, "250 us"),
            (90_000.0, Unit::Milliseconds, "90.0 s"),
            (600.0, Unit::Seconds, "10.0 min"),
            (1500.0, Unit::MicrosecondsPerSec, "1.50 ms/s"),
            (45.0, Unit::Celsius, "45.0 °C"),
            (2400.0, Unit::Megahertz, "2.40 GHz"),
            (800.0, Unit::Megahertz, "800 MHz"),
            (0.0, Unit::Watts, "0 W"),
            (0.25, Unit::Watts, "250 mW"),
            (698.42, Unit::Watts, "698 W"),
            (5600.0, Unit::Watts, "5.60 kW"),
            (71_500_000.0, Unit::Microwatts, "71.5 W"),
            (0.85, Unit::Volts, "850 mV"),
            (-12.1, Unit::Volts, "-12.1 V"),
            (1.5, Unit::Amperes, "1.50 A"),
            (41.6, Unit::WattHours, "41.6 Wh"),
            (1234.0, Unit::Rpm, "1234 rpm"),
            (250_000.0, Unit::Microjoules, "0.250 J"),
            (4_818_734_000.0, Unit::Microjoules, "4.82 kJ"),
            (3.6e12, Unit::Microjoules, "3.60 MJ"),
            (7.0, Unit::Count, "7"),
            (999.0, Unit::Count, "999"),
            (999.9, Unit::Count, "1.00 k"),
            (12_345.0, Unit::CountPerSec, "12.3 k/s"),
            (-5.0, Unit::Count, "-5"),
        ] {
            assert_eq!(scaled(v, unit), text, "{v} {unit:?}");
        }
    }

    #[test]
    fn never_wide() {
        for unit in [Unit::Bytes, Unit::BytesPerSec, Unit::CountPerSec, Unit::Microseconds, Unit::MicrosecondsPerSec] {
            for exponent in -9..18 {
                let text = scaled(9.996 * 10f64.powi(exponent), unit);
                assert!(text.chars().count() <= 11, "{text}");
            }
        }
    }
}
