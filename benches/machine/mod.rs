//! A simulated machine with 64 cores: the text of its `/proc` and `/sys`, one second at a time, for the real
//! collectors.
//!
//! Loads vary (each is a first-order autoregression), counters grow as the loads require, and values that rarely change
//! on a real machine rarely change here. The same seed gives the same machine.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use perfwatch::linux::files::Roots;

const CORES: usize = 64;
const DISKS: [&str; 8] = ["nvme0n1", "nvme1n1", "nvme2n1", "nvme3n1", "sda", "sdb", "md0", "dm-0"];
const NICS: [&str; 4] = ["eth0", "eth1", "bond0", "docker0"];

/// A small random number generator, sufficient for benchmarks.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed | 1)
    }
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    /// Uniform between 0 and 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// Approximately normal, mean 0, standard deviation 1.
    fn normal(&mut self) -> f64 {
        (0..4).map(|_| self.unit()).sum::<f64>() * 1.732 - 3.464
    }
}

/// A load between 0 and 1 that varies around its own mean.
struct Load {
    middle: f64,
    now: f64,
}

impl Load {
    fn new(random: &mut Random, middle: f64) -> Self {
        let middle = middle * (0.5 + random.unit());
        Load { middle, now: middle }
    }
    fn step(&mut self, random: &mut Random) -> f64 {
        self.now = (self.middle + 0.9 * (self.now - self.middle) + 0.05 * random.normal()).clamp(0.0, 1.0);
        self.now
    }
}

/// Counters that grow by fractions and are printed as integers.
#[derive(Clone)]
struct Counters<const N: usize>([f64; N]);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Counters([0.0; N])
    }
}

impl<const N: usize> Counters<N> {
    fn grow(&mut self, by: [f64; N]) {
        for (counter, by) in self.0.iter_mut().zip(by) {
            *counter += by.max(0.0);
        }
    }
}

impl<const N: usize> std::fmt::Display for Counters<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|v| write!(f, " {}", *v as u64))
    }
}

pub struct Machine {
    root: PathBuf,
    random: Random,
    cores: Vec<(Load, Counters<10>)>,
    disks: Vec<(Load, Counters<11>)>,
    nics: Vec<(Load, Counters<16>)>,
    pressure: [Counters<2>; 3],
    vm: Counters<10>,
    stat: Counters<3>,
    tcp: Counters<6>,
    memory_free_kib: f64,
    dirty_kib: f64,
    temperatures: Vec<f64>,
}

impl Machine {
    /// Writes the files of the machine below `root`, which should be on a RAM disk.
    pub fn new(root: &Path) -> Self {
        let mut random = Random::new(7);
        let cores = (0..CORES).map(|_| (Load::new(&mut random, 0.4), Counters::default())).collect();
        let disks = DISKS.iter().map(|_| (Load::new(&mut random, 0.2), Counters::default())).collect();
        let nics = NICS.iter().map(|_| (Load::new(&mut random, 0.3), Counters::default())).collect();
        let mut machine = Machine {
            root: root.to_path_buf(),
            random,
            cores,
            disks,
            nics,
            pressure: Default::default(),
            vm: Counters::default(),
            stat: Counters::default(),
            tcp: Counters::default(),
            memory_free_kib: 1e8,
            dirty_kib: 1e5,
            temperatures: vec![50.0; CORES],
        };
        machine.fixed();
        machine.step();
        machine
    }

    pub fn roots(&self) -> Roots {
        Roots { proc: self.root.join("proc"), sys: self.root.join("sys") }
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        // Overwritten in place, because the collectors keep the files open.
        if fs::write(&path, text).is_err() {
            fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder on the RAM disk");
            fs::write(&path, text).expect("a file on the RAM disk");
        }
    }

    fn fixed(&self) {
        for disk in DISKS {
            self.put(&format!("sys/block/{disk}/size"), "1000000\n");
        }
        for core in 0..CORES {
            let cpu = format!("sys/devices/system/cpu/cpu{core}");
            self.put(&format!("{cpu}/topology/core_id"), &format!("{core}\n"));
            self.put(&format!("{cpu}/topology/physical_package_id"), "0\n");
            self.put(&format!("sys/class/hwmon/hwmon0/temp{}_label", core + 2), &format!("Core {core}\n"));
        }
        self.put("sys/class/hwmon/hwmon0/name", "coretemp\n");
        self.put("sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n");
        self.put("proc/self/mounts", "");
        self.put("proc/net/sockstat6", "TCP6: inuse 12\nUDP6: inuse 4\n");
    }

    /// Advances by one second.
    pub fn step(&mut self) {
        let mut stat = String::new();
        let mut cpuinfo = String::new();
        let mut busy = 0.0;
        let mut all = Counters::<10>::default();
        for (i, (load, counters)) in self.cores.iter_mut().enumerate() {
            let u = load.step(&mut self.random);
            busy += u;
            let noise = self.random.unit() * 2.0;
            let iowait = if i % 8 == 0 { noise } else { 0.0 };
            let idle = (100.0 * (1.0 - u) - iowait).max(0.0);
            counters.grow([70.0 * u, 0.0, 25.0 * u, idle, iowait, 0.0, 5.0 * u, 0.0, 0.0, 0.0]);
            all.grow(counters.0.map(f64::trunc));
            let _ = writeln!(stat, "cpu{i}{counters}");
            let mhz = 2000.0 + 1500.0 * u + self.random.unit();
            let _ = writeln!(
                cpuinfo,
                "processor\t: {i}\nmodel name\t: Made-up 64\ncpu MHz\t\t: {mhz:.3}\ncore id\t\t: {i}\nphysical id\t: 0\n"
            );
            self.temperatures[i] += 0.2 * (40.0 + 40.0 * u - self.temperatures[i]);
        }
        self.stat.grow([4000.0 + 20_000.0 * busy, 3000.0 + 30_000.0 * self.random.unit(), 50.0 * self.random.unit()]);
        let [interrupts, switches, forks] = self.stat.0.map(|v| v as u64);
        let running = 1 + busy as u64;
        let blocked = (self.random.unit() * 3.0) as u64;
        self.put("proc/stat", &format!("cpu {all}\n{stat}intr {interrupts} 0 0\nctxt {switches}\nbtime 1700000000\nprocesses {forks}\nprocs_running {running}\nprocs_blocked {blocked}\n"));
        self.put("proc/cpuinfo", &cpuinfo);
        self.put("proc/loadavg", &format!("{:.2} {:.2} {:.2} {running}/900 4242\n", busy, busy * 0.9, busy * 0.8));
        for i in 0..CORES {
            let t = self.temperatures[i];
            self.put(&format!("sys/class/hwmon/hwmon0/temp{}_input", i + 2), &format!("{}\n", (t as u64) * 1000));
        }
        self.put("sys/class/hwmon/hwmon0/temp1_input", &format!("{}\n", self.temperatures[0] as u64 * 1000));
        self.memory(busy);
        self.storage();
        self.network();
        self.pressures(busy);
    }

    fn memory(&mut self, busy: f64) {
        self.memory_free_kib = (self.memory_free_kib + 2e4 * self.random.normal()).clamp(1e6, 2.5e8);
        self.dirty_kib = (self.dirty_kib * 0.99 + 5e3 * self.random.unit()).max(0.0);
        let free = self.memory_free_kib as u64 / 4 * 4;
        let dirty = self.dirty_kib as u64 / 4 * 4;
        let cached = 250_000_000 - free;
        self.put("proc/meminfo", &format!("MemTotal: 263000000 kB\nMemFree: {free} kB\nMemAvailable: {} kB\nBuffers: 52000 kB\nCached: {cached} kB\nSwapTotal: 8388604 kB\nSwapFree: 8388604 kB\nDirty: {dirty} kB\nWriteback: 0 kB\nAnonPages: {} kB\nMapped: 900000 kB\nShmem: 120000 kB\nSlab: 3000000 kB\nSReclaimable: 2000000 kB\nCommitted_AS: 90000000 kB\nHugePages_Total: 0\nHugePages_Free: 0\nHugePages_Rsvd: 0\nHugepagesize: 2048 kB\n", free + cached / 2, 8_000_000 + dirty));
        let r = &mut self.random;
        self.vm.grow([
            500.0 * r.unit(),
            9000.0 * r.unit(),
            0.0,
            0.0,
            1000.0 * busy,
            2.0 * r.unit(),
            0.0,
            0.0,
            0.0,
            0.0,
        ]);
        let [pgin, pgout, sin, sout, fault, major, oom, scan, steal, stall] = self.vm.0.map(|v| v as u64);
        self.put("proc/vmstat", &format!("nr_free_pages {free}\npgpgin {pgin}\npgpgout {pgout}\npswpin {sin}\npswpout {sout}\nallocstall_normal {stall}\npgfault {fault}\npgmajfault {major}\npgsteal_kswapd {steal}\npgsteal_direct 0\npgscan_kswapd {scan}\npgscan_direct 0\noom_kill {oom}\n"));
    }

    fn storage(&mut self) {
        let mut text = String::new();
        for (i, (load, counters)) in self.disks.iter_mut().enumerate() {
            let u = load.step(&mut self.random);
            let (reads, writes) = ((1000.0 * u).floor(), (2000.0 * u * self.random.unit()).floor());
            counters.grow([
                reads,
                0.0,
                reads * 32.0,
                reads * 0.3,
                writes,
                writes * 0.1,
                writes * 64.0,
                writes * 0.5,
                0.0,
                1000.0 * u,
                3000.0 * u,
            ]);
            counters.0[8] = (u * 10.0).floor();
            let _ = writeln!(text, " 259 {i} {}{counters} 0 0 0 0 0 0", DISKS[i]);
        }
        self.put("proc/diskstats", &text);
    }

    fn network(&mut self) {
        let mut text = String::from(
            "Inter-|   Receive |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n",
        );
        for (i, (load, counters)) in self.nics.iter_mut().enumerate() {
            let u = load.step(&mut self.random);
            let (rx, tx) = ((80_000.0 * u * self.random.unit()).floor(), (60_000.0 * u).floor());
            let mut by = [0.0; 16];
            (by[0], by[1], by[8], by[9]) = (rx * 900.0, rx, tx * 1100.0, tx);
            counters.grow(by);
            let _ = writeln!(text, "{}:{counters}", NICS[i]);
        }
        self.put("proc/net/dev", &text);
        let r = &mut self.random;
        self.tcp.grow([40.0 * r.unit(), 200.0 * r.unit(), 5.0 * r.unit(), 10.0 * r.unit(), 0.0, 0.0]);
        let [active, passive, retransmits, resets, overflows, _] = self.tcp.0.map(|v| v as u64);
        let (established, tw) = (900 + (r.unit() * 50.0) as u64, 300 + (r.unit() * 90.0) as u64);
        self.put(
            "proc/net/sockstat",
            &format!(
                "sockets: used 1500\nTCP: inuse {established} orphan 0 tw {tw} alloc {} mem {}\nUDP: inuse 14 mem 5\n",
                established + 60,
                established * 2
            ),
        );
        self.put("proc/net/snmp", &format!("Tcp: RtoAlgorithm ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts\nTcp: 1 {active} {passive} 0 0 {established} 0 0 {retransmits} 0 {resets}\n"));
        self.put(
            "proc/net/netstat",
            &format!("TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 {overflows} {overflows}\n"),
        );
    }

    fn pressures(&mut self, busy: f64) {
        for (i, resource) in ["cpu", "memory", "io"].into_iter().enumerate() {
            let some =
                if i == 0 { 5e3 * busy * self.random.unit() } else { 9e4 * self.random.unit() * f64::from(i == 2) };
            self.pressure[i].grow([some, some * 0.4 * f64::from(i > 0)]);
            let [total, full] = self.pressure[i].0.map(|v| v as u64);
            let (a, b) = (some / 1e4, some * 0.4 / 1e4);
            self.put(&format!("proc/pressure/{resource}"), &format!("some avg10={a:.2} avg60={a:.2} avg300={a:.2} total={total}\nfull avg10={b:.2} avg60={b:.2} avg300={b:.2} total={full}\n"));
        }
    }
}
