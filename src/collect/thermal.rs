//! Thermal zones, and which of them are also shown as a hwmon chip. Source: `/sys/class/thermal`, described in the
//! kernel's `driver-api/thermal/sysfs-api`.

use std::path::PathBuf;

use crate::linux::files::{Roots, names_in};
use crate::linux::hwmon::Identity;

/// A zone that measures a temperature.
pub struct Zone {
    /// `thermal_zone0`
    pub name: String,
    /// Its name is the type of the zone: `acpitz`, `x86_pkg_temp`.
    pub identity: Identity,
    /// Contains thousandths of a degree Celsius.
    pub temp: PathBuf,
}

/// All zones, sorted by number.
pub fn zones(roots: &Roots) -> Vec<Zone> {
    let class = roots.sys("class/thermal");
    let names = names_in(&class).unwrap_or_default().into_iter().filter(|name| name.starts_with("thermal_zone"));
    let zone = |name: String| {
        let folder = class.join(&name);
        let temp = folder.join("temp");
        temp.exists().then(|| Zone { identity: Identity::read(&folder, "type"), name, temp })
    };
    names.filter_map(zone).collect()
}

/// Whether one of these chips, given with its number of temperatures, shows this zone.
///
/// The kernel makes one chip for all zones of a type. Its device is the first of them, and each zone of the type adds a
/// temperature to it.
pub fn is_mirrored(index: usize, zones: &[Zone], chips: &[(Identity, usize)]) -> bool {
    let Some(zone) = zones.get(index) else { return false };
    let is_of_type = |other: &&Zone| other.identity.name == zone.identity.name;
    let before = zones.iter().take(index).filter(is_of_type).count();
    chips.iter().any(|(chip, temperatures)| {
        let first = zones.iter().find(|z| chip.device.as_deref() == Some(z.name.as_str()));
        first.is_some_and(|first| first.name == zone.name || is_of_type(&first) && before < *temperatures)
    })
}
