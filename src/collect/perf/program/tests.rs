//! The collector against a fake perf that simulates every kind of failure: `tests/fixtures/perf/fake-perf`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::collector::Perf;
use super::plan::{self, PerfPlan};
use super::supervisor::Limits;
use crate::collect::collector::{Collector, Opened, Setup, Unavailable};
use crate::collect::options::Options;
use crate::collect::perf::choose;
use crate::collect::perf::options::{Backend, Per, PerfOptions, StatFormat};
use crate::collect::perf::rows::{PERF, PERF_STATUS};
use crate::collect::perf::scope::Scope;
use crate::collect::perf::syscall::open::{Ask, Kernel, Whose};
use crate::collect::perf::testing::{counts, software_only};
use crate::events::request::Request;
use crate::linux::files::Roots;
use crate::table::TableDef;
use crate::table::sample::{Cell, Sample};

/// A link to the fake in its own folder; its name selects the behaviour.
fn fake(play: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join(play);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/perf/fake-perf");
    std::os::unix::fs::symlink(script, &link).unwrap();
    (dir, link)
}

fn setup(path: &Path, events: &[&str], cpus: Option<&str>) -> Setup {
    let perf = PerfOptions {
        path: Some(path.to_path_buf()),
        events: events.iter().map(ToString::to_string).collect(),
        interval: Some(Duration::from_millis(50)),
        cpus: cpus.map(str::to_string),
        ..PerfOptions::default()
    };
    Setup::new(Roots::default(), Options { perf, ..Options::default() })
}

fn open(setup: &Setup, kernel: &Kernel) -> Result<Opened, Unavailable> {
    choose::open(setup, kernel)
}

fn make(setup: &Setup, kernel: &Kernel) -> Result<(PerfPlan, Vec<String>), Unavailable> {
    let mut notes = Vec::new();
    let scope = Scope::from_setup(setup, &mut notes)?;
    let requests: Arc<[Request]> = setup.options.perf.events.iter().map(|e| Request::new(e.as_str())).collect();
    let (plan, more) = plan::make(setup, &scope, &requests, kernel)?;
    notes.extend(more);
    Ok((plan, notes))
}

fn quick() -> Limits {
    Limits {
        watchdog: Duration::from_secs(5),
        start: Duration::from_secs(5),
        silence: Duration::from_millis(300),
        patience: [Duration::from_millis(200); 2],
        back_off: Duration::from_millis(50),
        restarts: 2,
        good_run: Duration::from_secs(60),
    }
}

/// With a short limit for silence.
fn impatient(play: &str) -> (tempfile::TempDir, Perf) {
    let (dir, mut perf) = perf(play);
    perf.limits.watchdog = Duration::from_millis(500);
    perf.limits.start = Duration::from_millis(500);
    (dir, perf)
}

fn perf(play: &str) -> (tempfile::TempDir, Perf) {
    let (dir, path) = fake(play);
    let (plan, notes) = make(&setup(&path, &["cpu-clock", "context-switches"], None), &software_only())
        .unwrap_or_else(|u| panic!("{u:?}"));
    assert_eq!(notes, [""; 0]);
    assert_eq!(plan.rows, 2);
    (dir, Perf::new(plan, quick()))
}

/// What many ticks produced.
#[derive(Default, Debug)]
struct Seen {
    /// Number of context switches, and the length of the interval in ms.
    counts: Vec<(f64, i64)>,
    /// (available, missing, error)
    status: Vec<(bool, Option<String>, Option<String>)>,
    failures: Vec<String>,
    warnings: Vec<String>,
}

impl Seen {
    fn errors(&self) -> Vec<&str> {
        self.status.iter().filter_map(|s| s.2.as_deref()).collect()
    }
}

fn catalog() -> Vec<TableDef> {
    vec![PERF.def(), PERF_STATUS.def()]
}

fn tick(perf: &mut Perf, seen: &mut Seen) {
    let catalog = catalog();
    let mut sample = Sample::new(&catalog);
    let began = Instant::now();
    if let Err(error) = perf.collect(0, &mut sample) {
        seen.failures.push(error.to_string());
    }
    assert!(began.elapsed() < Duration::from_millis(500), "a tick never waits");
    seen.warnings.append(&mut sample.warnings);
    for block in &sample.blocks {
        let width = catalog[block.table].raw.len();
        for row in sample.cells_of(block).chunks(width) {
            let text = |cell: Cell| match cell {
                Cell::Text(id) => sample.texts.get(id).map(str::to_string),
                _ => None,
            };
            if block.table == 0 {
                if text(row[0]).as_deref() == Some("context-switches") {
                    let Cell::Float(count) = row[3] else { panic!("{row:?}") };
                    let length = block.stamp.unwrap().elapsed_s.unwrap();
                    seen.counts.push((count, (length * 1000.0).round() as i64));
                }
            } else {
                seen.status.push((row[0] == Cell::Bool(true), text(row[1]), text(row[2])));
            }
        }
    }
}

/// Ticks until `enough` is true.
fn watch(perf: &mut Perf, seen: &mut Seen, enough: impl Fn(&Seen) -> bool) {
    let began = Instant::now();
    while !enough(seen) {
        assert!(began.elapsed() < Duration::from_secs(20), "{seen:?}");
        tick(perf, seen);
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn finish(perf: &mut Perf, seen: &mut Seen) -> Duration {
    let began = Instant::now();
    perf.finish();
    let took = began.elapsed();
    tick(perf, seen);
    took
}

/// Processes started through this link that still exist.
fn left_over(dir: &Path) -> usize {
    let needle = dir.to_string_lossy().into_owned();
    let commands = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| fs::read(e.path().join("cmdline")).ok());
    commands.filter(|c| String::from_utf8_lossy(c).contains(&needle)).count()
}

#[test]
fn intervals_arrive_and_the_last_one_with_the_end() {
    let (dir, mut perf) = perf("polite");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.counts.len() == 2);
    assert_eq!(left_over(dir.path()), 1);
    // A perf that gets SIGTERM has no third interval.
    finish(&mut perf, &mut seen);
    assert_eq!(seen.counts, [(1.0, 50), (2.0, 50), (3.0, 30)]);
    assert_eq!(seen.status, vec![(true, None, None); 3]);
    assert_eq!(seen.failures, [""; 0]);
    assert_eq!(left_over(dir.path()), 0);
    tick(&mut perf, &mut seen);
    assert_eq!(seen.counts.len(), 3, "perf is not started again after the end");
}

#[test]
fn stamps_are_on_the_wall_clock() {
    let (_dir, mut perf) = perf("hangs");
    let wall = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    let before = wall();
    let catalog = catalog();
    let mut stamps = Vec::new();
    while stamps.len() < 2 {
        let mut sample = Sample::new(&catalog);
        perf.collect(0, &mut sample).unwrap();
        stamps.extend(sample.blocks.iter().filter(|b| b.table == 0).map(|b| b.stamp.unwrap().ts_us));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(before <= stamps[0] && stamps[1] <= wall(), "{before} {stamps:?}");
    let apart = stamps[1] - stamps[0];
    // Whole microseconds, on a clock that may be slewed.
    assert!(
        (0..=50_100).contains(&apart),
        "at most as far apart as perf says, because the second anchors both: {apart}"
    );
}

#[test]
fn a_perf_that_ignores_signals_is_killed_in_time() {
    let (dir, mut perf) = perf("deaf");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.counts.len() == 2);
    let took = finish(&mut perf, &mut seen);
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(2), "{took:?}");
    assert_eq!(left_over(dir.path()), 0);
}

#[test]
fn dropping_stops_it_too() {
    let (dir, mut perf) = perf("hangs");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.counts.len() == 2);
    drop(perf);
    assert_eq!(left_over(dir.path()), 0);
}

#[test]
fn perf_ends_immediately_at_every_start() {
    let (_dir, mut perf) = perf("exits");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.errors().len() == 3);
    assert_eq!(
        seen.errors(),
        [
            "perf exited with status 3: Something broke.; started again in 50 ms",
            "perf exited with status 3: Something broke.; started again in 100 ms",
            "perf exited with status 3: Something broke.; given up after 3 attempts",
        ]
    );
    assert!(seen.status.iter().all(|s| !s.0));
    // From now on every tick fails, which the recorder reports once.
    seen.failures.clear();
    tick(&mut perf, &mut seen);
    tick(&mut perf, &mut seen);
    assert_eq!(seen.failures, [seen.errors()[2]; 2]);
    assert!(finish(&mut perf, &mut seen) < Duration::from_millis(400));
}

#[test]
fn perf_dies_after_two_intervals_and_is_restarted() {
    let (dir, mut perf) = perf("dies-once");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.counts.len() == 4);
    assert_eq!(seen.counts, [(1.0, 50), (2.0, 50), (1.0, 50), (2.0, 50)], "the new run counts from its own start");
    assert_eq!(seen.errors(), ["perf exited with status 4; started again in 50 ms"]);
    assert!(!seen.failures.is_empty(), "the ticks while it was away failed");
    seen.failures.clear();
    tick(&mut perf, &mut seen);
    assert_eq!(seen.failures, [""; 0], "now it works again");
    finish(&mut perf, &mut seen);
    assert_eq!(fs::read_to_string(dir.path().join("runs")).unwrap(), "run\nrun\n");
}

#[test]
fn a_crash_drops_the_unfinished_line() {
    let (_dir, mut perf) = perf("dies");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.errors().len() == 1);
    assert_eq!(seen.counts, [(1.0, 50), (2.0, 50)]);
    assert_eq!(seen.errors(), ["perf was killed by signal 11: perf: out of luck; started again in 50 ms"]);
    finish(&mut perf, &mut seen);
}

#[test]
fn garbage_is_counted_and_shown() {
    let (_dir, mut perf) = impatient("garbage");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.errors().len() == 1);
    let error = seen.errors()[0].to_string();
    assert!(error.starts_with("perf printed no counts for 1.0 s; "), "{error}");
    assert!(error.contains("lines were not counts, such as `%%% no counts here %%%`, `%%% no"), "{error}");
    finish(&mut perf, &mut seen);
}

#[test]
fn a_flood_of_garbage_is_cut_off() {
    let (_dir, mut perf) = perf("torrent");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.errors().len() == 1);
    assert!(seen.errors()[0].starts_with("perf prints garbage; "), "{seen:?}");
    finish(&mut perf, &mut seen);
}

#[test]
fn lines_that_arrive_in_pieces_are_assembled() {
    let (_dir, mut perf) = impatient("slow");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| !s.counts.is_empty());
    assert_eq!(seen.counts, [(7.0, 50)]);
    // The rest never arrives: after a while perf counts as hung.
    watch(&mut perf, &mut seen, |s| !s.errors().is_empty());
    assert_eq!(seen.errors(), ["perf printed no counts for 0.5 s; started again in 50 ms"]);
    finish(&mut perf, &mut seen);
}

#[test]
fn an_incomplete_interval_is_handed_over_after_a_silence() {
    let (_dir, mut perf) = perf("slow");
    // The trial showed two rows; pretend that there were three.
    perf.plan = Arc::new(PerfPlan { rows: 3, ..PerfPlan::clone(&perf.plan) });
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| !s.counts.is_empty());
    assert_eq!(seen.status, [(true, None, None)]);
    finish(&mut perf, &mut seen);
}

#[test]
fn a_flood_on_stderr_stops_nothing() {
    let (_dir, mut perf) = perf("floods");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.counts.len() == 2);
    assert_eq!(seen.errors(), [""; 0]);
    finish(&mut perf, &mut seen);
}

#[test]
fn odd_lines_are_reported_while_counting_continues() {
    let (_dir, mut perf) = perf("chatty");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.counts.len() == 2 && !s.warnings.is_empty());
    assert_eq!(seen.warnings, ["perf printed a line that is not a count: `perf: a word, and no count`"]);
    finish(&mut perf, &mut seen);
    assert_eq!((seen.warnings.len(), seen.errors().len()), (1, 0));
}

#[test]
fn the_end_of_a_process_ends_the_counting() {
    // perf up to 4.18 would continue forever.
    let (dir, path) = fake("hangs");
    let mut target = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let mut setup = setup(&path, &["context-switches"], None);
    setup.options.perf.pids = vec![target.id()];
    let (plan, _) = make(&setup, &software_only()).unwrap();
    let args: Vec<_> = plan.invocation.args.iter().map(|a| a.to_str().unwrap()).collect();
    let asked = format!("stat -I 50 -x ; --no-big-num -p {} -e context-switches,cpu-clock --log-fd 1", target.id());
    assert_eq!(args.join(" "), asked);
    let mut perf = Perf::new(plan, quick());
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.counts.len() == 2);
    target.kill().unwrap();
    target.wait().unwrap();
    watch(&mut perf, &mut seen, |s| !s.errors().is_empty());
    let end = format!("process {} ended", target.id());
    assert_eq!(seen.errors(), [end.as_str()]);
    assert_eq!(seen.warnings, [format!("{end}: its events are no longer counted")]);
    tick(&mut perf, &mut seen);
    assert_eq!(seen.failures, [""; 0], "this is not a failure");
    assert_eq!(left_over(dir.path()), 0);
    finish(&mut perf, &mut seen);
}

#[test]
fn modes_have_their_own_options() {
    let (_dir, path) = fake("hangs");
    let args = |change: &dyn Fn(&mut PerfOptions)| {
        let mut setup = setup(&path, &["cpu-clock", "context-switches"], None);
        change(&mut setup.options.perf);
        let (plan, _) = make(&setup, &software_only()).unwrap_or_else(|u| panic!("{u:?}"));
        let args: Vec<_> = plan.invocation.args.iter().map(|a| a.to_str().unwrap().to_string()).collect();
        args.join(" ")
            .replace("stat -I 50 -x ; --no-big-num ", "")
            .replace(" -e cpu-clock,context-switches --log-fd 1", "")
    };
    assert_eq!(args(&|o| o.per = Per::Cpu), "-a -A");
    assert_eq!(args(&|o| o.per = Per::Socket), "-a --per-socket");
    // The fake prints CSV, which is not JSON.
    let mut setup = setup(&path, &["cpu-clock", "context-switches"], None);
    setup.options.perf.format = StatFormat::Json;
    let refused = make(&setup, &software_only()).unwrap_err();
    assert!(refused.reason.ends_with("cannot count: perf printed no counts"), "{}", refused.reason);
}

#[test]
fn json_is_tried_if_csv_has_no_counts() {
    let (_dir, path) = fake("json-only");
    let (plan, _) = make(&setup(&path, &["cpu-clock", "context-switches"], None), &software_only()).unwrap();
    let args: Vec<_> = plan.invocation.args.iter().map(|a| a.to_str().unwrap()).collect();
    assert_eq!(args.join(" "), "stat -I 50 -j -a -e cpu-clock,context-switches --log-fd 1");
    let mut perf = Perf::new(plan, quick());
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| s.counts.len() == 2);
    assert_eq!(seen.counts, [(1.0, 50), (2.0, 50)]);
    finish(&mut perf, &mut seen);
}

#[test]
fn a_child_left_behind_with_the_pipe_does_not_block() {
    let (dir, mut perf) = perf("leaves");
    let mut seen = Seen::default();
    watch(&mut perf, &mut seen, |s| !s.errors().is_empty());
    assert_eq!(seen.errors(), ["perf exited with status 5; started again in 50 ms"]);
    finish(&mut perf, &mut seen);
    assert_eq!(left_over(dir.path()), 0);
}

#[test]
fn opening_reports_what_is_missing_and_starts_nothing() {
    let (dir, path) = fake("hangs");
    let events = ["cpu-clock", "context-switches", "cycles", "LLC-loads"];
    let opened = open(&setup(&path, &events, None), &software_only()).unwrap_or_else(|u| panic!("{u:?}"));
    assert_eq!(opened.notes.len(), 1, "{:?}", opened.notes);
    assert!(opened.notes[0].starts_with("not supported here (") && opened.notes[0].ends_with("): cycles, LLC-loads"));
    assert!(!dir.path().join("runs").exists(), "only the trial ran");

    assert!(opened.by.unwrap().ends_with("/hangs stat, version 6.1.187"));

    let (plan, _) = make(&setup(&path, &events, None), &software_only()).unwrap();
    let args: Vec<_> = plan.invocation.args.iter().map(|a| a.to_str().unwrap()).collect();
    let expected = "stat -I 50 -x ; --no-big-num -a -e cpu-clock,context-switches --log-fd 1";
    assert_eq!(args.join(" "), expected);
    let mut seen = Seen::default();
    let mut perf = Perf::new(plan, quick());
    watch(&mut perf, &mut seen, |s| s.counts.len() == 2);
    assert_eq!(seen.status, vec![(false, Some("cycles,LLC-loads".into()), None); 2], "the rest is counted");
}

#[test]
fn a_version_may_be_missing() {
    let (_dir, path) = fake("no-version");
    let opened = open(&setup(&path, &["cpu-clock"], None), &software_only()).unwrap_or_else(|u| panic!("{u:?}"));
    assert!(opened.by.as_deref().unwrap().ends_with("stat, of unknown version"), "{:?}", opened.by);
}

fn unavailable(play: &str, events: &[&str], cpus: Option<&str>) -> (String, String) {
    let (_dir, path) = fake(play);
    match open(&setup(&path, events, cpus), &software_only()) {
        Ok(opened) => panic!("{play} was opened: {:?}", opened.notes),
        Err(found) => {
            let place = format!("{}", path.display());
            (found.reason.replace(&place, "PERF"), found.advice.unwrap_or_default().replace(&place, "PERF"))
        }
    }
}

#[test]
fn a_perf_that_does_not_work_is_unavailable() {
    let (reason, advice) = unavailable("wrapper", &[], None);
    let words = "WARNING: perf not found for kernel 6.8.0-31";
    assert_eq!(reason, format!("PERF is a wrapper without a perf for this kernel ({words})"));
    assert!(advice.contains("linux-tools-$(uname -r)"), "{advice}");

    let (reason, _) = unavailable("refuses", &["cpu-clock"], None);
    assert_eq!(reason, "PERF cannot count: perf exited with status 255: No permission to enable cpu-clock event.");

    let (reason, _) = unavailable("silent-trial", &["cpu-clock"], None);
    assert_eq!(reason, "PERF cannot count: perf printed no counts");

    let gone = open(&setup(Path::new("/nonexistent/perf"), &["cpu-clock"], None), &software_only()).err().unwrap();
    assert!(gone.reason.starts_with("cannot run /nonexistent/perf: No such file"), "{}", gone.reason);
}

#[test]
fn nothing_to_count_is_unavailable() {
    let (reason, advice) = unavailable("hangs", &["cycles", "instructions"], None);
    assert!(reason.ends_with("): cycles, instructions"), "{reason}");
    assert_eq!(advice, "cpu-clock counts on every machine; `perfwatch events` lists the events that count here");

    let (reason, _) = unavailable("one-unsupported", &["context-switches"], None);
    assert_eq!(reason, "not supported here, says perf: context-switches");
}

#[test]
fn a_misspelled_event_is_a_mistake() {
    let (_dir, path) = fake("unknown");
    let found = |events: &[&str]| open(&setup(&path, events, None), &software_only());
    let mistake = found(&["context-switches", "cycels"]).err().unwrap();
    let words = "perf knows no event `cycels` (did you mean `cycles`?)";
    assert_eq!((mistake.is_mistake, &*mistake.reason), (true, words));
    let denied: Kernel = Arc::new(|_: &Ask| Err(libc::EACCES));
    assert!(open(&setup(&path, &["context-switches", "cycels"], None), &denied).err().unwrap().is_mistake);
}

#[test]
fn events_of_other_machines_do_not_affect_the_others() {
    let (_dir, path) = fake("unknown");
    for (event, words) in [
        ("nosuch", "unknown to perf, or refused by it: nosuch"),
        ("nosuch/x/", "unknown to perf, or refused by it: nosuch/x/"),
        // If tracefs can be read, we know it ourselves.
        ("sched:nosuch", ": sched:nosuch"),
    ] {
        let opened = open(&setup(&path, &["context-switches", event], None), &software_only())
            .unwrap_or_else(|u| panic!("{u:?}"));
        assert!(opened.notes.len() == 1 && opened.notes[0].ends_with(words), "{:?}", opened.notes);
    }
    let (reason, _) = unavailable("unknown", &["nosuch/x/"], None);
    assert_eq!(reason, "unknown to perf, or refused by it: nosuch/x/");
}

#[test]
fn a_given_name_that_perf_refuses_does_not_affect_the_others() {
    let (_dir, path) = fake("unknown");
    let event = "page-faults/name='nosuch one'/";
    let (plan, notes) = make(&setup(&path, &["context-switches", event], None), &software_only()).unwrap();
    assert_eq!(notes, [format!("unknown to perf, or refused by it: {event}")]);
    assert_eq!(plan.counts, [0]);
}

#[test]
fn a_group_only_loses_missing_events() {
    let (_dir, path) = fake("hangs");
    let (plan, notes) =
        make(&setup(&path, &["{context-switches,cycles,page-faults}:u"], None), &software_only()).unwrap();
    let args: Vec<_> = plan.invocation.args.iter().map(|a| a.to_str().unwrap()).collect();
    assert!(args.join(" ").contains(" -e {context-switches,page-faults}:u,cpu-clock "), "{args:?}");
    assert!(notes[0].ends_with(": cycles:u"), "{notes:?}");
    let (plan, _) = make(&setup(&path, &["{cpu-clock,context-switches}"], None), &software_only()).unwrap();
    let args: Vec<_> = plan.invocation.args.iter().map(|a| a.to_str().unwrap()).collect();
    assert!(args.join(" ").contains(" -e {cpu-clock,context-switches} ") && !plan.clock_added, "{args:?}");
}

/// A kernel that gives this answer to every request.
fn kernel_says(errno: i32) -> Kernel {
    Arc::new(move |_: &Ask| if errno == 0 { counts() } else { Err(errno) })
}

#[test]
fn an_event_with_a_comma_in_its_given_name() {
    let (_dir, path) = fake("quoted");
    // perf itself does not accept double quotes.
    let (plan, _) = make(&setup(&path, &["msr/tsc,name=\"a,b\"/"], None), &kernel_says(0)).unwrap();
    assert!(plan.invocation.args.iter().any(|arg| arg == "msr/tsc,name='a,b'/,cpu-clock"), "{:?}", plan.invocation);
    let (plan, notes) = make(&setup(&path, &["msr/tsc,name='a,b'/"], None), &kernel_says(0)).unwrap();
    assert_eq!((notes.as_slice(), plan.counts.as_slice()), (&[] as &[String], &[0][..]));
    let mut perf = Perf::new(plan, quick());
    let catalog = catalog();
    let mut rows = Vec::new();
    let began = Instant::now();
    while rows.len() < 2 && began.elapsed() < Duration::from_secs(20) {
        let mut sample = Sample::new(&catalog);
        perf.collect(0, &mut sample).unwrap();
        for block in sample.blocks.iter().filter(|b| b.table == 0) {
            let text =
                |cell: Cell| if let Cell::Text(id) = cell { sample.texts.get(id).map(str::to_string) } else { None };
            rows.extend(sample.cells_of(block).chunks(catalog[0].raw.len()).map(|r| (text(r[0]), r[3], text(r[6]))));
        }
        for block in sample.blocks.iter().filter(|b| b.table == 1) {
            assert_eq!(sample.cells_of(block)[..2], [Cell::Bool(true), Cell::Null], "nothing is missing");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let expected = (Some("a,b".to_string()), Cell::Float(12.0), Some("counted".to_string()));
    assert_eq!(rows, [expected.clone(), expected], "a percentage that is not a number does not affect the value");
}

#[test]
fn too_many_files_is_reported_as_such() {
    let (reason, advice) = unavailable("too-many", &["cpu-clock"], None);
    assert_eq!(reason, "PERF cannot count: perf exited with status 255: Too many events are opened.");
    assert_eq!(advice, "raise `ulimit -n`, or ask for fewer events or CPUs");
    // One by one they might fit, but that is not what was requested.
    let (_, advice) = unavailable("too-many", &["cpu-clock", "nosuch.event"], None);
    assert_eq!(advice, "raise `ulimit -n`, or ask for fewer events or CPUs");
    // If we have no descriptors left, this says nothing about perf, which raises its limit itself.
    let (_dir, path) = fake("hangs");
    let opened = open(&setup(&path, &["cpu-clock", "context-switches"], None), &kernel_says(libc::EMFILE));
    assert_eq!(opened.unwrap_or_else(|u| panic!("{u:?}")).notes, [""; 0]);
}

#[test]
fn refusals_of_the_kernel_and_advice_agree() {
    let (_dir, path) = fake("hangs");
    for backend in [Backend::Perf, Backend::Syscall] {
        for (errno, said, advised) in
            [(libc::EBUSY, "busy (", "end the other program"), (libc::ENODEV, "not supported on these CPUs", "--cpus")]
        {
            let mut setup = setup(&path, &["cpu-clock"], None);
            setup.options.perf.backend = backend;
            if backend == Backend::Syscall {
                (setup.options.perf.path, setup.options.perf.interval) = (None, None);
            }
            let why = open(&setup, &kernel_says(errno)).err().unwrap();
            let advice = why.advice.unwrap();
            assert!(why.reason.starts_with(said) && why.reason.ends_with(": cpu-clock"), "{}", why.reason);
            assert!(advice.contains(advised) && !advice.contains("counts on every machine"), "{advice}");
            assert!(why.instead.is_some(), "and `perf_status` says so");
        }
    }
    let mut setup = setup(&path, &["cpu-clock"], None);
    setup.options.perf =
        PerfOptions { backend: Backend::Syscall, path: None, interval: None, ..setup.options.perf.clone() };
    let why = open(&setup, &kernel_says(libc::EMFILE)).err().unwrap();
    assert!(why.reason.starts_with("no file descriptors left") && why.advice.unwrap().contains("`ulimit -n`"));
}

#[test]
fn a_trial_that_ended_too_early_is_repeated() {
    let (dir, path) = fake("too-quick");
    let opened = open(&setup(&path, &["cpu-clock", "context-switches"], None), &software_only());
    assert_eq!(opened.unwrap_or_else(|u| panic!("{u:?}")).notes, [""; 0]);
    assert!(!dir.path().join("runs").exists(), "only trials ran");
}

#[test]
fn a_perf_without_json() {
    let (_dir, path) = fake("before-json");
    let mut setup = setup(&path, &["cpu-clock"], None);
    setup.options.perf.format = StatFormat::Json;
    let why = open(&setup, &software_only()).err().unwrap();
    assert!(why.reason.ends_with("/before-json prints no JSON (that came with perf 6.0)"), "{}", why.reason);
    assert!(why.advice.unwrap().starts_with("leave out --perf-format: every perf prints CSV"));
    setup.options.perf.format = StatFormat::Auto;
    assert!(open(&setup, &software_only()).is_ok());
}

#[test]
fn one_process_that_may_not_be_counted_does_not_affect_the_others() {
    let (_dir, path) = fake("not-the-first");
    let mut target = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let mut setup = setup(&path, &["context-switches"], None);
    setup.options.perf.pids = vec![1, target.id()];
    let kernel: Kernel = Arc::new(|ask: &Ask| if ask.whose == Whose::Thread(1) { Err(libc::EACCES) } else { counts() });
    let opened = open(&setup, &kernel).unwrap_or_else(|u| panic!("{u:?}"));
    assert!(opened.notes.len() == 1 && opened.notes[0].starts_with("process 1: "), "{:?}", opened.notes);
    setup.options.perf.pids = vec![1];
    let why = open(&setup, &kernel).err().unwrap();
    assert!(why.reason.starts_with("process 1: "), "{}", why.reason);
    target.kill().unwrap();
    target.wait().unwrap();
}

#[test]
fn only_statements_of_perf_are_attributed_to_it() {
    // A row with a name that was not requested.
    let (_dir, path) = fake("other-name");
    let opened = open(&setup(&path, &["context-switches"], None), &software_only()).unwrap_or_else(|u| panic!("{u:?}"));
    let words = "perf printed no count under this name in its trial run: context-switches";
    assert_eq!(opened.notes, [words]);
    let (reason, _) = unavailable("clock-alone", &["context-switches"], None);
    assert_eq!(reason, words);
    let (_, advice) = unavailable("no-system-call", &["nosuch"], None);
    assert!(advice.contains("seccomp profile"), "{advice}");
}

#[test]
fn unsupported_events_are_not_counted_in_user_mode_either() {
    let (_dir, path) = fake("user-mode");
    let events = ["page-faults", "cycles", "context-switches"];
    let opened = open(&setup(&path, &events, None), &kernel_says(0)).unwrap_or_else(|u| panic!("{u:?}"));
    let expected = [
        "not supported here, says perf: cycles",
        "happens in the kernel, and only user mode is counted: context-switches",
        "counted in user mode only, because of missing permission: page-faults:u",
    ];
    assert_eq!(opened.notes, expected);
}

#[test]
fn missing_permission_is_explained() {
    let (_dir, path) = fake("refuses");
    let denied: Kernel = Arc::new(|ask: &Ask| if ask.whose == Whose::Thread(0) { counts() } else { Err(libc::EACCES) });
    let found = open(&setup(&path, &[], None), &denied).err().unwrap();
    assert!(found.reason.starts_with("not permitted"), "{}", found.reason);
    // A perf whose file has the capability works although we may not ask the kernel ourselves.
    let (_dir, path) = fake("hangs");
    let opened = open(&setup(&path, &["cpu-clock", "context-switches"], None), &denied);
    assert_eq!(opened.unwrap_or_else(|u| panic!("{u:?}")).notes, [""; 0]);
}

#[test]
fn no_perf_events_in_the_kernel() {
    let (_dir, path) = fake("hangs");
    let found =
        open(&setup(&path, &["cpu-clock"], None), &(Arc::new(|_: &Ask| Err(libc::ENOSYS)) as Kernel)).err().unwrap();
    assert!(found.reason.contains("no perf events, or a seccomp profile"), "{}", found.reason);
    assert!(found.advice.unwrap().contains("container"));
}

#[test]
fn a_captured_tree_has_no_perf() {
    let roots = Roots { proc: "/nonexistent".into(), sys: "/nonexistent".into() };
    let found = open(&Setup::new(roots, Options::default()), &software_only()).err().unwrap();
    assert!(found.reason.contains("--proc-root"), "{}", found.reason);
}
