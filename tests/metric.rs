//! The program's own numbers, with the real program: marks, lines on the socket, and what `--metrics` reads.

mod common;
mod program;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::{Machine, Recording, START_NS};
use perfwatch::linux::clock::{Event, Now};
use perfwatch::mark::reach;
use perfwatch::mark::request::Request;
use perfwatch::store::layout::Layout;
use program::*;
use serde_json::{Value, json};

/// The rows of a table, in the order of the file.
fn exported(dir: &Path, table: &str) -> Vec<Value> {
    let mut command = program();
    command.args(["export", "-f", "jsonl", "-o", "-", "-t", table]).arg(dir);
    let said: Said = command.output().unwrap().into();
    said.is(0, &[]);
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `qps{a="b"} value total per_sec` of each row, with `-` for null.
fn numbers(dir: &Path) -> Vec<String> {
    let shown = |v: &Value| v.as_f64().map_or("-".to_string(), |v| v.to_string());
    let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
    let row = |row: &Value| {
        let name = text(&row["metric"]) + &text(&row["labels"]);
        format!("{name} {} {} {}", shown(&row["value"]), shown(&row["total"]), shown(&row["total_per_sec"]))
    };
    exported(dir, "metric").iter().map(row).collect()
}

fn has_table(dir: &Path) -> bool {
    dir.join("metric").exists()
}

#[test]
fn numbers_from_a_shell_and_from_plain_lines() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &["--collectors", "memory"]);
    let mark = |args: &[&str]| -> Said {
        program().args(["mark", "value"]).args(args).arg("-r").arg(&dir).output().unwrap().into()
    };
    mark(&["qps=1234", "p99_ms=3.5"]).is(0, &[]);
    mark(&["qps=1e3 q{b=\"2\",a=\"x y\"}=-1"]).is(0, &[]);
    mark(&["qps=fast"]).is(2, &["qps: `fast` is not a finite number"]);
    mark(&["qps"]).is(2, &["`qps` has no number: write qps=NUMBER"]);
    mark(&["qps=1", "qps=2"]).is(2, &["qps is given twice"]);
    let socket = fs::read_to_string(Layout::new(&dir).control()).unwrap();
    let mut stream = reach::connect(Path::new(socket.trim_end())).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut ask = |line: &str| {
        stream.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        answer.trim_end().to_string()
    };
    assert_eq!(ask("start load"), "ok");
    assert_eq!(ask("value qps=7 p99_ms=2"), "ok");
    assert_eq!(
        ask(r#"{"value": {"big/name": 1}}"#),
        "error: `big/name` is not a name of letters, digits, `_`, `:` and `.`, with or without labels; others are written {\"NAME\"}"
    );
    assert_eq!(ask(r#"{"value": {"{\"big/name 😀\"}": 1.5}}"#), "ok");
    assert_eq!(ask("end load"), "ok");
    assert!(ask("valeu qps=7").contains("unknown word `valeu` (did you mean `value`?)"));
    assert!(ask("value qps=NaN").starts_with("error: qps: `NaN` is not a finite number"));
    live.end(libc::SIGINT).is(0, &[]);
    assert_eq!(
        numbers(&dir),
        [
            "qps 1234 - -",
            "p99_ms 3.5 - -",
            "qps 1000 - -",
            r#"q{a="x y",b="2"} -1 - -"#,
            "qps 7 - -",
            "p99_ms 2 - -",
            "big/name 😀 1.5 - -",
        ]
    );
    let rows = exported(&dir, "metric");
    let of = |column: &str| rows.iter().map(|row| row[column].clone()).collect::<Vec<_>>();
    assert_eq!(of("kind"), vec![Value::Null; 7]);
    assert_eq!(of("ts")[0], of("ts")[1], "numbers of one mark have one time");
    assert!(of("elapsed_s")[0].is_null() && of("elapsed_s")[2].as_f64().unwrap() > 0.0);
    assert_eq!(of("phase")[3..], [Value::Null, json!("load"), json!("load"), json!("load")]);
    // Numbers are no marks.
    assert_eq!(session(&dir)["marks"], 2);
    assert_eq!(exported(&dir, "mark").len(), 2);
    let said = report(&dir, &["-m", "qps,q{a=\"x y\",b=\"2\"}"]);
    assert!(said.out.contains("\n  qps ") && said.out.contains(r#"q{a="x y",b="2"}"#), "{}", said.out);
    assert!(!said.out.contains("p99_ms") && !said.out.contains("big/name"), "{}", said.out);
    report(&dir, &["-m", "p99_m"]).is(2, &["unknown metric `p99_m` (did you mean `p99_ms`?)"]);
    report(&dir, &["--phase", "load", "-m", "qps", "-f", "json"]).is(0, &[]);
}

/// On a scripted clock: each number has the time of its mark and the phase in which it was told, and counts once.
#[test]
fn numbers_have_the_time_of_their_mark() {
    const START_US: i64 = 1_795_158_000_000_000;
    let machine = Machine::with_eth0();
    let recording = Recording::of(&machine).collectors(&["network"]).start("2026-11-20T07:00:00Z").stop_at(3);
    let marks = recording.marks();
    let send = |line: &str, after_ms: u64| {
        let now = Now { mono_ns: START_NS + after_ms * 1_000_000, wall_us: START_US + after_ms as i64 * 1000 };
        marks.send_at(Request::parse(line.as_bytes()).unwrap(), || now)
    };
    let ran = recording.record(|wait| match wait {
        1 => {
            let early = [send("value qps=10", 250), send("start load", 500), send("value qps=20 p99=1", 500)];
            drop(early);
            Event::Interrupt(Duration::from_millis(500))
        }
        2 => {
            drop([send("value qps=40", 750), send("end load", 750), send("value qps=1000", 750)]);
            Event::Interrupt(Duration::from_millis(250))
        }
        _ => Event::OnTime,
    });
    let found = ran.rows("metric", &["ts", "elapsed_s", "phase", "metric", "value"]);
    let expected = [
        ["2026-11-20T07:00:00.250", "null", "null", "qps", "10.0"],
        ["2026-11-20T07:00:00.500", "0.25", "load", "qps", "20.0"],
        ["2026-11-20T07:00:00.500", "null", "load", "p99", "1.0"],
        ["2026-11-20T07:00:00.750", "0.25", "load", "qps", "40.0"],
        ["2026-11-20T07:00:00.750", "0.0", "null", "qps", "1000.0"],
    ];
    assert_eq!(found, expected);
    let dir = &ran.layout().root;
    let said = report(dir, &["-f", "json", "--phase", "load", "-m", "qps"]);
    let metric = said.json()["recordings"][0]["tables"][0]["entities"][0]["metrics"][0].clone();
    assert_eq!((&metric["metric"], &metric["count"], &metric["mean"]), (&json!("value"), &json!(2), &json!(30.0)));
}

#[test]
fn without_numbers_there_is_no_trace_of_them() {
    let (_folder, dir) = new();
    record(&dir, &["--collectors", "memory,metric"]).is(0, &[]);
    assert!(!has_table(&dir));
    assert_eq!(session(&dir)["options"].get("metric"), None);
    assert_eq!(collector(&dir, "metric"), ("disabled".into(), r#"["no file or server was asked for"]"#.into()));
}

#[test]
fn what_cannot_be_read_is_refused_before_the_start() {
    let (_folder, dir) = new();
    for (target, words) in [
        ("https://localhost/metrics", "https is not supported"),
        ("http://u:p@localhost/metrics", "a URL with a user or password"),
        ("unix:", "unix: needs the path of a socket"),
    ] {
        record(&dir, &["--metrics", target]).is(2, &["--metrics", words]);
    }
    record(&dir, &["--metrics", "a", "--metrics", "a"]).is(2, &["--metrics a is given twice"]);
    assert!(!dir.exists());
    let said = record(&dir, &["--collectors", "memory", "--metrics", "a"]);
    said.is(0, &["--metrics has no effect: --collectors does not select metric"]);
}

/// A server that answers the n-th request with these bytes, the last of them also all further ones. Its address.
fn server(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            request(&mut stream);
            let _ = stream.write_all(&answers[n.min(answers.len() - 1)]);
        }
    });
    address
}

/// Reads until the empty line at the end of a request.
fn request(stream: &mut impl Read) {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        read.extend(byte);
    }
    let text = String::from_utf8(read).unwrap();
    assert!(text.starts_with("GET /metrics HTTP/1.1\r\nHost: "), "{text}");
}

fn whole(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

fn counter(n: u32) -> Vec<u8> {
    whole(&format!("# TYPE n counter\nn {n}\n# TYPE level gauge\nlevel {n}\nodd NaN\n"))
}

/// A program that was started again has counters that begin anew; growth over that is not known.
#[test]
fn a_server_and_its_restart() {
    let (_folder, dir) = new();
    let address = server(vec![counter(100), counter(150), counter(3), counter(23)]);
    // Each reading is asked for at a tick a second after the last, and stored at the next.
    let said = record(&dir, &["--collectors", "metric", "--metrics", &format!("http://{address}"), "-d", "3600ms"]);
    said.is(0, &[]);
    let rows = exported(&dir, "metric");
    let of = |name: &str| rows.iter().filter(|row| row["metric"] == name).cloned().collect::<Vec<Value>>();
    let column = |name: &str, column: &str| of(name).iter().map(|row| row[column].clone()).collect::<Vec<_>>();
    let totals = column("n", "total");
    assert!(totals.starts_with(&[json!(100.0), json!(150.0), json!(3.0), json!(23.0)]), "{totals:?}");
    for (n, row) in of("n").iter().enumerate() {
        let grew = [None, Some(50.0), None, Some(20.0), Some(0.0)][n.min(4)];
        let expected = grew.zip(row["elapsed_s"].as_f64()).map(|(grew, s): (f64, f64)| grew / s);
        match (expected, row["total_per_sec"].as_f64()) {
            (Some(expected), Some(found)) => assert!((found - expected).abs() <= 1e-5 * expected, "{row}"),
            (expected, found) => assert_eq!(expected, found, "{row}"),
        }
        assert_eq!((&row["kind"], &row["value"]), (&json!("counter"), &Value::Null));
    }
    assert_eq!(column("level", "value")[..3], [json!(100.0), json!(150.0), json!(3.0)]);
    assert_eq!((&of("odd")[0]["value"], &of("odd")[0]["kind"]), (&Value::Null, &Value::Null));
    assert!(column("level", "labels").iter().all(Value::is_null), "one source has no instance");
    assert_eq!(session(&dir)["options"]["metric"], json!({ "metrics": [format!("http://{address}/metrics")] }));
}

/// Servers that hang, send half of an answer, too much or nonsense. The numbers of the good one are there, the others are
/// named, and ticks go on: if one had waited for the server that hangs, there would be two.
#[test]
fn servers_that_misbehave() {
    let (folder, dir) = new();
    let good = server(vec![whole("a 1\n")]);
    let half = server(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na 1\n".to_vec()]);
    let cut = server(vec![b"HTTP/1.1 200 OK\r\n\r\na 1\nb 2".to_vec()]);
    let gone = server(vec![b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec()]);
    let mut much = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    much.resize(17 << 20, b'#');
    let huge = server(vec![much]);
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = hangs.local_addr().unwrap().to_string();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let nowhere = folder.path().join("nowhere");
    let targets: Vec<String> = [&good, &half, &cut, &gone, &huge, &hanging, &closed]
        .iter()
        .map(|address| format!("http://{address}/metrics"))
        .chain([format!("unix:{}", nowhere.display())])
        .collect();
    let mut args = vec!["--collectors", "metric,memory", "-d", "3500ms", "-i", "100ms"];
    targets.iter().for_each(|target| args.extend(["--metrics", target]));
    let said = record(&dir, &args);
    said.is(
        0,
        &[
            &format!("http://{half}/metrics: the answer ends after 4 of 100 bytes"),
            &format!("http://{cut}/metrics: it ends in the middle of a line"),
            &format!("http://{gone}/metrics: the server answers 404 Not Found"),
            &format!("http://{huge}/metrics: the answer is larger than 16 MiB"),
            &format!("http://{closed}/metrics: Connection refused"),
            &format!("unix:{}: No such file or directory", nowhere.display()),
        ],
    );
    let found = numbers(&dir);
    assert!(found.len() >= 2 && found.iter().all(|row| *row == format!("a{{instance=\"{good}\"}} 1 - -")), "{found:?}");
    let ticks = exported(&dir, "tick").len();
    assert!(ticks > 10, "{ticks}");
    // The last word of each that never answered is kept with the recording.
    let errors: Vec<String> = exported(&dir, "collector").iter().map(|row| row["error"].to_string()).collect();
    assert!(errors.iter().any(|error| error.contains("unix:")), "{errors:?}");
}

/// The endpoint of a program that begins after the recording and ends before it.
#[test]
fn a_server_that_is_away_ends_nothing() {
    let (_folder, dir) = new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let target = format!("http://{closed}/metrics");
    let said = record(&dir, &["--collectors", "metric,memory", "--metrics", &target, "-d", "300ms"]);
    said.is(0, &[&format!("{target}: ")]);
    assert!(!has_table(&dir) && dir.join("memory").exists());
    let rows = exported(&dir, "collector");
    let metric: Vec<&Value> = rows.iter().filter(|row| row["collector"] == "metric").collect();
    assert!(metric.iter().any(|row| row["errors"].as_i64() > Some(0)), "{metric:?}");
}

#[test]
fn a_socket_with_http_or_with_plain_text() {
    let (folder, dir) = new();
    let paths: [PathBuf; 2] = ["http", "plain"].map(|name| folder.path().join(name));
    let [http, plain] = paths.each_ref().map(|path| reach::bind(path).unwrap());
    thread::spawn(move || {
        for stream in http.incoming() {
            let mut stream: UnixStream = stream.unwrap();
            request(&mut stream);
            let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na 1\n\r\n0\r\n\r\n";
            stream.write_all(chunks).unwrap();
        }
    });
    thread::spawn(move || {
        for stream in plain.incoming() {
            // As `socat UNIX-LISTEN:… EXEC:…` with a program that reads nothing.
            let _ = stream.unwrap().write_all(b"b 2\n");
        }
    });
    let targets = paths.each_ref().map(|path| format!("unix:{}", path.display()));
    let args = ["--collectors", "metric", "--metrics", &targets[0], "--metrics", &targets[1], "-d", "1200ms"];
    record(&dir, &args).is(0, &[]);
    let found = numbers(&dir);
    for (name, path) in [("a{", &paths[0]), ("b{", &paths[1])] {
        assert!(found.iter().any(|row| row.starts_with(name) && row.contains(path.to_str().unwrap())), "{found:?}");
    }
}

/// A file holds what the program wrote while it was recorded: not what an earlier run left, and also what is written at
/// the very end.
#[test]
fn a_file_that_the_command_writes() {
    let (folder, dir) = new();
    let file = folder.path().join("results.prom");
    fs::write(&file, "qps 1\n").unwrap();
    let record = |dir: &Path, script: &str| -> Said {
        let args = ["--collectors", "metric", "--metrics", file.to_str().unwrap(), "--", "sh", "-c", script];
        record_command(dir, &args).output().unwrap().into()
    };
    record(&dir, &format!("sleep 0.2; echo 'qps 500' > {}", file.display())).is(0, &[]);
    assert_eq!(numbers(&dir), ["qps 500 - -"]);
    let other = folder.path().join("other");
    let said = record(&other, "sleep 0.1");
    said.is(0, &["results.prom: it was not written while this was recorded"]);
    assert!(!has_table(&other));
    fs::remove_file(&file).unwrap();
    record(&folder.path().join("third"), "true").is(0, &["results.prom: no such file"]);
}

/// A phase makes a tick of its own, with which the numbers that were read before it are stored: they belong to the time
/// before it.
#[test]
fn a_number_has_the_phase_in_which_it_was_read() {
    let (_folder, dir) = new();
    let target = format!("http://{}", server(vec![whole("a 1\n")]));
    let script = format!("sleep 0.5; {PROGRAM} mark start load; sleep 0.3");
    let args = ["--collectors", "metric", "-i", "10s", "--metrics", &target, "--", "sh", "-c", &script];
    let said: Said = record_command(&dir, &args).output().unwrap().into();
    said.is(0, &[]);
    let phases: Vec<Value> = exported(&dir, "metric").iter().map(|row| row["phase"].clone()).collect();
    // One was asked for at the first tick, the others at the boundary and at the end.
    assert!(phases.len() >= 2 && phases[0].is_null() && phases[1..].iter().all(|phase| phase == "load"), "{phases:?}");
}

/// Throughput decides in CI: higher is better, which only the gate can say.
#[test]
fn throughput_is_gated() {
    let folder = tempfile::tempdir().unwrap();
    let series = |name: &str, qps: u32| {
        let dir = folder.path().join(name);
        let script =
            format!("{PROGRAM} mark value qps=$(({qps} + $$ % 5)) 'rps{{path=\"/a: b.c[0]\",m=\"get\"}}={qps}'");
        let args = ["--collectors", "memory", "--runs", "3", "-qq", "--", "sh", "-c", &script];
        let said: Said = record_command(&dir, &args).output().unwrap().into();
        said.is(0, &[]);
        dir
    };
    let (base, slower) = (series("base", 1000), series("slower", 800));
    let file = folder.path().join("gate.toml");
    let gated = |text: &str, args: &[&str]| -> Said {
        fs::write(&file, format!("[gate]\n{text}\n")).unwrap();
        program().arg("--config").arg(&file).arg("compare").args([&base, &slower]).args(args).output().unwrap().into()
    };
    gated("\"metric[qps].value\" = { direction = \"higher\" }", &[]).is(3, &[]);
    gated("\"metric[qps].value\" = { direction = \"lower\" }", &[]).is(0, &[]);
    gated("\"metric[qps].value\" = { min_rel = \"30%\", direction = \"higher\" }", &[]).is(0, &[]);
    gated("\"metric[qps].value\" = {}", &[]).is(2, &["metric[qps].value: which values are better?"]);
    let labels = r#"metric[rps{m="get",path="/a: b.c[0]"}].value"#;
    gated(&format!("'{labels}' = {{ direction = \"higher\" }}"), &[]).is(3, &[]);
    gated("\"metric[qsp].value\" = { direction = \"higher\" }", &[])
        .is(1, &["metric[qsp].value decides, and neither side has it (did you mean `metric[qps].value`?)"]);
    // Without a direction the change is shown, and judges nothing.
    for name in ["qps", "metric[qps].value", labels] {
        let said = gated("", &["-m", name]);
        said.is(0, &[]);
        assert!(said.out.contains("changed") && !said.out.contains("regressed"), "{}", said.out);
    }
    gated("", &["-m", "metric[qsp].value"]).is(2, &["no recording has it (did you mean `metric[qps].value`?)"]);
}

/// Labels may hold anything; a terminal gets no control characters, and a page no elements.
#[test]
fn hostile_labels() {
    let (folder, dir) = new();
    let name = "<script>alert(1)</script>\u{1b}[31m".to_string() + &"é".repeat(80);
    let text = format!("{{\"a<b>&'\",x=\"{name}\"}} 1\n");
    let address = server(vec![whole(&text)]);
    record(&dir, &["--collectors", "metric", "--metrics", &format!("http://{address}"), "-d", "1100ms"]).is(0, &[]);
    assert!(exported(&dir, "metric")[0]["labels"].as_str().unwrap().contains(&name));
    let said = report(&dir, &["-t", "metric"]);
    assert!(said.out.contains("a<b>&'{x=") && !said.out.contains('\u{1b}'), "{}", said.out);
    let page = folder.path().join("page.html");
    report(&dir, &["--html", page.to_str().unwrap()]).is(0, &[]);
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"));
    let said: Said = program().args(["export", "-f", "openmetrics", "-o", "-"]).arg(&dir).output().unwrap().into();
    said.is(0, &[]);
    let sample = said.out.lines().find(|line| line.starts_with("perfwatch_metric_value{")).unwrap();
    assert!(sample.contains(&format!("metric=\"a<b>&'\",x=\"{name}\"}} 1.0 ")), "{sample}");
}

#[test]
fn columns_of_numbers() {
    let (_folder, dir) = new();
    let text = "# TYPE n counter\nn{code=\"200\"} 5\nqueue 7\n";
    let address = server(vec![whole(text)]);
    record(&dir, &["--collectors", "metric", "--metrics", &format!("http://{address}"), "-d", "2300ms"]).is(0, &[]);
    let mut command = program();
    command.args(["export", "--wide", "--every", "1h", "-f", "csv", "-t", "metric", "-o", "-"]).arg(&dir);
    let said: Said = command.output().unwrap().into();
    said.is(0, &[]);
    // A gauge has no rate, and a counter no level: neither has an empty column.
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], r#"ts,elapsed_s,phase,queue,"n{code=""200""}[total_per_sec]""#, "{}", said.out);
    assert!(lines[1].ends_with(",7.0,0.0"), "{}", said.out);
}
