//! CPU settings: what may make one run faster or slower than another on the same CPU model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::linux::files::{Roots, names_in, read_once};

/// Null means unknown; a virtual machine has few of these values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    /// Version of the microcode, from `/proc/cpuinfo`.
    pub microcode: Option<String>,
    /// "x86-64", "x86-64-v2", "x86-64-v3" or "x86-64-v4": libraries choose their code by it. Null on other CPUs.
    pub isa_level: Option<String>,
    /// What sets the frequency: "intel_pstate", "amd-pstate-epp", "acpi-cpufreq", …
    pub frequency_driver: Option<String>,
    /// The lowest and the highest frequency that the governor may choose.
    pub frequency_min_mhz: Option<f64>,
    pub frequency_max_mhz: Option<f64>,
    /// The preference given to the hardware: "performance", "balance_power", …
    pub energy_preference: Option<String>,
    /// Whether it may run above its nominal frequency.
    pub turbo: Option<bool>,
    /// Whether cores run two or more threads.
    pub smt: Option<bool>,
    /// "on", "off", "forceoff", "notsupported", …
    pub smt_control: Option<String>,
    pub idle_driver: Option<String>,
    pub idle_governor: Option<String>,
    /// CPUs that are kept free of other tasks, and those without a timer tick.
    pub isolated: Option<String>,
    pub nohz_full: Option<String>,
    pub offline: Option<String>,
}

impl Cpu {
    pub fn detect(roots: &Roots) -> Cpu {
        let text = |name: &str| attribute(roots, name);
        let cpuinfo = read_once(&roots.proc("cpuinfo")).unwrap_or_default();
        let megahertz = |name: &str| {
            let of_all = of_all(roots, name).into_keys().filter_map(|khz| khz.parse::<f64>().ok());
            of_all.map(|khz| khz / 1000.0).collect::<Vec<_>>()
        };
        Cpu {
            isa_level: isa_level(&cpuinfo),
            microcode: cpuinfo.lines().find_map(|l| {
                let (key, value) = l.split_once(':')?;
                (key.trim() == "microcode").then(|| value.trim().to_string())
            }),
            frequency_driver: one_or_counts(of_all(roots, "scaling_driver")),
            frequency_min_mhz: megahertz("scaling_min_freq").into_iter().reduce(f64::min),
            frequency_max_mhz: megahertz("scaling_max_freq").into_iter().reduce(f64::max),
            energy_preference: one_or_counts(of_all(roots, "energy_performance_preference")),
            turbo: turbo(roots),
            smt: text("smt/active").and_then(|t| flag(&t)),
            smt_control: text("smt/control"),
            idle_driver: text("cpuidle/current_driver"),
            idle_governor: text("cpuidle/current_governor_ro").or_else(|| text("cpuidle/current_governor")),
            isolated: text("isolated"),
            nohz_full: text("nohz_full").filter(|t| t != "(null)"),
            offline: text("offline"),
        }
    }
}

/// The highest level of which the CPU has all flags, as the ABI of x86-64 defines them.
fn isa_level(cpuinfo: &str) -> Option<String> {
    // Linux calls SSE3 `pni` and LZCNT `abm`.
    const LEVELS: [(&str, &[&str]); 4] = [
        ("x86-64", &["lm", "cmov", "cx8", "fpu", "fxsr", "mmx", "sse", "sse2"]),
        ("x86-64-v2", &["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"]),
        ("x86-64-v3", &["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"]),
        ("x86-64-v4", &["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]),
    ];
    let (_, flags) = cpuinfo.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == "flags")?;
    let flags: std::collections::BTreeSet<&str> = flags.split_whitespace().collect();
    let complete = LEVELS.iter().take_while(|(_, needed)| needed.iter().all(|flag| flags.contains(flag)));
    complete.last().map(|(level, _)| level.to_string())
}

/// The governor of all CPUs; if they differ, each with the number of its CPUs: `performance (8), powersave (56)`.
pub fn governor(roots: &Roots) -> Option<String> {
    one_or_counts(of_all(roots, "scaling_governor"))
}

/// Intel's driver has its own switch; other drivers have a common one, newer ones one per CPU.
fn turbo(roots: &Roots) -> Option<bool> {
    if let Some(off) = attribute(roots, "intel_pstate/no_turbo").and_then(|t| flag(&t)) {
        return Some(!off);
    }
    if let Some(on) = attribute(roots, "cpufreq/boost").and_then(|t| flag(&t)) {
        return Some(on);
    }
    let each = of_all(roots, "boost");
    if each.is_empty() { None } else { Some(each.contains_key("1")) }
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// The text of a file below `devices/system/cpu`; `None` if it is empty.
fn attribute(roots: &Roots, name: &str) -> Option<String> {
    read_once(&roots.sys("devices/system/cpu").join(name)).ok().filter(|t| !t.is_empty())
}

/// The values of this cpufreq attribute, each with its number of CPUs.
fn of_all(roots: &Roots, name: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let cpus = names_in(&roots.sys("devices/system/cpu")).unwrap_or_default();
    for cpu in cpus.iter().filter(|n| n.strip_prefix("cpu").is_some_and(|n| n.parse::<u32>().is_ok())) {
        if let Some(value) = attribute(roots, &format!("{cpu}/cpufreq/{name}")) {
            *found.entry(value).or_insert(0) += 1;
        }
    }
    found
}

pub(super) fn one_or_counts(values: BTreeMap<String, usize>) -> Option<String> {
    match values.len() {
        0 => None,
        1 => values.into_keys().next(),
        _ => Some(values.iter().map(|(value, cpus)| format!("{value} ({cpus})")).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    #[test]
    fn a_machine_with_a_switch_for_turbo() {
        let cpu = "sys/devices/system/cpu";
        let tree = Tree::new(&[
            ("proc/cpuinfo", "processor\t: 0\nmicrocode\t: 0x2b000590\ncpu MHz\t\t: 800.000\n"),
            (&format!("{cpu}/intel_pstate/no_turbo"), "1\n"),
            (&format!("{cpu}/smt/active"), "1\n"),
            (&format!("{cpu}/smt/control"), "on\n"),
            (&format!("{cpu}/isolated"), "2-3\n"),
            (&format!("{cpu}/nohz_full"), "(null)\n"),
            (&format!("{cpu}/offline"), "\n"),
            (&format!("{cpu}/cpu0/cpufreq/scaling_driver"), "intel_pstate\n"),
            (&format!("{cpu}/cpu0/cpufreq/scaling_governor"), "powersave\n"),
            (&format!("{cpu}/cpu0/cpufreq/scaling_min_freq"), "800000\n"),
            (&format!("{cpu}/cpu0/cpufreq/scaling_max_freq"), "3500000\n"),
            (&format!("{cpu}/cpu1/cpufreq/scaling_driver"), "intel_pstate\n"),
            (&format!("{cpu}/cpu1/cpufreq/scaling_governor"), "performance\n"),
            (&format!("{cpu}/cpu1/cpufreq/scaling_min_freq"), "1200000\n"),
            (&format!("{cpu}/cpu1/cpufreq/scaling_max_freq"), "3600000\n"),
            (&format!("{cpu}/cpu10/cpufreq/scaling_governor"), "performance\n"),
            (&format!("{cpu}/cpuidle/current_driver"), "intel_idle\n"),
            (&format!("{cpu}/cpuidle/current_governor_ro"), "menu\n"),
        ]);
        let expected = Cpu {
            microcode: Some("0x2b000590".into()),
            frequency_driver: Some("intel_pstate".into()),
            frequency_min_mhz: Some(800.0),
            frequency_max_mhz: Some(3600.0),
            turbo: Some(false),
            smt: Some(true),
            smt_control: Some("on".into()),
            idle_driver: Some("intel_idle".into()),
            idle_governor: Some("menu".into()),
            isolated: Some("2-3".into()),
            ..Cpu::default()
        };
        assert_eq!(Cpu::detect(&tree.roots()), expected);
        assert_eq!(governor(&tree.roots()).as_deref(), Some("performance (2), powersave (1)"));
    }

    #[test]
    fn boost_of_other_drivers() {
        let common = Tree::new(&[("sys/devices/system/cpu/cpufreq/boost", "1\n")]);
        assert_eq!(turbo(&common.roots()), Some(true));
        let each = Tree::new(&[
            ("sys/devices/system/cpu/cpu0/cpufreq/boost", "0\n"),
            ("sys/devices/system/cpu/cpu1/cpufreq/boost", "0\n"),
        ]);
        assert_eq!(turbo(&each.roots()), Some(false));
        assert_eq!(turbo(&Tree::new(&[]).roots()), None);
    }
}
