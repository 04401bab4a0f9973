//! The program as users run it: arguments in; status, output and files out.
#![allow(unsafe_code, reason = "signals, and what is set between fork and exec")]
#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

pub mod costs;
#[allow(clippy::duplicate_mod, reason = "a test may use `common` too")]
#[path = "../common/files.rs"]
mod files;
mod report;
mod terminal;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use perfwatch::store::journal::Journal;
use perfwatch::store::journal::frame::FrameKind;
use perfwatch::store::layout::Layout;

pub use files::{copy, fixture};
pub use report::{column, counted, report, report_ticks, rows};
pub use terminal::terminal;

/// The result of a run.
#[derive(Debug)]
pub struct Said {
    /// The exit status; 128 plus the signal if a signal ended it, as in a shell.
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status.code().or(output.status.signal().map(|s| s + 128)).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { status, out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Said {
    /// Checks the exit status, and that stderr contains all of these words.
    #[track_caller]
    pub fn is(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "no `{word}` in {self:?}");
        }
        assert!(!self.err.contains("panicked"), "{self:?}");
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_perfwatch");

/// Recorders finish their files when an hour begins: tests that count files, or read one journal, must not run across it.
/// Waits if that would happen in the next seconds.
fn not_right_before_an_hour() {
    const HOUR: Duration = Duration::from_secs(3600);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let left = HOUR - Duration::from_nanos((now.as_nanos() % HOUR.as_nanos()) as u64);
    if left < Duration::from_secs(15) {
        std::thread::sleep(left + Duration::from_millis(50));
    }
}

pub fn program() -> Command {
    not_right_before_an_hour();
    let mut command = Command::new(PROGRAM);
    // Not the settings of this machine's user.
    command.stdin(Stdio::null()).env("PERFWATCH_CONFIG", "/dev/null");
    with_usual_signals(&mut command);
    command
}

/// If the tests run in the background of a script, or under `nohup`, some signals are ignored.
pub fn with_usual_signals(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: system calls without memory access.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2] {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        });
    }
}

pub fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Said {
    program().args(args).output().unwrap().into()
}

/// `record` of a captured machine, without perf and independent of this machine; ticks of 20 ms.
pub fn record_command(dir: &Path, args: &[&str]) -> Command {
    record_of(&fixture("vm2"), dir, args)
}

/// `record` of the machine with these roots.
pub fn record_of(machine: &Path, dir: &Path, args: &[&str]) -> Command {
    let mut command = program();
    command.arg("record").arg("-o").arg(dir);
    command.arg("--proc-root").arg(machine.join("proc")).arg("--sys-root").arg(machine.join("sys"));
    if !args.contains(&"-i") {
        command.args(["-i", "20ms"]);
    }
    command.args(args);
    command
}

/// A finished recording of a few ticks.
pub fn record(dir: &Path, args: &[&str]) -> Said {
    let short = if args.contains(&"-d") { &[][..] } else { &["-d", "100ms"] };
    record_command(dir, &[args, short].concat()).output().unwrap().into()
}

/// A running recorder, killed when the test ends at the latest.
pub struct Live {
    pub child: Child,
    pub dir: PathBuf,
}

impl Live {
    /// Returns when the first ticks are written.
    pub fn start(dir: &Path, args: &[&str]) -> Live {
        Live::of(record_command(dir, args), dir)
    }

    pub fn of(mut command: Command, dir: &Path) -> Live {
        let before = last_number(dir);
        let child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let live = Live { child, dir: dir.to_path_buf() };
        until("the first ticks", || last_number(dir) > before && ticks(dir).len() > 3);
        live
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: no memory is involved; the child is ours and not yet waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Said {
        let child = std::mem::replace(&mut self.child, Command::new("true").spawn().unwrap());
        child.wait_with_output().unwrap().into()
    }

    pub fn end(self, signal: i32) -> Said {
        self.signal(signal);
        self.wait()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A recording whose recorder was killed: the rows are in its journal.
pub fn killed(dir: &Path, args: &[&str]) {
    Live::start(dir, args).end(libc::SIGKILL).is(128 + 9, &[]);
}

/// Waits for a condition, at most ten seconds.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(10), "waited without success for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn last_number(dir: &Path) -> u32 {
    Layout::new(dir).journals().ok().and_then(|j| Some(j.last()?.0)).unwrap_or(0)
}

/// The times of the ticks in the last journal.
pub fn ticks(dir: &Path) -> Vec<i64> {
    let mut found = Vec::new();
    if let Ok(journal) = Journal::open(&Layout::new(dir), last_number(dir)) {
        let taken =
            journal.replay(|_| false, |kind, d, _| found.extend((kind == FrameKind::Tick).then_some(d.stamp.ts_us)));
        taken.unwrap();
    }
    found
}

pub fn manifest(dir: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(Layout::new(dir).manifest()).unwrap()).unwrap()
}

/// The runs in `_runs.json`.
pub fn index(dir: &Path) -> Vec<serde_json::Value> {
    let index: serde_json::Value = serde_json::from_slice(&fs::read(dir.join("_runs.json")).unwrap()).unwrap();
    index["runs"].as_array().unwrap().clone()
}

/// The names of the files of a table, without extension.
pub fn sealed_names(dir: &Path, table: &str) -> Vec<String> {
    let files = Layout::new(dir).sealed_files(table).unwrap();
    files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_string()).collect()
}

/// One of the files of a table.
pub fn sealed(dir: &Path, table: &str) -> PathBuf {
    Layout::new(dir).sealed_files(table).unwrap().remove(0)
}

/// Every file below a directory with its bytes, for comparisons.
pub fn tree(dir: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(tree(&entry.path()));
        } else {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

pub fn is_root() -> bool {
    // SAFETY: always succeeds.
    unsafe { libc::geteuid() == 0 }
}

/// The program without root's rights, as user 65534 if the test runs as root. The copy is for a user who may not access
/// the folders above the build.
pub fn as_nobody(folder: &Path) -> Option<Command> {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    if !is_root() {
        return Some(program());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.join("perfwatch");
    // Copied by a separate process: children of other tests' threads briefly inherit files that are open for writing
    // here, and a file open for writing cannot be executed ("Text file busy").
    if !Command::new("cp").arg(PROGRAM).arg(&copy).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: the program cannot be copied");
        return None;
    }
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(copy);
    command.uid(65534).gid(65534).stdin(Stdio::null());
    Some(command)
}

/// A directory that does not exist yet.
pub fn new() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    (folder, dir)
}

/// The first session in the manifest.
pub fn session(dir: &Path) -> serde_json::Value {
    manifest(dir)["sessions"][0].clone()
}

/// State and notes of a collector in the last session of the manifest.
pub fn collector(dir: &Path, name: &str) -> (String, String) {
    let manifest = manifest(dir);
    let session = manifest["sessions"].as_array().unwrap().last().unwrap();
    let all = session["collectors"].as_array().unwrap();
    let facts = all.iter().find(|c| c["name"] == name).unwrap();
    (facts["state"].as_str().unwrap().to_string(), facts["notes"].to_string())
}
