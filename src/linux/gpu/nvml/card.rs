//! One card of NVIDIA, and its MIG instances.

use std::fmt;

use super::error::NvmlError;
use super::functions::{ClockType, Device};
use super::library::Library;
use super::unexpected;
use crate::linux::gpu::{CardReading, Reading};

/// Bits of `nvmlClocksEventReasons`: why clocks are not higher.
mod reason {
    pub const POWER_CAP: u64 = 0x4;
    pub const HARDWARE_SLOWDOWN: u64 = 0x8;
    pub const THERMAL_SLOWDOWN: u64 = 0x20;
    pub const HARDWARE_THERMAL_SLOWDOWN: u64 = 0x40;
    pub const POWER_BRAKE: u64 = 0x80;
}

/// A card.
pub struct Card {
    /// PCI address: `0000:00:06.0`.
    pub gpu: String,
    pub device: Device,
    pub instances: Vec<Instance>,
    name: Option<String>,
    uuid: Option<String>,
    values: Values,
    /// The newest sample of a process that was read, and whether the card has any.
    pub sampled_us: u64,
    pub has_samples: bool,
}

/// A MIG instance.
pub struct Instance {
    /// `GPU instance/compute instance`
    pub id: String,
    pub device: Device,
    name: Option<String>,
    uuid: Option<String>,
    values: Values,
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} at {}", self.gpu),
            None => f.write_str(&self.gpu),
        }
    }
}

impl Card {
    /// # Errors
    /// If it has no address, so that nothing identifies its rows.
    pub fn open(library: &Library, device: Device) -> Result<Card, NvmlError> {
        let mut card = Card {
            gpu: address(&library.bus_id(device)?),
            device,
            instances: Vec::new(),
            name: library.name(device).ok(),
            uuid: library.uuid(device).ok(),
            values: Values::default(),
            sampled_us: 0,
            has_samples: true,
        };
        card.follow_instances(library);
        Ok(card)
    }

    /// Instances are created and destroyed while the card runs.
    pub fn follow_instances(&mut self, library: &Library) {
        let devices = library.mig_devices(self.device).unwrap_or_default();
        let mut before = std::mem::take(&mut self.instances);
        for device in devices {
            // A handle may be used again for another instance, so its numbers are compared too.
            let Ok((gpu, compute)) = library.instance(device) else { continue };
            let id = format!("{gpu}/{compute}");
            let uuid = library.uuid(device).ok();
            let known = before.iter().position(|i| i.device == device && i.id == id && i.uuid == uuid);
            self.instances.push(match known {
                Some(known) => before.swap_remove(known),
                None => Instance { id, device, name: library.name(device).ok(), uuid, values: Values::default() },
            });
        }
    }

    /// Reads the card and its instances.
    ///
    /// # Errors
    /// The last failure. If the card is lost, it has no row; otherwise its row lacks a value.
    pub fn read(&mut self, library: &Library, reading: &mut Reading) -> Result<(), Failure> {
        let empty = CardReading {
            gpu: self.gpu.clone(),
            name: self.name.clone(),
            uuid: self.uuid.clone(),
            ..CardReading::default()
        };
        let mut result = self.values.read(library, self.device, empty, reading);
        for instance in &mut self.instances {
            let empty = CardReading {
                gpu: self.gpu.clone(),
                instance: Some(instance.id.clone()),
                name: instance.name.clone(),
                uuid: instance.uuid.clone(),
                ..CardReading::default()
            };
            result = result.and(instance.values.read(library, instance.device, empty, reading));
        }
        result
    }
}

/// Which values a device has: one that it does not have is asked for once, because that may take as long as an answer.
#[derive(Default)]
struct Values {
    missing: u32,
}

/// Asks for the values of one device.
struct Asking<'v> {
    missing: &'v mut u32,
    /// The number of the next value.
    next: u32,
    failure: Option<Failure>,
}

/// A value that could not be read.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    value: &'static str,
    pub error: NvmlError,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error.is_loss() {
            true => self.error.fmt(f),
            false => write!(f, "no {}: {}", self.value, self.error),
        }
    }
}

impl Asking<'_> {
    fn value<T>(&mut self, value: &'static str, ask: impl FnOnce() -> Result<T, NvmlError>) -> Option<T> {
        let bit = 1 << self.next;
        self.next += 1;
        if *self.missing & bit != 0 || self.failure.is_some_and(|failure| failure.error.is_loss()) {
            return None;
        }
        match ask() {
            Ok(value) => Some(value),
            Err(error) => {
                if error.is_permanent() {
                    *self.missing |= bit;
                }
                self.failure = unexpected(error).map(|error| Failure { value, error }).or(self.failure);
                None
            }
        }
    }
}

impl Values {
    fn read(
        &mut self,
        library: &Library,
        device: Device,
        empty: CardReading,
        reading: &mut Reading,
    ) -> Result<(), Failure> {
        let mut asking = Asking { missing: &mut self.missing, next: 0, failure: None };
        // First, because it takes longest and the reading is as old as its beginning.
        let energy_mj = asking.value("energy", || library.energy(device));
        let usage = asking.value("utilization", || library.utilization(device));
        let memory = asking.value("memory", || library.memory(device));
        let power_mw = asking.value("power", || library.power(device));
        let limit_mw = asking.value("power limit", || library.power_limit(device));
        let celsius = asking.value("temperature", || library.temperature(device));
        let clock = asking.value("clock", || library.clock(device, ClockType::Sm));
        let memory_clock = asking.value("memory clock", || library.clock(device, ClockType::Memory));
        let reasons = asking.value("clocks event reasons", || library.event_reasons(device));
        let ecc_errors = asking.value("ECC errors", || library.ecc_errors(device));
        let encoder = asking.value("encoder utilization", || library.encoder(device));
        let decoder = asking.value("decoder utilization", || library.decoder(device));
        let has = |bits: u64| reasons.map(|reasons| reasons & bits != 0);
        let failure = asking.failure;
        if !failure.is_some_and(|failure| failure.error.is_loss()) {
            reading.cards.push(CardReading {
                usage_percent: usage.map(|usage| usage.gpu.into()),
                memory_busy_percent: usage.map(|usage| usage.memory.into()),
                memory_used_bytes: memory.map(|memory| memory.used),
                memory_total_bytes: memory.map(|memory| memory.total),
                power_w: power_mw.map(watts),
                power_limit_w: limit_mw.map(watts),
                energy_uj: energy_mj.and_then(|mj| mj.checked_mul(1000)),
                temperature_celsius: celsius.map(f64::from),
                clock_mhz: clock.map(f64::from),
                memory_clock_mhz: memory_clock.map(f64::from),
                power_limited: has(reason::POWER_CAP | reason::POWER_BRAKE),
                thermally_limited: has(reason::THERMAL_SLOWDOWN | reason::HARDWARE_THERMAL_SLOWDOWN),
                slowed_by_hardware: has(reason::HARDWARE_SLOWDOWN),
                ecc_errors_uncorrected: ecc_errors,
                encoder_percent: encoder.map(f64::from),
                decoder_percent: decoder.map(f64::from),
                ..empty
            });
        }
        failure.map_or(Ok(()), Err)
    }
}

fn watts(milliwatts: u32) -> f64 {
    f64::from(milliwatts) / 1000.0
}

/// The address as the kernel writes it: `00000000:00:06.0` is `0000:00:06.0` there.
fn address(bus_id: &str) -> String {
    let lower = bus_id.to_ascii_lowercase();
    match lower.split_once(':') {
        Some((domain, rest)) if domain.len() == 8 => match domain.strip_prefix("0000") {
            Some(domain) => format!("{domain}:{rest}"),
            None => lower,
        },
        _ => lower,
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_are_those_of_the_kernel() {
        assert_eq!(address("00000000:3B:00.0"), "0000:3b:00.0");
        assert_eq!(address("00010000:3B:00.0"), "00010000:3b:00.0", "behind a volume management device");
        assert_eq!(address("0000:01:00.0"), "0000:01:00.0");
        assert_eq!(address(""), "");
    }
}
