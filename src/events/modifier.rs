//! The letters after an event's name: what it is restricted to.

use super::generic::usual_name;
use super::name::parts;
use super::tracepoint;

/// The parts of an event that are not counted, as in `perf_event_attr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    pub no_user: bool,
    pub no_kernel: bool,
    pub no_hypervisor: bool,
    pub no_host: bool,
    pub no_guest: bool,
    pub no_idle: bool,
    /// Always on a counter, or in error.
    pub pinned: bool,
    /// The only group on the CPU.
    pub exclusive: bool,
    /// How precisely the instruction must be known, 0-3; most CPUs cannot count in this way.
    pub precise: u8,
}

impl Modifiers {
    /// What perf leaves out by default: the guests of this machine.
    pub const NONE: Modifiers = Modifiers {
        no_user: false,
        no_kernel: false,
        no_hypervisor: false,
        no_host: false,
        no_guest: true,
        no_idle: false,
        pinned: false,
        exclusive: false,
        precise: 0,
    };

    /// User mode only, which is all that users without permission may count.
    pub fn user_only(self) -> Modifiers {
        Modifiers { no_kernel: true, no_hypervisor: true, ..self }
    }

    /// The letters of `:ukp`; `None` if a letter needs more than counting.
    pub fn parse(letters: &str) -> Option<Modifiers> {
        let mut m = Modifiers::NONE;
        let any = |set: &str| letters.contains(|c| set.contains(c));
        if any("ukh") {
            (m.no_user, m.no_kernel, m.no_hypervisor) =
                (!letters.contains('u'), !letters.contains('k'), !letters.contains('h'));
        }
        if any("GH") {
            (m.no_guest, m.no_host) = (!letters.contains('G'), !letters.contains('H'));
        }
        for letter in letters.chars() {
            match letter {
                'u' | 'k' | 'h' | 'G' | 'H' | 'S' | 'W' => {}
                'I' => m.no_idle = true,
                'D' => m.pinned = true,
                'e' => m.exclusive = true,
                'p' if m.precise < 3 => m.precise += 1,
                // `P`: the highest possible precision, which perf finds by trying; `b`, `R`: not about counting.
                _ => return None,
            }
        }
        Some(m)
    }
}

/// Whether this event always stays at zero if restricted to user mode. This holds for events that only happen in the
/// kernel: `cs:u`, and all tracepoints except those of user programs.
pub fn counts_nothing_in_user_mode(name: &str) -> bool {
    let parts = parts(name);
    let leaves_kernel_out = parts.modifiers.and_then(Modifiers::parse).is_some_and(|m| m.no_kernel);
    leaves_kernel_out && is_of_kernel(parts.pmu, parts.base)
}

fn is_of_kernel(pmu: Option<&str>, base: &str) -> bool {
    if let Some((system, _)) = tracepoint::split(base).filter(|_| pmu.is_none()) {
        // Breakpoints and firmware events have colons as well.
        let is_other = matches!(system, "uprobes" | "mem" | "firmware");
        return !(is_other || system.starts_with("probe_") || system.starts_with("sdt_"));
    }
    let is_software = pmu.is_none_or(|pmu| pmu == "software");
    is_software && matches!(&*usual_name(base), "context-switches" | "cpu-migrations" | "cgroup-switches")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_events_are_not_counted_in_user_mode() {
        for never in [
            "context-switches:u",
            "cs:u",
            "cs:uH",
            "migrations:u",
            "cgroup-switches:u",
            "cs:u [software]",
            "software/context-switches/u",
            "sched:sched_switch:u",
        ] {
            assert!(counts_nothing_in_user_mode(never), "{never}");
        }
        for counts in [
            "context-switches",
            "cs:k",
            "cs:uk",
            "cs:H",
            "page-faults:u",
            "cpu-clock:u",
            "task-clock:u",
            "cycles:u",
            "cpu/cs/u",
            "probe_libc:malloc:u",
            "sched:sched_switch",
            "mem:0x1000:u",
        ] {
            assert!(!counts_nothing_in_user_mode(counts), "{counts}");
        }
    }

    #[test]
    fn letters() {
        assert_eq!(Modifiers::parse(""), Some(Modifiers::NONE));
        let u = Modifiers::parse("u").unwrap();
        assert_eq!((u.no_user, u.no_kernel, u.no_hypervisor, u.no_guest), (false, true, true, true));
        assert_eq!(u, Modifiers::NONE.user_only());
        let k = Modifiers::parse("k").unwrap();
        assert_eq!((k.no_user, k.no_kernel, k.no_hypervisor), (true, false, true));
        let uk = Modifiers::parse("uk").unwrap();
        assert_eq!((uk.no_user, uk.no_kernel, uk.no_hypervisor), (false, false, true));
        let guest = Modifiers::parse("G").unwrap();
        assert_eq!((guest.no_guest, guest.no_host), (false, true));
        assert_eq!(Modifiers::parse("GH").map(|m| (m.no_guest, m.no_host)), Some((false, false)));
        assert_eq!(Modifiers::parse("ppp").map(|m| m.precise), Some(3));
        assert!(Modifiers::parse("DeI").is_some_and(|m| m.pinned && m.exclusive && m.no_idle));
        for not_counting in ["P", "b", "R", "pppp", "x", "ux"] {
            assert_eq!(Modifiers::parse(not_counting), None, "{not_counting}");
        }
    }
}
