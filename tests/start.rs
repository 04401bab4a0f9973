//! Facts in the manifest about a start of the recorder, compared with other programs and with what the test set.
#![allow(unsafe_code, reason = "asks the kernel directly")]

mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use program::*;
use serde_json::Value;

/// A recording of this machine with the given working directory and environment.
fn start(dir: &Path, cwd: &Path, change: impl FnOnce(&mut Command)) -> Value {
    let mut command = program();
    command.args(["record", "-q", "-d", "20ms", "-i", "10ms", "--collectors", "memory", "-o"]).arg(dir);
    command.current_dir(cwd);
    change(&mut command);
    Said::from(command.output().unwrap()).is(0, &[]);
    session(dir)
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

#[test]
fn the_process() {
    let (folder, dir) = new();
    let mut command = Command::new("nice");
    command.args(["-n", "7", "taskset", "-c", "0", PROGRAM, "record", "-q", "-d", "20ms", "-i", "10ms"]);
    command.args(["--collectors", "memory", "-o"]).arg(&dir).current_dir(folder.path());
    let Ok(output) = command.output() else { return eprintln!("skipped: no nice") };
    if String::from_utf8_lossy(&output.stderr).contains("taskset") {
        return eprintln!("skipped: no taskset");
    }
    Said::from(output).is(0, &[]);
    let found = session(&dir);
    // SAFETY: always succeeds for the calling process.
    let own = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let nice = (own + 7).min(19);
    assert_eq!((&found["process"]["nice"], &found["process"]["cpus_allowed"]), (&nice.into(), &"0".into()));
    assert_eq!(found["process"]["policy"], "other");
    // SAFETY: always succeeds.
    assert_eq!(found["process"]["uid"], unsafe { libc::geteuid() });
    assert_eq!(found["cwd"], folder.path().canonicalize().unwrap().to_str().unwrap());
    assert!(found["load"]["load1"].is_f64() && found["load"]["threads"].as_u64() > Some(1), "{found}");
    assert_eq!(found["options"]["perf"]["scope"], serde_json::Value::Null);
}

#[test]
fn the_machine() {
    let (folder, dir) = new();
    start(&dir, folder.path(), |_| ());
    let host = &manifest(&dir)["host"];
    assert_eq!(host["kernel_release"].as_str(), output("uname", &["-r"]).as_deref());
    assert_eq!(host["kernel"]["version"].as_str(), output("uname", &["-v"]).as_deref());
    let Some(lscpu) = output("lscpu", &["--json"]) else { return eprintln!("skipped: no lscpu") };
    let lscpu: Value = serde_json::from_str(&lscpu).unwrap();
    let fields = lscpu["lscpu"].as_array().unwrap();
    let field = |name: &str| fields.iter().find(|f| f["field"] == format!("{name}:")).map(|f| f["data"].clone());
    if let Some(nodes) = field("NUMA node(s)") {
        assert_eq!(host["numa"].as_array().unwrap().len().to_string(), nodes.as_str().unwrap());
    }
    if let Some(model) = field("Model name") {
        assert_eq!(host["cpu_model"], model);
    }
    let mitigations = host["kernel"]["mitigations"].as_object().unwrap();
    let of_lscpu = fields.iter().filter(|f| f["field"].as_str().unwrap().starts_with("Vulnerability "));
    assert_eq!(mitigations.len(), of_lscpu.count());
    // It writes "Mitigation; PTI" for "Mitigation: PTI".
    let plain = |text: &str| text.replace([':', ';'], "");
    if let (Some(theirs), Some(ours)) = (field("Vulnerability Spectre v2"), mitigations.get("spectre_v2")) {
        assert_eq!(plain(ours.as_str().unwrap()), plain(theirs.as_str().unwrap()));
    }
}

#[test]
fn the_ci_job_and_nothing_else_of_the_environment() {
    let (folder, dir) = new();
    let found = start(&dir, folder.path(), |command| {
        command.env_clear().envs([
            ("CI", "true"),
            ("GITLAB_CI", "true"),
            ("CI_JOB_ID", "1234"),
            ("CI_JOB_TOKEN", "hunter2"),
            ("CI_PROJECT_URL", "not on the list"),
            ("CI_SERVER_URL", "https://me:hunter2@gitlab.example.org"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ]);
    });
    let expected = serde_json::json!({
        "system": "GitLab CI",
        "variables": {"CI_JOB_ID": "1234", "CI_SERVER_URL": "https://gitlab.example.org"},
    });
    assert_eq!(found["ci"], expected);
    assert!(tree(&dir).values().all(|bytes| !bytes.windows(7).any(|w| w == b"hunter2")));
}

#[test]
fn without_git_the_commit_is_still_known() {
    let (folder, dir) = new();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let put = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("code/.git/HEAD", "ref: refs/heads/topic/x\n");
    put("code/.git/refs/heads/topic/x", &format!("{commit}\n"));
    let code = folder.path().join("code");
    let git = start(&dir, &code, |command| {
        command.env("PATH", "/nonexistent");
    })["git"]
        .clone();
    assert_eq!((&git["commit"], &git["branch"]), (&commit.into(), &"topic/x".into()));
    assert_eq!((&git["dirty"], &git["problem"]), (&Value::Null, &"no git on PATH".into()));

    // A git that never ends, with a child that keeps its output open.
    put("bin/git", "#!/bin/sh\necho $$ >> \"$PIDS\"\nsleep 600 &\necho $! >> \"$PIDS\"\nwait\n");
    fs::set_permissions(folder.path().join("bin/git"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().join("bin").display(), std::env::var("PATH").unwrap());
    let pids = folder.path().join("pids");
    let dir = folder.path().join("second");
    let began = Instant::now();
    let git = start(&dir, &code, |command| {
        command.env("PATH", path).env("PIDS", &pids);
    })["git"]
        .clone();
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(
        (&git["commit"], &git["dirty"], &git["problem"]),
        (&commit.into(), &Value::Null, &"git took too long".into())
    );
    for pid in fs::read_to_string(pids).unwrap().lines() {
        let stat = format!("/proc/{pid}/stat");
        // Killed; its new parent may take a moment to reap it.
        until("the end of git", || fs::read_to_string(&stat).map_or(true, |s| s.contains(") Z ")));
    }
}

#[test]
fn a_deleted_working_directory() {
    let (folder, dir) = new();
    let gone = folder.path().join("gone");
    fs::create_dir(&gone).unwrap();
    let script = format!(
        "rmdir {} && exec {PROGRAM} record -q -d 20ms -i 10ms --collectors memory -o {}",
        gone.display(),
        dir.display()
    );
    let output = Command::new("sh").args(["-c", &script]).current_dir(&gone).output().unwrap();
    Said::from(output).is(0, &[]);
    assert_eq!((&session(&dir)["cwd"], &session(&dir)["git"]), (&Value::Null, &Value::Null));
}
