//! Facts about the machine that do not change while it is recorded: what explains a difference later.

use std::path::Path;

use procfs::FromRead;
use serde::{Deserialize, Serialize};

use crate::source::{Roots, read_once};

/// Null means that this machine does not tell.
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
    /// Logical CPUs on-line at the start.
    pub cpus_online: Option<u64>,
    pub cores: Option<u64>,
    pub sockets: Option<u64>,
    pub governor: Option<String>,
    pub memory_bytes: Option<u64>,
    pub swap_bytes: Option<u64>,
    pub page_size_bytes: u64,
    pub clock_ticks_per_s: u64,
    /// "kvm", "xen", "vmware", … or null on bare metal.
    pub virtualization: Option<String>,
    /// "docker", "podman", "kubernetes", "lxc", … or null outside of any.
    pub container: Option<String>,
    pub cgroup: Cgroup,
    pub perf_event_paranoid: Option<i64>,
    pub hypervisor_product: Option<String>,
}

/// Limits of the recorder's own control group and those around it: the tightest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cgroup {
    pub path: Option<String>,
    /// How many CPUs' worth of time it may use.
    pub cpu_limit: Option<f64>,
    pub memory_limit_bytes: Option<u64>,
    pub cpuset: Option<String>,
}

impl Host {
    /// Looks around. Nothing of this can fail: what is not told is null.
    pub fn look(roots: &Roots) -> Host {
        let text = |path: std::path::PathBuf| read_once(&path).ok().filter(|t| !t.is_empty());
        let cpus = std::fs::read(roots.proc("cpuinfo")).ok().and_then(|t| procfs::CpuInfo::from_read(&t[..]).ok());
        let memory = std::fs::read(roots.proc("meminfo")).ok().and_then(|t| procfs::Meminfo::from_read(&t[..]).ok());
        let stat = std::fs::read_to_string(roots.proc("stat")).unwrap_or_default();
        let boot_time = stat.lines().find_map(|l| l.strip_prefix("btime ")?.trim().parse().ok());
        let distinct = |keys: &[&str]| {
            let cpus = cpus.as_ref()?;
            let ids: std::collections::BTreeSet<Vec<&str>> = (0..cpus.num_cores())
                .filter_map(|i| {
                    let info = cpus.get_info(i)?;
                    keys.iter().map(|k| info.get(k).copied()).collect()
                })
                .collect();
            (!ids.is_empty()).then_some(ids.len() as u64)
        };
        Host {
            hostname: text(roots.proc("sys/kernel/hostname")).or_else(|| sysinfo::System::host_name().ok()),
            os: sysinfo::System::long_os_version().ok(),
            kernel_release: text(roots.proc("sys/kernel/osrelease")).or_else(|| sysinfo::System::kernel_version().ok()),
            architecture: sysinfo::System::cpu_arch(),
            boot_id: text(roots.proc("sys/kernel/random/boot_id")),
            boot_time: boot_time
                .and_then(|s| chrono::DateTime::from_timestamp(s, 0))
                .map(|t| t.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
            cpu_model: cpus.as_ref().and_then(|c| {
                ["model name", "Model", "cpu model", "Processor", "cpu"].iter().find_map(|key| {
                    c.fields.get(*key).cloned().or_else(|| c.get_info(0)?.get(key).map(|v| (*v).to_string()))
                })
            }),
            cpus_online: Some(stat.lines().filter(|l| l.starts_with("cpu") && !l.starts_with("cpu ")).count() as u64)
                .filter(|n| *n > 0),
            cores: distinct(&["physical id", "core id"]),
            sockets: distinct(&["physical id"]),
            governor: text(roots.sys("devices/system/cpu/cpu0/cpufreq/scaling_governor")),
            memory_bytes: memory.as_ref().map(|m| m.mem_total),
            swap_bytes: memory.as_ref().map(|m| m.swap_total),
            page_size_bytes: procfs::page_size(),
            clock_ticks_per_s: procfs::ticks_per_second(),
            virtualization: virtualization(roots),
            container: container(roots),
            cgroup: cgroup(roots),
            perf_event_paranoid: text(roots.proc("sys/kernel/perf_event_paranoid")).and_then(|t| t.parse().ok()),
            hypervisor_product: text(roots.sys("class/dmi/id/product_name")),
        }
    }
}

/// What the firmware's words and the CPU's flags say about who runs below.
fn virtualization(roots: &Roots) -> Option<String> {
    let vendor = ["sys_vendor", "product_name", "bios_vendor", "board_vendor"]
        .iter()
        .filter_map(|f| read_once(&roots.sys(&format!("class/dmi/id/{f}"))).ok())
        .collect::<Vec<_>>()
        .join(" ");
    let known = [
        ("Amazon EC2", "amazon"),
        ("Google Compute Engine", "google"),
        ("KVM", "kvm"),
        ("QEMU", "qemu"),
        ("VMware", "vmware"),
        ("VirtualBox", "virtualbox"),
        ("innotek", "virtualbox"),
        ("Xen", "xen"),
        ("Microsoft Corporation Virtual", "hyperv"),
        ("Parallels", "parallels"),
        ("bhyve", "bhyve"),
    ];
    if let Some((_, name)) = known.iter().find(|(words, _)| vendor.contains(words)) {
        return Some((*name).to_string());
    }
    if let Ok(kind) = read_once(&roots.sys("hypervisor/type")) {
        return Some(kind);
    }
    let cpuinfo = std::fs::read_to_string(roots.proc("cpuinfo")).ok()?;
    let flags = cpuinfo.lines().find(|l| l.starts_with("flags"))?;
    flags.split_whitespace().any(|f| f == "hypervisor").then(|| "unknown hypervisor".to_string())
}

fn container(roots: &Roots) -> Option<String> {
    if !roots.are_live() {
        return None;
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("kubernetes".into());
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".into());
    }
    if Path::new("/.dockerenv").exists() {
        return Some("docker".into());
    }
    // What the container's first process was told: systemd-nspawn, lxc and others set it.
    let environment = std::fs::read(roots.proc("1/environ")).ok()?;
    let told = environment.split(|b| *b == 0).find_map(|v| v.strip_prefix(b"container="))?;
    Some(String::from_utf8_lossy(told).into_owned()).filter(|t| !t.is_empty())
}

fn cgroup(roots: &Roots) -> Cgroup {
    let Ok(own) = read_once(&roots.proc("self/cgroup")) else { return Cgroup::default() };
    let path_of = |controller: &str| {
        own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (names, path) = (parts.next()?, parts.next()?);
            names.split(',').any(|n| n == controller).then(|| path.to_string())
        })
    };
    let mut found = Cgroup { path: path_of("").or_else(|| path_of("memory")), ..Cgroup::default() };
    let tightest = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let mut memory = None;
    // The group itself and those around it, in a v2 hierarchy and in the v1 ones.
    let above = |path: Option<String>| -> Vec<String> {
        let path = path.unwrap_or_default();
        Path::new(&path).ancestors().map(|p| p.to_string_lossy().trim_matches('/').to_string()).collect()
    };
    for group in above(path_of("")) {
        let file = |name: &str| read_once(&roots.sys("fs/cgroup").join(&group).join(name)).ok();
        let quota = file("cpu.max").and_then(|t| {
            let (quota, period) = t.split_once(' ')?;
            Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
        });
        found.cpu_limit = tightest(found.cpu_limit, quota);
        memory = tightest(memory, file("memory.max").and_then(|t| t.parse().ok()));
        found.cpuset = found.cpuset.or_else(|| file("cpuset.cpus.effective").filter(|t| !t.is_empty()));
    }
    for group in above(path_of("cpu")) {
        let folder = roots.sys("fs/cgroup/cpu").join(group);
        let number = |name: &str| read_once(&folder.join(name)).ok()?.parse::<f64>().ok().filter(|v| *v > 0.0);
        let quota = number("cpu.cfs_quota_us").zip(number("cpu.cfs_period_us")).map(|(q, p)| q / p);
        found.cpu_limit = tightest(found.cpu_limit, quota);
    }
    for group in above(path_of("memory")) {
        let file = roots.sys("fs/cgroup/memory").join(group).join("memory.limit_in_bytes");
        // "No limit" is the largest multiple of a page there.
        let limit = read_once(&file).ok().and_then(|t| t.parse::<f64>().ok()).filter(|v| *v < 9e18);
        memory = tightest(memory, limit);
    }
    found.memory_limit_bytes = memory.map(|m| m as u64);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_machine_tells_nothing_and_breaks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().join("proc"), sys: dir.path().join("sys") };
        let host = Host::look(&roots);
        assert_eq!((host.cpu_model, host.cpus_online, host.memory_bytes), (None, None, None));
        assert_eq!(host.cgroup, Cgroup::default());
    }

    #[test]
    fn the_tightest_limit_of_the_groups_around_counts() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().join("proc"), sys: dir.path().join("sys") };
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("proc/self/cgroup", "0::/ci/job\n");
        put("sys/fs/cgroup/ci/job/cpu.max", "max 100000\n");
        put("sys/fs/cgroup/ci/cpu.max", "150000 100000\n");
        put("sys/fs/cgroup/ci/job/memory.max", "2147483648\n");
        put("sys/fs/cgroup/ci/memory.max", "4294967296\n");
        put("sys/fs/cgroup/ci/cpuset.cpus.effective", "0-3\n");
        let found = cgroup(&roots);
        assert_eq!(found.path.as_deref(), Some("/ci/job"));
        assert_eq!(found.cpu_limit, Some(1.5));
        assert_eq!(found.memory_limit_bytes, Some(2 << 30));
        assert_eq!(found.cpuset.as_deref(), Some("0-3"));
    }
}
