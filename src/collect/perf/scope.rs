//! What is counted, as requested and as available on this machine: CPUs, processes, or cgroups.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::options::{Per, PerfScope};
use super::syscall::open::Whose;
use crate::collect::collector::{Setup, Unavailable};
use crate::linux::cgroup::Hierarchies;
use crate::linux::cpus;
use crate::linux::files::{Roots, read_once};

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything that runs on these CPUs.
    Cpus(Cpus),
    /// These processes with their threads, and the processes they start from now on.
    Processes(Vec<u32>),
    /// The tasks of each of these cgroups.
    Cgroups(Vec<Cgroup>, Cpus),
}

/// Online CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus {
    pub list: BTreeSet<u32>,
    /// They were named; otherwise all are meant.
    pub chosen: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// As named by the user, and in the form that perf accepts: below the mount of the hierarchy.
    pub name: String,
    pub folder: PathBuf,
}

/// Whether the events of the recorded command are requested.
pub fn is_of_command(setup: &Setup) -> bool {
    setup.options.perf.scope == Some(PerfScope::Command)
}

/// The processes whose events are requested.
pub fn pids(setup: &Setup) -> Vec<u32> {
    match &setup.command {
        Some(command) if is_of_command(setup) => vec![command.pid],
        _ => setup.options.perf.pids.clone(),
    }
}

impl Scope {
    /// What the options mean on this machine; anything left out is reported in the notes.
    ///
    /// # Errors
    /// If nothing is left, or the options contradict each other.
    pub fn from_setup(setup: &Setup, notes: &mut Vec<String>) -> Result<Scope, Unavailable> {
        let options = &setup.options.perf;
        let mistake = |text: &str| Err(Unavailable::mistake(text));
        if !pids(setup).is_empty() {
            if !options.cgroups.is_empty() {
                return mistake("--pid and --perf-cgroup exclude each other");
            }
            if options.cpus.is_some() {
                return mistake("--pid and --cpus exclude each other: a process is counted on all CPUs");
            }
            if !matches!(options.per, Per::Whole | Per::Thread) {
                return mistake(
                    "processes (--pid, --perf-scope command) can be counted as a whole, or --perf-per thread",
                );
            }
            return processes(setup, notes).map(Scope::Processes);
        }
        if options.per == Per::Thread {
            return mistake("--perf-per thread needs --pid: all threads of a machine are too many");
        }
        let cpus = cpus_of(setup, notes)?;
        if options.cgroups.is_empty() {
            return Ok(Scope::Cpus(cpus));
        }
        if options.cgroups.iter().any(String::is_empty) {
            return mistake("--perf-cgroup is empty; the root group is `/`");
        }
        if !matches!(options.per, Per::Whole | Per::Cpu) {
            return mistake("--perf-cgroup can be counted as a whole, or --perf-per cpu");
        }
        Ok(Scope::Cgroups(cgroups(setup, notes)?, cpus))
    }

    /// Where an event is tried, to see whether it counts at all. For a cgroup the CPU decides.
    pub fn trial(&self) -> Whose {
        match self {
            Scope::Cpus(cpus) | Scope::Cgroups(_, cpus) => Whose::Cpu(cpus.list.first().copied().unwrap_or(0)),
            Scope::Processes(pids) => thread(pids.first().copied().unwrap_or(0)),
        }
    }
}

/// The main thread of a process.
pub fn thread(pid: u32) -> Whose {
    Whose::Thread(libc::pid_t::try_from(pid).unwrap_or(libc::pid_t::MAX))
}

fn processes(setup: &Setup, notes: &mut Vec<String>) -> Result<Vec<u32>, Unavailable> {
    let mut pids: Vec<u32> = Vec::new();
    for pid in &self::pids(setup) {
        // The number of one of its threads means the process, and counts it once.
        let status = read_once(&setup.roots.proc(&format!("{pid}/status"))).unwrap_or_default();
        let group = status.lines().find_map(|l| l.strip_prefix("Tgid:")?.trim().parse().ok()).unwrap_or(*pid);
        if !pids.contains(&group) {
            pids.push(group);
        }
    }
    let (alive, dead): (Vec<u32>, Vec<u32>) =
        pids.iter().partition(|pid| setup.roots.proc(&pid.to_string()).join("stat").exists());
    let list = |pids: &[u32]| pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if alive.is_empty() {
        return Err(Unavailable::mistake(format!("no process {}", list(&dead)))
            .advise("it has ended, or lives in another PID namespace"));
    }
    if !dead.is_empty() {
        notes.push(format!("no process {}: left out", list(&dead)));
    }
    Ok(alive)
}

/// perf up to 6.1 counts nothing at all if one of the CPUs is offline.
fn cpus_of(setup: &Setup, notes: &mut Vec<String>) -> Result<Cpus, Unavailable> {
    let online = online(&setup.roots);
    let Some(list) = &setup.options.perf.cpus else {
        return Ok(Cpus { list: online.unwrap_or_else(|| BTreeSet::from([0])), chosen: false });
    };
    let asked = cpus::parse(list)
        .ok_or_else(|| Unavailable::mistake(format!("`{list}` is not a list of CPUs")).advise("write it as 0-3,8"))?;
    let Some(online) = online else { return Ok(Cpus { list: asked, chosen: true }) };
    let chosen: BTreeSet<u32> = asked.intersection(&online).copied().collect();
    if chosen.is_empty() {
        return Err(Unavailable::mistake(format!("none of the CPUs {list} is online"))
            .advise(format!("online CPUs: {}", cpus::format(&online))));
    }
    if chosen != asked {
        let absent = asked.difference(&online).copied().collect();
        notes.push(format!("CPUs that are not online are left out: {}", cpus::format(&absent)));
    }
    Ok(Cpus { list: chosen, chosen: true })
}

/// The online CPUs; `None` if the kernel does not tell.
pub fn online(roots: &Roots) -> Option<BTreeSet<u32>> {
    if let Some(listed) = read_once(&roots.sys("devices/system/cpu/online")).ok().and_then(|list| cpus::parse(&list)) {
        return Some(listed);
    }
    // A container may hide sysfs.
    let stat = read_once(&roots.proc("stat")).ok()?;
    let cpus: BTreeSet<u32> = cpus::of_stat(stat.as_bytes()).collect();
    Some(cpus).filter(|cpus| !cpus.is_empty())
}

fn cgroups(setup: &Setup, notes: &mut Vec<String>) -> Result<Vec<Cgroup>, Unavailable> {
    let hierarchies = Hierarchies::read(&setup.roots);
    // In version 1 perf_event has its own hierarchy, and version 2 lacks it then.
    let Some(root) = hierarchies.with("perf_event").or(hierarchies.unified()).map(|h| &h.mount) else {
        return Err(Unavailable::new("no cgroup hierarchy with perf events is mounted")
            .advise("mount cgroup2, or the controller perf_event"));
    };
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for name in &setup.options.perf.cgroups {
        // Users copy a cgroup's name from /proc/PID/cgroup, or the path of its folder.
        let below = Path::new(name).strip_prefix(root).unwrap_or(Path::new(name.trim_start_matches('/')));
        let folder = root.join(below);
        if found.iter().any(|c: &Cgroup| c.folder == folder) {
            continue;
        }
        if folder.join("cgroup.procs").exists() {
            found.push(Cgroup { name: below.display().to_string(), folder });
        } else {
            absent.push(name.clone());
        }
    }
    let has_absent = !absent.is_empty();
    let absent = format!("no cgroup {} below {}", absent.join(", "), root.display());
    if found.is_empty() {
        return Err(Unavailable::new(absent).advise("`systemd-cgls` or /proc/PID/cgroup show the names"));
    }
    if has_absent {
        notes.push(absent);
    }
    Ok(found)
}

/// perf's name for the part of the machine that a CPU belongs to: `S0-D0-C3`, `S0`, `N1`.
///
/// Empty for [`Per::Whole`] and [`Per::Cpu`], and `None` if the kernel does not tell.
pub fn part_of(roots: &Roots, cpu: u32, per: Per) -> Option<String> {
    let folder = roots.sys(&format!("devices/system/cpu/cpu{cpu}"));
    let topology =
        |file: &str| -> Option<i64> { read_once(&folder.join("topology").join(file)).ok()?.trim().parse().ok() };
    let socket = || topology("physical_package_id");
    let die = || topology("die_id").unwrap_or(0);
    match per {
        Per::Socket => Some(format!("S{}", socket()?)),
        Per::Die => Some(format!("S{}-D{}", socket()?, die())),
        Per::Core => Some(format!("S{}-D{}-C{}", socket()?, die(), topology("core_id")?)),
        Per::Node => {
            let names = std::fs::read_dir(folder).ok()?.flatten().filter_map(|e| e.file_name().into_string().ok());
            let mut numbers = names.filter_map(|n| n.strip_prefix("node")?.parse::<u32>().ok());
            numbers.next().map(|n| format!("N{n}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::PerfOptions;
    use super::*;
    use crate::collect::options::Options;
    use crate::events::pmu::tests::{roots, tree};

    fn scope(files: &[(&str, &str)], perf: PerfOptions) -> (Result<Scope, Unavailable>, Vec<String>) {
        let dir = tree(files);
        let setup = Setup::new(roots(&dir), Options { perf, ..Options::default() });
        let mut notes = Vec::new();
        (Scope::from_setup(&setup, &mut notes), notes)
    }

    const ONLINE: &[(&str, &str)] = &[("devices/system/cpu/online", "0-2,4\n")];

    #[test]
    fn cpus_are_checked_against_the_online_list() {
        let on = |list: Option<&str>| {
            scope(ONLINE, PerfOptions { cpus: list.map(str::to_string), ..PerfOptions::default() })
        };
        let cpus = |list: &[u32], chosen| Ok(Scope::Cpus(Cpus { list: list.iter().copied().collect(), chosen }));
        assert_eq!(on(None), (cpus(&[0, 1, 2, 4], false), vec![]));
        assert_eq!(on(Some("1-4")), (cpus(&[1, 2, 4], true), vec!["CPUs that are not online are left out: 3".into()]));
        let found = on(Some("3,99")).0.unwrap_err();
        assert_eq!(
            (&*found.reason, found.advice.as_deref()),
            ("none of the CPUs 3,99 is online", Some("online CPUs: 0-2,4"))
        );
        assert!(on(Some("1;2")).0.unwrap_err().is_mistake);
    }

    #[test]
    fn without_sysfs_the_cpus_of_stat_are_taken() {
        let dir = tree(&[("../proc/stat", "cpu  1 2\ncpu0 1 2\ncpu3 1 2\nintr 5\n")]);
        assert_eq!(online(&roots(&dir)), Some(BTreeSet::from([0, 3])));
        assert_eq!(online(&roots(&tree(&[]))), None);
    }

    #[test]
    fn contradictions_are_mistakes() {
        let defaults = PerfOptions::default;
        for options in [
            PerfOptions { pids: vec![1], cgroups: vec!["x".into()], ..defaults() },
            PerfOptions { pids: vec![1], cpus: Some("0".into()), ..defaults() },
            PerfOptions { pids: vec![1], per: Per::Cpu, ..defaults() },
            PerfOptions { per: Per::Thread, ..defaults() },
            PerfOptions { cgroups: vec!["x".into()], per: Per::Socket, ..defaults() },
        ] {
            assert!(scope(ONLINE, options.clone()).0.unwrap_err().is_mistake, "{options:?}");
        }
    }

    #[test]
    fn only_running_processes_are_counted() {
        let files = [("../proc/17/stat", "17 (x) S\n"), ("devices/system/cpu/online", "0\n")];
        let of = |pids: &[u32]| scope(&files, PerfOptions { pids: pids.to_vec(), ..PerfOptions::default() });
        assert_eq!(of(&[17]), (Ok(Scope::Processes(vec![17])), vec![]));
        assert_eq!(of(&[17, 18]), (Ok(Scope::Processes(vec![17])), vec!["no process 18: left out".to_string()]));
        assert_eq!(of(&[18]).0.unwrap_err().reason, "no process 18");
        let threads = [("../proc/17/stat", "17 (x) S\n"), ("../proc/19/status", "Name:\tx\nTgid:\t17\n"), ONLINE[0]];
        let found = scope(&threads, PerfOptions { pids: vec![17, 17, 19], ..PerfOptions::default() });
        assert_eq!(found.0, Ok(Scope::Processes(vec![17])), "one process, regardless of how often it is named");
    }

    #[test]
    fn the_hierarchy_with_perf_events() {
        let v1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        let perf = "33 31 0:30 / /sys/fs/cgroup/perf_event rw - cgroup cgroup rw,perf_event\n";
        let v2 = "34 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        for (mounts, root) in [
            (format!("{v1}{perf}{v2}"), "below /sys/fs/cgroup/perf_event"),
            (format!("{v1}{v2}"), "below /sys/fs/cgroup/unified"),
            (v1.to_string(), "no cgroup hierarchy with perf events"),
        ] {
            let files = [("../proc/self/mountinfo", &*mounts), ("devices/system/cpu/online", "0\n")];
            let perf = PerfOptions { cgroups: vec!["no-such-group".into()], ..PerfOptions::default() };
            let why = scope(&files, perf).0.unwrap_err();
            assert!(why.reason.contains(root), "{why:?}");
        }
    }

    #[test]
    fn cgroups_by_name_or_path() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("cgroup");
        std::fs::create_dir_all(root.join("system.slice/x.service")).unwrap();
        std::fs::write(root.join("system.slice/x.service/cgroup.procs"), "").unwrap();
        let mounts = format!("30 23 0:26 / {} rw - cgroup2 cgroup2 rw\n", root.display());
        let files = [("../proc/self/mountinfo", &*mounts), ("devices/system/cpu/online", "0\n")];
        let path = root.join("system.slice/x.service").display().to_string();
        for name in ["system.slice/x.service", "/system.slice/x.service", &path] {
            let cgroups = vec![name.into(), "gone".into(), "system.slice/x.service".into()];
            let (found, notes) = scope(&files, PerfOptions { cgroups, ..PerfOptions::default() });
            let Ok(Scope::Cgroups(found, _)) = found else { panic!("{name}: {found:?}") };
            assert_eq!(found.len(), 1, "one cgroup, regardless of how often it is named");
            assert_eq!(found[0].name, "system.slice/x.service");
            assert!(notes[0].starts_with("no cgroup gone below "), "{notes:?}");
        }
    }

    #[test]
    fn parts_of_a_machine() {
        let dir = tree(&[
            ("devices/system/cpu/cpu5/topology/physical_package_id", "1\n"),
            ("devices/system/cpu/cpu5/topology/core_id", "2\n"),
            ("devices/system/cpu/cpu5/node1/x", ""),
            ("devices/system/cpu/cpu6/x", ""),
        ]);
        let of = |cpu, per| part_of(&roots(&dir), cpu, per);
        assert_eq!(of(5, Per::Socket).as_deref(), Some("S1"));
        assert_eq!(of(5, Per::Die).as_deref(), Some("S1-D0"));
        assert_eq!(of(5, Per::Core).as_deref(), Some("S1-D0-C2"));
        assert_eq!(of(5, Per::Node).as_deref(), Some("N1"));
        assert_eq!(of(5, Per::Cpu), None);
        assert_eq!(of(6, Per::Socket), None, "a kernel that does not tell");
    }
}
