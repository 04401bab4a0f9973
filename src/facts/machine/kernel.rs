//! How the kernel was built, started and configured, as far as it affects the speed of programs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::linux::files::{Roots, names_in, read_once};

/// Null means unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kernel {
    /// "#1 SMP PREEMPT_DYNAMIC …": the build, and its preemption model.
    pub version: Option<String>,
    /// "tsc", "kvm-clock", "hpet": determines the cost of reading the time.
    pub clock_source: Option<String>,
    /// Transparent huge pages: "always", "madvise", "never".
    pub huge_pages: Option<String>,
    /// When programs wait for huge pages: "always", "defer", "defer+madvise", "madvise", "never".
    pub huge_pages_defrag: Option<String>,
    /// Sysctls by name.
    pub sysctl: BTreeMap<String, String>,
    /// Command line parameters that are known to affect speed. The others may contain anything, and are not stored.
    pub parameters: Vec<String>,
    /// How the kernel mitigates each vulnerability of the CPU.
    pub mitigations: BTreeMap<String, String>,
}

/// The sysctls that are stored.
const SYSCTLS: &[&str] = &[
    "kernel.nmi_watchdog",
    "kernel.numa_balancing",
    "kernel.randomize_va_space",
    "kernel.sched_autogroup_enabled",
    "kernel.sched_rt_runtime_us",
    "vm.compaction_proactiveness",
    "vm.dirty_background_ratio",
    "vm.dirty_ratio",
    "vm.overcommit_memory",
    "vm.swappiness",
    "vm.zone_reclaim_mode",
];

/// The command line parameters that are stored, by the text before `=`.
const PARAMETERS: &[&str] = &[
    "amd_pstate",
    "audit",
    "clocksource",
    "cpuidle.governor",
    "cpuidle.off",
    "default_hugepagesz",
    "hugepages",
    "hugepagesz",
    "idle",
    "init_on_alloc",
    "init_on_free",
    "intel_idle.max_cstate",
    "intel_iommu",
    "intel_pstate",
    "iommu",
    "iommu.passthrough",
    "irqaffinity",
    "isolcpus",
    "kpti",
    "l1tf",
    "maxcpus",
    "mds",
    "mem",
    "mitigations",
    "nmi_watchdog",
    "nohz",
    "nohz_full",
    "nopti",
    "nosmp",
    "nosmt",
    "nospectre_v1",
    "nospectre_v2",
    "nr_cpus",
    "numa",
    "numa_balancing",
    "page_poison",
    "preempt",
    "processor.max_cstate",
    "psi",
    "pti",
    "rcu_nocbs",
    "retbleed",
    "selinux",
    "skew_tick",
    "slub_debug",
    "spec_rstack_overflow",
    "spec_store_bypass_disable",
    "spectre_v2",
    "spectre_v2_user",
    "threadirqs",
    "transparent_hugepage",
    "tsc",
    "tsx",
    "tsx_async_abort",
];

impl Kernel {
    pub fn detect(roots: &Roots) -> Kernel {
        let text = |path: PathBuf| read_once(&path).ok().filter(|t| !t.is_empty());
        let sysctl = |name: &str| text(roots.proc("sys").join(name.replace('.', "/")));
        let folder = roots.sys("devices/system/cpu/vulnerabilities");
        let known = names_in(&folder).unwrap_or_default();
        Kernel {
            version: text(roots.proc("sys/kernel/version")),
            clock_source: text(roots.sys("devices/system/clocksource/clocksource0/current_clocksource")),
            huge_pages: text(roots.sys("kernel/mm/transparent_hugepage/enabled")).and_then(|t| chosen(&t)),
            huge_pages_defrag: text(roots.sys("kernel/mm/transparent_hugepage/defrag")).and_then(|t| chosen(&t)),
            sysctl: SYSCTLS.iter().filter_map(|name| Some(((*name).to_string(), sysctl(name)?))).collect(),
            parameters: parameters(&text(roots.proc("cmdline")).unwrap_or_default()),
            mitigations: known.into_iter().filter_map(|name| text(folder.join(&name)).map(|t| (name, t))).collect(),
        }
    }
}

/// The word in brackets: `always [madvise] never`.
fn chosen(list: &str) -> Option<String> {
    let (_, rest) = list.split_once('[')?;
    Some(rest.split_once(']')?.0.to_string())
}

fn parameters(cmdline: &str) -> Vec<String> {
    // Everything after `--` is for the init process.
    let words = cmdline.split_whitespace().take_while(|word| *word != "--");
    let name = |word: &str| word.split('=').next().unwrap_or(word).replace('-', "_");
    words.filter(|word| PARAMETERS.contains(&name(word).as_str())).map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    #[test]
    fn settings_of_a_kernel() {
        let tree = Tree::new(&[
            ("proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.1-1\n"),
            ("proc/sys/vm/swappiness", "60\n"),
            ("proc/sys/kernel/randomize_va_space", "2\n"),
            ("proc/sys/kernel/hostname", "not a setting\n"),
            (
                "proc/cmdline",
                "BOOT_IMAGE=/vmlinuz root=/dev/sda1 mitigations=off isolcpus=2,3 secret=x quiet -- psi=1\n",
            ),
            ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
            ("sys/kernel/mm/transparent_hugepage/defrag", "always defer [defer+madvise] madvise never\n"),
            ("sys/devices/system/cpu/vulnerabilities/meltdown", "Vulnerable\n"),
            ("sys/devices/system/cpu/vulnerabilities/mds", "Mitigation: Clear CPU buffers; SMT vulnerable\n"),
        ]);
        let kernel = Kernel::detect(&tree.roots());
        assert_eq!(kernel.version.as_deref(), Some("#1 SMP PREEMPT_DYNAMIC Debian 6.1.1-1"));
        assert_eq!(kernel.clock_source.as_deref(), Some("tsc"));
        assert_eq!(kernel.huge_pages.as_deref(), Some("madvise"));
        assert_eq!(kernel.huge_pages_defrag.as_deref(), Some("defer+madvise"));
        assert_eq!(kernel.parameters, ["mitigations=off", "isolcpus=2,3"]);
        let pairs = |map: &BTreeMap<String, String>| map.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
        assert_eq!(pairs(&kernel.sysctl), ["kernel.randomize_va_space=2", "vm.swappiness=60"]);
        let mitigations = ["mds=Mitigation: Clear CPU buffers; SMT vulnerable", "meltdown=Vulnerable"];
        assert_eq!(pairs(&kernel.mitigations), mitigations);
        assert_eq!(Kernel::detect(&Tree::new(&[]).roots()), Kernel::default());
    }

    #[test]
    fn lists_without_a_choice() {
        assert_eq!(chosen("always madvise never"), None);
        assert_eq!(chosen("always [never"), None);
    }
}
