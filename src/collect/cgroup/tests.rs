//! Machines with both versions, made of a few files written by hand.

use std::fs;

use super::*;
use crate::collect::options::Options;
use crate::facts::machine::testing::Tree;
use crate::table::sample::Cell;

/// A service below a slice on a machine with version 2 only.
const TWO: &[(&str, &str)] = &[
    ("proc/self/mountinfo", "30 23 0:26 / {sys}/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"),
    ("proc/self/cgroup", "0::/user.slice/session-2.scope\n"),
    ("sys/fs/cgroup/cpu.stat", "usage_usec 9000\nuser_usec 5000\nsystem_usec 4000\n"),
    ("sys/fs/cgroup/user.slice/session-2.scope/cpu.stat", "usage_usec 70\nuser_usec 40\nsystem_usec 30\n"),
    ("sys/fs/cgroup/system.slice/cgroup.procs", ""),
    (
        "sys/fs/cgroup/system.slice/db.service/cpu.stat",
        "usage_usec 1000000\nuser_usec 600000\nsystem_usec 400000\nnice_usec 5\ncore_sched.force_idle_usec 0\n\
         nr_periods 100\nnr_throttled 25\nthrottled_usec 123456\nnr_bursts 0\nburst_usec 0\n",
    ),
    ("sys/fs/cgroup/system.slice/db.service/memory.current", "104857600\n"),
    ("sys/fs/cgroup/system.slice/db.service/memory.peak", "209715200\n"),
    ("sys/fs/cgroup/system.slice/db.service/memory.max", "max\n"),
    ("sys/fs/cgroup/system.slice/db.service/memory.swap.current", "0\n"),
    (
        "sys/fs/cgroup/system.slice/db.service/memory.events",
        "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n",
    ),
    (
        "sys/fs/cgroup/system.slice/db.service/memory.stat",
        "anon 4096\nfile 8192\nkernel 1\nanon_thp 7\nfile_mapped 9\n",
    ),
    (
        "sys/fs/cgroup/system.slice/db.service/io.stat",
        "8:0 rbytes=1000 wbytes=2000 rios=3 wios=4 dbytes=0 dios=0\n253:0 rbytes=10 wbytes=20 rios=30 wios=40 dbytes=9 \
         dios=9\n7:0 \n",
    ),
    ("sys/fs/cgroup/system.slice/db.service/pids.current", "17\n"),
    (
        "sys/fs/cgroup/system.slice/db.service/cpu.pressure",
        "some avg10=1.00 avg60=0.00 avg300=0.00 total=11\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=12\n",
    ),
    (
        "sys/fs/cgroup/system.slice/db.service/memory.pressure",
        "some avg10=1.00 avg60=0.00 avg300=0.00 total=13\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=14\n",
    ),
    (
        "sys/fs/cgroup/system.slice/db.service/io.pressure",
        "some avg10=1.00 avg60=0.00 avg300=0.00 total=15\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=16\n",
    ),
    ("sys/fs/cgroup/system.slice/web.service/cpu.stat", "usage_usec 5\n"),
];

/// A container in three hierarchies of version 1, next to a version 2 that only counts time.
const HYBRID: &[(&str, &str)] = &[
    (
        "proc/self/mountinfo",
        "32 31 0:29 / {sys}/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
         33 31 0:30 / {sys}/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
         34 31 0:31 / {sys}/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
         35 31 0:32 / {sys}/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n\
         36 31 0:33 / {sys}/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n",
    ),
    ("proc/self/cgroup", "4:blkio:/\n3:memory:/docker/4f\n2:cpu,cpuacct:/docker/4f\n0::/docker/4f\n"),
    ("sys/fs/cgroup/unified/cgroup.procs", ""),
    ("sys/fs/cgroup/freezer/frozen/freezer.state", "THAWED\n"),
    ("sys/fs/cgroup/cpu,cpuacct/docker/4f/cpuacct.usage", "2500001999\n"),
    ("sys/fs/cgroup/cpu,cpuacct/docker/4f/cpuacct.stat", "user 150\nsystem 100\n"),
    ("sys/fs/cgroup/cpu,cpuacct/docker/4f/cpu.stat", "nr_periods 8\nnr_throttled 2\nthrottled_time 5000999\n"),
    ("sys/fs/cgroup/memory/docker/4f/memory.usage_in_bytes", "40960\n"),
    ("sys/fs/cgroup/memory/docker/4f/memory.max_usage_in_bytes", "81920\n"),
    ("sys/fs/cgroup/memory/docker/4f/memory.limit_in_bytes", "536870912\n"),
    ("sys/fs/cgroup/memory/docker/4f/memory.failcnt", "7\n"),
    ("sys/fs/cgroup/memory/docker/4f/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
    (
        "sys/fs/cgroup/memory/docker/4f/memory.stat",
        "cache 1\nrss 2\nswap 3\ntotal_cache 100\ntotal_rss 200\ntotal_rss_huge 0\ntotal_swap 300\n",
    ),
    (
        "sys/fs/cgroup/blkio/docker/4f/blkio.throttle.io_service_bytes_recursive",
        "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 12288\n8:16 Read 1\n8:16 \
         Write 2\nTotal 12291\n",
    ),
    (
        "sys/fs/cgroup/blkio/docker/4f/blkio.throttle.io_serviced_recursive",
        "8:0 Read 5\n8:0 Write 6\n8:0 Total 11\nTotal 11\n",
    ),
    ("sys/fs/cgroup/unified/docker/4f/cpu.stat", "usage_usec 2500002\nuser_usec 1500001\nsystem_usec 1000001\n"),
    (
        "sys/fs/cgroup/unified/docker/4f/io.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=21\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=22\n",
    ),
];

fn finder(tree: &Tree, patterns: &[&str]) -> Finder {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    Finder::new(&Hierarchies::read(&tree.roots()), &patterns).ok().unwrap()
}

fn account_of(tree: &Tree, path: &str) -> Account {
    crate::linux::cgroup::account::read(&finder(tree, &[]).folders(path))
}

#[test]
fn version_2() {
    let expected = Account {
        usage_us: Some(1_000_000),
        user_us: Some(600_000),
        system_us: Some(400_000),
        periods: Some(100),
        throttled_periods: Some(25),
        throttled_us: Some(123_456),
        memory_bytes: Some(100 << 20),
        memory_peak_bytes: Some(200 << 20),
        memory_limit_bytes: None,
        anon_bytes: Some(4096),
        file_bytes: Some(8192),
        swap_bytes: Some(0),
        low_events: Some(1),
        high_events: Some(2),
        max_events: Some(3),
        oom_events: Some(4),
        oom_kills: Some(5),
        read_bytes: Some(1010),
        write_bytes: Some(2020),
        read_count: Some(33),
        write_count: Some(44),
        pids: Some(17),
        cpu_some_us: Some(11),
        memory_some_us: Some(13),
        memory_full_us: Some(14),
        io_some_us: Some(15),
        io_full_us: Some(16),
    };
    assert_eq!(account_of(&Tree::new(TWO), "/system.slice/db.service"), expected);
}

#[test]
fn version_1_next_to_version_2() {
    let common = Account {
        periods: Some(8),
        throttled_periods: Some(2),
        throttled_us: Some(5000),
        memory_bytes: Some(40_960),
        memory_peak_bytes: Some(81_920),
        memory_limit_bytes: Some(512 << 20),
        anon_bytes: Some(200),
        file_bytes: Some(100),
        swap_bytes: Some(300),
        max_events: Some(7),
        oom_kills: Some(3),
        read_bytes: Some(4097),
        write_bytes: Some(8194),
        read_count: Some(5),
        write_count: Some(6),
        ..Account::default()
    };
    // The more precise times are those of version 2.
    let hybrid = Account {
        usage_us: Some(2_500_002),
        user_us: Some(1_500_001),
        system_us: Some(1_000_001),
        io_some_us: Some(21),
        io_full_us: Some(22),
        ..common
    };
    assert_eq!(account_of(&Tree::new(HYBRID), "/docker/4f"), hybrid);
    let only_one: Vec<_> = HYBRID.iter().filter(|(path, _)| !path.contains("unified")).copied().collect();
    // Clock ticks of 10 ms.
    let one = Account { usage_us: Some(2_500_001), user_us: Some(1_500_000), system_us: Some(1_000_000), ..common };
    assert_eq!(account_of(&Tree::new(&only_one), "/docker/4f"), one);
}

#[test]
fn old_kernels_and_damaged_files_give_null() {
    let tree = Tree::new(&[
        TWO[0],
        ("sys/fs/cgroup/a/cpu.stat", "usage_usec\nuser_usec x\nsystem_usec 18446744073709551616\n"),
        ("sys/fs/cgroup/a/memory.peak", "\n"),
        ("sys/fs/cgroup/a/memory.events", ""),
        ("sys/fs/cgroup/a/io.stat", "8:0 rbytes=5 wbytes=x rios wios=1\n8:16 rbytes=1 wbytes=1\n"),
        ("sys/fs/cgroup/a/io.pressure", "none\n"),
        ("sys/fs/cgroup/b/io.stat", ""),
    ]);
    let read = Account { read_bytes: Some(6), read_count: Some(0), write_count: Some(1), ..Account::default() };
    assert_eq!(account_of(&tree, "/a"), read);
    let idle = Account {
        read_bytes: Some(0),
        write_bytes: Some(0),
        read_count: Some(0),
        write_count: Some(0),
        ..Account::default()
    };
    assert_eq!(account_of(&tree, "/b"), idle, "no device, no bytes");
    assert_eq!(account_of(&tree, "/absent"), Account::default());
}

#[test]
fn patterns() {
    let two = Tree::new(TWO);
    let mount = two.roots().sys("fs/cgroup/system.slice/db*");
    for (pattern, found) in [
        ("system.slice/*.service", &["/system.slice/db.service", "/system.slice/web.service"][..]),
        ("/system.slice/w?b.service", &["/system.slice/web.service"]),
        (mount.to_str().unwrap(), &["/system.slice/db.service"]),
        ("*", &["/system.slice", "/user.slice"]),
        ("*/", &["/system.slice", "/user.slice"]),
        ("**/*.scope", &["/user.slice/session-2.scope"]),
        ("/", &["/"]),
        ("self", &["/user.slice/session-2.scope"]),
        ("/self", &[]),
        ("cpu.stat", &[]),
    ] {
        let finder = finder(&two, &[pattern]);
        assert!(finder.find().0.iter().eq(found), "{pattern}: {:?}", finder.find());
        assert_eq!(finder.idle().next().is_some(), found.is_empty(), "{pattern}");
    }
    let tree = Tree::new(HYBRID);
    let found = finder(&tree, &["docker/*", "self", "frozen"]).find().0;
    assert!(found.iter().eq(["/", "/docker/4f"]), "our own in blkio is the root; the freezer has no values: {found:?}");
}

#[test]
fn invalid_patterns() {
    let tree = Tree::new(TWO);
    for text in ["", " ", "a/../b", "[", "a**"] {
        let why = Finder::new(&Hierarchies::read(&tree.roots()), &[text.to_string()]).err().unwrap();
        assert!(why.is_mistake && why.reason.starts_with(&format!("`{text}`: ")), "{why:?}");
    }
}

fn opened(tree: &Tree, patterns: &[&str]) -> Result<Opened, Unavailable> {
    let cgroups = patterns.iter().map(ToString::to_string).collect();
    open(&Setup::new(tree.roots(), Options { cgroup: super::options::CgroupOptions { cgroups }, ..Options::default() }))
}

/// The groups that have a row at this second, and the CPU time they have used.
fn rows(collector: &mut dyn Collector, second: u64) -> Vec<(String, Cell)> {
    let catalog = [TABLE.def()];
    let mut sample = Sample::new(&catalog);
    sample.mono_ns = second * 1_000_000_000;
    collector.collect(second, &mut sample).unwrap();
    assert_eq!(sample.warnings, [""; 0]);
    let usage = catalog[0].raw.iter().position(|c| c.name == "usage_us").unwrap();
    let cells = sample.cells.chunks(catalog[0].raw.len());
    let name = |cell| match cell {
        Cell::Text(id) => sample.texts.get(id).unwrap().to_string(),
        other => panic!("{other:?}"),
    };
    cells.map(|row| (name(row[0]), row[usage])).collect()
}

#[test]
fn groups_come_and_go() {
    let tree = Tree::new(TWO);
    let mut opened = opened(&tree, &["system.slice/*.service", "later"]).ok().unwrap();
    assert_eq!(opened.notes, ["no control group matches later yet"]);
    assert_eq!(opened.by.as_deref(), Some("version 2"));
    let service = |name: &str, us| (format!("/system.slice/{name}.service"), Cell::Int(us));
    let (db, web) = (service("db", 1_000_000), service("web", 5));
    assert_eq!(rows(&mut *opened.collector, 1), [db.clone(), web.clone()]);
    let slice = tree.roots().sys("fs/cgroup/system.slice");
    fs::create_dir(slice.join("new.service")).unwrap();
    fs::write(slice.join("new.service/cpu.stat"), "usage_usec 9\n").unwrap();
    fs::write(slice.join("web.service/cpu.stat"), "usage_usec 6\n").unwrap();
    assert_eq!(rows(&mut *opened.collector, 5), [db.clone(), service("web", 6)], "not searched at every tick");
    fs::remove_dir_all(slice.join("web.service")).unwrap();
    assert_eq!(rows(&mut *opened.collector, 6), [db, service("new", 9)]);
}

/// For each row: the group, the CPU time it has used, and whether it is new.
fn with_is_new(collector: &mut dyn Collector, second: u64) -> Vec<(String, Cell, bool)> {
    let catalog = [TABLE.def()];
    let mut sample = Sample::new(&catalog);
    sample.mono_ns = second * 1_000_000_000;
    collector.collect(second, &mut sample).unwrap();
    let at = |name: &str| catalog[0].raw.iter().position(|c| c.name == name).unwrap();
    let (usage, is_new) = (at("usage_us"), at("is_new"));
    let text = |cell| match cell {
        Cell::Text(id) => sample.texts.get(id).unwrap().to_string(),
        other => panic!("{other:?}"),
    };
    let rows = sample.cells.chunks(catalog[0].raw.len());
    rows.map(|row| (text(row[0]), row[usage], row[is_new] == Cell::Bool(true))).collect()
}

#[test]
fn a_group_created_during_the_recording_starts_from_zero() {
    let tree = Tree::new(&[TWO[0], ("sys/fs/cgroup/old/cpu.stat", "usage_usec 7\n")]);
    let mount = tree.roots().sys("fs/cgroup");
    let mut opened = opened(&tree, &["*"]).ok().unwrap();
    let old = ("/old".to_string(), Cell::Int(7), false);
    assert_eq!(with_is_new(&mut *opened.collector, 0), std::slice::from_ref(&old));
    fs::create_dir(mount.join("new")).unwrap();
    fs::write(mount.join("new/cpu.stat"), "usage_usec 900\n").unwrap();
    let new = |us, is_new| ("/new".to_string(), Cell::Int(us), is_new);
    assert_eq!(with_is_new(&mut *opened.collector, 5), [new(900, true), old.clone()]);
    fs::write(mount.join("new/cpu.stat"), "usage_usec 950\n").unwrap();
    assert_eq!(with_is_new(&mut *opened.collector, 6), [new(950, false), old]);
}

/// The counters of the first group are unrelated to those of the second: a row without values separates them.
#[test]
fn another_group_with_the_same_path_is_separated() {
    let tree = Tree::new(&[TWO[0], ("sys/fs/cgroup/job/cpu.stat", "usage_usec 100\n")]);
    let mount = tree.roots().sys("fs/cgroup");
    let mut opened = opened(&tree, &["job"]).ok().unwrap();
    let job = |usage, is_new| [("/job".to_string(), usage, is_new)];
    assert_eq!(with_is_new(&mut *opened.collector, 0), job(Cell::Int(100), false));
    // Moved, not removed, so that its inode is not reused.
    fs::rename(mount.join("job"), tree.roots().sys("elsewhere")).unwrap();
    fs::create_dir(mount.join("job")).unwrap();
    fs::write(mount.join("job/cpu.stat"), "usage_usec 5000\n").unwrap();
    assert_eq!(with_is_new(&mut *opened.collector, 5), job(Cell::Null, false));
    assert_eq!(with_is_new(&mut *opened.collector, 6), job(Cell::Int(5000), true));
    assert_eq!(with_is_new(&mut *opened.collector, 7), job(Cell::Int(5000), false));
}

#[test]
fn a_group_that_appears_in_a_second_hierarchy_stays_the_same() {
    let tree = Tree::new(HYBRID);
    let cpu = tree.roots().sys("fs/cgroup/cpu,cpuacct/docker/new");
    fs::create_dir(&cpu).unwrap();
    fs::write(cpu.join("cpuacct.usage"), "1000000\n").unwrap();
    let mut opened = opened(&tree, &["docker/new"]).ok().unwrap();
    let row = |us| [("/docker/new".to_string(), Cell::Int(us), false)];
    assert_eq!(with_is_new(&mut *opened.collector, 0), row(1000));
    let memory = tree.roots().sys("fs/cgroup/memory/docker/new");
    fs::create_dir(&memory).unwrap();
    fs::write(memory.join("memory.usage_in_bytes"), "4096\n").unwrap();
    fs::write(cpu.join("cpuacct.usage"), "2000000\n").unwrap();
    assert_eq!(with_is_new(&mut *opened.collector, 5), row(2000));
    let catalog = [TABLE.def()];
    let mut sample = Sample::new(&catalog);
    sample.mono_ns = 6_000_000_000;
    opened.collector.collect(6, &mut sample).unwrap();
    let memory = catalog[0].raw.iter().position(|c| c.name == "memory_bytes").unwrap();
    assert_eq!(sample.cells[memory], Cell::Int(4096));
    // Created again in one of them: its counters there belong to another group.
    fs::rename(&cpu, tree.roots().sys("elsewhere")).unwrap();
    fs::create_dir(&cpu).unwrap();
    fs::write(cpu.join("cpuacct.usage"), "7000000000\n").unwrap();
    assert_eq!(with_is_new(&mut *opened.collector, 10), [("/docker/new".to_string(), Cell::Null, false)]);
    assert_eq!(with_is_new(&mut *opened.collector, 11)[0].1, Cell::Int(7_000_000));
}

#[test]
fn too_many_groups_are_cut_and_reported() {
    let tree = Tree::new(&[TWO[0]]);
    let mount = tree.roots().sys("fs/cgroup");
    for n in 0..MAX_GROUPS + 5 {
        let group = mount.join(format!("g{n:04}"));
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("cpu.stat"), "usage_usec 1\n").unwrap();
    }
    let mut opened = opened(&tree, &["g*"]).ok().unwrap();
    let catalog = [TABLE.def()];
    let mut sample = Sample::new(&catalog);
    opened.collector.collect(0, &mut sample).unwrap();
    assert!(sample.warnings[0].starts_with("more than 1000 control groups"), "{:?}", sample.warnings);
    assert!((1..=MAX_GROUPS).contains(&sample.blocks[0].rows));
}

#[test]
fn without_a_request_there_is_no_group() {
    let tree = Tree::new(TWO);
    assert!(opened(&tree, &[]).err().unwrap().is_optional);
    let nothing = Tree::new(&[("proc/x", "")]);
    assert_eq!(opened(&nothing, &["*"]).err().unwrap().reason, "no control groups are mounted");
}

#[test]
fn the_commands_own_group_has_a_fixed_name() {
    use crate::linux::cgroup::Own;
    use crate::workload::command::RecordedCommand;
    let tree = Tree::new(HYBRID);
    let folders = finder(&tree, &[]).folders("/docker/4f");
    let of = |own: Own, patterns: &[&str]| {
        let cgroups = patterns.iter().map(ToString::to_string).collect();
        let mut setup = Setup::new(
            tree.roots(),
            Options { cgroup: super::options::CgroupOptions { cgroups }, ..Options::default() },
        );
        setup.command = Some(Arc::new(RecordedCommand::new(1, own)));
        open(&setup)
    };
    let mut opened = of(Own { folders, notes: vec![] }, &[]).ok().unwrap();
    assert_eq!(opened.by.as_deref(), Some("version 2 and version 1 (cpu, cpuacct, memory, blkio)"));
    assert_eq!(rows(&mut *opened.collector, 1), [("command".to_string(), Cell::Int(2_500_002))]);
    let denied = || Own { folders: vec![], notes: vec!["denied".into()] };
    let why = of(denied(), &[]).err().unwrap();
    assert_eq!((&*why.reason, why.is_optional), ("denied", false));
    assert_eq!(of(denied(), &["docker/4f"]).ok().unwrap().notes, ["denied"]);
    assert!(of(Own::default(), &[]).err().unwrap().is_optional, "switched off");
}

proptest::proptest! {
    #[test]
    fn any_bytes_do_no_harm(text: Vec<u8>, lines in "([a-z_0-9:=]{0,12} ?){0,30}\n?") {
        for text in [&text[..], lines.as_bytes()] {
            crate::linux::cgroup::account::parse_all(text);
        }
    }
}

const ID: &str = "3f4b1c0d9e8a7766554433221100ffeeddccbbaa99887766554433221100abcd";
const UID: &str = "0c1d2e3f-4a5b-6c7d-8e9f-001122334455";

/// The files of a machine with a container of Docker, one of podman, and a pod of Kubernetes, whose pause container has no
/// log.
fn with_containers() -> Tree {
    let id = |first: char| format!("{first}{}", &ID[1..]);
    let pod = format!("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice", UID.replace('-', "_"));
    let group = |path: String| (format!("sys/fs/cgroup/{path}/cpu.stat"), "usage_usec 1\n".to_string());
    let docker = |name: &str| format!("{{\"ID\":\"{}\",\"Name\":\"{name}\",\"State\":{{}}}}", id('1'));
    let host = |path: &str, text: String| (format!("proc/1/root/var/{path}"), text);
    let files = [
        (TWO[0].0.to_string(), TWO[0].1.to_string()),
        group(format!("system.slice/docker-{}.scope", id('1'))),
        group(format!("machine.slice/libpod-{}.scope", id('2'))),
        group(format!("machine.slice/libpod-{}.scope/container", id('2'))),
        group(format!("machine.slice/libpod-conmon-{}.scope", id('2'))),
        group(format!("{pod}/cri-containerd-{}.scope", id('3'))),
        group(format!("{pod}/cri-containerd-{}.scope", id('4'))),
        group("machine.slice/systemd-nspawn@my\\x2dbox.service".into()),
        group("system.slice/web.service".into()),
        host(&format!("lib/docker/containers/{}/config.v2.json", id('1')), docker("/web <1>")),
        host(
            "lib/containers/storage/overlay-containers/containers.json",
            format!("[{{\"id\":\"{}\",\"names\":[\"db\",\"other\"],\"created\":\"x\"}},{{\"id\":\"0\"}}]", id('2')),
        ),
        host(&format!("log/containers/shop-7d_prod_front_end-{}.log", id('3')), String::new()),
        host("log/containers/strange", String::new()),
    ];
    Tree::new(&files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>())
}

/// For each row: the first digit of the container's identifier, its name, and whether it has the UID of the pod.
fn containers(collector: &mut dyn Collector, second: u64) -> Vec<(Option<char>, Option<String>, bool)> {
    let catalog = [TABLE.def()];
    let mut sample = Sample::new(&catalog);
    sample.mono_ns = second * 1_000_000_000;
    collector.collect(second, &mut sample).unwrap();
    let text = |row: &[Cell], name: &str| match row[catalog[0].raw.iter().position(|c| c.name == name).unwrap()] {
        Cell::Text(id) => Some(sample.texts.get(id).unwrap().to_string()),
        _ => None,
    };
    let of_row = |row: &[Cell]| {
        let id = text(row, "container_id");
        assert!(id.as_ref().is_none_or(|id| id[1..] == ID[1..]), "{id:?}");
        let pod = text(row, "pod_uid");
        assert!(pod.as_ref().is_none_or(|pod| pod == UID), "{pod:?}");
        (id.and_then(|id| id.chars().next()), text(row, "container_name"), pod.is_some())
    };
    sample.cells.chunks(catalog[0].raw.len()).map(of_row).collect()
}

#[test]
fn containers_have_the_names_that_files_give_them() {
    let tree = with_containers();
    let mut opened = opened(&tree, &["containers", "system.slice/web.service"]).ok().unwrap();
    let some = |name: &str| Some(name.to_string());
    // In the order of their paths: the pod, the machine and podman, Docker.
    let expected = [
        (Some('3'), some("prod/shop-7d/front_end"), true),
        (Some('4'), None, true),
        (Some('2'), some("db"), false),
        (None, some("my-box"), false),
        (Some('1'), some("web <1>"), false),
        (None, None, false),
    ];
    assert_eq!(containers(&mut *opened.collector, 0), expected);
    // The log appears after the group.
    let log = tree.roots().proc(&format!("1/root/var/log/containers/shop-7d_prod_late-4{}.log", &ID[1..]));
    fs::write(log, "").unwrap();
    assert_eq!(containers(&mut *opened.collector, 1)[1].1, None, "not looked for at every tick");
    assert_eq!(containers(&mut *opened.collector, 5)[1].1, some("prod/shop-7d/late"));
}

#[test]
fn files_without_names() {
    let tree = with_containers();
    let root = tree.roots().proc("1/root/var/lib");
    fs::write(root.join("containers/storage/overlay-containers/containers.json"), "[{").unwrap();
    let docker = root.join("docker/containers");
    let config = fs::read_dir(&docker).unwrap().next().unwrap().unwrap().path().join("config.v2.json");
    fs::write(config, "{\"Name\":7}").unwrap();
    let mut opened = opened(&tree, &["containers"]).ok().unwrap();
    let names: Vec<_> = containers(&mut *opened.collector, 0).into_iter().map(|(.., name, _)| name).collect();
    let expected = [Some("prod/shop-7d/front_end"), None, None, Some("my-box"), None];
    assert_eq!(names.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
}
