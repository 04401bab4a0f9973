//! Mounts and operations that come and go, in the formats of several kernels.

use std::path::Path;

use super::super::options::Options;
use super::*;
use crate::table::sample::Cell;

/// After Linux 6.x, an NFS 4.2 mount between others.
const MODERN: &str = "\
device proc mounted on /proc with fstype proc
device nas:/home mounted on /srv/my\\040home with fstype nfs4 statvers=1.1
\topts:\trw,vers=4.2,rsize=1048576,wsize=1048576,hard,proto=tcp,timeo=600,clientaddr=10.0.0.2,addr=10.0.0.1
\tage:\t3600
\timpl_id:\tname='',domain='',date='0,0'
\tcaps:\tcaps=0x1fbffffff,wtmult=512,dtsize=1048576,bsize=0,namlen=255
\tnfsv4:\tbm0=0xfdffbfff,bm1=0xf9be3e,bm2=0x68800,acl=0x3,sessions,pnfs=not configured
\tsec:\tflavor=1,pseudoflavor=1
\tevents:\t11 22 33 44 55 66 77 88 99 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18
\tbytes:\t1001 1002 1003 1004 1005 1006 1007 1008 
\tRPC iostats version: 1.1  p/v: 100003/4 (nfs)
\txprt:\ttcp 832 0 1 0 11 213 213 0 213 0 2 0 0
\tper-op statistics
\t        NULL: 1 1 0 44 24 0 3 4 0
\t        READ: 100 103 2 15000 6560000 50 400 475 6
\t       WRITE: 0 0 0 0 0 0 0 0 0
\t          75: 5 5 0 6 7 8 9 10 0

device tmpfs mounted on /run with fstype tmpfs
";

/// After Linux 3.10: eight numbers.
const OLD: &str = "\
device rootfs mounted on / with fstype rootfs
device old:/export mounted on /mnt with fstype nfs statvers=1.1
\topts:\trw,vers=3,proto=udp,mountaddr=10.0.0.9
\tage:\t7
\tbytes:\t1 2 3 4 5 6 7 8 
\tRPC iostats version: 1.0  p/v: 100003/3 (nfs)
\txprt:\tudp 832 0 1 2 3 4 5
\tper-op statistics
\t     GETATTR: 10 12 1 13 14 15 16 17
";

fn operation(name: &str, n: [u64; 8], errors: Option<u64>) -> mountstats::Operation {
    let [count, sent, timeouts, bytes_sent, bytes_recv, queue_ms, rtt_ms, execute_ms] = n;
    let name = Name::new(name.as_bytes()).unwrap();
    mountstats::Operation { name, count, sent, timeouts, bytes_sent, bytes_recv, queue_ms, rtt_ms, execute_ms, errors }
}

#[test]
fn nine_numbers_and_eight() {
    let modern = Mount {
        mountpoint: "/srv/my home".into(),
        server: "nas:/home".into(),
        age_s: Some(3600),
        operations: vec![
            operation("NULL", [1, 1, 0, 44, 24, 0, 3, 4], Some(0)),
            operation("READ", [100, 103, 2, 15_000, 6_560_000, 50, 400, 475], Some(6)),
            operation("WRITE", [0; 8], Some(0)),
            operation("75", [5, 5, 0, 6, 7, 8, 9, 10], Some(0)),
        ],
    };
    let old = Mount {
        mountpoint: "/mnt".into(),
        server: "old:/export".into(),
        age_s: Some(7),
        operations: vec![operation("GETATTR", [10, 12, 1, 13, 14, 15, 16, 17], None)],
    };
    assert_eq!(parse(format!("{MODERN}{OLD}").as_bytes()), [modern, old]);
}

/// The crate `procfs` as a second opinion.
#[test]
fn another_parser_finds_the_same() {
    use procfs::FromBufRead;
    let procfs::process::MountStats(theirs) = FromBufRead::from_buf_read(MODERN.as_bytes()).unwrap();
    let theirs: Vec<_> = theirs.into_iter().filter_map(|mount| Some((mount.device?, mount.statistics?))).collect();
    let ours = parse(MODERN.as_bytes());
    assert_eq!(ours.len(), theirs.len());
    for (ours, (server, theirs)) in ours.iter().zip(&theirs) {
        assert_eq!((&ours.server, ours.age_s), (server, Some(theirs.age.as_secs())));
        assert_eq!(ours.operations.len(), theirs.per_op_stats.len());
        for operation in &ours.operations {
            let stat = &theirs.per_op_stats[operation.name.as_str()];
            let counts = [stat.operations, stat.transmissions, stat.major_timeouts, stat.bytes_sent, stat.bytes_recv];
            let times = [stat.cum_queue_time, stat.cum_resp_time, stat.cum_total_req_time];
            let of = operation;
            assert_eq!(counts, [of.count, of.sent, of.timeouts, of.bytes_sent, of.bytes_recv]);
            assert_eq!(times.map(|time| time.as_millis()), [of.queue_ms, of.rtt_ms, of.execute_ms].map(u128::from));
        }
    }
}

/// A volume of many pods: one file system at many places. The same export with other options is another one.
#[test]
fn a_file_system_at_several_places_is_listed_once() {
    let again = MODERN.replace("/srv/my\\040home", "/second");
    let other = again.replace("vers=4.2", "vers=4.1").replace("/second", "/third");
    let mounts = parse(format!("{MODERN}{again}{other}").as_bytes());
    assert_eq!(mounts.iter().map(|m| m.mountpoint.as_str()).collect::<Vec<_>>(), ["/srv/my home", "/third"]);
}

#[test]
fn a_mount_covers_what_was_mounted_there_before() {
    let covering = OLD.replace("old:/export", "new:/export").replace("10 12", "20 22");
    let mounts = parse(format!("{OLD}{MODERN}{covering}").as_bytes());
    let found: Vec<_> = mounts.iter().map(|m| (m.server.as_str(), m.mountpoint.as_str())).collect();
    assert_eq!(found, [("nas:/home", "/srv/my home"), ("new:/export", "/mnt")]);
}

#[test]
fn damage_loses_what_is_damaged() {
    for text in [
        "",
        "device",
        "device a mounted on /x with fstype nfs",
        "\tREAD: 1 1 1 1 1 1 1 1\n",
        "no device mounted on /x with fstype nfs\n",
    ] {
        assert!(parse(text.as_bytes()).iter().all(|mount| mount.operations.is_empty()), "{text:?}");
    }
    let torn = MODERN.replace("100 103 2 15000 6560000 50 400 475 6", "100 103 2 15000").replace("3 4 0", "x 4 0");
    let names: Vec<_> = parse(torn.as_bytes())[0].operations.iter().map(|o| o.name.as_str().to_string()).collect();
    assert_eq!(names, ["WRITE", "75"]);
}

struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new(mounts: &str, mountstats: &str) -> Machine {
        let machine = Machine { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(machine.path().join("self")).unwrap();
        machine.put("mounts", mounts);
        machine.put("mountstats", mountstats);
        machine
    }
    fn path(&self) -> &Path {
        self.dir.path()
    }
    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path().join("self").join(name), text).unwrap();
    }
    fn open(&self) -> Result<Opened, Unavailable> {
        open(&Setup::new(Roots { proc: self.path().into(), sys: self.path().into() }, Options::default()))
    }
}

/// `mountpoint operation count is_new`, and the time of the first reading.
fn rows(collector: &mut dyn Collector, second: u64) -> Vec<(String, u64)> {
    let catalog = [TABLE.def()];
    let mut sample = Sample::new(&catalog);
    sample.mono_ns = second * 1_000_000_000;
    collector.collect(second, &mut sample).unwrap();
    let at = |name| catalog[0].raw.iter().position(|c| c.name == name).unwrap();
    let row = |row: &[Cell]| {
        let text = |name| match row[at(name)] {
            Cell::Text(id) => sample.texts.get(id).unwrap().to_string(),
            Cell::Int(n) => n.to_string(),
            Cell::Bool(b) => b.to_string(),
            other => panic!("{other:?}"),
        };
        let shown = ["mountpoint", "operation", "operations", "is_new"].map(text).join(" ");
        (shown, text("since_ns").parse::<u64>().unwrap() / 1_000_000_000)
    };
    sample.cells.chunks(catalog[0].raw.len()).map(row).collect()
}

fn are(found: &[(String, u64)], expected: &[(&str, u64)]) {
    assert_eq!(found.iter().map(|(row, since)| (row.as_str(), *since)).collect::<Vec<_>>(), expected);
}

const MOUNTS: &str = "old:/export /mnt nfs rw 0 0\n";

#[test]
fn operations_that_occur_for_the_first_time_are_new() {
    let machine = Machine::new(MOUNTS, OLD);
    let mut opened = machine.open().ok().unwrap();
    let collector = &mut *opened.collector;
    are(&rows(collector, 10), &[("/mnt GETATTR 10 false", 10)]);
    let more = OLD.replace("age:\t7", "age:\t8") + "\t        READ: 3 3 0 1 1 1 1 1\n";
    machine.put("mountstats", &more);
    are(&rows(collector, 11), &[("/mnt GETATTR 10 false", 10), ("/mnt READ 3 true", 10)]);
    are(&rows(collector, 12), &[("/mnt GETATTR 10 false", 10), ("/mnt READ 3 false", 10)]);
    // Mounted again between two readings: it is younger than before.
    machine.put("mountstats", &OLD.replace("age:\t7", "age:\t0").replace("10 12", "900 900"));
    are(&rows(collector, 13), &[("/mnt GETATTR 900 true", 13)]);
    // Gone, and back at the next reading but one, with an age that a bind mount brings.
    machine.put("mountstats", "device proc mounted on /proc with fstype proc\n");
    are(&rows(collector, 14), &[]);
    machine.put("mountstats", &OLD.replace("age:\t7", "age:\t5000"));
    are(&rows(collector, 15), &[("/mnt GETATTR 10 false", 15)]);
}

#[test]
fn it_is_absent_without_a_client_and_waits_for_a_mount_with_one() {
    let machine = Machine::new("/dev/sda1 / ext4 rw 0 0\n", OLD);
    assert_eq!(machine.open().err().unwrap().reason, "no NFS file system is mounted");
    std::fs::create_dir_all(machine.path().join("net/rpc")).unwrap();
    std::fs::write(machine.path().join("net/rpc/nfs"), "net 0 0 0 0\n").unwrap();
    let mut opened = machine.open().ok().unwrap();
    assert_eq!(opened.notes, ["no NFS file system is mounted at the start"]);
    // `mountstats` is not even looked at.
    are(&rows(&mut *opened.collector, 1), &[]);
    std::fs::remove_file(machine.path().join("self/mountstats")).unwrap();
    assert!(machine.open().err().unwrap().reason.contains("self/mountstats"));
}

/// In a container the roots are those of the host, and `self` would be the container's.
#[test]
fn a_mounted_root_tells_of_its_first_process() {
    let machine = Machine::new("", "");
    std::fs::create_dir_all(machine.path().join("1")).unwrap();
    std::fs::write(machine.path().join("1/mounts"), MOUNTS).unwrap();
    std::fs::write(machine.path().join("1/mountstats"), OLD).unwrap();
    are(&rows(&mut *machine.open().ok().unwrap().collector, 1), &[("/mnt GETATTR 10 false", 1)]);
}

proptest::proptest! {
    #[test]
    fn any_bytes_do_no_harm(text: Vec<u8>, lines in "(device a mounted on /x with fstype nfs|\n|\t|READ: |[0-9]{0,21} |opts:|age:){0,30}") {
        parse(&text);
        parse(lines.as_bytes());
    }
}
