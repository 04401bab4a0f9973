//! Counting events: with the system call, with a fake perf that causes trouble, and with the real perf if it is
//! installed.

mod program;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command};

use program::*;

/// A link to the fake perf that selects its behaviour.
fn perf(play: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join(play);
    symlink(fixture("perf/fake-perf"), &link).unwrap();
    (dir, link)
}

fn with_perf(dir: &Path, program: &Path, args: &[&str]) -> Said {
    let mut command = record_command(dir, &["-i", "50ms", "-d", "400ms", "--perf-interval", "50ms"]);
    command.arg("--perf-path").arg(program).args(args).output().unwrap().into()
}

#[test]
fn programs_that_are_not_perf() {
    for (path, words) in [
        ("/no/such/perf", "cannot run /no/such/perf"),
        ("/", "cannot run /"),
        ("/bin/true", "perf printed no counts"),
        ("/bin/false", "cannot count"),
    ] {
        let (_folder, dir) = new();
        let said = with_perf(&dir, Path::new(path), &[]);
        // If this user may not count at all, that is the message for programs that run.
        let words = if said.err.contains("not permitted") && path.starts_with("/bin") { "no perf: " } else { words };
        said.is(0, &[words]);
        assert_eq!(collector(&dir, "perf").0, "unavailable");
        assert!(dir.join("cpu").is_dir());
    }
    let (_keep, refuses) = perf("refuses");
    let (_folder, dir) = new();
    with_perf(&dir, &refuses, &["--perf-events", "cpu-clock,context-switches"]).is(0, &["no perf: ", "ermi"]);
}

#[test]
fn events_that_are_not_supported_leave_the_others() {
    let (_keep, program) = perf("one-unsupported");
    let (_folder, dir) = new();
    let said = with_perf(&dir, &program, &["--perf-events", "cpu-clock,context-switches"]);
    if said.err.contains("not permitted") {
        return eprintln!("skipped: perf events are forbidden here");
    }
    said.is(0, &["not supported here, says perf: context-switches"]);
    let (state, notes) = collector(&dir, "perf");
    assert!(state == "partial" && notes.contains("context-switches"), "{state} {notes}");
    assert!(rows(&dir, "perf", "value").iter().any(|l| l.contains("event=cpu-clock")));
}

#[test]
fn an_event_that_perf_does_not_know_ends_it_before_it_begins() {
    let (_keep, program) = perf("unknown");
    let (_folder, dir) = new();
    with_perf(&dir, &program, &["--perf-events", "cpu-clock,cycels"]).is(2, &["perf knows no event `cycels`"]);
    assert!(!dir.exists());
    // An event that another machine may have is left out.
    for event in ["nosuch/x/", "sched:nosuch", "nosuch.retired"] {
        let (_folder, dir) = new();
        let said = with_perf(&dir, &program, &["--perf-events", &format!("cpu-clock,{event}")]);
        said.is(0, &[event]);
    }
    // The collector is not selected, so nothing is checked.
    with_perf(&dir, &program, &["--perf-events", "cycels", "--collectors", "cpu"]).is(0, &[]);
}

#[test]
fn the_real_perf() {
    let before = tracing_mounts();
    let (_folder, dir) = new();
    // The program itself would mount tracefs, so it is tried in the same way as the recorder runs it.
    let tried = record_here(&dir, &["--perf-events", "cpu-clock", "--perf-backend", "perf"]);
    if tried.err.contains("no perf: ") {
        return eprintln!("skipped: no perf here that may count: {}", tried.err);
    }
    let (_folder, dir) = new();
    let args =
        ["record", "-i", "100ms", "-d", "600ms", "--collectors", "perf", "--perf-backend", "perf", "--cpus", "0", "-o"];
    let record = |events: &str| -> Said {
        program().args(args).arg(&dir).args(["--perf-events", events]).output().unwrap().into()
    };
    record("cpu-clock,cyclse").is(2, &["perf knows no event `cyclse` (did you mean `cycles`?)"]);
    assert!(!dir.exists());
    record("cpu-clock,context-switches,sched:no_such_tracepoint").is(0, &["sched:no_such_tracepoint"]);
    let csv = dir.with_extension("rows");
    report(&dir, &["--csv", csv.to_str().unwrap()]).is(0, &[]);
    let status = fs::read_to_string(csv.join("perf_status.csv")).unwrap();
    assert!(status.lines().skip(1).count() >= 3, "{status}");
    assert!(status.lines().skip(1).all(|l| l.contains(",false,sched:no_such_tracepoint,")), "{status}");
    let counts = fs::read_to_string(csv.join("perf.csv")).unwrap();
    assert!(counts.contains(",cpu-clock,") && counts.contains(",counted,"), "{counts}");
    assert!(by(&dir).contains("perf stat, "), "{}", by(&dir));
    assert_eq!(tracing_mounts(), before, "what perf mounts is its own");
}

/// Where the kernel's tracing is mounted on this machine.
fn tracing_mounts() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_tracing = |line: &&str| line.contains(" - tracefs ") || line.contains(" - debugfs ");
    mounts.lines().filter(is_tracing).map(str::to_string).collect()
}

#[test]
fn listing_the_events_changes_nothing() {
    let before = tracing_mounts();
    for args in [&["events"][..], &["events", "--type", "tracepoint"], &["events", "sched:"], &["doctor"]] {
        assert!(run(args).status <= 1, "{args:?}");
    }
    assert_eq!(tracing_mounts(), before);
}

#[test]
fn uncounted_events_are_recorded_at_every_tick() {
    let (_folder, dir) = new();
    record_here(&dir, &["--perf-backend", "syscall", "--perf-events", "nosuch/x/"]).is(0, &["no perf: "]);
    assert_eq!(collector(&dir, "perf").0, "unavailable");
    let (status, ticks) = (table(&dir, "perf_status"), table(&dir, "cpu"));
    assert_eq!(status.len(), ticks.len());
    for (row, tick) in status.iter().zip(&ticks) {
        assert_eq!((&row["ts"], &*row["available"], &*row["missing_events"]), (&tick["ts"], "false", "nosuch/x/"));
        assert!(row["error"].contains("nosuch"), "{row:?}");
    }
    assert!(table(&dir, "perf").is_empty());
    // On a captured machine nothing can be counted.
    let (_folder, dir) = new();
    record(&dir, &["--collectors", "cpu,perf"]).is(0, &[]);
    assert!(table(&dir, "perf_status").is_empty());
}

#[test]
fn kernel_events_are_not_zero_in_user_mode() {
    for backend in ["syscall", "perf"] {
        let target = Sleeper::new();
        let (_folder, dir) = new();
        let args = ["--perf-events", "task-clock,cs:u,page-faults:u", "--perf-backend", backend];
        let Some(live) = record_of_process(&dir, &target, &args) else { continue };
        live.end(libc::SIGINT).is(0, &[]);
        let rows = table(&dir, "perf");
        let of = |event: &'static str| rows.iter().filter(move |r| r["event"] == event);
        assert!(of("cs:u").count() > 0 && of("page-faults:u").count() > 0, "{backend}: {rows:?}");
        assert!(of("cs:u").all(|r| r["value"].is_empty() && r["status"] == "not_supported"), "{backend}: {rows:?}");
        assert!(of("page-faults:u").all(|r| r["status"] == "counted"), "{backend}: {rows:?}");
        let said = run(["info", "--json", dir.to_str().unwrap()]);
        assert!(said.out.contains("only user mode is counted: cs:u\""), "{backend}: {said:?}");
        assert!(table(&dir, "perf_status").iter().all(|r| r["available"] == "false" && r["missing_events"] == "cs:u"));
    }
}

#[test]
fn perf_without_permission() {
    let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    if paranoid.trim().parse::<i32>().is_ok_and(|level| level < 1) {
        return eprintln!("skipped: perf_event_paranoid lets everyone count");
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(mut command) = as_nobody(folder.path()) else {
        return eprintln!("skipped: no user without rights");
    };
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let dir = open.join("run");
    command.args(["record", "-d", "200ms", "--collectors", "cpu,perf", "-o"]).arg(&dir);
    let said: Said = command.output().unwrap().into();
    said.is(0, &["no perf: "]);
    assert_eq!(collector(&dir, "perf").0, "unavailable");
    assert!(dir.join("cpu").is_dir());
}

/// May this user count the whole system?
fn may_count() -> bool {
    let said = run(["events", "cpu-clock", "--json"]);
    let events = said.json();
    let may = events["events"].as_array().unwrap().iter().any(|e| e["name"] == "cpu-clock" && e["available"] == true);
    if !may {
        eprintln!("skipped: perf events are forbidden here");
    }
    may
}

/// Records this machine for a short time.
fn record_here(dir: &Path, args: &[&str]) -> Said {
    let mut command = program();
    command.args(["record", "-i", "50ms", "-d", "300ms", "--collectors", "cpu,perf", "-o"]).arg(dir);
    command.args(args).output().unwrap().into()
}

/// The rows of a table, with fields by column; empty if there is no such table.
fn table(dir: &Path, table: &str) -> Vec<std::collections::HashMap<String, String>> {
    let csv = dir.with_extension("rows");
    report(dir, &["--force", "--csv", csv.to_str().unwrap()]).is(0, &[]);
    let Ok(text) = fs::read_to_string(csv.join(format!("{table}.csv"))) else { return Vec::new() };
    let mut lines = text.lines().map(|l| l.split(',').map(str::to_string).collect::<Vec<_>>());
    let names = lines.next().unwrap();
    lines.map(|fields| names.iter().cloned().zip(fields).collect()).collect()
}

fn by(dir: &Path) -> String {
    let manifest = manifest(dir);
    let all = manifest["sessions"][0]["collectors"].as_array().unwrap();
    all.iter().find(|c| c["name"] == "perf").unwrap()["by"].as_str().unwrap_or_default().to_string()
}

#[test]
fn without_a_program_the_system_call_counts_at_the_tick() {
    let (_folder, dir) = new();
    let mut command = program();
    let args = ["record", "-i", "50ms", "-d", "300ms", "--perf-events", "software", "--collectors", "cpu,perf", "-o"];
    let said: Said = command.args(args).arg(&dir).env("PATH", "/no/such").output().unwrap().into();
    if !may_count() {
        return said.is(0, &["no perf: "]);
    }
    said.is(0, &[]);
    assert_eq!(by(&dir), "perf_event_open, read at the tick");
    let ticks: Vec<String> = table(&dir, "cpu").into_iter().map(|r| r["ts"].clone()).collect();
    let counts = table(&dir, "perf");
    let stamps: std::collections::BTreeSet<&String> = counts.iter().map(|r| &r["ts"]).collect();
    // An interval ends at each tick except the first.
    assert_eq!(stamps.into_iter().cloned().collect::<Vec<_>>(), ticks[1..]);
    assert_eq!(counts.len(), 10 * (ticks.len() - 1), "dummy and bpf-output are not counts");
    let clock = counts.iter().find(|r| r["event"] == "cpu-clock").unwrap();
    assert_eq!((&*clock["unit"], &*clock["status"], &*clock["running_percent"]), ("msec", "counted", "100.0"));
    let cpus = std::thread::available_parallelism().unwrap().get() as f64;
    let share = clock["value"].parse::<f64>().unwrap() / 1000.0 / clock["elapsed_s"].parse::<f64>().unwrap();
    assert!((share / cpus - 1.0).abs() < 0.2, "the clock of all CPUs: {share} of {cpus}");
    assert!(table(&dir, "perf_status").iter().all(|r| r["available"] == "true"));
}

#[test]
fn one_row_per_cpu() {
    let (_folder, dir) = new();
    let said = record_here(&dir, &["--perf-events", "cs,{cpu-clock,page-faults}", "--perf-per-cpu", "--cpus", "0"]);
    if !may_count() {
        return said.is(0, &["no perf: "]);
    }
    said.is(0, &[]);
    let rows = table(&dir, "perf");
    let events: Vec<&str> = rows.iter().take(3).map(|r| &*r["event"]).collect();
    assert_eq!(events, ["cs", "cpu-clock", "page-faults"]);
    assert!(rows.iter().all(|r| r["cpu"] == "0" && r["status"] == "counted"), "{rows:?}");
    assert_eq!(manifest(&dir)["sessions"][0]["options"]["perf"]["per"], "cpu");
}

/// A process that lives until the end of the test.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Sleeper {
        Sleeper(Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap())
    }
    fn pid(&self) -> String {
        self.0.id().to_string()
    }
    /// Its CPU time so far, in hundredths of a second.
    fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        // After the name: state is the third field of the line, user and system time are the 14th and 15th.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Records a process until it has had some CPU time, even on a busy machine; None if that is not permitted.
fn record_of_process(dir: &Path, target: &Sleeper, args: &[&str]) -> Option<Live> {
    let mut command = program();
    command
        .args(["record", "-i", "50ms", "--collectors", "cpu,perf", "--pid", &target.pid(), "-o"])
        .arg(dir)
        .args(args);
    let live = Live::of(command, dir);
    if collector(dir, "perf").0 == "unavailable" {
        eprintln!("skipped: perf events are forbidden here");
        return None;
    }
    let enough = target.cpu_ticks() + 10;
    until("some CPU time", || target.cpu_ticks() > enough);
    Some(live)
}

#[test]
fn a_process_until_it_ends() {
    let target = Sleeper::new();
    let (_folder, dir) = new();
    let pid = target.pid();
    let Some(live) = record_of_process(&dir, &target, &["--perf-events", "task-clock,cs"]) else { return };
    drop(target);
    let ticks_then = ticks(&dir).len();
    until("ticks after its end", || ticks(&dir).len() > ticks_then + 4);
    let said = live.end(libc::SIGINT);
    said.is(0, &[&format!("perf: process {pid} ended: its events are no longer counted")]);
    let clocks: Vec<_> = table(&dir, "perf").into_iter().filter(|r| r["event"].starts_with("task-clock")).collect();
    let sum = |column: &str| -> f64 { clocks.iter().filter_map(|r| r[column].parse::<f64>().ok()).sum() };
    let (ran_ms, elapsed_s) = (sum("value"), sum("elapsed_s"));
    assert!(
        ran_ms > 50.0 && ran_ms < 1100.0 * elapsed_s,
        "its CPU time, not the machine's: {ran_ms} ms in {elapsed_s} s"
    );
    let instants = table(&dir, "cpu").len();
    assert!(
        clocks.len() < instants - 3,
        "{} intervals, {instants} ticks: the recording continues without it",
        clocks.len()
    );
    let last = table(&dir, "perf_status").pop().unwrap();
    assert_eq!((&*last["available"], &*last["error"]), ("false", format!("process {pid} ended").as_str()));
}

#[test]
fn a_process_that_is_not_there() {
    let pid = {
        let gone = Sleeper::new();
        gone.pid()
    };
    let (_folder, dir) = new();
    record_here(&dir, &["--pid", &pid]).is(2, &[&format!("no process {pid} (it has ended")]);
    assert!(!dir.exists());
}

#[test]
fn options_that_contradict_each_other() {
    for (args, words) in [
        (&["--pid", "1", "--cpus", "0"][..], "--pid and --cpus exclude each other"),
        (&["--pid", "1", "--perf-per-cpu"], "can be counted as a whole"),
        (&["--perf-per", "thread"], "--perf-per thread needs --pid"),
        (&["--perf-backend", "syscall", "--perf-format", "json"], "concern the program `perf`"),
        (&["--perf-backend", "syscall", "--perf-interval", "10ms"], "counters are read at the tick"),
        (&["--perf-per", "core", "--perf-per-cpu"], "cannot be used with"),
        (&["--perf-per", "planet"], "possible values: whole, cpu, core"),
        (&["--perf-events", ",,"], "--perf-events selects no event"),
        (&["--perf-events", "cs,{"], "the event `{`: a group is written {a,b}"),
        (&["--perf-events", "{}"], "there is nothing between the braces"),
        (&["--perf-events", "cs:"], "there is nothing after the colon"),
        (&["--perf-events", "defualt"], "did you mean `default`?"),
        (&["--perf-cgroup", ""], "--perf-cgroup is empty"),
    ] {
        let (_folder, dir) = new();
        record_here(&dir, args).is(2, &[words]);
        assert!(!dir.exists(), "{args:?}");
    }
}

#[test]
fn a_misspelt_event_and_an_event_of_another_machine() {
    let (_folder, dir) = new();
    record_here(&dir, &["--perf-backend", "syscall", "--perf-events", "cycels,cs"])
        .is(2, &["unknown event `cycels` (did you mean `cycles`?)", "`perfwatch events`"]);
    assert!(!dir.exists());
    let said = record_here(&dir, &["--perf-backend", "syscall", "--perf-events", "cs,nosuch/x/,inst_retired.any"]);
    if said.err.contains("not permitted") || said.err.contains("no perf: ") {
        return eprintln!("skipped: perf events are forbidden here");
    }
    said.is(0, &["no PMU `nosuch`: nosuch/x/", "the kernel has no event with this name: inst_retired.any"]);
    assert!(!said.err.contains("the program `perf` may"), "it was not to be asked");
    assert!(table(&dir, "perf_status").iter().all(|r| r["available"] == "false"), "two are missing");
    assert!(table(&dir, "perf").iter().all(|r| r["event"] == "cs"));
}

#[test]
fn all_that_is_available_is_what_events_lists() {
    if !may_count() {
        return;
    }
    let said = run(["events", "--json"]);
    said.is(0, &[]);
    let events = said.json();
    let of = |wanted: &[&str]| -> Vec<String> {
        let all = events["events"].as_array().unwrap().iter();
        let own = all.filter(|e| e["available"] == true && wanted.iter().any(|t| e["type"] == *t));
        own.map(|e| e["name"].as_str().unwrap().to_string()).collect()
    };
    let available = of(&["hardware", "software", "cache", "pmu", "tracepoint"]).len();
    assert_eq!(events["available"].as_u64(), Some(available as u64));
    let (_folder, dir) = new();
    record_here(&dir, &["--perf-events", "all-available"]).is(0, &[]);
    let counted: std::collections::BTreeSet<String> =
        table(&dir, "perf").into_iter().map(|r| r["event"].clone()).collect();
    let mut expected = of(&["hardware", "software", "cache"]);
    expected.retain(|e| e != "dummy" && e != "bpf-output");
    assert_eq!(counted, expected.into_iter().collect());
}

/// Intervals of 50 ms, with 25 MiB read and 5 MiB written in each: 600 MiB/s.
#[test]
fn memory_bandwidth_is_shown_wherever_ratios_are() {
    let (_keep, program) = perf("memory");
    let (_folder, dir) = new();
    let events = "cpu-clock,uncore_imc/cas_count_read/,uncore_imc/cas_count_write/";
    let said = with_perf(&dir, &program, &["--perf-events", events]);
    if said.err.contains("not permitted") {
        return eprintln!("skipped: perf events are forbidden here");
    }
    said.is(0, &[]);
    let text = report(&dir, &["--table", "perf", "--all"]).out;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("uncore_imc: memory_bytes_per_sec 600 MiB/s, memory_read_bytes_per_sec 500 MiB/s"), "{text}");
    assert!(text.contains("uncore_imc/cas_count_write/") && text.contains(" 100 MiB/s 100 MiB/s "), "{text}");
    assert!(report(&dir, &["-m", "memory_bandwidth"]).out.contains("memory_bytes_per_sec 600 MiB/s"));
    let json = report(&dir, &["-m", "memory_bandwidth", "--json"]).out;
    assert!(json.contains("\"unit\": \"bytes/s\""), "{json}");
    let page = dir.with_extension("html");
    report(&dir, &["--html", page.to_str().unwrap()]).is(0, &[]);
    assert!(fs::read_to_string(page).unwrap().replace('\u{a0}', " ").contains("600 MiB/s"));
    let copy = dir.with_extension("copy");
    assert!(Command::new("cp").arg("-r").args([&dir, &copy]).status().unwrap().success());
    let both = run(["compare", dir.to_str().unwrap(), copy.to_str().unwrap(), "-m", "perf.memory_bytes_per_sec"]);
    assert!(both.out.contains("perf[uncore_imc].memory_bytes_per_sec  600 MiB/s  600 MiB/s"), "{both:?}");
}

/// A machine without memory controllers that count, such as most virtual ones, says so, and counts the rest.
#[test]
fn memory_bandwidth_is_counted_or_explained() {
    let said = run(["events", "--json"]);
    let json = said.json();
    let set = json["sets"].as_array().unwrap().iter().find(|set| set["name"] == "memory-bandwidth").unwrap();
    if set.get("events").is_some() {
        return;
    }
    let why = set["reason"].as_str().unwrap();
    assert!(why.starts_with("no counter of memory traffic"), "{why}");
    assert!(run(["events"]).out.contains("memory-bandwidth: no counter of memory traffic"));
    let (_folder, dir) = new();
    let said = record_here(&dir, &["--perf-events", "memory-bandwidth"]);
    said.is(0, &["no counter of memory traffic", "memory-bandwidth"]);
    assert!(!said.err.contains("did you mean"), "{}", said.err);
    if may_count() {
        let (_folder, dir) = new();
        record_here(&dir, &["--perf-events", "memory-bandwidth,cpu-clock"]).is(0, &["memory-bandwidth"]);
        let status = table(&dir, "perf_status");
        assert!(status.iter().all(|row| row["missing_events"] == "memory-bandwidth"), "{status:?}");
        assert!(table(&dir, "perf").iter().all(|row| row["event"] == "cpu-clock"));
    }
}

#[test]
fn the_list_of_events() {
    let said = run(["events", "context-sw"]);
    said.is(0, &[]);
    assert!(said.out.contains("context-switches, cs"), "{}", said.out);
    assert!(said.out.ends_with(" of 1 events available\n"), "{}", said.out);
    assert!(run(["events"]).out.lines().all(|l| l.chars().count() <= 80));
    let none = run(["events", "no such thing"]);
    // If tracepoints cannot be read, that message comes first.
    let end = "nothing matches; `perfwatch events` lists everything\n0 of 0 events available\n";
    assert!(none.status == 1 && none.out.ends_with(end), "{none:?}");
    let caches = run(["events", "--type", "cache", "--json"]);
    let caches = caches.json();
    assert_eq!(caches["total"], 32);
    let misses = caches["events"].as_array().unwrap().iter().find(|e| e["name"] == "LLC-load-misses").unwrap();
    assert_eq!((&misses["encodings"][0]["type"], &misses["encodings"][0]["config"]), (&3.into(), &"0x10002".into()));
}

#[test]
fn other_collectors_continue_whatever_perf_does() {
    let plays =
        ["exits", "dies", "garbage", "torrent", "slow", "deaf", "floods", "leaves", "hangs", "chatty", "polite"];
    let mut runs = Vec::new();
    for play in plays {
        let (keep, path) = perf(play);
        let (folder, dir) = new();
        let mut command = record_command(&dir, &["-i", "50ms", "-d", "1500ms", "--collectors", "cpu,memory,perf"]);
        command
            .args(["--perf-interval", "50ms", "--perf-events", "cpu-clock,context-switches", "--perf-path"])
            .arg(path);
        let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        runs.push((play, keep, folder, dir, child));
    }
    for (play, keep, _folder, dir, child) in runs {
        let said: Said = child.wait_with_output().unwrap().into();
        said.is(0, &[]);
        if !may_count() {
            return;
        }
        let ticks = table(&dir, "tick");
        let missed: u32 = ticks.iter().map(|t| t["missed"].parse::<u32>().unwrap()).sum();
        // Every tick exists, or was counted as missed on a machine that is busy with eleven recorders.
        assert!(ticks.len() as u32 + missed >= 29, "{play}: {} ticks, {missed} missed", ticks.len());
        for name in ["cpu", "memory"] {
            assert_eq!(table(&dir, name).len(), ticks.len(), "{play}: {name}");
        }
        let status = table(&dir, "perf_status");
        // Garbage takes longer to recognize.
        assert!(!status.is_empty() || play == "garbage", "{play}: it says how it went");
        let away = status.iter().any(|s| !s["error"].is_empty());
        let (in_trouble, well) = (["exits", "dies", "leaves"], ["deaf", "floods", "hangs", "chatty", "polite"]);
        assert!(!in_trouble.contains(&play) || away, "{play}: {status:?}");
        assert!(!well.contains(&play) || !away, "{play}: {status:?}");
        let left = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| fs::read(e.path().join("cmdline")).ok());
        let place = keep.path().to_string_lossy().into_owned();
        let left: Vec<_> = left.filter(|c| String::from_utf8_lossy(c).contains(&place)).collect();
        assert!(left.is_empty(), "{play}: {left:?}");
    }
}

#[test]
fn an_unknown_name_does_not_change_the_backend() {
    let (_folder, dir) = new();
    let said = record_here(&dir, &["--perf-events", "cs,inst_retired.nosuch"]);
    if !may_count() {
        return said.is(0, &["no perf: "]);
    }
    said.is(0, &["inst_retired.nosuch"]);
    assert_eq!(by(&dir), "perf_event_open, read at the tick", "perf would not count more");
    assert!(table(&dir, "perf").iter().all(|r| r["event"] == "cs"));
}

#[test]
fn an_event_named_twice_is_counted_once() {
    for backend in ["syscall", "perf"] {
        let target = Sleeper::new();
        let (_folder, dir) = new();
        let events = "task-clock,{task-clock,page-faults}";
        let pid = target.pid();
        let args = ["--pid", &pid, "--perf-events", events, "--perf-backend", backend];
        let Some(live) = record_of_process(&dir, &target, &args) else { continue };
        live.end(libc::SIGINT).is(0, &[]);
        let rows = table(&dir, "perf");
        let clocks: Vec<_> = rows.iter().filter(|r| r["event"].starts_with("task-clock")).collect();
        let sum = |column: &str| -> f64 { clocks.iter().filter_map(|r| r[column].parse::<f64>().ok()).sum() };
        let (ran_ms, elapsed_s) = (sum("value"), sum("elapsed_s"));
        assert!(ran_ms > 50.0 && ran_ms < 1100.0 * elapsed_s, "{backend}: one thread: {ran_ms} ms in {elapsed_s} s");
        let instants: std::collections::BTreeSet<&String> = rows.iter().map(|r| &r["ts"]).collect();
        assert_eq!(clocks.len(), instants.len(), "{backend}: one row per interval");
    }
}
