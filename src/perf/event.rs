//! Event names: which there are, how the kernel numbers them, and what perf makes of a name when it prints it.
//!
//! Source: the kernel's `include/uapi/linux/perf_event.h` for the numbers; `perf list` for the names.

/// The events that are counted where nothing else was asked for.
pub const DEFAULT: [&str; 17] = [
    "cpu-clock",
    "context-switches",
    "cpu-migrations",
    "page-faults",
    "cycles",
    "instructions",
    "branches",
    "branch-misses",
    "L1-dcache-loads",
    "L1-dcache-load-misses",
    "LLC-loads",
    "LLC-load-misses",
    "L1-icache-loads",
    "dTLB-loads",
    "dTLB-load-misses",
    "iTLB-loads",
    "iTLB-load-misses",
];

/// The event that counts wherever the system call is allowed at all.
pub const CPU_CLOCK: &str = "cpu-clock";

/// How `perf_event_open` knows an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    /// `perf_event_attr.type`.
    pub kind: u32,
    /// `perf_event_attr.config`.
    pub config: u64,
}

const HARDWARE: u32 = 0;
const SOFTWARE: u32 = 1;
const HW_CACHE: u32 = 3;

/// Names of one event, the usual one first.
struct Numbered {
    names: &'static [&'static str],
    id: EventId,
}

const fn numbered(kind: u32, config: u64, names: &'static [&'static str]) -> Numbered {
    Numbered { names, id: EventId { kind, config } }
}

static NUMBERED: &[Numbered] = &[
    numbered(HARDWARE, 0, &["cycles", "cpu-cycles"]),
    numbered(HARDWARE, 1, &["instructions"]),
    numbered(HARDWARE, 2, &["cache-references"]),
    numbered(HARDWARE, 3, &["cache-misses"]),
    numbered(HARDWARE, 4, &["branches", "branch-instructions"]),
    numbered(HARDWARE, 5, &["branch-misses"]),
    numbered(HARDWARE, 6, &["bus-cycles"]),
    numbered(HARDWARE, 7, &["stalled-cycles-frontend", "idle-cycles-frontend"]),
    numbered(HARDWARE, 8, &["stalled-cycles-backend", "idle-cycles-backend"]),
    numbered(HARDWARE, 9, &["ref-cycles"]),
    numbered(SOFTWARE, 0, &["cpu-clock"]),
    numbered(SOFTWARE, 1, &["task-clock"]),
    numbered(SOFTWARE, 2, &["page-faults", "faults"]),
    numbered(SOFTWARE, 3, &["context-switches", "cs"]),
    numbered(SOFTWARE, 4, &["cpu-migrations", "migrations"]),
    numbered(SOFTWARE, 5, &["minor-faults"]),
    numbered(SOFTWARE, 6, &["major-faults"]),
    numbered(SOFTWARE, 7, &["alignment-faults"]),
    numbered(SOFTWARE, 8, &["emulation-faults"]),
    numbered(SOFTWARE, 9, &["dummy"]),
    numbered(SOFTWARE, 10, &["bpf-output"]),
    numbered(SOFTWARE, 11, &["cgroup-switches"]),
];

/// Caches with their number and the numbers of the operations that they know: read 0, write 1, prefetch 2.
static CACHES: &[(&str, u64, &[usize])] = &[
    ("L1-dcache", 0, &[0, 1, 2]),
    ("L1-icache", 1, &[0, 2]),
    ("LLC", 2, &[0, 1, 2]),
    ("dTLB", 3, &[0, 1, 2]),
    ("iTLB", 4, &[0]),
    ("branch", 5, &[0]),
    ("node", 6, &[0, 1, 2]),
];

/// How a cache event's name ends, by operation: an access, a miss.
static CACHE_ENDINGS: [[&str; 2]; 3] =
    [["-loads", "-load-misses"], ["-stores", "-store-misses"], ["-prefetches", "-prefetch-misses"]];

/// Every cache event, as (cache, ending, number).
fn cache_events() -> impl Iterator<Item = (&'static str, &'static str, EventId)> {
    CACHES.iter().flat_map(|&(cache, number, operations)| {
        operations.iter().flat_map(move |&op| {
            CACHE_ENDINGS[op].iter().enumerate().map(move |(result, ending)| {
                let config = number | (op as u64) << 8 | (result as u64) << 16;
                (cache, *ending, EventId { kind: HW_CACHE, config })
            })
        })
    })
}

/// The kernel's number of a generic event; nothing for names that only perf understands (`cpu/event=0x3c/`, tracepoints).
pub fn id_of(name: &str) -> Option<EventId> {
    if let Some(found) = NUMBERED.iter().find(|n| n.names.contains(&name)) {
        return Some(found.id);
    }
    cache_events().find(|(cache, ending, _)| name.strip_prefix(cache) == Some(ending)).map(|(_, _, id)| id)
}

/// The name of a generic event that looks most like `name`, if any is near.
pub fn nearest(name: &str) -> Option<String> {
    let generic = NUMBERED.iter().flat_map(|n| n.names.iter().map(ToString::to_string));
    let cache = cache_events().map(|(cache, ending, _)| format!("{cache}{ending}"));
    let scored = generic.chain(cache).map(|known| (strsim::jaro_winkler(name, &known), known));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// Is this one of the clocks, whose unit differs between versions of perf?
pub fn is_clock(base: &str) -> bool {
    matches!(base, "cpu-clock" | "task-clock")
}

/// A name in its parts: `cpu_core/cycles/u` is (`cpu_core`, `cycles`, `u`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    pub pmu: Option<&'a str>,
    pub base: &'a str,
    pub modifiers: Option<&'a str>,
}

/// Takes a name as a user types it or as perf prints it apart.
pub fn parts(name: &str) -> Parts<'_> {
    let (name, bracket) = without_bracket(name);
    if let Some((pmu, rest)) = name.split_once('/')
        && let Some((inner, after)) = rest.rsplit_once('/')
        && !pmu.is_empty()
        && !inner.is_empty()
    {
        // perf 5.13 to 6.x writes `cpu_core/cycles:u/` on hybrid CPUs, all others `cpu_core/cycles/u`.
        let (base, inside) = without_modifiers(inner);
        let after = Some(after.trim_start_matches(':')).filter(|a| !a.is_empty());
        return Parts { pmu: Some(pmu), base, modifiers: after.or(inside) };
    }
    let (base, modifiers) = without_modifiers(name);
    Parts { pmu: bracket, base, modifiers }
}

/// The name without what perf 6.8 to 6.12 adds: `cycles [cpu]` is `cycles` of the PMU `cpu`.
pub fn without_bracket(name: &str) -> (&str, Option<&str>) {
    match name.strip_suffix(']').and_then(|n| n.rsplit_once(" [")) {
        Some((name, pmu)) if !name.is_empty() && !pmu.is_empty() => (name, Some(pmu)),
        _ => (name, None),
    }
}

/// Cuts `:u` and the like off. A colon alone says nothing: `sched:sched_switch` and `mem:0x1000:rw` have no modifiers.
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

/// Cuts an event list at its commas, but not at those inside `pmu/a=1,b=2/` and `{a,b}`; an event named twice counts once.
pub fn split_list(list: &str) -> Vec<String> {
    let (mut found, mut start, mut braces, mut in_terms) = (Vec::<String>::new(), 0, 0usize, false);
    let mut add = |event: &str| {
        let event = event.trim();
        if !event.is_empty() && !found.iter().any(|f| f == event) {
            found.push(event.to_string());
        }
    };
    for (at, c) in list.char_indices() {
        match c {
            '/' => in_terms = !in_terms,
            '{' if !in_terms => braces += 1,
            '}' if !in_terms => braces = braces.saturating_sub(1),
            ',' if !in_terms && braces == 0 => {
                add(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    add(&list[start..]);
    found
}

/// One element of the event list as it was asked for, which is also how it stands on perf's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub text: String,
    /// The kernel's number, where the name is a generic one.
    pub id: Option<EventId>,
}

impl Request {
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let parts = parts(&text);
        let id = if parts.pmu.is_none() { id_of(parts.base) } else { None };
        Request { text, id }
    }

    /// A name of perf's own, not one of a tracepoint, a PMU's or a CPU model's, which another machine may well have.
    pub fn is_plain(&self) -> bool {
        !self.text.contains(['/', '.']) && !parts(&self.text).base.contains(':')
    }

    /// The generic name that is most like this one, or like the unknown one of a group.
    pub fn nearest(&self) -> Option<String> {
        let inner = self.text.strip_prefix('{').and_then(|t| Some(t.rsplit_once('}')?.0));
        let members = inner.map_or_else(|| vec![self.text.clone()], split_list);
        let mut unknown = members.iter().map(|m| parts(m).base).filter(|base| id_of(base).is_none());
        unknown.find_map(nearest)
    }

    /// Were only counts of user mode asked for?
    pub fn is_user_only(&self) -> bool {
        parts(&self.text).modifiers.is_some_and(|m| m.contains('u') && !m.contains('k') && !m.contains('h'))
    }

    /// Is a row of this printed name an answer to this request? perf adds modifiers and PMUs of its own, so the base
    /// decides, and whatever else was asked for must be there.
    pub fn is_answered_by(&self, printed: &str) -> bool {
        if let Some(group) = self.text.strip_prefix('{') {
            let inner = group.rsplit_once('}').map_or(group, |(inner, _)| inner);
            return split_list(inner).into_iter().any(|member| Request::new(member).is_answered_by(printed));
        }
        if self.text == printed {
            return true;
        }
        let (asked, got) = (parts(&self.text), parts(printed));
        let letters = |m: Option<&str>| -> Vec<u8> { m.unwrap_or_default().bytes().collect() };
        asked.base == got.base
            && (asked.pmu.is_none() || asked.pmu == got.pmu)
            && letters(asked.modifiers).iter().all(|l| letters(got.modifiers).contains(l))
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
    fn numbers_of_the_kernel() {
        let id = |kind, config| Some(EventId { kind, config });
        assert_eq!(id_of("cycles"), id(0, 0));
        assert_eq!(id_of("cpu-cycles"), id(0, 0));
        assert_eq!(id_of("ref-cycles"), id(0, 9));
        assert_eq!(id_of("cs"), id(1, 3));
        assert_eq!(id_of("L1-dcache-loads"), id(3, 0));
        assert_eq!(id_of("L1-dcache-load-misses"), id(3, 0x1_0000));
        assert_eq!(id_of("LLC-store-misses"), id(3, 0x1_0102));
        assert_eq!(id_of("node-prefetches"), id(3, 0x206));
        assert_eq!(id_of("iTLB-load-misses"), id(3, 0x1_0004));
        assert_eq!(id_of("branch-loads"), id(3, 5));
        assert_eq!(id_of("branch-misses"), id(0, 5));
        for unknown in ["", "iTLB-stores", "L1-icache-stores", "LLC", "-loads", "cycle", "sched:sched_switch"] {
            assert_eq!(id_of(unknown), None, "{unknown}");
        }
        assert_eq!(cache_events().count(), 32, "perf list names 32 cache events");
    }

    #[test]
    fn every_default_event_is_numbered() {
        for name in DEFAULT {
            assert!(id_of(name).is_some(), "{name}");
        }
    }

    #[test]
    fn names_apart() {
        assert_eq!(split("cycles"), (None, "cycles", None));
        assert_eq!(split("cycles:u"), (None, "cycles", Some("u")));
        assert_eq!(split("instructions:uH"), (None, "instructions", Some("uH")));
        assert_eq!(split("cpu_core/cycles/"), (Some("cpu_core"), "cycles", None));
        assert_eq!(split("uncore_imc_0/cas_count_read/u"), (Some("uncore_imc_0"), "cas_count_read", Some("u")));
        assert_eq!(split("cpu_core/instructions:u/"), (Some("cpu_core"), "instructions", Some("u")));
        assert_eq!(split("apple_firestorm_pmu/cycles:k/"), (Some("apple_firestorm_pmu"), "cycles", Some("k")));
        assert_eq!(split("cpu/event=0x3c,umask=0x0/"), (Some("cpu"), "event=0x3c,umask=0x0", None));
        assert_eq!(split("cpu-clock [software]"), (Some("software"), "cpu-clock", None));
        assert_eq!(split("cycles:u [cpu]"), (Some("cpu"), "cycles", Some("u")));
        assert_eq!(split("r01c4:k"), (None, "r01c4", Some("k")));
        for whole in ["sched:sched_switch", "mem:0x1000:rw", "firmware:fw_set_timer", "ls_dispatch.ld_dispatch"] {
            assert_eq!(split(whole), (None, whole, None));
        }
        for odd in ["", "/", "//", ":", ":u", "/x/", "a/", "[", " []", "a []", "u:"] {
            assert_eq!(split(odd).1, odd, "left as it is");
        }
    }

    #[test]
    fn lists_are_cut_outside_braces_and_terms() {
        assert_eq!(split_list("cycles, cs ,,cycles"), ["cycles", "cs"]);
        assert_eq!(
            split_list("cpu/event=0x3c,umask=0x0/u,{cycles,instructions}:S,cpu_core/cycles/"),
            ["cpu/event=0x3c,umask=0x0/u", "{cycles,instructions}:S", "cpu_core/cycles/"]
        );
        assert_eq!(split_list(" , "), Vec::<String>::new());
    }

    #[test]
    fn rows_find_their_request() {
        let answers = |asked: &str, printed: &str| Request::new(asked).is_answered_by(printed);
        assert!(answers("cycles", "cycles"));
        assert!(answers("cycles", "cycles:u"), "perf retries with exclude_kernel");
        assert!(answers("cycles", "cpu_atom/cycles/"), "one row for each PMU of a hybrid CPU");
        assert!(answers("cpu_core/cycles/", "cpu_core/cycles/H"));
        assert!(!answers("cpu_core/cycles/", "cpu_atom/cycles/"));
        assert!(!answers("cycles:k", "cycles:u"));
        assert!(!answers("cycles", "ref-cycles"));
        assert!(answers("{cycles,instructions}:S", "instructions"));
        assert!(!answers("{cycles,instructions}:S", "branches"));
        assert!(answers("sched:sched_switch", "sched:sched_switch"));
    }

    #[test]
    fn names_that_perf_must_know() {
        for plain in ["cycels", "cycels:u", "{cycles,instrctions}:S", "nosuch"] {
            assert!(Request::new(plain).is_plain(), "{plain}");
        }
        for of_a_machine in ["sched:nosuch", "cpu_core/cycles/", "mem_load_retired.l1_hit", "{cycles,sched:x}"] {
            assert!(!Request::new(of_a_machine).is_plain(), "{of_a_machine}");
        }
        assert_eq!(Request::new("{cycles,instrctions}:S").nearest().as_deref(), Some("instructions"));
        assert_eq!(Request::new("cycels:u").nearest().as_deref(), Some("cycles"));
    }

    #[test]
    fn a_slip_of_the_pen_finds_its_event() {
        assert_eq!(nearest("cycels").as_deref(), Some("cycles"));
        assert_eq!(nearest("LLC-load-miss").as_deref(), Some("LLC-load-misses"));
        assert_eq!(nearest("zzz"), None);
    }
}
