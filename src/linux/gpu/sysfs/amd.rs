//! Cards of AMD (amdgpu): files of the device, and of its hwmon chip.

use std::path::Path;

use super::attribute::Attributes;
use super::hwmon;
use crate::linux::gpu::CardReading;

/// The files of one card.
pub struct Amd {
    device: Attributes,
    hwmon: Option<Attributes>,
}

impl Amd {
    pub fn open(device: &Path) -> Amd {
        Amd { device: Attributes::new(device), hwmon: hwmon(device).map(|folder| Attributes::new(&folder)) }
    }

    /// Fills in what the card shows.
    pub fn read(&mut self, empty: CardReading) -> CardReading {
        const MICROWATTS: f64 = 1e6;
        let device = &mut self.device;
        let mut reading = CardReading {
            usage_percent: device.number("gpu_busy_percent").map(|p| p as f64),
            memory_busy_percent: device.number("mem_busy_percent").map(|p| p as f64),
            memory_used_bytes: device.number("mem_info_vram_used"),
            memory_total_bytes: device.number("mem_info_vram_total"),
            ..empty
        };
        if let Some(hwmon) = &mut self.hwmon {
            // Newer cards only show the current power.
            reading.power_w = hwmon.scaled(&["power1_average", "power1_input"], MICROWATTS);
            reading.power_limit_w = hwmon.scaled(&["power1_cap"], MICROWATTS);
            reading.energy_uj = hwmon.number("energy1_input");
            // temp1 is the edge of the chip, freq1 its shader clock, freq2 its memory clock.
            reading.temperature_celsius = hwmon.scaled(&["temp1_input"], 1000.0);
            reading.clock_mhz = hwmon.scaled(&["freq1_input"], 1e6);
            reading.memory_clock_mhz = hwmon.scaled(&["freq2_input"], 1e6);
        }
        reading
    }
}
