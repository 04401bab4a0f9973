//! Memory bandwidth: the events of memory controllers and fabrics that count bytes, and how many bytes one count is.
//!
//! Only events whose factor is documented are here. Intel: the kernel's drivers say `MiB` next to the event. AMD: the
//! kernel names no events; number and mask are those of perf's tables for Zen 4 and 5, one command is 64 bytes. NVIDIA
//! Grace: the performance guide of the vendor, 32 bytes per count of `cmem_rd_data`.

use super::name::parts;
use super::pmu::{Pmu, Pmus, is_instance};

/// The direction of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    Read,
    Write,
}

/// What a unit of a recorded value stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bytes {
    pub traffic: Traffic,
    /// Bytes per unit of the recorded value.
    pub factor: f64,
    /// This event is one of as many that together are the traffic: halves of a channel.
    pub parts: u32,
}

struct Counted {
    event: &'static str,
    /// For PMUs whose driver names no events.
    terms: Option<&'static str>,
    /// The driver must say that the event is in this unit; otherwise its factor is not the one below.
    unit: Option<&'static str>,
    bytes: Bytes,
}

/// The events of one kind of memory controller.
struct Family {
    /// The name of the PMU, without the number of the channel.
    pmu: &'static str,
    events: &'static [Counted],
}

const fn mebibytes(event: &'static str, traffic: Traffic, parts: u32) -> Counted {
    Counted { event, terms: None, unit: Some("MiB"), bytes: Bytes { traffic, factor: 1_048_576.0, parts } }
}

const fn counts(event: &'static str, terms: Option<&'static str>, traffic: Traffic, factor: f64) -> Counted {
    Counted { event, terms, unit: None, bytes: Bytes { traffic, factor, parts: 1 } }
}

/// The first that this machine has is counted: on some machines two of them count the same bytes.
static FAMILIES: &[Family] = &[
    // Intel servers.
    Family {
        pmu: "uncore_imc",
        events: &[mebibytes("cas_count_read", Traffic::Read, 1), mebibytes("cas_count_write", Traffic::Write, 1)],
    },
    // Intel servers from Granite Rapids on.
    Family {
        pmu: "uncore_imc",
        events: &[
            mebibytes("cas_count_read_sch0", Traffic::Read, 2),
            mebibytes("cas_count_read_sch1", Traffic::Read, 2),
            mebibytes("cas_count_write_sch0", Traffic::Write, 2),
            mebibytes("cas_count_write_sch1", Traffic::Write, 2),
        ],
    },
    // Intel clients, and later ones such as Tiger Lake.
    Family {
        pmu: "uncore_imc",
        events: &[mebibytes("data_reads", Traffic::Read, 1), mebibytes("data_writes", Traffic::Write, 1)],
    },
    Family {
        pmu: "uncore_imc_free_running",
        events: &[mebibytes("data_read", Traffic::Read, 1), mebibytes("data_write", Traffic::Write, 1)],
    },
    // AMD from Zen 4 on, with Linux 6.7 or later.
    Family {
        pmu: "amd_umc",
        events: &[
            counts("umc_cas_cmd.rd", Some("event=0x0a,rdwrmask=0x1"), Traffic::Read, 64.0),
            counts("umc_cas_cmd.wr", Some("event=0x0a,rdwrmask=0x2"), Traffic::Write, 64.0),
        ],
    },
    // NVIDIA Grace.
    Family {
        pmu: "nvidia_scf_pmu",
        events: &[
            counts("cmem_rd_data", None, Traffic::Read, 32.0),
            counts("cmem_wr_total_bytes", None, Traffic::Write, 1.0),
        ],
    },
];

/// Why there is nothing to count.
pub const NONE: &str = "no counter of memory traffic with a known unit (virtual machines have none; on hardware a driver \
                        may be missing: intel_uncore, amd_uncore, nvidia_cspmu)";

/// The events that count the memory traffic of this machine, as perf writes them; empty: there are none.
pub fn events(pmus: &Pmus) -> Vec<String> {
    let has = |family: &&Family| {
        let instances = pmus.matching(family.pmu);
        !instances.is_empty() && instances.iter().all(|pmu| family.events.iter().all(|event| event.is_of(pmu)))
    };
    FAMILIES.iter().find(has).map_or_else(Vec::new, |family| {
        let text = |counted: &Counted| match counted.terms {
            Some(terms) => format!("{}/{terms},name={}/", family.pmu, counted.event),
            None => format!("{}/{}/", family.pmu, counted.event),
        };
        family.events.iter().map(text).collect()
    })
}

impl Counted {
    fn is_of(&self, pmu: &Pmu) -> bool {
        let Some(terms) = self.terms else {
            let event = pmu.event(self.event);
            return event.is_some_and(|e| self.unit.is_none() || e.unit.as_deref() == self.unit && e.scale.is_some());
        };
        pmu.encode(terms).is_ok()
    }
}

/// What a recorded event counts, if it counts bytes of memory. A name that perf or a user gave has no PMU.
pub fn bytes_of(event: &str) -> Option<Bytes> {
    let name = parts(event);
    let is_of = |family: &&Family| name.pmu.is_none_or(|pmu| is_instance(family.pmu, pmu));
    let counted = FAMILIES.iter().filter(is_of).flat_map(|family| family.events).find(|c| c.event == name.base)?;
    (name.pmu.is_some() || counted.terms.is_some()).then_some(counted.bytes)
}

#[cfg(test)]
mod tests {
    use super::super::machine::Machine;
    use super::super::pmu::tests::{roots, tree};
    use super::*;

    /// Files of PMUs as `pmu/file: text`.
    fn pmus(files: &[(&str, &str)]) -> (tempfile::TempDir, Pmus) {
        let paths: Vec<(String, &str)> =
            files.iter().map(|(path, text)| (format!("bus/event_source/devices/{path}"), *text)).collect();
        let dir = tree(&paths.iter().map(|(path, text)| (path.as_str(), *text)).collect::<Vec<_>>());
        let pmus = Pmus::new(&roots(&dir));
        (dir, pmus)
    }

    /// The numbers that are opened for each event: type and config of every PMU, on which CPUs, and the scale.
    fn opened(dir: &tempfile::TempDir, pmus: &Pmus) -> Vec<String> {
        let machine = Machine::from_roots(&roots(dir));
        let counters = events(pmus).into_iter().flat_map(|event| machine.resolve(&event).unwrap());
        let source = |s: &super::super::machine::CounterSource| {
            format!("{}:{:#x}@{:?}", s.id.kind, s.id.config, s.cpus.iter().flatten().collect::<Vec<_>>())
        };
        counters
            .map(|c| {
                let sources: Vec<String> = c.sources.iter().map(source).collect();
                format!("{} {} x{}", c.name, sources.join(" "), c.scale)
            })
            .collect()
    }

    /// Numbers of `uncore_snbep.c`: Skylake has umask 3 and 0xc, two sockets are read through CPUs 0 and 18.
    #[test]
    fn channels_of_an_intel_server_are_added_up() {
        let mut files = Vec::new();
        for (n, kind) in [("0", "17\n"), ("1", "18\n")] {
            for (file, text) in [
                ("type", kind),
                ("cpumask", "0,18\n"),
                ("format/event", "config:0-7\n"),
                ("format/umask", "config:8-15\n"),
                ("events/clockticks", "event=0x00,umask=0x00\n"),
                ("events/cas_count_read", "event=0x04,umask=0x03\n"),
                ("events/cas_count_read.scale", "6.103515625e-5\n"),
                ("events/cas_count_read.unit", "MiB\n"),
                ("events/cas_count_write", "event=0x04,umask=0x0c\n"),
                ("events/cas_count_write.scale", "6.103515625e-5\n"),
                ("events/cas_count_write.unit", "MiB\n"),
            ] {
                files.push((format!("uncore_imc_{n}/{file}"), text));
            }
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let (dir, pmus) = pmus(&files);
        assert_eq!(
            opened(&dir, &pmus),
            [
                "uncore_imc/cas_count_read/ 17:0x304@[0, 18] 18:0x304@[0, 18] x0.00006103515625",
                "uncore_imc/cas_count_write/ 17:0xc04@[0, 18] 18:0xc04@[0, 18] x0.00006103515625",
            ]
        );
        // 64 bytes in MiB.
        assert_eq!(6.103_515_625e-5 * 1_048_576.0, 64.0);
    }

    fn with_unit(pmu: &str, events: &[(&str, &str)], unit: &str) -> Vec<(String, String)> {
        let mut files = vec![
            (format!("{pmu}/type"), "25\n".to_string()),
            (format!("{pmu}/cpumask"), "0\n".to_string()),
            (format!("{pmu}/format/event"), "config:0-7\n".to_string()),
            (format!("{pmu}/format/umask"), "config:8-15\n".to_string()),
        ];
        for (event, terms) in events {
            files.push((format!("{pmu}/events/{event}"), format!("{terms}\n")));
            files.push((format!("{pmu}/events/{event}.unit"), format!("{unit}\n")));
            files.push((format!("{pmu}/events/{event}.scale"), "6.103515625e-5\n".to_string()));
        }
        files
    }

    fn found(files: &[(String, String)]) -> Vec<String> {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        events(&pmus(&files).1)
    }

    #[test]
    fn other_machines() {
        let client = with_unit("uncore_imc", &[("data_reads", "event=0x01"), ("data_writes", "event=0x02")], "MiB");
        assert_eq!(found(&client), ["uncore_imc/data_reads/", "uncore_imc/data_writes/"]);
        let names = [("data_total", "event=0xff"), ("data_read", "event=0xff"), ("data_write", "event=0xff")];
        let mut both = with_unit("uncore_imc_free_running_0", &names, "MiB");
        // Their programmable counters have no names for bytes.
        both.extend(with_unit("uncore_imc_0", &[("clockticks", "event=0x01")], "MiB"));
        assert_eq!(found(&both), ["uncore_imc_free_running/data_read/", "uncore_imc_free_running/data_write/"]);
        let halves = ["cas_count_read_sch0", "cas_count_read_sch1", "cas_count_write_sch0", "cas_count_write_sch1"];
        let rapids = with_unit("uncore_imc_5", &halves.map(|event| (event, "event=0x05,umask=0xcf")), "MiB");
        assert_eq!(found(&rapids), halves.map(|event| format!("uncore_imc/{event}/")));
        let grace =
            with_unit("nvidia_scf_pmu_1", &[("cmem_rd_data", "event=0xa5"), ("cmem_wr_total_bytes", "event=0xdb")], "");
        assert_eq!(found(&grace), ["nvidia_scf_pmu/cmem_rd_data/", "nvidia_scf_pmu/cmem_wr_total_bytes/"]);
    }

    #[test]
    fn what_is_not_certain_is_left_out() {
        assert_eq!(found(&[]), [""; 0]);
        let read = ("cas_count_read", "event=0x04,umask=0x03");
        assert_eq!(found(&with_unit("uncore_imc_0", &[read], "MiB")), [""; 0], "no writes");
        let both = [read, ("cas_count_write", "event=0x04,umask=0x0c")];
        assert_eq!(found(&with_unit("uncore_imc_0", &both, "")), [""; 0], "of unknown unit");
        let mut one_of_two = with_unit("uncore_imc_0", &both, "MiB");
        one_of_two.extend(with_unit("uncore_imc_1", &[read], "MiB"));
        assert_eq!(found(&one_of_two), [""; 0], "a channel without");
    }

    /// `rdwrmask` is `config:8-9` in the kernel's `amd/uncore.c`.
    #[test]
    fn amd_has_numbers_and_no_names() {
        let (dir, pmus) = pmus(&[
            ("amd_umc_0/type", "30\n"),
            ("amd_umc_0/cpumask", "0\n"),
            ("amd_umc_0/format/event", "config:0-7\n"),
            ("amd_umc_0/format/rdwrmask", "config:8-9\n"),
        ]);
        assert_eq!(opened(&dir, &pmus), ["umc_cas_cmd.rd 30:0x10a@[0] x1", "umc_cas_cmd.wr 30:0x20a@[0] x1"]);
    }

    #[test]
    fn recorded_names() {
        let read = |factor, parts| Some(Bytes { traffic: Traffic::Read, factor, parts });
        assert_eq!(bytes_of("uncore_imc/cas_count_read/"), read(1_048_576.0, 1));
        assert_eq!(bytes_of("uncore_imc_11/cas_count_read/"), read(1_048_576.0, 1));
        assert_eq!(bytes_of("uncore_imc_0/cas_count_read_sch1/"), read(1_048_576.0, 2));
        assert_eq!(bytes_of("umc_cas_cmd.rd"), read(64.0, 1));
        assert_eq!(bytes_of("amd_umc_3/umc_cas_cmd.rd/"), read(64.0, 1));
        let write = bytes_of("nvidia_scf_pmu_0/cmem_wr_total_bytes/").unwrap();
        assert_eq!((write.traffic, write.factor), (Traffic::Write, 1.0));
        for other in ["cycles", "data_read", "cpu/cas_count_read/", "uncore_imcx/data_reads/", "cxl_pmu_0/data_read/"] {
            assert_eq!(bytes_of(other), None, "{other}");
        }
    }
}
