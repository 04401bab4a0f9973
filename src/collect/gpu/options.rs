//! The options of collector `gpu`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Serialize;

/// The options of collector `gpu`.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub struct GpuOptions {
    /// Load NVIDIA's library NVML from this file, where the system does not find libnvidia-ml.so.1
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub nvml: Option<PathBuf>,
}
