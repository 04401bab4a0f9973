//! Options from the environment and `perfwatch.toml`: their priority, what is refused, and the messages.

mod program;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use program::*;

/// A working directory with these settings in its `perfwatch.toml`, independent of the settings of the machine.
struct Here {
    folder: tempfile::TempDir,
}

impl Here {
    fn with(toml: &str) -> Here {
        let here = Here { folder: tempfile::tempdir().unwrap() };
        fs::write(here.path().join("perfwatch.toml"), toml).unwrap();
        here
    }
    fn path(&self) -> &Path {
        self.folder.path()
    }
    fn command(&self, args: &[&str]) -> Command {
        let mut command = program();
        command.current_dir(self.path()).args(args).env_remove("PERFWATCH_CONFIG");
        command.env("XDG_CONFIG_HOME", self.path().join("personal"));
        command
    }
    fn run(&self, args: &[&str]) -> Said {
        self.command(args).output().unwrap().into()
    }
    /// The effective value of each option that is not the default, and its origin.
    fn effective(&self, args: &[&str], environment: &[(&str, &str)]) -> BTreeMap<String, (String, String)> {
        let mut command = self.command(&[&["config", "--json"], args].concat());
        let said: Said = command.envs(environment.iter().copied()).output().unwrap().into();
        said.is(0, &[]);
        let found = said.json();
        let mut all = BTreeMap::new();
        for option in found["options"].as_array().unwrap() {
            let text = |key: &str| option[key].as_str().map(str::to_string);
            let origin = text("set_by").or(text("origin")).unwrap();
            if origin != "default" {
                let values = option["values"].as_array().unwrap().iter().map(|v| v.as_str().unwrap());
                all.insert(text("option").unwrap(), (values.collect::<Vec<_>>().join("|"), origin));
            }
        }
        all
    }
}

fn found(all: &[(&str, &str, &str)]) -> BTreeMap<String, (String, String)> {
    all.iter().map(|(option, values, origin)| (option.to_string(), (values.to_string(), origin.to_string()))).collect()
}

#[test]
fn every_command_shows_its_settings() {
    let here = Here::with("[mark]\nquiet = true\n[report]\nall = true\n");
    assert_eq!(here.effective(&["mark"], &[])["quiet"].0, "true");
    assert_eq!(here.effective(&["report"], &[])["all"].0, "true");
    for command in ["ab", "info", "annotate", "doctor", "events", "schema", "recover", "compact", "verify", "man"] {
        here.run(&["config", command]).is(0, &[]);
    }
    here.run(&["config", "completions"]).is(2, &["`completions` has no options that could be set"]);
}

#[test]
fn flags_before_environment_before_file_before_default() {
    let here =
        Here::with("[record]\ninterval = '2s'\nsync = '3s'\nrotate = '5m'\ntag = ['a=1', 'b=2']\nappend = true\n");
    let file = |line: &str| format!("perfwatch.toml:{line}");
    assert_eq!(
        here.effective(&[], &[]),
        found(&[
            ("interval", "2s", &file("2")),
            ("sync", "3s", &file("3")),
            ("rotate", "5m", &file("4")),
            ("tag", "a=1|b=2", &file("5")),
            ("append", "true", &file("6")),
        ])
    );
    let environment = [("PERFWATCH_SYNC", "4s"), ("PERFWATCH_INTERVAL", "4s"), ("PERFWATCH_APPEND", "false")];
    assert_eq!(
        here.effective(&["record", "--", "-i", "5s", "--tag", "c=3"], &environment),
        found(&[
            ("interval", "5s", "flag"),
            ("sync", "4s", "PERFWATCH_SYNC"),
            ("rotate", "5m", &file("4")),
            ("tag", "c=3", "flag"),
            ("append", "false", "PERFWATCH_APPEND"),
        ])
    );
    // Another command has its own settings; environment variables apply only to `record`.
    let here = Here::with("[report]\nformat = 'csv'\nall = true\n[record]\ninterval = '2s'");
    assert_eq!(
        here.effective(&["report"], &[("PERFWATCH_FORMAT", "json")]),
        found(&[("format", "csv", &file("2")), ("all", "true", &file("3"))])
    );
}

#[test]
fn options_that_exclude_each_other() {
    let here = Here::with("[record]\nquiet = true\nperf-per-cpu = true\n");
    // A flag that excludes a setting replaces it.
    assert_eq!(
        here.effective(&["record", "--", "-v", "--perf-per", "core"], &[]),
        found(&[("verbose", "true", "flag"), ("perf-per", "core", "flag")])
    );
    assert_eq!(
        here.effective(&[], &[("PERFWATCH_PERF_PER", "core")]),
        found(&[("quiet", "true", "perfwatch.toml:2"), ("perf-per", "core", "PERFWATCH_PERF_PER")])
    );
    let here = Here::with("[record]\nquiet = true\nverbose = true\n");
    here.run(&["config"])
        .is(2, &["perfwatch.toml:3: `verbose` cannot be set together with `quiet` (perfwatch.toml:2)"]);
    let here = Here::with("[record]\nquiet = true\nverbose = false\n");
    here.run(&["config"]).is(0, &[]);
}

#[test]
fn a_recording_uses_the_settings() {
    let here = Here::with("[record]\ncollectors = ['memory']\ninterval = '20ms'\nduration = 0.2\noutput = 'run'\n");
    let said = here.run(&["record", "-v"]);
    said.is(0, &["settings of perfwatch.toml"]);
    let session = &manifest(&here.path().join("run"))["sessions"][0];
    assert_eq!(session["interval_s"], 0.02);
    assert!(here.path().join("run/memory").exists() && !here.path().join("run/cpu").exists());
    let said = here.run(&["record"]);
    said.is(1, &["already contains a recording"]);
    let said: Said = here.command(&["record"]).env("PERFWATCH_APPEND", "true").output().unwrap().into();
    said.is(0, &[]);
}

#[test]
fn errors_name_their_place() {
    let wrong = |toml: &str, words: &[&str]| Here::with(toml).run(&["record", "-d", "50ms"]).is(2, words);
    wrong(
        "[record]\nintervall = '1s'",
        &["perfwatch.toml:2: `record` has no option `intervall` (did you mean `interval`?)"],
    );
    wrong("[record]\ninterval = 'soon'", &["perfwatch.toml:2: interval: invalid value 'soon' for '--interval <TIME>'"]);
    wrong(
        "[record]\n\nperf-backend = 'x'",
        &["perfwatch.toml:3: perf-backend: ", "[possible values: auto, perf, syscall]"],
    );
    wrong("[record]\nappend = 'perhaps'", &["perfwatch.toml:2: append: `perhaps`: it can be true or false"]);
    wrong("[record]\ntag = []", &["perfwatch.toml:2: tag: an empty list"]);
    wrong("[record\n", &["perfwatch.toml:1: "]);
    // Found by the command, after clap has accepted the line.
    wrong(
        "[record]\ninterval = '5ms'",
        &["--interval 5ms: it can be 10ms to 1h (--interval is set by perfwatch.toml:2)"],
    );
    let here = Here::with("[record]\ninterval = '5ms'");
    let said = here.run(&["record", "-d", "50ms", "-i", "6ms"]);
    assert!(said.status == 2 && !said.err.contains("is set by"), "{said:?}");

    wrong("record.collectors = 'cpuu'", &["unknown collector `cpuu`", " (--collectors is set by perfwatch.toml:1)"]);

    let here = Here::with("");
    let said: Said = here.command(&["record", "-d", "x"]).env("PERFWATCH_SYNC", "soon").output().unwrap().into();
    said.is(2, &["invalid value 'x' for '--duration"]);
    let said: Said = here.command(&["record"]).env("PERFWATCH_SYNC", "soon").output().unwrap().into();
    said.is(2, &["perfwatch: PERFWATCH_SYNC: sync: invalid value 'soon'"]);
    let said: Said = here.command(&["config"]).env("PERFWATCH_SINC", "1s").output().unwrap().into();
    said.is(
        0,
        &["warning: PERFWATCH_SINC in the environment is not a setting of perfwatch (did you mean `PERFWATCH_SYNC`?)"],
    );
    here.run(&["config", "recrod"]).is(2, &["no command is called `recrod` (did you mean `record`?)"]);
    here.run(&["--config", "no.toml", "doctor"]).is(2, &["cannot read the settings in no.toml: No such file"]);
}

#[test]
fn the_settings_file_that_is_used() {
    let here = Here::with("[record]\ninterval = '2s'");
    fs::create_dir_all(here.path().join("personal/perfwatch")).unwrap();
    fs::write(here.path().join("personal/perfwatch/perfwatch.toml"), "[record]\ninterval = '3s'").unwrap();
    fs::write(here.path().join("other.toml"), "[record]\ninterval = '4s'").unwrap();
    fs::write(here.path().join("fourth.toml"), "[record]\ninterval = '5s'").unwrap();
    let interval =
        |args: &[&str], environment: &[(&str, &str)]| here.effective(args, environment)["interval"].0.clone();
    let other = [("PERFWATCH_CONFIG", "other.toml")];
    assert_eq!(interval(&["--config", "fourth.toml"], &other), "5s");
    assert_eq!(interval(&[], &other), "4s");
    assert_eq!(interval(&[], &[]), "2s");
    fs::remove_file(here.path().join("perfwatch.toml")).unwrap();
    assert_eq!(interval(&[], &[]), "3s");
}

#[test]
fn the_table_of_options() {
    let here = Here::with("[record]\ninterval = '2s'\ntag = ['a=1', 'b=2']");
    let said = here.run(&["config"]);
    said.is(0, &[]);
    let lines: Vec<Vec<&str>> = said.out.lines().map(|l| l.split_whitespace().collect()).collect();
    assert!(lines.contains(&vec!["settings", "file:", "perfwatch.toml"]), "{}", said.out);
    assert!(lines.contains(&vec!["interval", "2s", "perfwatch.toml:2"]), "{}", said.out);
    assert!(lines.contains(&vec!["tag", "a=1,", "b=2", "perfwatch.toml:3"]), "{}", said.out);
    assert!(lines.contains(&vec!["sync", "5s", "default"]), "{}", said.out);
    assert!(lines.contains(&vec!["duration", "-", "default"]), "{}", said.out);
}

/// The command lines and settings in docs/ are accepted by the program.
#[test]
fn the_documented_settings_are_accepted() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let read = |name: &str| fs::read_to_string(docs.join(name)).unwrap();
    let here = Here::with("");
    let config = docs.join("perfwatch.toml");
    here.run(&["--config", config.to_str().unwrap(), "config"]).is(0, &[]);
    let unit = read("perfwatch.service");
    let line = unit.lines().find_map(|l| l.strip_prefix("ExecStart=/usr/local/bin/perfwatch record ")).unwrap();
    let flags: Vec<&str> = line.split(' ').collect();
    assert_eq!(here.effective(&[&["record", "--"], &flags[..]].concat(), &[]).len(), 2);
    let image = read("Dockerfile");
    let line = image.lines().find_map(|l| l.strip_prefix("CMD ")).unwrap();
    let words: Vec<String> = serde_json::from_str(line).unwrap();
    let flags: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    assert_eq!(here.effective(&[&["record", "--"], &flags[..]].concat(), &[]).len(), 4);
    let unit = read("perfwatch-compact.service");
    assert!(unit.contains("\nExecStart=/usr/local/bin/perfwatch compact %S/perfwatch/host=%H\n"));
    // The settings shown in docs/OPERATION.md.
    let page = read("OPERATION.md");
    let toml = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(Here::with(toml).effective(&[], &[]).len(), 4);
}

#[test]
fn a_command_is_recorded_for_as_long_as_it_takes() {
    let (folder, dir) = new();
    let file = folder.path().join("perfwatch.toml");
    fs::write(&file, "[record]\nduration = \"100ms\"\n").unwrap();
    let mut command = program();
    command.args(["record", "--collectors", "cpu", "-i", "50ms", "--config"]).arg(&file).arg("-o").arg(&dir);
    Said::from(command.args(["--", "sleep", "0.5"]).output().unwrap()).is(0, &[]);
    assert!(ticks(&dir).len() >= 10 || manifest(&dir)["sessions"][0]["ticks"].as_u64().unwrap() >= 10);
}

/// Settings name programs to run and files to write: settings in another user's directory are not used.
#[test]
fn the_settings_of_another_user() {
    let here = Here::with("[record]\nprepare = \"touch prepared\"\n");
    let file = here.path().join("perfwatch.toml");
    if !is_root() || std::os::unix::fs::chown(&file, Some(65534), Some(65534)).is_err() {
        eprintln!("skipped: this user cannot give files away");
        return;
    }
    let run = &["record", "-q", "--collectors", "cpu", "-o", "r", "--", "true"][..];
    here.run(run).is(125, &["perfwatch.toml", "belongs to another user (65534)", "--config"]);
    here.run(&["report", "r"]).is(2, &["belongs to another user"]);
    // A script that sends marks continues.
    here.run(&["mark", "event", "x"]).is(0, &["belongs to another user"]);
    assert!(!here.path().join("r").exists() && !here.path().join("prepared").exists());
    // The file is used if it is named, and for its owner through sudo.
    here.run(&[&["--config", "perfwatch.toml"], run].concat()).is(0, &[]);
    assert!(here.path().join("prepared").exists());
    let said: Said = here.command(&["report", "r"]).env("SUDO_UID", "65534").output().unwrap().into();
    said.is(0, &[]);
    let said: Said = here.command(&["report", "r"]).env("SUDO_UID", "1000").output().unwrap().into();
    said.is(2, &["belongs to another user"]);
}
