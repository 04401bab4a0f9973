//! Why the kernel refuses an event, and what can be done about it.
//!
//! The error number alone does not explain it: the permissions of the user and the type of machine matter as well.

use crate::linux::files::{Roots, read_once};

/// Capabilities, as bits of their mask.
const SYS_ADMIN: u64 = 1 << 21;
const PERFMON: u64 = 1 << 38;

/// What explains a refusal on this machine, for this user.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `/proc/sys/kernel/perf_event_paranoid`; `None`: a kernel without perf events, or a hidden file.
    pub paranoid: Option<i64>,
    /// The effective user, and its capabilities as the mask of `/proc/self/status`.
    pub uid: u32,
    pub capabilities: u64,
    /// In its own user namespace: capabilities in it do not count for perf events.
    pub in_user_namespace: bool,
    /// A driver for the CPU's counters has registered itself.
    pub has_cpu_pmu: bool,
    pub is_virtual: bool,
}

impl Facts {
    pub fn read(roots: &Roots) -> Facts {
        let text = |path: std::path::PathBuf| read_once(&path).ok();
        let status = text(roots.proc("self/status")).unwrap_or_default();
        let mask = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
        let pmus = std::fs::read_dir(roots.sys("bus/event_source/devices")).into_iter().flatten().flatten();
        Facts {
            paranoid: text(roots.proc("sys/kernel/perf_event_paranoid")).and_then(|t| t.parse().ok()),
            uid: rustix::process::geteuid().as_raw(),
            capabilities: mask.and_then(|m| u64::from_str_radix(m.trim(), 16).ok()).unwrap_or(0),
            in_user_namespace: text(roots.proc("self/uid_map")).is_some_and(|map| !is_initial(&map)),
            has_cpu_pmu: pmus.filter_map(|p| p.file_name().into_string().ok()).any(|name| is_cpu_pmu(&name)),
            is_virtual: text(roots.proc("cpuinfo")).is_some_and(|t| t.split_whitespace().any(|w| w == "hypervisor")),
        }
    }

    fn may_count_all(&self) -> bool {
        self.capabilities & (SYS_ADMIN | PERFMON) != 0
    }

    /// At the levels added by Debian and Ubuntu, only this capability is accepted.
    fn wants_admin(&self) -> Option<i64> {
        self.paranoid.filter(|level| *level >= 3 && self.capabilities & SYS_ADMIN == 0)
    }

    /// Whether this user may not count the whole system.
    pub fn lacks_permission(&self) -> bool {
        self.paranoid.is_some_and(|level| level >= 1) && !self.may_count_all()
    }

    /// Why an event is refused. The text fits several events, so that they can be reported together.
    pub fn explain(&self, errno: i32) -> String {
        match errno {
            libc::ENOENT | libc::EOPNOTSUPP | libc::ENXIO => match (self.has_cpu_pmu, self.is_virtual) {
                (false, true) => "not supported here (a virtual machine without a PMU)".into(),
                (false, false) => "not supported here (no driver for this CPU's PMU)".into(),
                (true, _) => "not supported here (this CPU has no such event)".into(),
            },
            libc::ENODEV => "not supported on these CPUs (off-line, or another PMU's)".into(),
            libc::EBUSY => "busy (another program holds the counters)".into(),
            libc::EMFILE => "no file descriptors left (see `ulimit -n`)".into(),
            libc::ENFILE => "the machine has no file descriptors left (see `sysctl fs.file-nr`)".into(),
            libc::ENOMEM | libc::ENOSPC => "the kernel has no room for more counters".into(),
            libc::EINVAL => "not possible in this way, says the kernel (invalid argument)".into(),
            libc::ESRCH => "the process has ended".into(),
            libc::ENOSYS => "the kernel has no perf events, or a seccomp profile hides them".into(),
            libc::EACCES | libc::EPERM => self.denial(),
            other => format!("refused ({})", std::io::Error::from_raw_os_error(other)),
        }
    }

    /// Why this user may not count the whole system.
    fn denial(&self) -> String {
        match self.paranoid {
            Some(level) if level >= 1 && !self.may_count_all() => format!(
                "not permitted: perf_event_paranoid is {level}, and uid {} lacks CAP_PERFMON and CAP_SYS_ADMIN",
                self.uid
            ),
            Some(level) if self.wants_admin().is_some() => format!(
                "not permitted: perf_event_paranoid is {level}, for which this kernel wants CAP_SYS_ADMIN, not \
                 CAP_PERFMON"
            ),
            None if !self.may_count_all() => {
                format!("not permitted: perf_event_paranoid cannot be read, and uid {} lacks CAP_PERFMON", self.uid)
            }
            _ if self.in_user_namespace => {
                "not permitted: the capabilities are those of a user namespace, and perf events want the machine's own"
                    .into()
            }
            _ => "not permitted, although the capabilities suffice: a seccomp profile or security module forbids it"
                .into(),
        }
    }

    /// What to do about a refusal; `None` if nothing helps because this machine has no such event.
    pub fn advise(&self, errno: i32) -> Option<String> {
        let advice = match errno {
            libc::ENOENT | libc::EOPNOTSUPP | libc::ENXIO => return None,
            libc::EACCES | libc::EPERM if self.in_user_namespace => {
                "run outside the user namespace, or lower kernel.perf_event_paranoid on the host".into()
            }
            libc::EACCES | libc::EPERM if self.paranoid.is_some_and(|l| l >= 1) && !self.may_count_all() => {
                let capability = if self.wants_admin().is_some() {
                    "lower it to 2 and grant CAP_PERFMON"
                } else {
                    "grant CAP_PERFMON (before Linux 5.8: CAP_SYS_ADMIN)"
                };
                format!("run as root, or `sysctl kernel.perf_event_paranoid=0`, or {capability}")
            }
            libc::EACCES | libc::EPERM if self.wants_admin().is_some() => {
                "`sysctl kernel.perf_event_paranoid=2`, at which CAP_PERFMON suffices".into()
            }
            libc::EACCES | libc::EPERM | libc::ENOSYS => {
                "in a container, add the capability PERFMON and a seccomp profile that allows perf_event_open".into()
            }
            libc::EMFILE => "raise `ulimit -n`, or ask for fewer events or CPUs".into(),
            libc::ENFILE => "raise `sysctl fs.file-max`, or ask for fewer events or CPUs".into(),
            libc::ENOMEM | libc::ENOSPC => "ask for fewer events or CPUs".into(),
            libc::EBUSY => "end the other program that counts (perf, a profiler), or ask for fewer hardware events; \
                            `sysctl kernel.nmi_watchdog=0` frees a counter"
                .into(),
            libc::ENODEV => "name CPUs that are on-line and have this event with --cpus, or leave --cpus out".into(),
            libc::ESRCH => "it has ended, or lives in another PID namespace".into(),
            libc::EINVAL => "leave out the event's modifiers, or ask for it outside of a group".into(),
            _ => "try `perf stat -a -e cpu-clock sleep 1` by hand".into(),
        };
        Some(advice)
    }
}

/// The map of the machine's own user namespace: every user maps to itself.
fn is_initial(map: &str) -> bool {
    let fields: Vec<&str> = map.split_whitespace().collect();
    matches!(fields.as_slice(), ["0", "0", "4294967295"])
}

fn is_cpu_pmu(name: &str) -> bool {
    name == "cpu" || name.starts_with("cpu_") || name.starts_with("armv") || name.starts_with("apple_")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No message says "busy" and then that it counts everywhere, or "no such event" and then how to get it.
    #[test]
    fn reasons_and_advice_agree() {
        let root = Facts { paranoid: Some(-1), capabilities: u64::MAX, has_cpu_pmu: true, ..Facts::default() };
        for (errno, said, advised) in [
            (libc::EMFILE, "no file descriptors left", "`ulimit -n`"),
            (libc::ENFILE, "the machine has no file descriptors left", "fs.file-max"),
            (libc::EBUSY, "busy (another program", "end the other program"),
            (libc::ENODEV, "not supported on these CPUs", "--cpus"),
            (libc::ESRCH, "the process has ended", "PID namespace"),
            (libc::ENOMEM, "no room for more counters", "fewer events"),
            (libc::ENOSPC, "no room for more counters", "fewer events"),
            (libc::EINVAL, "not possible in this way", "modifiers"),
            (libc::ENOSYS, "a seccomp profile", "seccomp profile that allows"),
            (libc::EPERM, "a seccomp profile or security module", "seccomp profile that allows"),
            (libc::EIO, "refused (", "by hand"),
        ] {
            assert!(root.explain(errno).contains(said), "{errno}: {}", root.explain(errno));
            let advice = root.advise(errno).unwrap();
            assert!(advice.contains(advised) && !advice.contains("counts on every machine"), "{errno}: {advice}");
        }
        for nothing_helps in [libc::ENOENT, libc::EOPNOTSUPP, libc::ENXIO] {
            assert!(root.explain(nothing_helps).starts_with("not supported here"));
            assert_eq!(root.advise(nothing_helps), None);
        }
    }

    #[test]
    fn refusals_are_explained() {
        let nobody = Facts { paranoid: Some(2), uid: 65534, is_virtual: true, ..Facts::default() };
        assert_eq!(nobody.explain(libc::ENOENT), "not supported here (a virtual machine without a PMU)");
        assert_eq!(
            nobody.explain(libc::EACCES),
            "not permitted: perf_event_paranoid is 2, and uid 65534 lacks CAP_PERFMON and CAP_SYS_ADMIN"
        );
        let advise = |facts: &Facts, errno| facts.advise(errno).unwrap();
        assert!(advise(&nobody, libc::EACCES).contains("grant CAP_PERFMON"));
        let debian = Facts { paranoid: Some(3), ..nobody.clone() };
        assert!(advise(&debian, libc::EACCES).contains("lower it to 2"));
        let service = Facts { capabilities: PERFMON, ..debian };
        assert!(
            service.explain(libc::EACCES).ends_with("is 3, for which this kernel wants CAP_SYS_ADMIN, not CAP_PERFMON")
        );
        assert!(advise(&service, libc::EACCES).starts_with("`sysctl kernel.perf_event_paranoid=2`"));
        let root = Facts { paranoid: Some(2), capabilities: 1 << 38, ..Facts::default() };
        assert!(root.explain(libc::EPERM).contains("seccomp"));
        let inside = Facts { in_user_namespace: true, ..root.clone() };
        assert!(inside.explain(libc::EPERM).contains("user namespace"));
        assert!(is_initial("         0          0 4294967295\n") && !is_initial("0 1000 1\n"));
        let hidden = Facts { paranoid: None, uid: 7, ..Facts::default() };
        assert!(hidden.explain(libc::EACCES).contains("cannot be read, and uid 7 lacks"));
        assert!(advise(&root, libc::EPERM).contains("container"));
    }

    #[test]
    fn facts_of_a_captured_tree() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/sys/kernel/perf_event_paranoid", "-1\n");
        write("proc/self/status", "Name:\tx\nCapEff:\t0000004000000000\n");
        write("proc/cpuinfo", "flags\t\t: fpu vme hypervisor lm\n");
        write("sys/bus/event_source/devices/cpu_core/type", "4\n");
        let facts = Facts::read(&Roots { proc: dir.path().join("proc"), sys: dir.path().join("sys") });
        assert_eq!(facts.paranoid, Some(-1));
        assert!(facts.may_count_all() && facts.has_cpu_pmu && facts.is_virtual);
    }
}
