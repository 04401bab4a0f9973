//! The parts of an event name, as typed by users and as printed by perf: `cpu_core/cycles/u`, `cycles:u`, `cpu-clock
//! [software]`.

use super::generic;

/// Whether this is one of the clocks, whose unit differs between versions of perf.
pub fn is_clock(base: &str) -> bool {
    matches!(base, "cpu-clock" | "task-clock")
}

/// The parts of a name: `cpu_core/cycles/u` is (`cpu_core`, `cycles`, `u`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    pub pmu: Option<&'a str>,
    pub base: &'a str,
    pub modifiers: Option<&'a str>,
}

/// Splits a name, as typed by a user or as printed by perf.
pub fn parts(name: &str) -> Parts<'_> {
    let (name, bracket) = without_bracket(name);
    if let Some((pmu, rest)) = name.split_once('/')
        && let Some((inner, after)) = rest.rsplit_once('/')
        && !pmu.is_empty()
        && !inner.is_empty()
    {
        // perf 5.13 to 6.x writes `cpu_core/cycles:u/` on hybrid CPUs, other versions `cpu_core/cycles/u`.
        let (base, inside) = if inner.contains('=') { (inner, None) } else { without_modifiers(inner) };
        let after = Some(after.trim_start_matches(':')).filter(|a| !a.is_empty());
        // `cs/period=1000/`: an event with terms, without a PMU.
        if generic::id_of(pmu).is_some() {
            return Parts { pmu: None, base: pmu, modifiers: after };
        }
        return Parts { pmu: Some(pmu), base, modifiers: after.or(inside) };
    }
    let (base, modifiers) = without_modifiers(name);
    Parts { pmu: bracket, base, modifiers }
}

/// Does a name that a user typed mean this event? Without a PMU or modifiers it means those with any: `cycles` means
/// `cpu_core/cycles/u`, and `cpu-cycles` is the same event.
pub fn means(asked: &str, recorded: &str) -> bool {
    let (of, is) = (parts(asked), parts(recorded));
    let same = |asked: Option<&str>, is: Option<&str>| asked.is_none_or(|asked| is == Some(asked));
    asked == recorded
        || generic::usual_name(of.base) == generic::usual_name(is.base)
            && same(of.pmu, is.pmu)
            && same(of.modifiers, is.modifiers)
}

/// The name without the suffix of perf 6.8 to 6.12: `cycles [cpu]` is `cycles` of the PMU `cpu`.
pub fn without_bracket(name: &str) -> (&str, Option<&str>) {
    match name.strip_suffix(']').and_then(|n| n.rsplit_once(" [")) {
        Some((name, pmu)) if !name.is_empty() && !pmu.is_empty() => (name, Some(pmu)),
        _ => (name, None),
    }
}

/// Cuts off modifiers like `:u`. A colon alone means nothing: `sched:sched_switch` and `mem:0x1000:rw` have no
/// modifiers.
fn without_modifiers(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((base, letters))
            if !base.is_empty() && !letters.is_empty() && letters.bytes().all(|b| b"ukhGHIpPSDWebR".contains(&b)) =>
        {
            (base, Some(letters))
        }
        _ => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(name: &str) -> (Option<&str>, &str, Option<&str>) {
        let p = parts(name);
        (p.pmu, p.base, p.modifiers)
    }

    #[test]
    fn what_a_typed_name_means() {
        for (asked, recorded) in [
            ("cycles", "cycles"),
            ("cycles", "cycles:u"),
            ("cpu-cycles", "cpu_core/cycles/u"),
            ("cs", "context-switches"),
            ("cpu_core/cycles/", "cpu_core/cycles/u"),
            ("sched:sched_switch", "sched:sched_switch"),
        ] {
            assert!(means(asked, recorded), "{asked} {recorded}");
        }
        for (asked, recorded) in [
            ("cycles:u", "cycles"),
            ("cycles", "ref-cycles"),
            ("cpu_atom/cycles/", "cpu_core/cycles/"),
            ("sched:sched_switch", "sched:sched_wakeup"),
            ("", "cycles"),
        ] {
            assert!(!means(asked, recorded), "{asked} {recorded}");
        }
    }

    #[test]
    fn names_are_split() {
        assert_eq!(split("cycles"), (None, "cycles", None));
        assert_eq!(split("cycles:u"), (None, "cycles", Some("u")));
        assert_eq!(split("instructions:uH"), (None, "instructions", Some("uH")));
        assert_eq!(split("cpu_core/cycles/"), (Some("cpu_core"), "cycles", None));
        assert_eq!(split("uncore_imc_0/cas_count_read/u"), (Some("uncore_imc_0"), "cas_count_read", Some("u")));
        assert_eq!(split("cpu_core/instructions:u/"), (Some("cpu_core"), "instructions", Some("u")));
        assert_eq!(split("apple_firestorm_pmu/cycles:k/"), (Some("apple_firestorm_pmu"), "cycles", Some("k")));
        assert_eq!(split("cpu/event=0x3c,umask=0x0/"), (Some("cpu"), "event=0x3c,umask=0x0", None));
        assert_eq!(split("msr/tsc,name='a:u'/k"), (Some("msr"), "tsc,name='a:u'", Some("k")));
        assert_eq!(split("cpu-clock [software]"), (Some("software"), "cpu-clock", None));
        assert_eq!(split("cycles:u [cpu]"), (Some("cpu"), "cycles", Some("u")));
        assert_eq!(split("r01c4:k"), (None, "r01c4", Some("k")));
        for whole in ["sched:sched_switch", "mem:0x1000:rw", "firmware:fw_set_timer", "ls_dispatch.ld_dispatch"] {
            assert_eq!(split(whole), (None, whole, None));
        }
        for odd in ["", "/", "//", ":", ":u", "/x/", "a/", "[", " []", "a []", "u:"] {
            assert_eq!(split(odd).1, odd, "unchanged");
        }
    }
}
