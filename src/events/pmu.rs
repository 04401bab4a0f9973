//! The counting units of this machine (PMUs) and the events named by their drivers.
//!
//! Source: `/sys/bus/event_source/devices`, described in the kernel's `ABI/testing/sysfs-bus-event_source-devices-*`. A
//! PMU has a number (`type`), names for bit fields of `perf_event_attr.config` (`format/umask` is `config:8-15`) and
//! names for values in them (`events/cas_count_read` is `event=0x04,umask=0x03`, with `.unit` and `.scale` next to it).

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::{EventId, terms as terms_of};
use crate::linux::cpus;
use crate::linux::files::{Roots, read_once};

/// The PMUs of a machine.
#[derive(Clone, Debug)]
pub struct Pmus {
    folder: PathBuf,
}

/// A PMU.
#[derive(Clone, Debug)]
pub struct Pmu {
    pub name: String,
    /// `perf_event_attr.type`.
    pub kind: u32,
    folder: PathBuf,
    /// Where it counts: the CPUs that it belongs to, or those through which a unit of the whole socket is read. `None`:
    /// anywhere.
    pub cpus: Option<BTreeSet<u32>>,
    /// It counts what programs do on CPUs, not what a memory controller or a bus does.
    pub is_core: bool,
    /// It belongs to one of several kinds of CPU in this machine.
    pub is_hybrid: bool,
}

/// An event as described by sysfs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Described {
    /// `event=0x04,umask=0x03`.
    pub terms: String,
    /// `MiB`, `Joules`.
    pub unit: Option<String>,
    pub scale: Option<f64>,
    /// The counter is a level, not a sum.
    pub is_level: bool,
}

/// The encoding of a list of terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    pub id: EventId,
    pub described: Described,
    /// The term `name=`, which perf prints instead of everything else.
    pub name: Option<String>,
}

impl Pmus {
    pub fn new(roots: &Roots) -> Pmus {
        Pmus { folder: roots.sys("bus/event_source/devices") }
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    pub fn get(&self, name: &str) -> Option<Pmu> {
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            return None;
        }
        let folder = self.folder.join(name);
        let text = |file: &str| read_once(&folder.join(file)).ok();
        let kind = text("type")?.trim().parse().ok()?;
        // An empty list means that none of them is online, not that any CPU will do.
        let list = |file: &str| text(file).map(|t| cpus::parse(&t).unwrap_or_default());
        let (own, through) = (list("cpus"), list("cpumask"));
        Some(Pmu {
            name: name.to_string(),
            kind,
            is_hybrid: own.is_some(),
            is_core: own.is_some() || name == "cpu",
            cpus: own.or(through),
            folder,
        })
    }

    /// The PMU with this name or, as in perf, all that are named `NAME_0`, `NAME_1` and so on.
    pub fn matching(&self, name: &str) -> Vec<Pmu> {
        if let Some(pmu) = self.get(name) {
            return vec![pmu];
        }
        self.names().iter().filter(|n| is_instance(name, n)).filter_map(|n| self.get(n)).collect()
    }

    /// The PMUs of the kinds of CPU, if there are several.
    pub fn hybrid(&self) -> Vec<Pmu> {
        let has_cpus = |n: &String| self.folder.join(n).join("cpus").exists();
        let all: Vec<Pmu> = self.names().iter().filter(|n| has_cpus(n)).filter_map(|n| self.get(n)).collect();
        if all.len() > 1 { all } else { Vec::new() }
    }

    /// The PMUs that have an event with this name, because perf also accepts such a name without the PMU.
    pub fn with_event(&self, event: &str) -> Vec<Pmu> {
        if event.is_empty() || event.contains(['/', '\0', '=']) || event.starts_with('.') {
            return Vec::new();
        }
        let has = |n: &String| self.folder.join(n).join("events").join(event).is_file();
        self.names().iter().filter(|n| has(n)).filter_map(|n| self.get(n)).collect()
    }
}

/// Whether a PMU has this name, or this name and a number: `uncore_imc`, `uncore_imc_0`.
pub fn is_instance(name: &str, pmu: &str) -> bool {
    let number = pmu.strip_prefix(name).and_then(|rest| rest.strip_prefix('_'));
    pmu == name || number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Files next to an event that describe it further.
const DETAIL_SUFFIXES: [&str; 4] = [".unit", ".scale", ".per-pkg", ".snapshot"];

/// Why a list of terms cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadTerms {
    /// sysfs has no such word; perf may have it in its tables.
    Word(String),
    /// The value is invalid.
    Value(String),
}

/// Limit for terms that refer to themselves.
const DEEPEST: usize = 8;

impl Pmu {
    /// The names of its events, sorted; many PMUs have none.
    pub fn events(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("events")).into_iter().flatten().flatten();
        let names = entries.filter_map(|e| e.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|n| !DETAIL_SUFFIXES.iter().any(|b| n.ends_with(b))).collect();
        names.sort();
        names
    }

    /// The event with this name.
    pub fn event(&self, name: &str) -> Option<Described> {
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            return None;
        }
        let text = |ending: &str| read_once(&self.folder.join("events").join(format!("{name}{ending}"))).ok();
        let flag = |ending: &str| text(ending).is_some_and(|t| t.trim() == "1");
        Some(Described {
            terms: text("")?.trim().to_string(),
            unit: text(".unit").map(|t| t.trim().to_string()).filter(|t| !t.is_empty()),
            scale: text(".scale").and_then(|t| t.trim().parse().ok()).filter(|s: &f64| s.is_finite()),
            is_level: flag(".snapshot"),
        })
    }

    /// The numbers for `event=0x3c,umask=0x00`, or for an event's name, or for both.
    ///
    /// # Errors
    /// Returns the term that this PMU does not know, or that does not fit.
    pub fn encode(&self, terms: &str) -> Result<Encoded, BadTerms> {
        let mut encoded = Encoded { id: EventId::new(self.kind, 0), described: Described::default(), name: None };
        self.add_terms(terms, &mut encoded, 0)?;
        encoded.described.terms = terms.to_string();
        Ok(encoded)
    }

    fn add_terms(&self, terms: &str, encoded: &mut Encoded, depth: usize) -> Result<(), BadTerms> {
        let bad_value = |what: String| BadTerms::Value(format!("{}: {what}", self.name));
        for term in terms_of::split(terms) {
            let (word, value) = match term.split_once('=') {
                Some((word, value)) => (word.trim(), Some(value.trim())),
                None => (term, None),
            };
            if let (None, Some(event)) = (value, self.event(word)) {
                if depth == DEEPEST {
                    return Err(bad_value(format!("the event `{word}` refers to itself")));
                }
                self.add_terms(&event.terms, encoded, depth + 1)?;
                encoded.described = event;
                continue;
            }
            if let ("name", Some(name)) = (word, value) {
                encoded.name = Some(terms_of::unquoted(name).to_string()).filter(|name| !name.is_empty());
                continue;
            }
            if value == Some("?") {
                return Err(bad_value(format!("the event needs a value for its parameter `{word}`")));
            }
            let number = match value {
                Some(value) => number(value).ok_or_else(|| bad_value(format!("`{term}`: not a number")))?,
                None => 1,
            };
            let bits = match word {
                "config" | "config1" | "config2" if value.is_some() => format!("{word}:0-63"),
                _ => self.format(word).ok_or_else(|| {
                    let what = if value.is_none() && terms == term { "event or term" } else { "term" };
                    BadTerms::Word(format!("the PMU {} has no {what} `{word}`", self.name))
                })?,
            };
            if !["config:", "config1:", "config2:"].iter().any(|known| bits.starts_with(known)) {
                return Err(BadTerms::Word(format!("{}: `{word}` is in {bits}, which only perf knows", self.name)));
            }
            place(&bits, number, &mut encoded.id)
                .ok_or_else(|| bad_value(format!("`{term}` does not fit into {bits}")))?;
        }
        Ok(())
    }

    fn format(&self, term: &str) -> Option<String> {
        if term.is_empty() || term.contains(['/', '\0']) || term.starts_with('.') {
            return None;
        }
        Some(read_once(&self.folder.join("format").join(term)).ok()?.trim().to_string())
    }
}

/// `0x3c` or `60`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Puts a number into the bits `config:0-7,32-35`, the lowest first. `None` if they are too few or invalid.
fn place(bits: &str, number: u64, id: &mut EventId) -> Option<()> {
    let (field, ranges) = bits.split_once(':')?;
    let slot = match field {
        "config" => &mut id.config,
        "config1" => &mut id.config1,
        "config2" => &mut id.config2,
        _ => return None,
    };
    let mut left = number;
    for range in ranges.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last > 63 {
            return None;
        }
        let width = last - first + 1;
        let mask = u64::MAX >> (64 - width);
        *slot = *slot & !(mask << first) | (left & mask) << first;
        left = left.checked_shr(width).unwrap_or(0);
    }
    (left == 0).then_some(())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A tree of files, for a machine that we do not have.
    pub fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join("sys").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir_all(dir.path().join("proc")).unwrap();
        dir
    }

    pub fn roots(dir: &tempfile::TempDir) -> Roots {
        Roots { proc: dir.path().join("proc"), sys: dir.path().join("sys") }
    }

    /// The CPU of a server and one of its memory controllers.
    const SERVER: &[(&str, &str)] = &[
        ("bus/event_source/devices/cpu/type", "4\n"),
        ("bus/event_source/devices/cpu/format/event", "config:0-7\n"),
        ("bus/event_source/devices/cpu/format/umask", "config:8-15\n"),
        ("bus/event_source/devices/cpu/format/inv", "config:23\n"),
        ("bus/event_source/devices/cpu/format/ldlat", "config1:0-15\n"),
        ("bus/event_source/devices/cpu/events/mem-loads", "event=0xcd,umask=0x1,ldlat=3\n"),
        ("bus/event_source/devices/cpu/events/topdown-retiring.scale", "4\n"),
        ("bus/event_source/devices/uncore_imc_0/type", "17\n"),
        ("bus/event_source/devices/uncore_imc_0/cpumask", "0,18\n"),
        ("bus/event_source/devices/uncore_imc_0/format/event", "config:0-7\n"),
        ("bus/event_source/devices/uncore_imc_0/format/umask", "config:8-15\n"),
        ("bus/event_source/devices/uncore_imc_0/events/cas_count_read", "event=0x04,umask=0x03\n"),
        ("bus/event_source/devices/uncore_imc_0/events/cas_count_read.unit", "MiB\n"),
        ("bus/event_source/devices/uncore_imc_0/events/cas_count_read.scale", "6.103515625e-5\n"),
        ("bus/event_source/devices/uncore_imc_1/type", "18\n"),
        ("bus/event_source/devices/uncore_imc_free_running/type", "19\n"),
        ("bus/event_source/devices/hisi/type", "30\n"),
        ("bus/event_source/devices/hisi/format/event", "config:0-7,32-35\n"),
        ("bus/event_source/devices/hisi/format/far", "config3:0-7\n"),
        ("bus/event_source/devices/hisi/events/par", "event=0x1,chip=?\n"),
        ("bus/event_source/devices/hisi/events/loop", "loop\n"),
        ("bus/event_source/devices/broken/type", "many\n"),
    ];

    #[test]
    fn events_become_numbers() {
        let dir = tree(SERVER);
        let pmus = Pmus::new(&roots(&dir));
        let cpu = pmus.get("cpu").unwrap();
        assert_eq!((cpu.kind, cpu.is_core, cpu.cpus.clone()), (4, true, None));
        let id = |terms: &str| cpu.encode(terms).map(|e| (e.id.config, e.id.config1));
        assert_eq!(id("event=0x3c,umask=0x00"), Ok((0x3c, 0)));
        assert_eq!(id("event=60,umask=1,inv"), Ok((0x80_013c, 0)));
        assert_eq!(id("mem-loads"), Ok((0x1cd, 3)));
        assert_eq!(id("mem-loads,ldlat=30"), Ok((0x1cd, 30)), "a later term overrides the event's");
        assert_eq!(id("config=0xff00,config1=0x7"), Ok((0xff00, 7)));
        assert_eq!(cpu.encode("event=0x3c,name=mine").unwrap().name.as_deref(), Some("mine"));
        let bad = |terms: &str| cpu.encode(terms).unwrap_err();
        assert_eq!(bad("nosuch"), BadTerms::Word("the PMU cpu has no event or term `nosuch`".into()));
        assert_eq!(bad("event=1,percore"), BadTerms::Word("the PMU cpu has no term `percore`".into()));
        assert_eq!(bad("event=0x100"), BadTerms::Value("cpu: `event=0x100` does not fit into config:0-7".into()));
        assert_eq!(bad("event=x"), BadTerms::Value("cpu: `event=x`: not a number".into()));
        assert_eq!(cpu.events(), ["mem-loads"]);
    }

    #[test]
    fn bits_may_be_in_separate_ranges() {
        let dir = tree(SERVER);
        let hisi = Pmus::new(&roots(&dir)).get("hisi").unwrap();
        assert_eq!(hisi.encode("event=0xabc").unwrap().id.config, 0xa_0000_00bc);
        let bad = |terms: &str| format!("{:?}", hisi.encode(terms).unwrap_err());
        assert!(bad("par").contains("needs a value for its parameter `chip`"));
        assert!(bad("loop").contains("refers to itself"));
        assert!(bad("far=1").contains("only perf knows"));
    }

    #[test]
    fn uncore_units() {
        let dir = tree(SERVER);
        let pmus = Pmus::new(&roots(&dir));
        let names = |pmus: Vec<Pmu>| pmus.into_iter().map(|p| p.name).collect::<Vec<_>>();
        assert_eq!(names(pmus.matching("uncore_imc")), ["uncore_imc_0", "uncore_imc_1"]);
        assert_eq!(names(pmus.matching("uncore_imc_1")), ["uncore_imc_1"]);
        assert_eq!(names(pmus.matching("uncore")), [""; 0]);
        assert_eq!(names(pmus.with_event("cas_count_read")), ["uncore_imc_0"]);
        let imc = pmus.get("uncore_imc_0").unwrap();
        assert_eq!((imc.is_core, imc.cpus.clone()), (false, Some(BTreeSet::from([0, 18]))));
        let read = imc.encode("cas_count_read").unwrap();
        assert_eq!((read.id.kind, read.id.config), (17, 0x304));
        assert_eq!(read.described.unit.as_deref(), Some("MiB"));
        assert_eq!(read.described.scale, Some(6.103515625e-5));
        for none in ["", ".", "../etc", "nosuch", "broken"] {
            assert!(pmus.get(none).is_none(), "{none}");
        }
        assert!(pmus.hybrid().is_empty());
    }

    #[test]
    fn kinds_of_cpu() {
        let one = tree(&[
            ("bus/event_source/devices/armv8_pmuv3/type", "8\n"),
            ("bus/event_source/devices/armv8_pmuv3/cpus", "0-3\n"),
        ]);
        assert!(Pmus::new(&roots(&one)).hybrid().is_empty(), "one kind alone is not hybrid");
        let two = tree(&[
            ("bus/event_source/devices/cpu_core/type", "4\n"),
            ("bus/event_source/devices/cpu_core/cpus", "0-11\n"),
            ("bus/event_source/devices/cpu_atom/type", "10\n"),
            ("bus/event_source/devices/cpu_atom/cpus", "12-19\n"),
        ]);
        let off = tree(&[
            ("bus/event_source/devices/cpu_atom/type", "10\n"),
            ("bus/event_source/devices/cpu_atom/cpus", "\n"),
        ]);
        let atom = Pmus::new(&roots(&off)).get("cpu_atom").unwrap();
        assert_eq!((atom.cpus, atom.is_core), (Some(BTreeSet::new()), true), "all of its CPUs are offline");
        let kinds: Vec<_> = Pmus::new(&roots(&two)).hybrid().into_iter().map(|p| (p.name, p.kind)).collect();
        assert_eq!(kinds, [("cpu_atom".to_string(), 10), ("cpu_core".to_string(), 4)]);
    }
}
