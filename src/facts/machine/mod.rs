//! Facts about the machine that do not change during a recording. They help to explain differences later.

mod cgroup;
mod cpu;
mod cpuinfo;
mod gpu;
mod kernel;
mod numa;
#[cfg(test)]
pub(crate) mod testing;
mod virtualization;

pub use cgroup::Cgroup;
pub use cpu::Cpu;
pub use gpu::Gpu;
pub use kernel::Kernel;
pub use numa::Node;

use serde::{Deserialize, Serialize};

use crate::linux::files::{Roots, read_once};
use cpuinfo::CpuInfo;

/// Null means unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    pub hostname: Option<String>,
    /// "Debian GNU/Linux 12 (bookworm)"
    pub os: Option<String>,
    pub kernel_release: Option<String>,
    pub architecture: String,
    pub boot_id: Option<String>,
    pub boot_time: Option<String>,
    pub cpu_model: Option<String>,
    /// Logical CPUs online at the start.
    pub cpus_online: Option<u64>,
    pub cores: Option<u64>,
    pub sockets: Option<u64>,
    /// If CPUs have different ones, each with the number of CPUs.
    pub governor: Option<String>,
    pub cpu: Cpu,
    pub numa: Vec<Node>,
    pub gpus: Vec<Gpu>,
    pub kernel: Kernel,
    pub memory_bytes: Option<u64>,
    pub swap_bytes: Option<u64>,
    pub page_size_bytes: u64,
    pub clock_ticks_per_s: u64,
    /// "kvm", "xen", "vmware", … or null on bare metal.
    pub virtualization: Option<String>,
    /// "docker", "podman", "kubernetes", "lxc", … or null outside a container.
    pub container: Option<String>,
    pub cgroup: Cgroup,
    pub perf_event_paranoid: Option<i64>,
    pub hypervisor_product: Option<String>,
    /// Version of the machine's firmware.
    pub firmware: Option<String>,
    /// Fields written by a later version of perfwatch.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl Host {
    /// Detects everything. This cannot fail: unknown values are null.
    pub fn detect(roots: &Roots) -> Host {
        let text = |path: std::path::PathBuf| read_once(&path).ok().filter(|t| !t.is_empty());
        let cpuinfo = read_once(&roots.proc("cpuinfo")).unwrap_or_default();
        let cpus = CpuInfo::parse(&cpuinfo);
        let meminfo = text(roots.proc("meminfo")).unwrap_or_default();
        // Not read with procfs, which multiplies the numbers: some lines may contain a wrapped negative number.
        let bytes = |key: &str| {
            let kib =
                meminfo.lines().find_map(|l| l.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse::<u64>().ok())?;
            kib.checked_mul(1024)
        };
        let stat = read_once(&roots.proc("stat")).unwrap_or_default();
        let boot_time = stat.lines().find_map(|l| l.strip_prefix("btime ")?.trim().parse().ok());
        Host {
            hostname: text(roots.proc("sys/kernel/hostname")).or_else(|| sysinfo::System::host_name().ok()),
            os: sysinfo::System::long_os_version().ok(),
            kernel_release: text(roots.proc("sys/kernel/osrelease")).or_else(|| sysinfo::System::kernel_version().ok()),
            architecture: sysinfo::System::cpu_arch(),
            boot_id: text(roots.proc("sys/kernel/random/boot_id")),
            boot_time: boot_time
                .and_then(|s| chrono::DateTime::from_timestamp(s, 0))
                .map(|t| t.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
            cpu_model: cpus.model(),
            cpus_online: Some(stat.lines().filter(|l| l.starts_with("cpu") && !l.starts_with("cpu ")).count() as u64)
                .filter(|n| *n > 0),
            cores: cpus.cores(),
            sockets: cpus.sockets(),
            governor: cpu::governor(roots),
            cpu: Cpu::detect(roots),
            numa: numa::nodes(roots),
            gpus: gpu::gpus(roots),
            kernel: Kernel::detect(roots),
            memory_bytes: bytes("MemTotal:"),
            swap_bytes: bytes("SwapTotal:"),
            page_size_bytes: procfs::page_size(),
            clock_ticks_per_s: procfs::ticks_per_second(),
            virtualization: virtualization::virtualization(roots),
            container: virtualization::container(roots),
            cgroup: Cgroup::detect(roots),
            perf_event_paranoid: text(roots.proc("sys/kernel/perf_event_paranoid")).and_then(|t| t.parse().ok()),
            hypervisor_product: text(roots.sys("class/dmi/id/product_name")),
            firmware: text(roots.sys("class/dmi/id/bios_version")),
            other: serde_json::Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_machine_gives_null_values() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().join("proc"), sys: dir.path().join("sys") };
        let host = Host::detect(&roots);
        assert_eq!((host.cpu_model, host.cpus_online, host.memory_bytes), (None, None, None));
        assert_eq!(host.cgroup, Cgroup::default());
    }

    #[test]
    fn a_negative_number_in_meminfo() {
        let meminfo =
            "MemTotal:        1048576 kB\nSwapTotal:             0 kB\nCommitted_AS:   18446744073709551612 kB\n";
        let tree = testing::Tree::new(&[("proc/meminfo", meminfo)]);
        let host = Host::detect(&tree.roots());
        assert_eq!((host.memory_bytes, host.swap_bytes), (Some(1 << 30), Some(0)));
    }
}
