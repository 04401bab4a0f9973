//! Control groups: recorded groups, and the group of a command.
#![allow(unsafe_code, reason = "signals")]

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use program::*;
use serde_json::Value;

/// `record -- sh -c SCRIPT` with the collectors of control groups and processes only.
fn recorder(dir: &Path, options: &[&str], script: &str) -> Command {
    let mut recorder = program();
    recorder.arg("record").arg("-o").arg(dir).args(["--collectors", "cgroup,process"]).args(options);
    recorder.args(["--", "sh", "-c", script]);
    recorder
}

/// The folders created by the recorder with this PID.
fn scopes_of(pid: u32) -> Vec<PathBuf> {
    fn walk(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                let is_it = entry.file_name().to_str().is_some_and(|n| n == name || n.starts_with(&format!("{name}-")));
                found.extend(is_it.then(|| entry.path()));
                walk(&entry.path(), name, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), &format!("perfwatch-{pid}"), &mut found);
    found
}

/// May groups be created here? Otherwise the test prints a message and ends.
fn permitted(dir: &Path) -> bool {
    let (state, notes) = collector(dir, "cgroup");
    let is_permitted = state == "recorded" || state == "partial";
    if !is_permitted {
        assert!(notes.contains("the command has no control group of its own: ") || notes.contains("no control groups"));
        eprintln!("skipped: no control group can be made here: {notes}");
    }
    is_permitted
}

/// Prints the control group of a process from `/proc/PID/cgroup`.
const WHERE: &str = "sed -n 's/^[0-9]*:memory://p;s/^0:://p' /proc/self/cgroup";

#[test]
fn the_kernels_account_of_a_command() {
    let (folder, dir) = new();
    let told = folder.path().join("told");
    // 100 MiB in the buffer of a process, freed before it ends; then the command itself reads its group's memory peak.
    let script = format!(
        "dd if=/dev/zero of=/dev/null bs=100M count=3 2> /dev/null; for place in $({WHERE}); do for file in \
         /sys/fs/cgroup/memory$place/memory.max_usage_in_bytes /sys/fs/cgroup$place/memory.peak; do \
         case $place in *perfwatch*) cat $file 2> /dev/null;; esac; done; done > {}; sleep 0.3",
        told.display()
    );
    recorder(&dir, &["-q", "-i", "50ms"], &script).output().map(Said::from).unwrap().is(0, &[]);
    let cost = session(&dir)["command"]["cost"].clone();
    if !permitted(&dir) {
        assert_eq!((&cost["cgroup_memory_peak_bytes"], &cost["cgroup_cpu_s"]), (&Value::Null, &Value::Null));
        return;
    }
    let names = column(&dir, "cgroup", "cgroup");
    assert!(names.len() > 3 && names.iter().all(|name| name == "command"), "{names:?}");
    let ticks = session(&dir)["ticks"].as_u64().unwrap() as usize;
    assert_eq!(names.len(), ticks, "from the first sample to the last");
    if let Some(peak) = cost["cgroup_memory_peak_bytes"].as_u64() {
        let told: u64 = fs::read_to_string(&told).unwrap().trim().parse().unwrap();
        assert!((100 << 20..160 << 20).contains(&told), "{told}");
        assert_eq!(peak, told);
        assert_eq!(column(&dir, "cgroup", "memory_peak_bytes").last().unwrap(), &told.to_string());
    }
    if let Some(cpu) = cost["cgroup_cpu_s"].as_f64() {
        let by_wait = cost["user_s"].as_f64().unwrap() + cost["system_s"].as_f64().unwrap();
        assert!((cpu - by_wait).abs() < 0.02 + 0.05 * by_wait, "{cost}");
    }
}

#[test]
fn no_control_group_is_left() {
    for (options, script, status) in [
        (&["--collectors", "cgroup,cpu"][..], "exit 3", 3),
        (&["--collectors", "process"], "kill -9 $$", 137),
        (
            &["--collectors", "cgroup,cpu", "--timeout", "100ms", "--grace", "100ms"],
            "trap '' TERM; while :; do sleep 0.02; done",
            124,
        ),
        (&["--perf-events", "cycels", "--collectors", "cgroup,perf"], "exit 0", 125),
        (&["--collectors", "cpu", "--cgroup", "off"], "exit 0", 0),
    ] {
        let (_folder, dir) = new();
        let mut command = program();
        command.arg("record").arg("-q").arg("-o").arg(&dir).args(options).args(["--", "sh", "-c", script]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        Said::from(child.wait_with_output().unwrap()).is(status, &[]);
        assert_eq!(scopes_of(pid), [] as [PathBuf; 0], "{options:?} {script}");
    }
}

#[test]
fn groups_made_by_the_command_are_removed_too() {
    let (_folder, dir) = new();
    // Creates a group inside each of its own groups, and leaves a process there.
    let script = "for line in $(cat /proc/self/cgroup); do path=${line#*:*:}; case $path in *perfwatch-*) \
                  for f in /sys/fs/cgroup/*$path /sys/fs/cgroup$path; do [ -d $f ] && mkdir $f/inside; done;; esac; done; \
                  echo $PPID";
    let said: Said = recorder(&dir, &["-q"], script).output().unwrap().into();
    said.is(0, &[]);
    if permitted(&dir) {
        assert_eq!(scopes_of(said.out.trim().parse().unwrap()), [] as [PathBuf; 0]);
    }
}

#[test]
fn a_remaining_process_is_moved_back() {
    let (folder, dir) = new();
    let pid = folder.path().join("pid");
    // The recorder itself is in the group of the test.
    let script = format!("sleep 60 > /dev/null 2>&1 & echo $! > {}", pid.display());
    let child = recorder(&dir, &["-q"], &script).spawn().unwrap();
    let recorder = child.id();
    Said::from(child.wait_with_output().unwrap()).is(0, &[]);
    let pid = fs::read_to_string(pid).unwrap().trim().to_string();
    let of = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let (daemon, ours) = (of(&pid), of("self"));
    // SAFETY: no memory is involved.
    assert_eq!(unsafe { libc::kill(pid.parse().unwrap(), libc::SIGKILL) }, 0, "it lives");
    assert_eq!(daemon, ours);
    assert_eq!(scopes_of(recorder), [] as [PathBuf; 0]);
}

#[test]
fn groups_of_a_killed_recorder_are_removed_by_the_next() {
    let (folder, dir) = new();
    let (ready, go, done) = (folder.path().join("ready"), folder.path().join("go"), folder.path().join("done"));
    let script = format!(
        "echo > {}; while ! test -e {}; do sleep 0.02; done; echo > {}",
        ready.display(),
        go.display(),
        done.display()
    );
    let mut child = recorder(&dir, &["-q"], &script).spawn().unwrap();
    until("the command", || ready.exists());
    let pid = child.id();
    child.kill().unwrap();
    child.wait().unwrap();
    if permitted(&dir) {
        assert!(!scopes_of(pid).is_empty(), "the command is in it");
    }
    fs::write(&go, "").unwrap();
    until("its end", || done.exists());
    // The last process may not have ended yet.
    until("its removal", || {
        let (_folder, dir) = new();
        recorder(&dir, &["-q"], "true").output().map(Said::from).unwrap().is(0, &[]);
        scopes_of(pid).is_empty()
    });
}

#[test]
fn a_recorder_within_a_recorder() {
    let (folder, outer) = new();
    let inner = folder.path().join("inner");
    let burn = "n=0; while test $n -lt 50000; do n=$((n+1)); done";
    let script =
        format!("{PROGRAM} record -q -o {} --collectors cgroup,process -- sh -c '{burn}'; {burn}", inner.display());
    recorder(&outer, &["-q"], &script).output().map(Said::from).unwrap().is(0, &[]);
    if !permitted(&outer) {
        return;
    }
    let cpu = |dir: &Path| session(dir)["command"]["cost"]["cgroup_cpu_s"].as_f64();
    if let (Some(outside), Some(inside)) = (cpu(&outer), cpu(&inner)) {
        assert!(inside > 0.0 && outside > 1.5 * inside, "{outside} s with {inside} s in it");
    }
    for dir in [&outer, &inner] {
        assert_eq!(scopes_of(session(dir)["pid"].as_u64().unwrap() as u32), [] as [PathBuf; 0]);
    }
}

#[test]
fn without_permission_there_is_no_group_and_no_message() {
    let (folder, dir) = new();
    let Some(mut command) = as_nobody(folder.path()) else { return };
    let dir = dir.with_file_name("nobodys");
    fs::create_dir(&dir).unwrap();
    if is_root() {
        std::os::unix::fs::chown(&dir, Some(65534), Some(65534)).unwrap();
    }
    command.arg("record").arg("-o").arg(&dir).args(["--collectors", "cgroup,process", "--", "sh", "-c", "exit 4"]);
    let said = Said::from(command.output().unwrap());
    said.is(4, &["sh: exit status 4"]);
    assert!(!said.err.contains("group"), "{said:?}");
    if is_root() {
        let (state, notes) = collector(&dir, "cgroup");
        assert_eq!(state, "unavailable");
        assert!(notes.contains("the command has no control group of its own: ") || notes.contains("no control groups"));
        assert_eq!(session(&dir)["command"]["cost"]["cgroup_cpu_s"], Value::Null);
    }
}

#[test]
fn switched_off() {
    let (_folder, dir) = new();
    recorder(&dir, &["-q", "--cgroup", "off"], "true").output().map(Said::from).unwrap().is(0, &[]);
    assert_eq!(collector(&dir, "cgroup").0, "disabled");
    assert_eq!(session(&dir)["command"]["cost"]["cgroup_memory_peak_bytes"], Value::Null);
}

/// A machine with cgroup version 2, two services, and nothing else.
fn machine() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mount = dir.path().join("sys/fs/cgroup");
    for (path, text) in [
        ("proc/self/mountinfo", &*format!("30 23 0:26 / {} rw - cgroup2 cgroup2 rw\n", mount.display())),
        ("proc/self/cgroup", "0::/\n"),
        ("proc/meminfo", "MemTotal: 100 kB\nMemFree: 50 kB\n"),
        ("sys/fs/cgroup/cpu.stat", "usage_usec 7000000\n"),
        ("sys/fs/cgroup/system.slice/db.service/memory.current", "1048576\n"),
        ("sys/fs/cgroup/system.slice/db.service/cpu.stat", "usage_usec 5000000\n"),
        ("sys/fs/cgroup/system.slice/web.service/memory.current", "2097152\n"),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

#[test]
fn groups_of_the_machine() {
    let machine = machine();
    let record = |args: &[&str]| {
        let (folder, dir) = new();
        let args = [&["-q", "-d", "50ms"], args].concat();
        (folder, dir.clone(), Said::from(record_of(machine.path(), &dir, &args).output().unwrap()))
    };
    let (_folder, dir, said) = record(&["--collectors", "cgroup", "--cgroups", "system.slice/*,no.slice"]);
    said.is(0, &[]);
    let mut rows: Vec<_> =
        column(&dir, "cgroup", "cgroup").into_iter().zip(column(&dir, "cgroup", "memory_bytes")).collect();
    rows.sort();
    rows.dedup();
    let row = |cgroup: &str, bytes: &str| (cgroup.to_string(), bytes.to_string());
    assert_eq!(rows, [row("/system.slice/db.service", "1048576"), row("/system.slice/web.service", "2097152")]);
    assert_eq!(session(&dir)["options"]["cgroup"]["cgroups"], serde_json::json!(["system.slice/*", "no.slice"]));
    let (state, notes) = collector(&dir, "cgroup");
    assert_eq!((&*state, &*notes), ("partial", r#"["no control group matches no.slice yet"]"#));

    let (_folder, dir, said) = record(&["--collectors", "cgroup"]);
    said.is(0, &[]);
    assert!(column(&dir, "cgroup", "cgroup").iter().all(|name| name == "/"), "our own");
    assert_eq!(column(&dir, "cgroup", "usage_us")[0], "7000000");

    let (_folder, dir, said) = record(&["--collectors", "-perf"]);
    said.is(0, &[]);
    assert_eq!(collector(&dir, "cgroup").0, "disabled", "nobody asked");

    let (_folder, dir, said) = record(&["--cgroups", "a**"]);
    said.is(2, &["`a**`: ", "system.slice/*.service"]);
    assert!(!dir.exists());
}
