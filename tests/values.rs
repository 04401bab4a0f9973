//! Wrong values from the kernel, a driver or a hypervisor: what is recorded, and what the report shows.

mod common;
mod program;

use common::{Machine, NET_DEV_HEAD, Recorded, Recording, net_dev};
use perfwatch::linux::clock::Event;

/// Records one file of the machine with a given content at each tick.
fn record_texts(machine: &Machine, collectors: &[&str], path: &str, texts: &[String]) -> Recorded {
    record_texts_from("2026-11-20T07:10:00Z", machine, collectors, path, texts)
}

fn record_texts_from(start: &str, machine: &Machine, collectors: &[&str], path: &str, texts: &[String]) -> Recorded {
    machine.put(path, &texts[0]);
    let last = texts.len() - 1;
    Recording::of(machine).collectors(collectors).start(start).stop_at(last as u64).record(|tick| {
        machine.put(path, &texts[tick as usize]);
        Event::OnTime
    })
}

/// One column in order of time, without the last row, which has no elapsed time.
fn values(ran: &Recorded, table: &str, name: &str) -> Vec<String> {
    let mut all = ran.column(table, name);
    all.pop();
    all
}

/// The report's figures for each entity of a table.
fn report(ran: &Recorded, table: &str) -> Vec<serde_json::Value> {
    let said = program::report(ran.dir(), &["-t", table, "-f", "json"]);
    said.is(0, &[]);
    said.json()["recordings"][0]["tables"][0]["entities"].as_array().unwrap().clone()
}

/// The growth of a counter in the report, for the named entity (without a name, for any).
fn total(ran: &Recorded, table: &str, entity: Option<&str>, metric: &str) -> serde_json::Value {
    total_in(&report(ran, table), entity, metric)
}

fn total_in(all: &[serde_json::Value], entity: Option<&str>, metric: &str) -> serde_json::Value {
    let of = all.iter().find(|e| entity.is_none_or(|name| e["labels"].to_string().contains(&format!("\"{name}\""))));
    let metrics = of.unwrap()["metrics"].as_array().unwrap().clone();
    metrics.iter().find(|m| m["metric"] == metric).unwrap_or_else(|| panic!("{metric} in {metrics:?}"))["total"].clone()
}

/// `eth0` and `eth1`; the second grows by 1,000 bytes per second.
fn interfaces(received: &[u64]) -> Vec<String> {
    let text = |(tick, bytes): (u64, &u64)| net_dev(&[("eth0", *bytes, 8), ("eth1", 1000 * tick, 8)]);
    (0..).zip(received).map(text).collect()
}

/// Rates of an interface, in row order.
fn rates(ran: &Recorded, interface: &str) -> Vec<String> {
    let rows = ran.rows("network", &["interface", "bytes_recv_per_sec"]);
    rows.into_iter().filter(|row| row[0] == interface).map(|mut row| row.remove(1)).collect()
}

#[test]
fn a_counter_shows_zero_once_and_returns() {
    let tera = 1_000_000_000_000;
    let texts = interfaces(&[tera, tera + 50, 0, tera + 150, tera + 200, tera + 200]);
    let ran = record_texts(&Machine::new(), &["network"], "proc/net/dev", &texts);
    assert_eq!(rates(&ran, "eth0"), ["null", "50.0", "null", "null", "50.0", "null"]);
    assert_eq!(rates(&ran, "eth1")[1..5], ["1000.0"; 4]);
    assert_eq!(ran.column("network", "bytes_recv")[4], "0", "the value of the kernel is stored");
    // 50 before and 50 after; the growth in between is not known. Never 931 GiB.
    assert_eq!(total(&ran, "network", Some("eth0"), "bytes_recv"), 100);
    assert_eq!(total(&ran, "network", Some("eth1"), "bytes_recv"), 4000);
}

/// In a table without entities each counter is independent, in the report as well.
#[test]
fn a_counter_of_the_whole_machine_shows_zero_once_and_returns() {
    let giga = 1_000_000_000u64;
    let texts: Vec<String> = [giga, giga + 10, 0, giga + 40, giga + 50, giga + 50]
        .iter()
        .enumerate()
        .map(|(tick, read)| format!("pgpgin {read}\npgpgout {}\npgfault 1\n", 100 * tick.min(4)))
        .collect();
    let ran = record_texts(&Machine::new(), &["paging"], "proc/vmstat", &texts);
    assert_eq!(values(&ran, "paging", "pgpgin_per_sec"), ["null", "10.0", "null", "null", "10.0"]);
    assert_eq!(values(&ran, "paging", "pgpgout_per_sec"), ["null", "100.0", "100.0", "100.0", "100.0"]);
    // In total it grew by 50 KiB, of which 30 are in the two intervals around the zero.
    assert_eq!(total(&ran, "paging", None, "pgpgin"), 50);
}

/// The report recognizes impossible growth of a counter of the whole machine, as the rates do.
#[test]
fn a_counter_of_the_whole_machine_jumps() {
    let peta = 1_000_000_000_000_000u64;
    let texts: Vec<String> = [7, 17, peta, peta + 10, 5, 3 * peta, 3 * peta]
        .iter()
        .map(|faults| format!("pgpgin 1\npgpgout 1\npgfault {faults}\n"))
        .collect();
    let ran = record_texts(&Machine::new(), &["paging"], "proc/vmstat", &texts);
    assert_eq!(values(&ran, "paging", "pgfault_per_sec"), ["null", "10.0", "null", "10.0", "null", "null"]);
    assert_eq!(total(&ran, "paging", None, "pgfault"), 20);
}

/// An hour of waiting within a second.
#[test]
fn waiting_for_longer_than_the_interval_is_null() {
    let hour = 3_600_000_000u64;
    let texts: Vec<String> = [0, 500_000, hour, hour + 500_000, hour + 500_000]
        .iter()
        .map(|us| {
            format!(
                "some avg10=0.00 avg60=0.00 avg300=0.00 total={us}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
            )
        })
        .collect();
    let ran = record_texts(&Machine::new(), &["pressure"], "proc/pressure/io", &texts);
    assert_eq!(values(&ran, "pressure", "some_percent"), ["null", "50.0", "null", "50.0"]);
    assert_eq!(total(&ran, "pressure", Some("io"), "some_us"), 1_000_000);
}

/// A driver with a counter that jumps at each reading: the other counters stay valid, and its jumps do not count as
/// traffic.
#[test]
fn a_counter_that_jumps_at_each_reading() {
    let machine = Machine::new();
    machine.put("sys/class/net/eth0/speed", "1000\n");
    // 100 GB in a second over a line of 125 MB/s.
    let texts = interfaces(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 8].map(|n| n * 100_000_000_000));
    let ran = record_texts(&machine, &["network"], "proc/net/dev", &texts);
    assert_eq!(rates(&ran, "eth0")[..9], ["null"; 9]);
    let grown = total(&ran, "network", Some("eth0"), "bytes_recv");
    assert!(grown.is_null() || grown == 0, "{grown}");
}

#[test]
fn a_counter_returns_in_the_next_hour() {
    for start in ["2026-11-20T07:59:57Z", "2026-11-20T07:59:58Z", "2026-11-20T07:59:59Z"] {
        // A value that a fast line could transfer in a second.
        let texts = interfaces(&[5_000_000_000, 5_000_000_050, 0, 5_000_000_150, 5_000_000_200, 5_000_000_200]);
        let ran = record_texts_from(start, &Machine::new(), &["network"], "proc/net/dev", &texts);
        assert_eq!(rates(&ran, "eth0"), ["null", "50.0", "null", "null", "50.0", "null"], "{start}");
        assert_eq!(total(&ran, "network", Some("eth0"), "bytes_recv"), 100, "{start}");
    }
}

#[test]
fn more_than_the_line_can_carry_is_not_growth() {
    // 1 Gbit/s: 125 MB/s.
    let machine = Machine::new();
    machine.put("sys/class/net/eth0/speed", "1000\n");
    let at = |gigabytes: u64| gigabytes * 1_000_000_000;
    let texts = interfaces(&[0, 120_000_000, at(5), at(5) + 120_000_000, at(5) + 120_000_000]);
    let ran = record_texts(&machine, &["network"], "proc/net/dev", &texts);
    assert_eq!(rates(&ran, "eth0"), ["null", "120000000.0", "null", "120000000.0", "null"]);
    assert_eq!(total(&ran, "network", Some("eth0"), "bytes_recv"), 240_000_000);
    // Without a line speed, 4 GiB/s is possible, but 2 TiB/s is not.
    let texts = interfaces(&[0, 1 << 32, (1 << 32) + (1 << 41), (1 << 33) + (1 << 41), (1 << 33) + (1 << 41)]);
    let ran = record_texts(&Machine::new(), &["network"], "proc/net/dev", &texts);
    assert_eq!(rates(&ran, "eth0"), ["null", "4294967296.0", "null", "4294967296.0", "null"]);
}

#[test]
fn a_device_removed_and_created_again_with_its_name() {
    let machine = Machine::new();
    machine.put("sys/block/dm-3/size", "1");
    let line = |reads: u64, writes: u64| {
        format!(" 253 3 dm-3 {reads} 0 {} {reads} {writes} 0 {} {writes} 0 0 0\n", 8 * reads, 8 * writes)
    };
    // The new device has fewer reads and more writes; the next one is missing for a tick and has more of both.
    let texts = [
        line(5000, 100),
        line(5010, 110),
        line(3, 2_000_000),
        line(13, 2_000_010),
        String::new(),
        line(400, 3_000_000),
        line(410, 3_000_010),
        line(410, 3_000_010),
    ];
    let ran = record_texts(&machine, &["disk"], "proc/diskstats", &texts);
    let columns = ["read_iops", "write_iops", "write_bytes_per_sec", "write_latency_ms", "elapsed_s"];
    let found = ran.rows("disk", &columns);
    let (none, some) = (["null"; 5], ["10.0", "10.0", "40960.0", "1.0", "1.0"]);
    assert_eq!(found[..6], [none, some, none, some, none, some]);
    assert_eq!(total(&ran, "disk", None, "write_bytes"), 3 * 10 * 4096);
    // Its absence is reported once, in table `collector`.
    let error = ran.column("collector", "error");
    assert!(error[0].contains("all rows of the previous sample are gone: /proc/diskstats"), "{error:?}");
    assert_eq!(ran.notices.len(), 1, "{:?}", ran.notices);
}

/// `/proc/stat` of these CPUs: jiffies of user, idle and steal.
fn stat(cpus: &[(i32, u64, u64, u64)]) -> String {
    let sum = |of: fn(&(i32, u64, u64, u64)) -> u64| cpus.iter().map(of).sum::<u64>();
    let mut text = format!("cpu  {} 0 0 {} 0 0 0 {} 0 0\n", sum(|c| c.1), sum(|c| c.2), sum(|c| c.3));
    for (cpu, user, idle, steal) in cpus {
        text += &format!("cpu{cpu} {user} 0 0 {idle} 0 0 0 {steal} 0 0\n");
    }
    text + "intr 1 2\nctxt 5\nbtime 1\nprocesses 1\nprocs_running 5\nprocs_blocked 0\n"
}

#[test]
fn a_cpu_comes_back_with_reset_idle_time() {
    let texts = [
        stat(&[(0, 1000, 118_000, 0), (1, 1000, 118_089, 0)]),
        stat(&[(0, 1020, 118_080, 0), (1, 1040, 118_149, 0)]),
        stat(&[(0, 1040, 118_160, 0), (1, 1080, 140, 0)]),
        stat(&[(0, 1060, 118_240, 0), (1, 1120, 200, 0)]),
        stat(&[(0, 1060, 118_240, 0), (1, 1120, 200, 0)]),
    ];
    let ran = record_texts(&Machine::new(), &["cpu", "cpu_core"], "proc/stat", &texts);
    let cores = ran.rows("cpu_core", &["cpu", "usage_percent", "idle_percent"]);
    let of = |cpu: &str| -> Vec<_> { cores.iter().filter(|r| r[0] == cpu).map(|r| r[1..].join(" ")).take(4).collect() };
    assert_eq!(of("0"), ["null null", "20.0 80.0", "20.0 80.0", "20.0 80.0"]);
    assert_eq!(of("1"), ["null null", "40.0 60.0", "null null", "40.0 60.0"]);
    assert_eq!(values(&ran, "cpu", "usage_percent"), ["null", "30.0", "null", "30.0"]);
    assert_eq!(values(&ran, "cpu", "idle_percent"), ["null", "70.0", "null", "70.0"]);
}

#[test]
fn idle_time_that_falls_on_one_of_many_cpus() {
    // Idle time falls by 2 s on one of 64 CPUs, which does not make the sum fall.
    let cpus = |tick: u64, last: u64| -> Vec<_> {
        (0..63).map(|cpu| (cpu, 10 * tick, 1000 + 90 * tick, 0)).chain([(63, 10 * tick, last, 0)]).collect()
    };
    let texts = [(0, 1000), (1, 1090), (2, 40), (3, 130), (3, 130)].map(|(tick, last)| stat(&cpus(tick, last)));
    let ran = record_texts(&Machine::new(), &["cpu"], "proc/stat", &texts);
    assert_eq!(values(&ran, "cpu", "usage_percent"), ["null", "10.0", "null", "10.0"]);
}

#[test]
fn idle_time_that_falls_slightly_does_not_cause_nulls() {
    let texts = [(1000, 500), (1098, 502), (1198, 501), (1290, 509), (1290, 509)]
        .map(|(user, idle)| stat(&[(0, user, idle, 0)]));
    let ran = record_texts(&Machine::new(), &["cpu", "cpu_core"], "proc/stat", &texts);
    assert_eq!(values(&ran, "cpu", "usage_percent"), ["null", "98.0", "100.0", "92.0"]);
    assert_eq!(values(&ran, "cpu_core", "idle_percent"), ["null", "2.0", "0.0", "8.0"]);
}

/// Time that was reported as iowait is reported as idle time at the next reading.
#[test]
fn time_that_moves_from_iowait_to_idle() {
    let texts: Vec<String> = [(0, 0, 50), (10, 92, 48), (20, 180, 50), (20, 180, 50)]
        .iter()
        .map(|(user, idle, iowait)| {
            let times = format!("{user} 0 0 {idle} {iowait} 0 0 0 0 0\n");
            format!("cpu  {times}cpu0 {times}intr 1\nctxt 1\nprocs_running 1\n")
        })
        .collect();
    let ran = record_texts(&Machine::new(), &["cpu", "cpu_core"], "proc/stat", &texts);
    for table in ["cpu", "cpu_core"] {
        assert_eq!(values(&ran, table, "usage_percent"), ["null", "10.0", "10.0"]);
        assert_eq!(values(&ran, table, "idle_percent"), ["null", "90.0", "88.0"]);
        assert_eq!(values(&ran, table, "iowait_percent"), ["null", "0.0", "2.0"]);
    }
}

#[test]
fn steal_time_that_goes_back_at_each_reading() {
    let texts: Vec<String> =
        (0..6u64).map(|t| stat(&[(0, 20 * t, 60 * t, 9000 - 7 * t), (1, 20 * t, 60 * t, 8000 - 7 * t)])).collect();
    let ran = record_texts(&Machine::new(), &["cpu", "cpu_core"], "proc/stat", &texts);
    // Shares of the rest: 20 of 80.
    assert_eq!(values(&ran, "cpu", "usage_percent")[1..], ["25.0"; 4]);
    assert_eq!(values(&ran, "cpu", "idle_percent")[1..], ["75.0"; 4]);
    assert_eq!(values(&ran, "cpu", "steal_percent"), ["null"; 5]);
    let cores = ran.rows("cpu_core", &["usage_percent", "user_percent", "steal_percent", "elapsed_s"]);
    assert_eq!(cores[2..10], vec![["25.0", "25.0", "null", "1.0"]; 8]);
    assert_eq!(ran.notices.len(), 1, "said once: {:?}", ran.notices);
    assert!(ran.notices[0].contains("steal time decreased"), "{:?}", ran.notices);
    assert!(ran.column("collector", "error").iter().any(|e| e.contains("steal time decreased")));
}

/// It falls, grows, and jumps to a new maximum: neither the fall nor the jump is stolen time.
#[test]
fn steal_time_that_jumps_both_ways() {
    let texts: Vec<String> = [(0, 100), (1, 110), (2, 5), (3, 25), (4, 10_000_000), (5, 10_000_010), (5, 10_000_010)]
        .iter()
        .map(|(t, steal)| stat(&[(0, 20 * t, 70 * t, *steal), (1, 20 * t, 70 * t, *steal)]))
        .collect();
    let ran = record_texts(&Machine::new(), &["cpu"], "proc/stat", &texts);
    assert_eq!(values(&ran, "cpu", "steal_percent")[1..3], ["10.0", "null"]);
    assert_eq!(values(&ran, "cpu", "steal_percent")[4..], ["null", "10.0"]);
    // 10, 20 and 10 jiffies of two CPUs.
    assert_eq!(total(&ran, "cpu", None, "steal_ms"), 800);
    assert_eq!(total(&ran, "cpu", None, "user_ms"), 2000);
}

/// System time of one CPU goes back at each reading, and that of the other compensates it: the sum shows nothing.
#[test]
fn another_time_that_goes_back_causes_a_message() {
    let stat = |t: u64| {
        let [a, b] = [9000 - 5 * t, 5 * t];
        let line =
            |name: &str, user: u64, system: u64, idle: u64| format!("{name} {user} 0 {system} {idle} 0 0 0 0 0 0\n");
        let cpus = line("cpu0", 20 * t, a, 80 * t) + &line("cpu1", 20 * t, b, 80 * t);
        line("cpu ", 40 * t, a + b, 160 * t) + &cpus + "intr 1\nctxt 1\nprocs_running 1\n"
    };
    let texts: Vec<String> = [0, 1, 2, 3, 3].map(stat).to_vec();
    let ran = record_texts(&Machine::new(), &["cpu", "cpu_core"], "proc/stat", &texts);
    assert_eq!(values(&ran, "cpu", "usage_percent"), ["null", "20.0", "20.0", "20.0"]);
    assert_eq!(ran.notices.len(), 1, "said once: {:?}", ran.notices);
    assert!(ran.notices[0].contains("system time of a CPU decreased"), "{:?}", ran.notices);
}

#[test]
fn times_that_jump_ahead_by_hours() {
    // Idle time of the second CPU, then steal time of the first.
    let texts = [
        stat(&[(0, 20, 80, 0), (1, 20, 80, 0)]),
        stat(&[(0, 40, 160, 0), (1, 40, 360_160, 0)]),
        stat(&[(0, 60, 240, 720_000), (1, 60, 360_240, 0)]),
        stat(&[(0, 80, 320, 720_000), (1, 80, 360_320, 0)]),
        stat(&[(0, 80, 320, 720_000), (1, 80, 360_320, 0)]),
    ];
    let ran = record_texts(&Machine::new(), &["cpu", "cpu_core"], "proc/stat", &texts);
    let cores = ran.rows("cpu_core", &["cpu", "usage_percent", "steal_percent"]);
    let of = |cpu: &str| -> Vec<_> { cores.iter().filter(|r| r[0] == cpu).map(|r| r[1..].join(" ")).take(4).collect() };
    assert_eq!(of("0"), ["null null", "20.0 0.0", "20.0 null", "20.0 0.0"]);
    assert_eq!(of("1"), ["null null", "null null", "20.0 0.0", "20.0 0.0"]);
    assert_eq!(values(&ran, "cpu", "usage_percent"), ["null", "null", "20.0", "20.0"]);
    assert_eq!(values(&ran, "cpu", "steal_percent"), ["null", "null", "null", "0.0"]);
    // Time that is not known is in no total: 2 x 80 jiffies of two CPUs were idle, not an hour.
    assert_eq!(total(&ran, "cpu", None, "idle_ms"), 3200);
    assert_eq!(total(&ran, "cpu", None, "steal_ms"), 0);
    assert_eq!(total(&ran, "cpu", None, "user_ms"), 1200);
    assert_eq!(total(&ran, "cpu_core", Some("0"), "busy_ms"), 400);
    assert_eq!(total(&ran, "cpu_core", Some("1"), "busy_ms"), 600);
}

#[test]
fn the_recorder_is_not_counted_as_running() {
    let texts = vec![stat(&[(0, 1, 1, 0)]); 3];
    let ran = record_texts(&Machine::new(), &["cpu"], "proc/stat", &texts);
    assert_eq!(ran.column("cpu", "procs_running"), ["4"; 3]);
}

#[test]
fn impossible_values_are_null() {
    let machine = Machine::new();
    machine.put("sys/block/sda/size", "1");
    machine.put("sys/class/hwmon/hwmon0/name", "jc42\n");
    let wild = [3_892_313_987i64, -650_788_984, -273_150, 41_000];
    for (i, millidegrees) in wild.iter().enumerate() {
        machine.put(&format!("sys/class/hwmon/hwmon0/temp{}_input", i + 1), &format!("{millidegrees}\n"));
    }
    machine
        .put("proc/meminfo", "MemTotal: 1048576 kB\nMemFree: 640540 kB\nMemAvailable: 1331691 kB\nCached: 360324 kB\n");
    let texts = vec![" 8 0 sda 1 0 8 1 1 0 8 1 4294967295 1 1\n".to_string(); 2];
    let ran = record_texts(&machine, &["disk", "sensor", "memory"], "proc/diskstats", &texts);
    assert_eq!(ran.column("disk", "in_flight"), ["null"; 2]);
    assert_eq!(ran.column("sensor", "temperature_celsius")[..4], ["null", "null", "null", "41.0"]);
    assert_eq!(ran.column("memory", "used_bytes"), ["417828864"; 2]);
}

#[test]
fn a_disk_whose_count_in_flight_is_below_zero_keeps_its_rates() {
    // Kernels multiply such a count by the elapsed time, so this counter goes back at each reading.
    let machine = Machine::new();
    machine.put("sys/block/sda/size", "1");
    let texts: Vec<String> = (0..9u64)
        .map(|t| {
            format!(" 8 0 sda {} 0 {} {} 0 0 0 0 4294967295 {} {}\n", 10 * t, 80 * t, 20 * t, 30 * t, 90_000 - 1000 * t)
        })
        .collect();
    let ran = record_texts(&machine, &["disk"], "proc/diskstats", &texts);
    let iops = values(&ran, "disk", "read_iops");
    assert_eq!(iops[..4], ["null"; 4], "not trusted at first");
    assert_eq!(iops[4..], ["10.0"; 4], "then the counter is recognized as broken");
    assert_eq!(values(&ran, "disk", "queue_length"), ["null"; 8]);
}

/// For any counter values, the total in a report equals the sum of the rates in the files: growth is known in both or
/// in neither.
#[test]
fn totals_equal_the_sum_of_the_rates() {
    const INTERFACES: usize = 40;
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |n: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice >> 11) % n
    };
    let mut bytes = [0u64; INTERFACES];
    let mut texts = Vec::new();
    for tick in 0..60u64 {
        let mut text = NET_DEV_HEAD.to_string();
        for (name, bytes) in bytes.iter_mut().enumerate() {
            *bytes += below(1_000_000);
            match below(20 + name as u64) {
                0 => *bytes = below(1000),
                1 => *bytes += 1 << 45,
                2 => *bytes += u64::from(u32::MAX),
                _ => {}
            }
            let shown = match below(12) {
                0 => 0,
                1 => *bytes % (1 << 32),
                _ => *bytes,
            };
            let packets = if below(50) == 0 { 0 } else { 10 * tick };
            text += &format!("net{name}: {shown} {packets} 0 0 0 0 0 0 {} 8 0 0 0 0 0 0\n", 100 * tick);
        }
        texts.push(text);
    }
    let ran = record_texts(&Machine::new(), &["network"], "proc/net/dev", &texts);
    let report = report(&ran, "network");
    let mut grew = 0;
    for counter in ["bytes_recv", "packets_recv", "bytes_sent"] {
        let rows = ran.rows("network", &["interface", "elapsed_s", &format!("{counter}_per_sec")]);
        for name in 0..INTERFACES {
            let own = rows.iter().filter(|row| row[0] == format!("net{name}"));
            let number = |text: &String| text.parse::<f64>().ok();
            let sum: f64 = own.filter_map(|row| Some(number(&row[1])? * number(&row[2])?)).sum();
            let total = total_in(&report, Some(&format!("net{name}")), counter).as_f64().unwrap_or(0.0);
            grew += usize::from(total > 0.0);
            assert!(
                (sum - total).abs() <= 1e-5 * total.abs(),
                "net{name} {counter}: {sum} by the rates, {total} in total"
            );
        }
    }
    assert!(grew > INTERFACES, "{grew}");
}
