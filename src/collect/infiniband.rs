//! Ports of InfiniBand and RoCE adapters. Source: `/sys/class/infiniband/*/ports/*/counters`, described in the kernel's
//! `infiniband/sysfs`.
//!
//! For some of these files the driver asks the adapter, so they are read at most once per second.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::attribute::Attribute;
use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::files::names_in;
use crate::table::Unit::{Bytes, Count};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Table, Value, counter, entity, entity_int, label_int};

pub const ENTRY: Entry = Entry {
    name: "infiniband",
    doc: "traffic, congestion and errors of each InfiniBand port",
    groups: &[Group::Default],
    tables: &[|| TABLE.def()],
    cadence: Duration::from_secs(1),
    open,
};

/// Files with a counter of a port, in the order of [`Port::counters`].
const FILES: [&str; 12] = [
    "port_xmit_data",
    "port_rcv_data",
    "port_xmit_packets",
    "port_rcv_packets",
    "port_xmit_wait",
    "port_xmit_discards",
    "port_rcv_errors",
    "symbol_error",
    "link_error_recovery",
    "link_downed",
    "local_link_integrity_errors",
    "excessive_buffer_overrun_errors",
];

static TABLE: Table<Port> = Table {
    name: "infiniband",
    source: "/sys/class/infiniband",
    doc: "Ports of InfiniBand and RoCE adapters: one row per port, at most once per second. Old adapters count in 32 bits \
          and stop at the largest number, which is null.",
    charts: Charts::Drawn(&[
        Chart::lines("Throughput", &["bytes_recv_per_sec", "bytes_sent_per_sec"]),
        Chart::lines("Packets", &["packets_recv_per_sec", "packets_sent_per_sec"]),
        Chart::lines("Waiting to send", &["waits_per_sec"]),
        Chart::lines("Errors and discards", &["errors_in_per_sec", "discards_out_per_sec", "symbol_errors_per_sec"]),
    ]),
    columns: &[
        entity("device", "The kernel's name, for example `mlx5_0`.", |p: &Port| p.device.as_str().into()),
        entity_int("port", "The number of the port, from 1.", |p: &Port| p.port.into()),
        label_int("since", Count, "The number of the reading at which it appeared.", |p: &Port| p.since.into())
            .tells_apart()
            .hidden(),
        counter("bytes_sent", Bytes, "Bytes sent (words of 4), without link headers.", |p: &Port| p.bytes(0))
            .with_rate("bytes_sent_per_sec"),
        counter("bytes_recv", Bytes, "Bytes received (words of 4), without link headers.", |p: &Port| p.bytes(1))
            .with_rate("bytes_recv_per_sec"),
        counter("packets_sent", Count, "Packets sent.", |p: &Port| p.count(2)).with_rate("packets_sent_per_sec"),
        counter("packets_recv", Count, "Packets received.", |p: &Port| p.count(3)).with_rate("packets_recv_per_sec"),
        counter(
            "waits",
            Count,
            "Ticks of the adapter in which data waited to be sent because the other end had no room: congestion.",
            |p: &Port| p.count(4),
        )
        .with_rate("waits_per_sec")
        .lower_is_better(),
        counter(
            "discards_out",
            Count,
            "Packets discarded instead of sent: port down, or too long in the queue.",
            |p: &Port| p.count(5),
        )
        .with_rate("discards_out_per_sec")
        .lower_is_better(),
        counter("errors_in", Count, "Packets received with errors.", |p: &Port| p.count(6))
            .with_rate("errors_in_per_sec")
            .lower_is_better(),
        counter("symbol_errors", Count, "Minor errors of the link.", |p: &Port| p.count(7))
            .with_rate("symbol_errors_per_sec")
            .lower_is_better(),
        counter("link_recoveries", Count, "Times that the link recovered from errors.", |p: &Port| p.count(8))
            .lower_is_better(),
        counter("link_downs", Count, "Times that the link went down.", |p: &Port| p.count(9)).lower_is_better(),
        counter("integrity_errors", Count, "Times that errors of the link exceeded their limit.", |p: &Port| {
            p.count(10)
        })
        .lower_is_better(),
        counter("buffer_overruns", Count, "Times that buffers overflowed for long.", |p: &Port| p.count(11))
            .lower_is_better(),
    ],
};

/// One row.
#[derive(Debug, PartialEq)]
struct Port {
    device: String,
    port: u32,
    since: u64,
    counters: [Option<u64>; FILES.len()],
}

/// The unit of the counters of data.
const WORD: u64 = 4;

/// Where a counter of 32 bits stops.
const FULL: u64 = u32::MAX as u64;

impl Port {
    fn count(&self, file: usize) -> Value<'static> {
        self.counters.get(file).copied().flatten().filter(|n| *n != FULL).into()
    }

    fn bytes(&self, file: usize) -> Value<'static> {
        let words = self.counters.get(file).copied().flatten().filter(|n| *n != FULL);
        words.and_then(|words| words.checked_mul(WORD)).into()
    }
}

struct InfinibandCollector {
    class: PathBuf,
    known: HashMap<(String, u32), KnownPort>,
    readings: u64,
}

/// The open files of a port.
struct KnownPort {
    since: u64,
    seen: u64,
    files: [Attribute; FILES.len()],
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let class = setup.roots.sys("class/infiniband");
    if ports(&class).is_empty() {
        return Err(Unavailable::new(format!("no InfiniBand port in {}", class.display())));
    }
    Ok(Opened::complete(InfinibandCollector { class, known: HashMap::new(), readings: 0 }))
}

/// The ports that have counters, with their folders.
fn ports(class: &Path) -> Vec<(String, u32, PathBuf)> {
    let devices = names_in(class).unwrap_or_default();
    let ports_of = |device: String| {
        let folder = class.join(&device).join("ports");
        let ports = names_in(&folder).unwrap_or_default();
        ports.into_iter().filter_map(move |name| {
            let path = folder.join(&name);
            path.join("counters").is_dir().then_some((device.clone(), name.parse().ok()?, path))
        })
    };
    devices.into_iter().flat_map(ports_of).collect()
}

impl Collector for InfinibandCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.readings += 1;
        let readings = self.readings;
        let mut rows = Vec::new();
        for (device, port, folder) in ports(&self.class) {
            let known = self.known.entry((device.clone(), port)).or_insert_with(|| KnownPort {
                since: readings,
                seen: 0,
                files: FILES.map(|file| Attribute::new(folder.join("counters").join(file))),
            });
            known.seen = readings;
            known.files.iter_mut().for_each(Attribute::refresh);
            let mut counters = [None; FILES.len()];
            let values = known.files.iter().map(|file| file.value().and_then(|n| u64::try_from(n).ok()));
            counters.iter_mut().zip(values).for_each(|(counter, value)| *counter = value);
            rows.push(Port { device, port, since: known.since, counters });
        }
        self.known.retain(|_, known| known.seen == readings);
        out.push(&TABLE, &rows);
        Ok(())
    }

    fn lasts(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use crate::linux::files::Roots;
    use crate::table::sample::Cell;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn put(&self, device: &str, port: &str, files: &[(&str, &str)]) {
            let folder = self.0.path().join("class/infiniband").join(device).join("ports").join(port);
            std::fs::create_dir_all(folder.join("counters")).unwrap();
            for (name, text) in files {
                std::fs::write(folder.join(name), text).unwrap();
            }
        }
        fn open(&self) -> Result<Opened, Unavailable> {
            let roots = Roots { proc: self.0.path().into(), sys: self.0.path().into() };
            open(&Setup::new(roots, Options::default()))
        }
    }

    /// The rows as `device port` and `column=value` of the columns that have one.
    fn rows(collector: &mut dyn Collector) -> Vec<String> {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        collector.collect(1, &mut sample).unwrap();
        let shown = |(column, cell): (&crate::table::RawColumn, &Cell)| match cell {
            Cell::Null => None,
            Cell::Text(id) => Some(sample.texts.get(*id).unwrap().to_string()),
            Cell::Int(n) => Some(format!("{}={n}", column.name)),
            other => panic!("{other:?}"),
        };
        let row = |row: &[Cell]| catalog[0].raw.iter().zip(row).filter_map(shown).collect::<Vec<_>>().join(" ");
        sample.cells.chunks(catalog[0].raw.len()).map(row).collect()
    }

    /// One file per column, each with another number: 1, 2, ...
    #[test]
    fn each_file_finds_its_column() {
        let machine = Machine(tempfile::tempdir().unwrap());
        assert!(machine.open().err().unwrap().reason.starts_with("no InfiniBand port in "));
        machine.put("mlx5_0", "1", &[("rate", "100 Gb/sec (4X EDR)\n")]);
        for (i, file) in FILES.iter().enumerate() {
            machine.put("mlx5_0", "1", &[(&format!("counters/{file}"), &format!("{}\n", i + 1))]);
        }
        let mut opened = machine.open().ok().unwrap();
        let expected = "mlx5_0 port=1 since=1 bytes_sent=4 bytes_recv=8 packets_sent=3 \
                        packets_recv=4 waits=5 discards_out=6 errors_in=7 symbol_errors=8 link_recoveries=9 \
                        link_downs=10 integrity_errors=11 buffer_overruns=12";
        assert_eq!(rows(&mut *opened.collector), [expected]);
    }

    #[test]
    fn words_of_four_bytes_and_counters_that_are_full() {
        let machine = Machine(tempfile::tempdir().unwrap());
        let data = |sent, received| {
            machine.put("hfi1_0", "2", &[("counters/port_xmit_data", sent), ("counters/port_rcv_data", received)]);
        };
        data("4294967295\n", "4294967296\n");
        let mut opened = machine.open().ok().unwrap();
        assert_eq!(rows(&mut *opened.collector), ["hfi1_0 port=2 since=1 bytes_recv=17179869184"]);
        data("N/A (no PMA)\n", "9223372036854775807\n");
        assert_eq!(rows(&mut *opened.collector), ["hfi1_0 port=2 since=1"]);
    }

    #[test]
    fn ports_come_and_go() {
        let machine = Machine(tempfile::tempdir().unwrap());
        machine.put("mlx4_0", "1", &[("counters/symbol_error", "5\n")]);
        let mut opened = machine.open().ok().unwrap();
        machine.put("mlx4_0", "2", &[("counters/symbol_error", "6\n")]);
        let expected = ["mlx4_0 port=1 since=1 symbol_errors=5", "mlx4_0 port=2 since=1 symbol_errors=6"];
        assert_eq!(rows(&mut *opened.collector), expected);
        std::fs::remove_dir_all(machine.0.path().join("class/infiniband/mlx4_0/ports/1")).unwrap();
        assert_eq!(rows(&mut *opened.collector), expected[1..]);
        machine.put("mlx4_0", "1", &[("counters/symbol_error", "7\n")]);
        let back = "mlx4_0 port=1 since=3 symbol_errors=7";
        assert_eq!(rows(&mut *opened.collector), [back, expected[1]]);
        // An adapter without these counters, and something that is no port.
        std::fs::create_dir_all(machine.0.path().join("class/infiniband/rdmap0/ports/1/hw_counters")).unwrap();
        machine.put("mlx4_0", "x", &[]);
        assert_eq!(rows(&mut *opened.collector), [back, expected[1]]);
    }
}
