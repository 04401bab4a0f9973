//! `perfwatch mark` and the control socket, with the real program.

mod program;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use perfwatch::mark::reach;
use perfwatch::store::layout::Layout;
use program::*;

/// The socket of the recording.
fn socket(dir: &Path) -> PathBuf {
    fs::read_to_string(Layout::new(dir).control()).unwrap().trim_end().into()
}

fn mark(dir: &Path, args: &[&str]) -> Said {
    mark_command(dir, args).output().unwrap().into()
}

fn mark_command(dir: &Path, args: &[&str]) -> Command {
    let mut command = program();
    command.arg("mark").args(args).env("PERFWATCH_CONTROL", socket(dir));
    command
}

/// A client that sends lines.
struct Client {
    stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Client {
    fn connect(dir: &Path) -> Client {
        let stream = reach::connect(&socket(dir)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { answers: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }

    fn ask(&mut self, line: &str) -> String {
        self.write(format!("{line}\n").as_bytes());
        self.answer()
    }
}

/// The rows of table `mark` in the report's CSV export: kind, name, text, tags, phase.
fn marks(dir: &Path) -> Vec<String> {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("csv");
    let said = run(["report".as_ref(), dir, "--table".as_ref(), "mark".as_ref(), "--csv".as_ref(), folder.as_path()]);
    assert_eq!(said.status, 0, "{said:?}");
    let text = fs::read_to_string(folder.join("mark.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("ts,elapsed_s,phase,kind,name,text,tags,mono_ns"));
    let row = |line: &str| {
        let fields: Vec<&str> = line.splitn(4, ',').collect();
        format!("{},{}", fields[2], fields[3].rsplit_once(',').unwrap().0)
    };
    lines.map(row).collect()
}

#[test]
fn phases_from_a_shell_and_from_plain_lines() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &["--collectors", "cpu,network"]);
    mark(&dir, &["start", "load", "-t", "build=7", "--tag", "a=x y"]).is(0, &[]);
    mark(&dir, &["start", "warm up"]).is(0, &[]);
    let mut client = Client::connect(&dir);
    assert_eq!(client.ask("event cache filled: 5/7"), "ok");
    assert_eq!(client.ask("start deep inside"), "ok");
    assert_eq!(client.ask(r#"{"event": "json \"too\"", "tags": {"k": "v"}}"#), "ok");
    let said = mark(&dir, &["end", "load", "-t", "ok=yes"]);
    said.is(0, &["end load: warm up, deep inside inside it ended too"]);
    assert_eq!(said.out, "");
    // Refused with a message; the recording does not change.
    mark(&dir, &["end", "load"]).is(1, &["end load: no phase `load` is open"]);
    assert!(client.ask("end deep inside").starts_with("error: no phase `deep inside` is open"));
    // Again, without the final line break and without waiting for the answer.
    assert_eq!(client.ask("start load"), "ok");
    client.write(b"end load");
    drop(client);
    // With the directory instead of the variable.
    program().args(["mark", "event", "two", "words", "-r"]).arg(&dir).assert_ok();
    until("the last line", || marks(&dir).iter().any(|m| m.starts_with("load,end,load")));
    let said = live.end(libc::SIGINT);
    said.is(0, &[]);
    let mut found = marks(&dir);
    let words = found.iter().position(|m| m.contains("two words")).unwrap();
    assert!(found.remove(words).contains("event,,two words,"));
    assert_eq!(
        found,
        [
            r#",start,load,,"{""a"":""x y"",""build"":""7""}""#,
            "load,start,warm up,,",
            "load/warm up,event,,cache filled: 5/7,",
            "load/warm up,start,deep inside,,",
            r#"load/warm up/deep inside,event,,"json ""too""","{""k"":""v""}""#,
            r#"load/warm up/deep inside,end,load,,"{""ok"":""yes""}""#,
            ",start,load,,",
            "load,end,load,,",
        ]
    );
    assert_eq!(manifest(&dir)["sessions"][0]["marks"], 9);
    // Everything related to the socket is removed.
    assert!(!Layout::new(&dir).journal_folder().exists());
    let said = report(&dir, &["--phase", "warm up"]);
    said.is(0, &[]);
    assert!(said.out.contains("phases: load/warm up ("), "{}", said.out);
    let none = report(&dir, &["--phase", "laod"]);
    none.is(1, &["no phase `laod` (did you mean `load`?); there are: load (2 times, "]);
}

trait AssertOk {
    fn assert_ok(&mut self);
}
impl AssertOk for Command {
    fn assert_ok(&mut self) {
        let said: Said = self.output().unwrap().into();
        assert_eq!((said.status, said.err.as_str(), said.out.as_str()), (0, "", ""), "{said:?}");
    }
}

#[test]
fn without_a_recorder_scripts_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let left = folder.path().join("left");
    drop(reach::bind(&left).unwrap());
    let long = format!("/tmp/{}", "x".repeat(200));
    for (variable, words) in [
        (None, "no recorder (PERFWATCH_CONTROL is not set, and there is no --recording)"),
        (Some(""), "no recorder (PERFWATCH_CONTROL is not set"),
        (Some(gone.to_str().unwrap()), "no recorder listens at"),
        (Some(left.to_str().unwrap()), "no recorder listens at"),
        (Some(file.to_str().unwrap()), "no recorder listens at"),
        (Some(&long), "cannot reach the recorder at"),
    ] {
        let try_it = |more: &[&str]| -> Said {
            let mut command = program();
            command.args(["mark", "start", "load"]).args(more).env_remove("PERFWATCH_CONTROL");
            if let Some(variable) = variable {
                command.env("PERFWATCH_CONTROL", variable);
            }
            command.output().unwrap().into()
        };
        let said = try_it(&[]);
        said.is(0, &["perfwatch: start load: not marked: ", words]);
        assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1), "{said:?}");
        try_it(&["--strict"]).is(1, &[words]);
        let said = try_it(&["-q"]);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{said:?}");
    }
}

#[test]
fn a_recorder_that_was_named_must_be_there() {
    let (folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    let runs = folder.path().join("runs");
    fs::create_dir(&runs).unwrap();
    fs::write(runs.join("_runs.json"), "{}").unwrap();
    let wrong = folder.path().join("wrong");
    for (named, words) in [
        (&wrong, "wrong: there is no such directory"),
        (&dir, "run: no recorder is writing to it"),
        (&runs, "runs: no recorder is writing to it; it is a folder of runs"),
    ] {
        for more in [&[][..], &["-q"], &["--strict"]] {
            // The recorder in the environment is not used.
            let mut command = program();
            command.args(["mark", "start", "load", "-r"]).arg(named).args(more);
            let said: Said = command.env("PERFWATCH_CONTROL", &wrong).output().unwrap().into();
            said.is(2, &["perfwatch: start load: not marked: ", words]);
        }
    }
}

#[test]
fn invalid_marks_are_status_2_with_and_without_a_recorder() {
    for (args, words) in [
        (&["mark"][..], "Usage"),
        (&["mark", "begin", "x"], "begin"),
        (&["mark", "start"], "<NAME>"),
        (&["mark", "start", " "], "start needs a name: `start NAME`"),
        (&["mark", "start", "a/b"], "`a/b` contains a `/`"),
        (&["mark", "event", "a\tb"], "control characters"),
        (&["mark", "start", "a", "-t", "b"], "--tag b: a tag is written KEY=VALUE"),
        (&["mark", "end", "a", "-t", "=b"], "KEY=VALUE"),
        (&["mark", "event", "x", "-t", &format!("k={}", "v".repeat(1000))], "the maximum is 1000"),
        (&["mark", "start", &"n".repeat(101)], "the name is 101 bytes long; the maximum is 100"),
    ] {
        run(args).is(2, &[words]);
    }
}

#[test]
fn a_thousand_marks_at_once() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &["-i", "1s", "--collectors", "cpu"]);
    let began = Instant::now();
    let mut client = Client::connect(&dir);
    let lines: String = (0..1000).map(|i| format!("event number {i}\n")).collect();
    client.write(lines.as_bytes());
    for i in 0..1000 {
        assert_eq!(client.answer(), "ok", "{i}");
    }
    let took = began.elapsed();
    let said = live.end(libc::SIGTERM);
    said.is(0, &[]);
    let found = marks(&dir);
    let expected: Vec<String> = (0..1000).map(|i| format!(",event,,number {i},")).collect();
    assert_eq!(found, expected);
    // No more samples than seconds that it took.
    let ticks = manifest(&dir)["sessions"][0]["ticks"].as_u64().unwrap();
    assert!(ticks <= 8 + took.as_secs(), "{ticks} ticks in {took:?}");
}

#[test]
fn misbehaving_clients_do_not_disturb_others() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &["--collectors", "cpu"]);
    // A client that sends nothing, one that ends in the middle of a line, one that reads no answers.
    let silent = Client::connect(&dir);
    Client::connect(&dir).write(b"start half a na");
    let mut unread = reach::connect(&socket(&dir)).unwrap();
    unread.write_all("event x\n".repeat(900).as_bytes()).unwrap();
    // Garbage is answered line by line, and the connection is closed if it continues.
    let mut garbage = Client::connect(&dir);
    garbage.write(b"GET / HTTP/1.1\nHost: x\n\n\xff\xfe\0\x01\n");
    for words in ["unknown word `GET`", "unknown word `Host:`", "an empty line", "not UTF-8"] {
        let answer = garbage.answer();
        assert!(answer.starts_with("error: ") && answer.contains(words), "{answer}");
    }
    let mut endless = Client::connect(&dir);
    let _ = endless.stream.write_all(&vec![b'x'; 1 << 20]);
    assert_eq!(endless.answer(), "error: the line is longer than 4096 bytes");
    let mut nonsense = Client::connect(&dir);
    nonsense.write("nonsense\n".repeat(100).as_bytes());
    let mut said = String::new();
    nonsense.answers.read_to_string(&mut said).unwrap();
    assert_eq!(said.lines().count(), 100);
    // More clients than allowed.
    let mut crowd: Vec<Client> = (0..70).map(|_| Client::connect(&dir)).collect();
    // Refused clients get an answer without asking, and are disconnected.
    crowd.iter_mut().for_each(|c| drop(c.stream.write_all(b"event crowd\n")));
    let answers: Vec<String> = crowd.iter_mut().map(Client::answer).collect();
    let refused = answers.iter().filter(|a| *a == "error: too many connections").count();
    assert!(refused >= 8 && answers.iter().filter(|a| *a == "ok").count() == 70 - refused, "{answers:?}");
    drop(crowd);
    // Afterwards it still answers, and ticks continue.
    until("an answer", || mark(&dir, &["event", "still there", "--strict"]).status == 0);
    let before = ticks(&dir).len();
    until("further ticks", || ticks(&dir).len() > before + 3);
    until("the marks of the client that reads no answers", || {
        marks(&dir).iter().filter(|m| m.ends_with(",event,,x,")).count() == 900
    });
    drop((silent, unread));
    live.end(libc::SIGINT).is(0, &[]);
    // The last line of a client needs no line break.
    assert!(marks(&dir).iter().any(|m| m.ends_with(",start,half a na,,")));
}

#[test]
fn a_killed_recorder_has_stored_what_it_acknowledged() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &["--collectors", "cpu"]);
    let socket = socket(&dir);
    let mut client = Client::connect(&dir);
    assert_eq!(client.ask("start load"), "ok");
    let mut acknowledged = 0;
    for i in 0..200 {
        assert_eq!(client.ask(&format!("event {i}")), "ok");
        acknowledged += 1;
    }
    live.end(libc::SIGKILL).is(137, &[]);
    let found = marks(&dir);
    assert_eq!(found.len(), 1 + acknowledged);
    assert_eq!(found.last().unwrap(), "load,event,,199,");
    // The socket is stale: no process listens, and the script continues.
    assert!(socket.exists());
    let said: Said = program().args(["mark", "event", "x"]).env("PERFWATCH_CONTROL", &socket).output().unwrap().into();
    said.is(0, &["no recorder listens at"]);
    mark(&dir, &["event", "x", "-r", dir.to_str().unwrap()]).is(2, &["no recorder is writing to it"]);
    // The next start replaces it. The phase has ended with the session.
    let live = Live::start(&dir, &["--collectors", "cpu", "--append"]);
    assert!(!socket.exists());
    mark(&dir, &["end", "load"]).is(1, &["no phase `load` is open"]);
    mark(&dir, &["start", "load"]).is(0, &[]);
    let socket = self::socket(&dir);
    live.end(libc::SIGKILL).is(137, &[]);
    assert!(run(["recover".as_ref(), dir.as_os_str()]).status == 0);
    assert!(!socket.exists() && !socket.parent().unwrap().exists());
    assert!(!Layout::new(&dir).journal_folder().exists());
    assert_eq!(marks(&dir).last().unwrap(), ",start,load,,");
}

#[test]
fn a_stopped_recorder_does_not_block_a_script() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &["--collectors", "cpu"]);
    live.signal(libc::SIGSTOP);
    let output: Output = mark_command(&dir, &["event", "x"]).stderr(Stdio::piped()).output().unwrap();
    live.signal(libc::SIGCONT);
    Said::from(output).is(0, &["does not answer; the mark may still be stored"]);
    live.end(libc::SIGINT).is(0, &[]);
}

#[test]
fn recording_works_without_a_directory_for_the_socket() {
    let (folder, dir) = new();
    let mut command = record_command(&dir, &["-d", "100ms", "--collectors", "cpu"]);
    // The temporary directory is unusable, so the next choice is used.
    command.env("TMPDIR", folder.path().join("gone"));
    let said: Said = command.output().unwrap().into();
    said.is(0, &[]);
    assert!(!said.err.contains("control socket"), "{said:?}");
}
