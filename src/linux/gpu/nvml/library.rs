//! `libnvidia-ml.so.1`, loaded when the program runs: it is built and works without the library.
#![allow(unsafe_code, reason = "functions of a C library that is found at run time")]

use std::ffi::{CStr, c_char, c_int, c_uint};

use super::error::NvmlError;
use super::functions::{
    ClockType, Device, Functions, Memory, MemoryV2, PciInfo, ProcessMemory, ProcessSample, Utilization,
};

/// The longest text is a UUID of a MIG device.
const TEXT: usize = 96;

/// A card that more processes use than this has an incomplete list, which NVML reports as an error.
const MOST_PROCESSES: usize = 1024;
const MOST_SAMPLES: usize = 4096;

/// The loaded library. It stays loaded until the process ends.
pub struct Library(Functions);

type Answer<T> = Result<T, NvmlError>;

impl Library {
    /// Loads the library from a path, or by its name from where the dynamic linker looks.
    ///
    /// # Errors
    /// What the dynamic linker says.
    pub fn load(path: &CStr) -> Result<Library, String> {
        // SAFETY: a shared library runs its own initialisation; that it may fail is why this is a separate process.
        let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if library.is_null() {
            return Err(last_error());
        }
        let functions = Functions::find(library);
        if functions.init.is_none() || functions.count.is_none() || functions.by_index.is_none() {
            return Err(format!("{} does not have the functions of NVML", path.to_string_lossy()));
        }
        Ok(Library(functions))
    }

    /// # Errors
    /// Those of the driver.
    pub fn init(&self) -> Answer<()> {
        let init = self.0.init.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it has no arguments.
        NvmlError::check(unsafe { init() })
    }

    /// The counterpart of [`Library::init`]. Handles of devices are invalid afterwards.
    pub fn shutdown(&self) {
        if let Some(shutdown) = self.0.shutdown {
            // SAFETY: it has no arguments.
            let _ = unsafe { shutdown() };
        }
    }

    pub fn driver_version(&self) -> Answer<String> {
        let version = self.0.driver_version.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: the buffer has this length.
        text(|buffer, length| unsafe { version(buffer, length) })
    }

    pub fn count(&self) -> Answer<u32> {
        let count = self.0.count.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it writes one number.
        filled(0, |number| unsafe { count(number) })
    }

    pub fn device(&self, index: u32) -> Answer<Device> {
        let by_index = self.0.by_index.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it writes one handle.
        filled(Device::NONE, |device| unsafe { by_index(index, device) })
    }

    /// `00000000:00:06.0`
    pub fn bus_id(&self, device: Device) -> Answer<String> {
        let pci = self.0.pci.ok_or(NvmlError::NO_FUNCTION)?;
        let empty = PciInfo { bus_id_legacy: [0; 16], numbers: [0; 5], bus_id: [0; 32] };
        // SAFETY: it fills in a structure of this layout.
        let info = filled(empty, |info| unsafe { pci(device, info) })?;
        Ok(until_zero(&info.bus_id))
    }

    pub fn name(&self, device: Device) -> Answer<String> {
        let name = self.0.name.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: the buffer has this length.
        text(|buffer, length| unsafe { name(device, buffer, length) })
    }

    pub fn uuid(&self, device: Device) -> Answer<String> {
        let uuid = self.0.uuid.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: the buffer has this length.
        text(|buffer, length| unsafe { uuid(device, buffer, length) })
    }

    pub fn utilization(&self, device: Device) -> Answer<Utilization> {
        let utilization = self.0.utilization.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it fills in a structure of this layout.
        filled(Utilization::default(), |rates| unsafe { utilization(device, rates) })
    }

    /// Without what driver and firmware reserve, where the driver tells the two apart (since 510).
    pub fn memory(&self, device: Device) -> Answer<Memory> {
        if let Some(memory) = self.0.memory_v2 {
            let empty = MemoryV2 { version: size_of::<MemoryV2>() as c_uint | 2 << 24, ..MemoryV2::default() };
            // SAFETY: it fills in a structure of this layout, whose size is in its first field.
            if let Ok(info) = filled(empty, |info| unsafe { memory(device, info) }) {
                return Ok(Memory { total: info.total, free: info.free, used: info.used });
            }
        }
        let memory = self.0.memory.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it fills in a structure of this layout.
        filled(Memory::default(), |info| unsafe { memory(device, info) })
    }

    /// Milliwatts.
    pub fn power(&self, device: Device) -> Answer<u32> {
        let power = self.0.power.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it writes one number.
        filled(0, |number| unsafe { power(device, number) })
    }

    /// Milliwatts.
    pub fn power_limit(&self, device: Device) -> Answer<u32> {
        let limit = self.0.power_limit.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it writes one number.
        filled(0, |number| unsafe { limit(device, number) })
    }

    /// Millijoules since the driver was loaded.
    pub fn energy(&self, device: Device) -> Answer<u64> {
        let energy = self.0.energy.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it writes one number.
        filled(0, |number| unsafe { energy(device, number) })
    }

    /// Degrees Celsius of the chip.
    pub fn temperature(&self, device: Device) -> Answer<u32> {
        const CHIP: c_uint = 0;
        let temperature = self.0.temperature.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it writes one number.
        filled(0, |number| unsafe { temperature(device, CHIP, number) })
    }

    /// MHz.
    pub fn clock(&self, device: Device, clock: ClockType) -> Answer<u32> {
        let ask = self.0.clock.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it writes one number.
        filled(0, |number| unsafe { ask(device, clock as c_uint, number) })
    }

    /// Why clocks are not higher: a bit per reason.
    pub fn event_reasons(&self, device: Device) -> Answer<u64> {
        let reasons = self.0.event_reasons.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it writes one number.
        filled(0, |number| unsafe { reasons(device, number) })
    }

    /// Memory errors that could not be corrected, since the driver was loaded.
    pub fn ecc_errors(&self, device: Device) -> Answer<u64> {
        const UNCORRECTED: c_uint = 1;
        const VOLATILE: c_uint = 0;
        let errors = self.0.ecc_errors.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it writes one number.
        filled(0, |number| unsafe { errors(device, UNCORRECTED, VOLATILE, number) })
    }

    /// Percent.
    pub fn encoder(&self, device: Device) -> Answer<u32> {
        let encoder = self.0.encoder.ok_or(NvmlError::NO_FUNCTION)?;
        let mut period_us = 0;
        // SAFETY: it writes two numbers.
        filled(0, |number| unsafe { encoder(device, number, &raw mut period_us) })
    }

    /// Percent.
    pub fn decoder(&self, device: Device) -> Answer<u32> {
        let decoder = self.0.decoder.ok_or(NvmlError::NO_FUNCTION)?;
        let mut period_us = 0;
        // SAFETY: it writes two numbers.
        filled(0, |number| unsafe { decoder(device, number, &raw mut period_us) })
    }

    /// The handles of the MIG instances; empty if the card is not divided.
    pub fn mig_devices(&self, device: Device) -> Answer<Vec<Device>> {
        let mode = self.0.mig_mode.ok_or(NvmlError::NO_FUNCTION)?;
        let mut after_reset = 0;
        // SAFETY: it writes two numbers.
        let is_divided = filled(0, |number| unsafe { mode(device, number, &raw mut after_reset) })?;
        if is_divided != 1 {
            return Ok(Vec::new());
        }
        let most = self.0.mig_most.ok_or(NvmlError::NO_FUNCTION)?;
        let by_index = self.0.mig_device.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it writes one number.
        let most: u32 = filled(0, |number| unsafe { most(device, number) })?;
        // SAFETY: it writes one handle. Places without an instance are an error.
        let instance = |i| filled(Device::NONE, |found| unsafe { by_index(device, i, found) }).ok();
        Ok((0..most).filter_map(instance).collect())
    }

    /// The numbers of a MIG instance: of its GPU instance and of its compute instance.
    pub fn instance(&self, device: Device) -> Answer<(u32, u32)> {
        let gpu = self.0.gpu_instance.ok_or(NvmlError::NO_FUNCTION)?;
        let compute = self.0.compute_instance.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: each writes one number.
        let gpu = filled(0, |number| unsafe { gpu(device, number) })?;
        // SAFETY: as above.
        Ok((gpu, filled(0, |number| unsafe { compute(device, number) })?))
    }

    /// The processes that compute or draw on a card. One that does both is in the list twice.
    pub fn processes(&self, device: Device) -> Answer<Vec<ProcessMemory>> {
        let mut all = Vec::new();
        for list in [self.0.compute_processes, self.0.graphics_processes] {
            let Some(list) = list else { continue };
            // SAFETY: it writes at most `count` elements, and how many they are.
            all.extend(listed(MOST_PROCESSES, |first, count| unsafe { list(device, count, first) })?);
        }
        Ok(all)
    }

    /// What processes used of a card in the sampling periods after this time in microseconds.
    pub fn process_samples(&self, device: Device, after_us: u64) -> Answer<Vec<ProcessSample>> {
        let samples = self.0.process_samples.ok_or(NvmlError::NO_FUNCTION)?;
        // SAFETY: it writes at most `count` elements, and how many they are.
        let found = listed(MOST_SAMPLES, |first, count| unsafe { samples(device, first, count, after_us) });
        match found {
            Err(NvmlError::NOT_FOUND) => Ok(Vec::new()),
            found => found,
        }
    }
}

/// The value that `ask` writes.
fn filled<T>(empty: T, ask: impl FnOnce(*mut T) -> c_int) -> Answer<T> {
    let mut value = empty;
    NvmlError::check(ask(&raw mut value))?;
    Ok(value)
}

/// The elements that `ask` writes.
fn listed<T: Copy + Default>(most: usize, ask: impl FnOnce(*mut T, *mut c_uint) -> c_int) -> Answer<Vec<T>> {
    let mut list = vec![T::default(); most];
    let mut count = most as c_uint;
    NvmlError::check(ask(list.as_mut_ptr(), &raw mut count))?;
    list.truncate(count as usize);
    Ok(list)
}

fn text(ask: impl FnOnce(*mut c_char, c_uint) -> c_int) -> Answer<String> {
    let mut buffer = [0u8; TEXT];
    NvmlError::check(ask(buffer.as_mut_ptr().cast(), TEXT as c_uint))?;
    Ok(until_zero(&buffer))
}

fn until_zero(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim().to_string()
}

fn last_error() -> String {
    // SAFETY: the text is valid until the next call of a function of the dynamic linker by this thread.
    let error = unsafe {
        let text = libc::dlerror();
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    };
    error.unwrap_or_else(|| "the dynamic linker cannot load it".into())
}
