//! Graphics processors. NVIDIA's are read through their library NVML, those of AMD and Intel from `/sys/class/drm`.
//!
//! Calls into a graphics driver may take milliseconds, and do not return while the driver or a card hangs; the library
//! occupies 20 MiB and may crash. So they are made by a separate process ([`serve`]), one per [`SourceKind`], which the
//! recorder asks through a socket ([`remote`]) and can leave behind. It is only started where such a card exists.

mod channel;
mod connection;
pub mod fdinfo;
pub mod nvml;
pub mod remote;
pub mod serve;
pub mod sysfs;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::files::Roots;

/// What a card, or a part of one, reported. Null: it does not have the value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardReading {
    /// PCI address: `0000:00:06.0`.
    pub gpu: String,
    /// A MIG instance, as `GPU instance/compute instance`; none: the whole card.
    pub instance: Option<String>,
    pub name: Option<String>,
    pub uuid: Option<String>,
    pub usage_percent: Option<f64>,
    pub memory_busy_percent: Option<f64>,
    pub memory_used_bytes: Option<u64>,
    pub memory_total_bytes: Option<u64>,
    pub power_w: Option<f64>,
    pub power_limit_w: Option<f64>,
    pub energy_uj: Option<u64>,
    pub temperature_celsius: Option<f64>,
    pub clock_mhz: Option<f64>,
    pub memory_clock_mhz: Option<f64>,
    pub power_limited: Option<bool>,
    pub thermally_limited: Option<bool>,
    pub slowed_by_hardware: Option<bool>,
    pub ecc_errors_uncorrected: Option<u64>,
    pub encoder_percent: Option<f64>,
    pub decoder_percent: Option<f64>,
}

/// What a process used of a card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessReading {
    pub pid: u32,
    pub comm: String,
    pub gpu: String,
    pub instance: Option<String>,
    pub memory_bytes: Option<u64>,
    pub usage_percent: Option<f64>,
}

/// A reading of all cards of a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub cards: Vec<CardReading>,
    /// Values and cards that could not be read, in words.
    pub problems: Vec<String>,
}

/// Which driver is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SourceKind {
    /// The library; none: wherever the dynamic linker finds it.
    Nvml(Option<PathBuf>),
    /// AMD and Intel.
    Sysfs,
}

impl SourceKind {
    /// For messages.
    pub fn name(&self) -> &'static str {
        match self {
            SourceKind::Nvml(_) => "NVML",
            SourceKind::Sysfs => "/sys/class/drm",
        }
    }
}

/// Reads the cards of one kind.
pub trait Source {
    /// Which driver or library it is, for `perfwatch doctor`.
    fn about(&self) -> String;

    /// Reads all cards. `now_ns` is `CLOCK_MONOTONIC`.
    fn read(&mut self, now_ns: u64) -> Reading;

    /// What these processes use of the cards. Problems are added to `problems`.
    fn processes(&mut self, pids: &[u32], now_ns: u64, problems: &mut Vec<String>) -> Vec<ProcessReading>;
}

/// Opens a source.
///
/// # Errors
/// Why it cannot be read on this machine.
pub fn open(kind: &SourceKind, roots: &Roots) -> Result<Box<dyn Source>, String> {
    match kind {
        SourceKind::Nvml(library) => Ok(Box::new(nvml::NvmlSource::open(library.as_deref(), roots)?)),
        SourceKind::Sysfs => Ok(Box::new(sysfs::SysfsSource::open(roots)?)),
    }
}

/// The name of a process, at most 15 bytes; `?` if it has ended.
fn comm(roots: &Roots, pid: u32) -> String {
    super::files::read_once(&roots.proc(&format!("{pid}/comm"))).unwrap_or_else(|_| "?".into())
}
