//! The functions of NVML and their types: names and layouts are those of NVIDIA's `nvml.h`. A function has several
//! versions, of which the newest that the installed driver has is used.
#![allow(unsafe_code, reason = "functions of a C library that is found at run time")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;

/// A handle that NVML gave us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Device(*mut c_void);

impl Device {
    pub const NONE: Device = Device(ptr::null_mut());
}

/// Shares of the driver's last sampling period, in percent.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Utilization {
    pub gpu: c_uint,
    pub memory: c_uint,
}

/// Bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Memory {
    pub total: u64,
    pub free: u64,
    pub used: u64,
}

/// Bytes. Unlike in [`Memory`], `used` does not contain what driver and firmware reserve.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct MemoryV2 {
    /// Size of the structure, and its version in the highest byte.
    pub version: c_uint,
    pub total: u64,
    pub reserved: u64,
    pub free: u64,
    pub used: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct PciInfo {
    pub bus_id_legacy: [u8; 16],
    /// Domain, bus, device, PCI IDs.
    pub numbers: [c_uint; 5],
    pub bus_id: [u8; 32],
}

/// A process that uses a card.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ProcessMemory {
    pub pid: c_uint,
    /// All bits set: not known.
    pub used: u64,
    pub gpu_instance: c_uint,
    pub compute_instance: c_uint,
}

/// What a process used in a sampling period.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ProcessSample {
    pub pid: c_uint,
    pub time_us: u64,
    pub sm: c_uint,
    pub memory: c_uint,
    pub encoder: c_uint,
    pub decoder: c_uint,
}

/// `nvmlClockType_t`
#[derive(Clone, Copy, Debug)]
pub enum ClockType {
    Sm = 1,
    Memory = 2,
}

/// Declares the functions with their names, the preferred one first.
macro_rules! functions {
    ($($field:ident: $($name:literal),+; fn($($argument:ty),*);)+) => {
        /// The functions that the installed library has.
        pub struct Functions {
            $(pub $field: Option<unsafe extern "C" fn($($argument),*) -> c_int>,)+
        }

        impl Functions {
            /// `library` is what `dlopen` returned.
            pub fn find(library: *mut c_void) -> Functions {
                Functions {
                    $($field: [$($name),+].into_iter().find_map(|name| {
                        let found = symbol(library, name)?;
                        // SAFETY: the function of this name has this signature in every version of nvml.h.
                        Some(unsafe {
                            std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) -> c_int>(found)
                        })
                    }),)+
                }
            }
        }
    };
}

functions! {
    init: c"nvmlInit_v2"; fn();
    shutdown: c"nvmlShutdown"; fn();
    driver_version: c"nvmlSystemGetDriverVersion"; fn(*mut c_char, c_uint);
    count: c"nvmlDeviceGetCount_v2"; fn(*mut c_uint);
    by_index: c"nvmlDeviceGetHandleByIndex_v2"; fn(c_uint, *mut Device);
    pci: c"nvmlDeviceGetPciInfo_v3", c"nvmlDeviceGetPciInfo_v2"; fn(Device, *mut PciInfo);
    name: c"nvmlDeviceGetName"; fn(Device, *mut c_char, c_uint);
    uuid: c"nvmlDeviceGetUUID"; fn(Device, *mut c_char, c_uint);
    utilization: c"nvmlDeviceGetUtilizationRates"; fn(Device, *mut Utilization);
    memory_v2: c"nvmlDeviceGetMemoryInfo_v2"; fn(Device, *mut MemoryV2);
    memory: c"nvmlDeviceGetMemoryInfo"; fn(Device, *mut Memory);
    power: c"nvmlDeviceGetPowerUsage"; fn(Device, *mut c_uint);
    power_limit: c"nvmlDeviceGetEnforcedPowerLimit"; fn(Device, *mut c_uint);
    energy: c"nvmlDeviceGetTotalEnergyConsumption"; fn(Device, *mut u64);
    temperature: c"nvmlDeviceGetTemperature"; fn(Device, c_uint, *mut c_uint);
    clock: c"nvmlDeviceGetClockInfo"; fn(Device, c_uint, *mut c_uint);
    event_reasons: c"nvmlDeviceGetCurrentClocksEventReasons", c"nvmlDeviceGetCurrentClocksThrottleReasons";
        fn(Device, *mut u64);
    ecc_errors: c"nvmlDeviceGetTotalEccErrors"; fn(Device, c_uint, c_uint, *mut u64);
    encoder: c"nvmlDeviceGetEncoderUtilization"; fn(Device, *mut c_uint, *mut c_uint);
    decoder: c"nvmlDeviceGetDecoderUtilization"; fn(Device, *mut c_uint, *mut c_uint);
    mig_mode: c"nvmlDeviceGetMigMode"; fn(Device, *mut c_uint, *mut c_uint);
    mig_most: c"nvmlDeviceGetMaxMigDeviceCount"; fn(Device, *mut c_uint);
    mig_device: c"nvmlDeviceGetMigDeviceHandleByIndex"; fn(Device, c_uint, *mut Device);
    gpu_instance: c"nvmlDeviceGetGpuInstanceId"; fn(Device, *mut c_uint);
    compute_instance: c"nvmlDeviceGetComputeInstanceId"; fn(Device, *mut c_uint);
    compute_processes: c"nvmlDeviceGetComputeRunningProcesses_v3", c"nvmlDeviceGetComputeRunningProcesses_v2";
        fn(Device, *mut c_uint, *mut ProcessMemory);
    graphics_processes: c"nvmlDeviceGetGraphicsRunningProcesses_v3", c"nvmlDeviceGetGraphicsRunningProcesses_v2";
        fn(Device, *mut c_uint, *mut ProcessMemory);
    process_samples: c"nvmlDeviceGetProcessUtilization"; fn(Device, *mut ProcessSample, *mut c_uint, u64);
}

fn symbol(library: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the library was loaded and is never unloaded.
    let found = unsafe { libc::dlsym(library, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}
