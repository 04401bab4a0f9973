//! Cards of Intel (i915, xe). They count the time in which they were idle, from which the use follows: the share of
//! time in which the first unit (`gt0`, which draws and computes) was awake.

use std::path::{Path, PathBuf};

use super::attribute::Attributes;
use super::{Driver, hwmon};
use crate::linux::gpu::CardReading;

/// The files of one card.
pub struct Intel {
    frequency: Attributes,
    throttle: Attributes,
    idle: Attributes,
    names: &'static Names,
    hwmon: Option<Attributes>,
    /// The time and the idle time in milliseconds of the previous reading.
    before: Option<(u64, u64)>,
}

/// How the files are called.
struct Names {
    clock: &'static str,
    idle_ms: &'static str,
    power_limits: &'static [&'static str],
    thermal_limits: &'static [&'static str],
}

static I915: Names = Names {
    clock: "rps_act_freq_mhz",
    idle_ms: "rc6_residency_ms",
    power_limits: &["throttle_reason_pl1", "throttle_reason_pl2", "throttle_reason_pl4"],
    thermal_limits: &["throttle_reason_thermal", "throttle_reason_prochot"],
};

/// Before Linux 5.18, i915 showed one unit in the folder of the card, and no reasons for throttling.
static OLD_I915: Names = Names { clock: "gt_act_freq_mhz", ..I915_OLD_REST };
const I915_OLD_REST: Names =
    Names { clock: "", idle_ms: "rc6_residency_ms", power_limits: &[""; 3], thermal_limits: &[""; 2] };

static XE: Names = Names {
    clock: "act_freq",
    idle_ms: "idle_residency_ms",
    power_limits: &["reason_pl1", "reason_pl2", "reason_pl4"],
    thermal_limits: &["reason_thermal", "reason_prochot"],
};

impl Intel {
    /// `folder` is `/sys/class/drm/card0`.
    pub fn open(folder: &Path, driver: Driver) -> Intel {
        let (gt, tile) = (folder.join("gt/gt0"), folder.join("device/tile0/gt0"));
        let [frequency, throttle, idle]: [PathBuf; 3] = match driver {
            Driver::Xe => [tile.join("freq0"), tile.join("freq0/throttle"), tile.join("gtidle")],
            _ if gt.is_dir() => [gt.clone(), gt.clone(), gt.clone()],
            _ => [folder.into(), folder.into(), folder.join("power")],
        };
        let names = match driver {
            Driver::Xe => &XE,
            _ if gt.is_dir() => &I915,
            _ => &OLD_I915,
        };
        Intel {
            frequency: Attributes::new(&frequency),
            throttle: Attributes::new(&throttle),
            idle: Attributes::new(&idle),
            names,
            hwmon: hwmon(&folder.join("device")).map(|folder| Attributes::new(&folder)),
            before: None,
        }
    }

    /// Fills in what the card shows.
    pub fn read(&mut self, empty: CardReading, now_ns: u64) -> CardReading {
        let names = self.names;
        let idle = self.idle.number(names.idle_ms).map(|ms| (now_ns, ms));
        let before = std::mem::replace(&mut self.before, idle);
        let mut reading = CardReading {
            usage_percent: before.zip(idle).and_then(|(before, now)| usage_percent(before, now)),
            clock_mhz: self.frequency.number(names.clock).map(|mhz| mhz as f64),
            power_limited: self.throttle.any(names.power_limits),
            thermally_limited: self.throttle.any(names.thermal_limits),
            ..empty
        };
        if let Some(hwmon) = &mut self.hwmon {
            reading.energy_uj = hwmon.number("energy1_input");
            reading.power_limit_w = hwmon.scaled(&["power1_max"], 1e6);
            // temp2 is the package in both drivers.
            reading.temperature_celsius = hwmon.scaled(&["temp2_input", "temp1_input"], 1000.0);
        }
        reading
    }
}

/// The share of time that was not idle, in percent. The counter has steps of a millisecond, and is 32 bits wide in some
/// kernels.
fn usage_percent((then_ns, idle_then): (u64, u64), (now_ns, idle_now): (u64, u64)) -> Option<f64> {
    let passed_ms = now_ns.checked_sub(then_ns).filter(|ns| *ns > 0)? as f64 / 1e6;
    let idle_ms = idle_now.checked_sub(idle_then)? as f64;
    // A reading that is a few milliseconds late is not a wrong one.
    (idle_ms <= 1.1 * passed_ms + 2.0).then(|| (100.0 - 100.0 * idle_ms / passed_ms).clamp(0.0, 100.0))
}

#[cfg(test)]
mod tests {
    use super::usage_percent;

    #[test]
    fn the_rest_of_the_time_was_used() {
        let s = 1_000_000_000;
        assert_eq!(usage_percent((s, 5000), (2 * s, 5250)), Some(75.0));
        assert_eq!(usage_percent((s, 5000), (2 * s, 6001)), Some(0.0), "the two clocks differ a little");
        assert_eq!(usage_percent((s, 5000), (2 * s, 5000)), Some(100.0));
        assert_eq!(usage_percent((s, 5000), (2 * s, 10)), None, "the counter was reset");
        assert_eq!(usage_percent((s, 5000), (2 * s, 9000)), None, "more than passed");
        assert_eq!(usage_percent((s, 5000), (s, 5000)), None);
    }
}
