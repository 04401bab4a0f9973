//! Asks the kernel, event by event, whether it can be counted here. Source: `perf_event_open(2)`.
//!
//! One name that perf does not like ends it with all its other events; and up to version 6.17 it counts nothing at all
//! without saying so. So every event is opened once, and closed at once, before perf is started. That proves that an
//! event exists, not that it counts: some virtual machines offer counters that stay at zero.

use std::os::fd::{FromRawFd, OwnedFd};

use super::event::EventId;
use crate::source::{Roots, read_once};

/// The first published form of `struct perf_event_attr`, 64 bytes: every kernel takes it.
#[repr(C)]
#[derive(Default)]
struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    bp_addr: u64,
}

const DISABLED: u64 = 1 << 0;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HV: u64 = 1 << 6;

/// Whose counts are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Everything that runs on this CPU.
    Cpu(u32),
    Own,
}

/// The kernel's answer to one question; an error is an `errno`.
pub type Ask<'a> = dyn Fn(EventId, Whose, bool) -> Result<(), i32> + 'a;

/// `perf_event_open`, with or without the kernel's share of the counts.
///
/// # Errors
/// The `errno` of a refusal.
pub fn system_call(id: EventId, whose: Whose, user_only: bool) -> Result<(), i32> {
    let attr = Attr {
        kind: id.kind,
        size: size_of::<Attr>() as u32,
        config: id.config,
        flags: DISABLED | EXCLUDE_HV | if user_only { EXCLUDE_KERNEL } else { 0 },
        ..Attr::default()
    };
    let (pid, cpu): (libc::pid_t, libc::c_int) = match whose {
        Whose::Cpu(cpu) => (-1, libc::c_int::try_from(cpu).unwrap_or(libc::c_int::MAX)),
        Whose::Own => (0, -1),
    };
    const NO_GROUP: libc::c_int = -1;
    const FD_CLOEXEC: libc::c_ulong = 8;
    // SAFETY: `attr` is a complete structure of the size that it names, and outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, &attr as *const Attr, pid, cpu, NO_GROUP, FD_CLOEXEC) };
    match i32::try_from(fd) {
        Ok(fd) if fd >= 0 => {
            // SAFETY: the kernel has just handed this descriptor to us; dropping it closes it.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
            Ok(())
        }
        _ => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)),
    }
}

/// Whether an event can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Counts,
    /// Only what programs do in user mode.
    UserOnly,
    /// The event may exist, but this user may not count it so.
    Denied(i32),
    /// It does not exist here, or something is in the way: the `errno`.
    Missing(i32),
}

/// Can this event be counted on this CPU, and with the kernel's share?
pub fn probe(ask: &Ask<'_>, id: EventId, cpu: u32, user_only: bool) -> Answer {
    let denied = |errno| matches!(errno, libc::EACCES | libc::EPERM);
    let mut first = match ask(id, Whose::Cpu(cpu), user_only) {
        Ok(()) => return Answer::Counts,
        Err(errno) => errno,
    };
    if denied(first) && !user_only {
        match ask(id, Whose::Cpu(cpu), true) {
            Ok(()) => return Answer::UserOnly,
            Err(errno) => first = errno,
        }
    }
    // Permission is asked for before existence: counting oneself needs the least of it, and tells the two apart.
    match denied(first).then(|| ask(id, Whose::Own, true)) {
        Some(Err(errno)) if !denied(errno) => Answer::Missing(errno),
        Some(_) => Answer::Denied(first),
        None => Answer::Missing(first),
    }
}

/// What about this machine and user explains a refusal.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `/proc/sys/kernel/perf_event_paranoid`; none: a kernel without perf events, or a hidden file.
    pub paranoid: Option<i64>,
    /// The effective user, and its capabilities as the mask of `/proc/self/status`.
    pub uid: u32,
    pub capabilities: u64,
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
            // SAFETY: always succeeds.
            uid: unsafe { libc::geteuid() },
            capabilities: mask.and_then(|m| u64::from_str_radix(m.trim(), 16).ok()).unwrap_or(0),
            has_cpu_pmu: pmus.filter_map(|p| p.file_name().into_string().ok()).any(|name| is_cpu_pmu(&name)),
            is_virtual: text(roots.proc("cpuinfo")).is_some_and(|t| t.split_whitespace().any(|w| w == "hypervisor")),
        }
    }

    fn may_count_all(&self) -> bool {
        const SYS_ADMIN: u64 = 1 << 21;
        const PERFMON: u64 = 1 << 38;
        self.capabilities & (SYS_ADMIN | PERFMON) != 0
    }

    /// Why an event is refused, in words that fit several events, so that they can be told together.
    pub fn explain(&self, errno: i32) -> String {
        match errno {
            libc::ENOENT | libc::EOPNOTSUPP | libc::ENXIO => match (self.has_cpu_pmu, self.is_virtual) {
                (false, true) => "not supported here (a virtual machine without a PMU)".into(),
                (false, false) => "not supported here (no driver for this CPU's PMU)".into(),
                (true, _) => "not supported here (this CPU has no such event)".into(),
            },
            libc::ENODEV => "not supported on these CPUs (off-line, or another PMU's)".into(),
            libc::EBUSY => "busy (another program holds the counters)".into(),
            libc::EMFILE | libc::ENFILE => "no file descriptors left (see `ulimit -n`)".into(),
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
            _ => "not permitted, although the capabilities suffice: a seccomp profile or security module forbids it"
                .into(),
        }
    }

    /// What to do about a refusal of everything.
    pub fn advise(&self, errno: i32) -> String {
        match errno {
            libc::EACCES | libc::EPERM if self.paranoid.is_some_and(|l| l >= 1) && !self.may_count_all() => {
                let level = self.paranoid.unwrap_or(0);
                let capability = if level >= 3 {
                    // Debian's and Ubuntu's own levels ask for CAP_SYS_ADMIN, whatever else is there.
                    "lower it to 2 and grant CAP_PERFMON"
                } else {
                    "grant CAP_PERFMON (before Linux 5.8: CAP_SYS_ADMIN)"
                };
                format!("run as root, or `sysctl kernel.perf_event_paranoid=0`, or {capability}")
            }
            libc::EACCES | libc::EPERM | libc::ENOSYS => {
                "in a container, add the capability PERFMON and a seccomp profile that allows perf_event_open".into()
            }
            libc::EMFILE | libc::ENFILE => "raise `ulimit -n`, or ask for fewer events or CPUs".into(),
            _ => "try `perf stat -a -e cpu-clock sleep 1` by hand".into(),
        }
    }
}

fn is_cpu_pmu(name: &str) -> bool {
    name == "cpu" || name.starts_with("cpu_") || name.starts_with("armv") || name.starts_with("apple_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CYCLES: EventId = EventId { kind: 0, config: 0 };

    #[test]
    fn answers() {
        let kernel = |system: i32, system_user: i32, own: i32| {
            move |_: EventId, whose: Whose, user_only: bool| {
                let errno = match (whose, user_only) {
                    (Whose::Own, _) => own,
                    (Whose::Cpu(_), true) => system_user,
                    (Whose::Cpu(_), false) => system,
                };
                if errno == 0 { Ok(()) } else { Err(errno) }
            }
        };
        let answer = |system, system_user, own| probe(&kernel(system, system_user, own), CYCLES, 0, false);
        use libc::{EACCES, ENOENT, ENOSYS, EPERM};
        assert_eq!(answer(0, 0, 0), Answer::Counts);
        assert_eq!(answer(EACCES, 0, 0), Answer::UserOnly);
        assert_eq!(answer(EACCES, EACCES, 0), Answer::Denied(EACCES));
        assert_eq!(answer(EACCES, EACCES, ENOENT), Answer::Missing(ENOENT), "denied first, but not there either");
        assert_eq!(answer(EACCES, ENOENT, 0), Answer::Missing(ENOENT));
        assert_eq!(answer(ENOENT, ENOENT, ENOENT), Answer::Missing(ENOENT));
        assert_eq!(answer(EPERM, EPERM, EPERM), Answer::Denied(EPERM), "a seccomp profile refuses everything");
        assert_eq!(answer(ENOSYS, ENOSYS, ENOSYS), Answer::Missing(ENOSYS));
    }

    #[test]
    fn the_structure_has_the_kernels_size() {
        assert_eq!(size_of::<Attr>(), 64);
    }

    #[test]
    fn the_kernel_knows_no_event_of_type_million() {
        // Whatever this machine allows: ENOENT where the call works, EACCES, EPERM or ENOSYS where it is forbidden.
        let errno = system_call(EventId { kind: 1_000_000, config: 0 }, Whose::Own, true).unwrap_err();
        assert!([libc::ENOENT, libc::EACCES, libc::EPERM, libc::ENOSYS].contains(&errno), "{errno}");
    }

    #[test]
    fn refusals_are_explained() {
        let nobody = Facts { paranoid: Some(2), uid: 65534, is_virtual: true, ..Facts::default() };
        assert_eq!(nobody.explain(libc::ENOENT), "not supported here (a virtual machine without a PMU)");
        assert_eq!(
            nobody.explain(libc::EACCES),
            "not permitted: perf_event_paranoid is 2, and uid 65534 lacks CAP_PERFMON and CAP_SYS_ADMIN"
        );
        assert!(nobody.advise(libc::EACCES).contains("grant CAP_PERFMON"));
        let debian = Facts { paranoid: Some(3), ..nobody.clone() };
        assert!(debian.advise(libc::EACCES).contains("lower it to 2"));
        let root = Facts { paranoid: Some(2), capabilities: 1 << 38, ..Facts::default() };
        assert!(root.explain(libc::EPERM).contains("seccomp"));
        assert!(root.advise(libc::EPERM).contains("container"));
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
