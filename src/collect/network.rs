//! Network interfaces. Source: `/proc/net/dev`, which the kernel prints from `rtnl_link_stats64`.
//!
//! The file shows the network namespace in which the recorder was started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened};
use super::group::Group;
use super::presence::Presence;
use crate::linux::files::{HeldFile, link_name, read_once};
use crate::linux::name::Name;
use crate::linux::scan::{ParseError, lines, number, words};
use crate::table::Unit::{Bytes, BytesPerSec, Count};
use crate::table::sample::Sample;
use crate::table::step::LATE_S;
use crate::table::{Chart, Charts, Table, counter, entity, gauge, label_int};

pub const ENTRY: Entry = Entry {
    name: "network",
    doc: "traffic, errors and drops of each network interface",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open: |setup| {
        let parse = if setup.options.network.all_interfaces { parse } else { parse_without_loopback };
        let class = setup.roots.sys("class/net");
        let file = HeldFile::open(setup.roots.net("dev"))?;
        let of = class.clone();
        let number = move |name: &str| read_once(&of.join(name).join("ifindex")).ok()?.parse().ok();
        let presence = Presence::new(number);
        Ok(Opened::complete(Interfaces { file, parse, class, presence, rows: Vec::new() }))
    },
};

static TABLE: Table<Interface> = Table {
    name: "network",
    source: "/proc/net/dev",
    doc: "Network interfaces: one row per tick and interface; loopback only with `--all-interfaces`. Counters begin \
          when the interface appears. A rate is null if its counter seems to have grown by more than the link can \
          carry (its speed plus 10 %, over the interval plus 2 s for drivers that count late; 250 GB/s for an \
          interface without a link speed).",
    charts: Charts::Drawn(&[
        Chart::lines("Throughput", &["bytes_recv_per_sec", "bytes_sent_per_sec"]),
        Chart::lines("Packets", &["packets_recv_per_sec", "packets_sent_per_sec"]),
        Chart::lines(
            "Errors and drops",
            &["errors_in_per_sec", "errors_out_per_sec", "drops_in_per_sec", "drops_out_per_sec"],
        ),
    ]),
    columns: &[
        entity("interface", "The interface's name, for example `eth0`.", |i: &Interface| i.name.as_str().into()),
        label_int("since", Count, "The number of the reading at which it appeared.", |i: &Interface| i.since.into())
            .tells_apart()
            .hidden(),
        gauge(
            LINE,
            BytesPerSec,
            "The most that its link can carry in each direction; null if it has no link.",
            |i: &Interface| i.line.into(),
        )
        .hidden(),
        counter("bytes_sent", Bytes, "Bytes sent.", |i: &Interface| i.sent.bytes.into())
            .limited_by(LINE)
            .with_rate("bytes_sent_per_sec"),
        counter("bytes_recv", Bytes, "Bytes received.", |i: &Interface| i.received.bytes.into())
            .limited_by(LINE)
            .with_rate("bytes_recv_per_sec"),
        counter("packets_sent", Count, "Packets sent.", |i: &Interface| i.sent.packets.into())
            .with_rate("packets_sent_per_sec"),
        counter("packets_recv", Count, "Packets received.", |i: &Interface| i.received.packets.into())
            .with_rate("packets_recv_per_sec"),
        counter("errors_in", Count, "Packets received with errors.", |i: &Interface| i.received.errors.into())
            .with_rate("errors_in_per_sec")
            .lower_is_better(),
        counter("errors_out", Count, "Packets that failed to be sent.", |i: &Interface| i.sent.errors.into())
            .with_rate("errors_out_per_sec")
            .lower_is_better(),
        counter(
            "drops_in",
            Count,
            "Packets received and dropped, for lack of buffer space or by the device (rx_dropped + rx_missed_errors).",
            |i: &Interface| i.received.drops.into(),
        )
        .with_rate("drops_in_per_sec")
        .lower_is_better(),
        counter("drops_out", Count, "Packets dropped instead of sent.", |i: &Interface| i.sent.drops.into())
            .with_rate("drops_out_per_sec")
            .lower_is_better(),
    ],
};

/// One line of `/proc/net/dev`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Interface {
    name: Name,
    received: Direction,
    sent: Direction,
    /// The number of the reading at which it appeared, and the capacity of its link; not part of the file.
    since: u64,
    line: Option<u64>,
}

/// The hidden column with the capacity of the link.
const LINE: &str = "line_bytes_per_sec";

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Direction {
    bytes: Option<u64>,
    packets: Option<u64>,
    errors: Option<u64>,
    drops: Option<u64>,
}

impl Direction {
    fn from(fields: &[Option<u64>]) -> Direction {
        let field = |i: usize| fields.get(i).copied().flatten();
        Direction { bytes: field(0), packets: field(1), errors: field(2), drops: field(3) }
    }
}

struct Interfaces {
    file: HeldFile,
    parse: fn(&[u8], &mut Vec<Interface>) -> Result<(), ParseError>,
    /// `/sys/class/net`
    class: PathBuf,
    presence: Presence<InterfaceLine>,
    rows: Vec<Interface>,
}

impl Collector for Interfaces {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        self.rows.clear();
        let parsed = (self.parse)(self.file.read()?, &mut self.rows);
        parsed.map_err(|error| CollectError::Parse { path: self.file.path().to_path_buf(), error })?;
        let (class, mono_ns) = (&self.class, out.mono_ns);
        self.presence.follow(
            &mut self.rows,
            |row| row.name,
            |row, present, is_new| {
                let line = &mut present.facts;
                // The speed is read when the interface appears, and again when it seems to be wrong: links are
                // renegotiated.
                if is_new || line.is_exceeded(mono_ns, row) {
                    line.bytes_per_sec = line_speed(class, row.name.as_str());
                }
                line.remember(mono_ns, row);
                (row.since, row.line) = (present.since, line.bytes_per_sec);
            },
        );
        out.push(&TABLE, &self.rows);
        Ok(())
    }

    fn lasts(&self) -> bool {
        true
    }
}

/// The capacity of an interface's link, and the bytes it had carried at the previous reading.
#[derive(Debug, Default)]
struct InterfaceLine {
    bytes_per_sec: Option<u64>,
    mono_ns: u64,
    sent: Option<u64>,
    received: Option<u64>,
}

impl InterfaceLine {
    /// Whether more was carried in the interval than such a link can carry.
    fn is_exceeded(&self, mono_ns: u64, row: &Interface) -> bool {
        let Some(most) = self.bytes_per_sec else { return false };
        let most = most as f64 * (mono_ns.saturating_sub(self.mono_ns) as f64 / 1e9 + LATE_S);
        let grew =
            |before: Option<u64>, now: Option<u64>| now.zip(before).map_or(0, |(n, b)| n.saturating_sub(b)) as f64;
        grew(self.sent, row.sent.bytes) > most || grew(self.received, row.received.bytes) > most
    }

    fn remember(&mut self, mono_ns: u64, row: &Interface) {
        (self.mono_ns, self.sent, self.received) = (mono_ns, row.sent.bytes, row.received.bytes);
    }
}

/// Drivers that report a speed without a physical link. Virtual machines copy from memory to memory and carry more,
/// also with the old cards that they emulate (8139cp, e1000, pcnet32).
const WITHOUT_LINK: &[&str] =
    &["8139cp", "e1000", "ena", "gve", "hv_netvsc", "mana", "pcnet32", "vif", "virtio_net", "vmxnet3", "xen-netfront"];

/// The capacity of an interface's link in each direction, plus 10 % for rounded speeds. `None` if it has no link
/// (virtual interfaces report any speed), or the kernel does not know its speed. Unit: bytes per second.
fn line_speed(class: &Path, name: &str) -> Option<u64> {
    let folder = class.join(name);
    let is_virtual =
        std::fs::read_link(&folder).is_ok_and(|to| to.components().any(|part| part.as_os_str() == "virtual"));
    let driver = link_name(&folder.join("device/driver"));
    if is_virtual || driver.is_some_and(|driver| WITHOUT_LINK.contains(&driver.as_str())) {
        return None;
    }
    // -1 while there is no link.
    let megabits: u64 = read_once(&folder.join("speed")).ok()?.parse().ok()?;
    (1..=10_000_000).contains(&megabits).then_some(megabits * 125_000 * 11 / 10)
}

/// Numbers after a name: eight received (bytes packets errs drop fifo frame compressed multicast), eight sent.
const FIELDS: usize = 16;

fn parse_without_loopback(text: &[u8], rows: &mut Vec<Interface>) -> Result<(), ParseError> {
    parse(text, rows)?;
    rows.retain(|i| i.name.as_str() != "lo");
    Ok(())
}

fn parse(text: &[u8], rows: &mut Vec<Interface>) -> Result<(), ParseError> {
    let mut lines = lines(text).enumerate();
    // Two header lines. The columns below them have not changed since long before the oldest supported kernel.
    match (lines.next(), lines.next()) {
        (Some(_), Some((_, names))) if names.windows(6).any(|w| w == b"|bytes") => {}
        _ => return Err(ParseError { line: 2, what: "no header lines".into() }),
    }
    for (i, line) in lines {
        rows.push(interface(line).map_err(|what| ParseError { line: i + 1, what })?);
    }
    Ok(())
}

fn interface(line: &[u8]) -> Result<Interface, String> {
    // Old kernels print a long number directly after the name (`eth0:1234567890`); numbers contain no colon.
    let colon = line.iter().rposition(|b| *b == b':').ok_or("no colon after the name")?;
    let (name, numbers) = line.split_at(colon);
    let name = Name::new(name.trim_ascii()).ok_or("no name before the colon")?;
    let mut fields = [None; FIELDS];
    let mut found = 0;
    for word in words(numbers.strip_prefix(b":").unwrap_or(numbers)) {
        if let Some(field) = fields.get_mut(found) {
            *field = number(word);
        }
        found += 1;
    }
    if found < FIELDS {
        return Err(format!("expected {FIELDS} numbers after `{}`, found {found}", name.as_str()));
    }
    let (received, sent) = fields.split_at(FIELDS / 2);
    Ok(Interface { name, received: Direction::from(received), sent: Direction::from(sent), since: 0, line: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::hwmon::tests::tree;
    use proptest::prelude::*;

    const HEADER: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
";

    fn parsed(body: &str) -> Result<Vec<Interface>, ParseError> {
        let mut rows = Vec::new();
        parse(format!("{HEADER}{body}").as_bytes(), &mut rows).map(|()| rows)
    }

    fn names(rows: &[Interface]) -> Vec<&str> {
        rows.iter().map(|i| i.name.as_str()).collect()
    }

    fn direction(bytes: u64, packets: u64, errors: u64, drops: u64) -> Direction {
        Direction { bytes: Some(bytes), packets: Some(packets), errors: Some(errors), drops: Some(drops) }
    }

    #[test]
    fn each_number_finds_its_column() {
        let rows = parsed("  eth0: 101 102 103 104 105 106 107 108 201 202 203 204 205 206 207 208\n").unwrap();
        assert_eq!(names(&rows), ["eth0"]);
        assert_eq!(rows[0].received, direction(101, 102, 103, 104));
        assert_eq!(rows[0].sent, direction(201, 202, 203, 204));
    }

    #[test]
    fn old_kernels_glue_the_number_to_the_name() {
        // Linux 2.6.32: the name is padded to six characters, the bytes to eight.
        let rows = parsed(
            "    lo:  561584    6021    0    0    0     0          0         0   561584    6021    0    0    0     0       0          0\n\
             \x20 eth0:3926341702 9174206    0   17    0     0          0      2310 815120445 5127748    2    0    0     0       0          0\n",
        )
        .unwrap();
        assert_eq!(names(&rows), ["lo", "eth0"]);
        assert_eq!(rows[1].received, direction(3_926_341_702, 9_174_206, 0, 17));
        assert_eq!(rows[1].sent, direction(815_120_445, 5_127_748, 2, 0));
    }

    #[test]
    fn only_loopback_is_left_out() {
        let zeros = " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        let all = ["lo", "eth0", "dummy0", "ifb1", "veth1a2b3c4", "wlp0s20f3", "br-0f9c", "eth0.100", "lol"];
        let body: String = all.iter().map(|n| format!("{n:>6}:{zeros}")).collect();
        let mut rows = Vec::new();
        parse_without_loopback(format!("{HEADER}{body}").as_bytes(), &mut rows).unwrap();
        assert_eq!(names(&rows), all[1..]);
        assert_eq!(names(&parsed(&body).unwrap()), all);
    }

    #[test]
    fn many_interfaces() {
        let body: String = (0..300).map(|i| format!("veth{i}: {i} 1 0 0 0 0 0 0 {} 1 0 0 0 0 0 0\n", 2 * i)).collect();
        let rows = parsed(&body).unwrap();
        assert_eq!(rows.len(), 300);
        assert_eq!((rows[299].received.bytes, rows[299].sent.bytes), (Some(299), Some(598)));
    }

    #[test]
    fn the_speed_of_a_link() {
        let dir = tempfile::tempdir().unwrap();
        tree(
            dir.path(),
            &[
                ("devices/pci0/net/eth0/speed", "1000\n"),
                ("devices/virtual/net/veth7/speed", "10000\n"),
                ("devices/pci1/net/ens3/speed", "10000\n"),
                ("devices/pci1/net/ens3/device/driver", "->../../../../bus/pci/drivers/vmxnet3"),
                ("devices/pci3/net/eth3/speed", "100\n"),
                ("devices/pci3/net/eth3/device/driver", "->../../../../bus/pci/drivers/8139cp"),
                ("devices/pci2/net/eth1/speed", "-1\n"),
                ("class/net/eth0", "->../../devices/pci0/net/eth0"),
                ("class/net/veth7", "->../../devices/virtual/net/veth7"),
                ("class/net/ens3", "->../../devices/pci1/net/ens3"),
                ("class/net/eth1", "->../../devices/pci2/net/eth1"),
                ("class/net/eth3", "->../../devices/pci3/net/eth3"),
                ("class/net/eth2/speed", "4294967295\n"),
            ],
        );
        let speed = |name| line_speed(&dir.path().join("class/net"), name);
        assert_eq!(speed("eth0"), Some(137_500_000), "125 MB/s plus 10 %");
        assert_eq!(["veth7", "ens3", "eth1", "eth2", "eth3"].map(speed), [None; 5]);
    }

    #[test]
    fn the_speed_is_read_again_when_a_link_became_faster() {
        let row = |bytes: u64| parsed(&format!("eth0: {bytes} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")).unwrap()[0];
        let mut line = InterfaceLine { bytes_per_sec: Some(1000), ..InterfaceLine::default() };
        line.remember(1_000_000_000, &row(5000));
        // One second, plus two for drivers that count late.
        assert!(!line.is_exceeded(2_000_000_000, &row(8000)));
        assert!(line.is_exceeded(2_000_000_000, &row(8001)));
        assert!(!line.is_exceeded(3_000_000_000, &row(8001)));
        assert!(!line.is_exceeded(2_000_000_000, &row(0)));
        line.bytes_per_sec = None;
        assert!(!line.is_exceeded(2_000_000_000, &row(u64::MAX)));
    }

    #[test]
    fn a_machine_may_have_no_interface() {
        assert_eq!(parsed("").unwrap(), []);
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(parse(b"", &mut Vec::new()).unwrap_err().what, "no header lines");
        let error = parsed(" eth0: 1 2 3\n").unwrap_err();
        assert_eq!(error.to_string(), "line 3: expected 16 numbers after `eth0`, found 3");
        assert_eq!(parsed("eth0 1 2 3\n").unwrap_err().what, "no colon after the name");
        assert_eq!(parsed(" : 1 2 3\n").unwrap_err().what, "no name before the colon");
        // A field that is not a number is null; the other fields keep their values.
        let rows = parsed("eth0: 1 -2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n").unwrap();
        assert_eq!(rows[0].received, Direction { packets: None, ..direction(1, 0, 3, 4) });
    }

    #[test]
    fn counters_fill_64_bits() {
        let rows = parsed("eth0: 18446744073709551615 0 0 0 0 0 0 0 9223372036854775807 0 0 0 0 0 0 0\n").unwrap();
        assert_eq!((rows[0].received.bytes, rows[0].sent.bytes), (Some(u64::MAX), Some(i64::MAX as u64)));
    }

    /// The rows of a tick as `name=bytes received@number of the reading at which it appeared`.
    fn collected(opened: &mut Opened) -> Vec<String> {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        opened.collector.collect(0, &mut sample).unwrap();
        let shown = |row: &[crate::table::sample::Cell], name: &str| {
            let at = catalog[0].raw.iter().position(|c| c.name == name).unwrap();
            match row[at] {
                crate::table::sample::Cell::Text(id) => sample.texts.get(id).unwrap().to_string(),
                crate::table::sample::Cell::Int(v) => v.to_string(),
                other => panic!("{other:?}"),
            }
        };
        let row = |row| ["interface", "bytes_recv", "since"].map(|name| shown(row, name));
        let rows = sample.cells.chunks(catalog[0].raw.len()).map(row);
        rows.map(|[name, bytes, since]| format!("{name}={bytes}@{since}")).collect()
    }

    #[test]
    fn a_name_that_moves_belongs_to_another_interface() {
        let dir = tempfile::tempdir().unwrap();
        let line = |(name, bytes): &(&str, u64)| format!("{name:>6}: {bytes} 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n");
        let put = |lines: &[(&str, u64)]| {
            std::fs::create_dir_all(dir.path().join("net")).unwrap();
            std::fs::write(
                dir.path().join("net/dev"),
                HEADER.to_string() + &lines.iter().map(line).collect::<String>(),
            )
            .unwrap();
        };
        let number = |name: &str, number: u32| {
            let folder = dir.path().join("class/net").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("ifindex"), format!("{number}\n")).unwrap();
        };
        put(&[("eth0", 10), ("eth1", 9000)]);
        number("eth0", 2);
        number("eth1", 3);
        let roots = crate::linux::files::Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut opened = (ENTRY.open)(&super::super::collector::Setup::new(roots, Default::default())).ok().unwrap();
        assert_eq!(collected(&mut opened), ["eth0=10@1", "eth1=9000@1"]);
        // udev renames both: what is now `eth0` received 9000 bytes as `eth1`.
        put(&[("eth1", 20), ("eth0", 9100)]);
        number("eth1", 2);
        number("eth0", 3);
        assert_eq!(collected(&mut opened), ["eth1=20@2", "eth0=9100@2"]);
        assert_eq!(collected(&mut opened), ["eth1=20@2", "eth0=9100@2"]);
        // A new name is new in any case, and a new interface does not affect the others.
        put(&[("lan0", 30), ("eth0", 9200), ("veth7", 1)]);
        number("lan0", 2);
        number("veth7", 9);
        assert_eq!(collected(&mut opened), ["lan0=30@4", "eth0=9200@2", "veth7=1@4"]);
        // Renamed between two pages of one reading.
        put(&[("lan0", 40), ("veth7", 9300), ("veth7", 2)]);
        assert_eq!(collected(&mut opened), ["lan0=40@4"]);
        put(&[("lan0", 50), ("eth9", 9400), ("veth7", 3)]);
        assert_eq!(collected(&mut opened), ["lan0=50@4", "eth9=9400@6", "veth7=3@6"]);
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>, body in "[a-z0-9: \n|-]{0,200}") {
            let _ = parse(&bytes, &mut Vec::new());
            let _ = parsed(&body);
        }
    }
}
