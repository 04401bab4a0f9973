//! `report --html`, `--svg` and `compare --html` with the real program.

mod program;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use program::*;
use serde_json::Value;

const RECORDING: &str = "tests/fixtures/recordings/0.1.0/finished";

fn at_root(args: &[&str]) -> Said {
    program().current_dir(env!("CARGO_MANIFEST_DIR")).args(args).output().unwrap().into()
}

/// All numbers of a value.
fn numbers(value: &Value, into: &mut Vec<f64>) {
    match value {
        Value::Number(n) => into.push(n.as_f64().unwrap()),
        Value::Array(items) => items.iter().for_each(|item| numbers(item, into)),
        Value::Object(members) => members.values().for_each(|member| numbers(member, into)),
        _ => {}
    }
}

/// Each number in a section is one that the JSON has of this table.
#[test]
fn every_number_is_that_of_the_report() {
    for recording in [RECORDING, "sample-data/varying-load"] {
        if !Path::new(env!("CARGO_MANIFEST_DIR")).join(recording).exists() {
            continue;
        }
        let page = at_root(&["report", recording, "--html", "-"]);
        page.is(0, &[]);
        let json = at_root(&["report", recording, "--json"]).json();
        let mut known: HashMap<String, Vec<f64>> = HashMap::new();
        for table in json["recordings"][0]["tables"].as_array().unwrap() {
            numbers(table, known.entry(table["table"].as_str().unwrap().into()).or_default());
        }
        numbers(&json["recordings"][0]["phases"], known.entry("mark".into()).or_default());
        let mut checked = 0;
        for section in page.out.split("<section id=\"t-").skip(1) {
            let table = section.split('"').next().unwrap();
            let Some(known) = known.get(table) else { continue };
            for cell in section.split("</section>").next().unwrap().split("data-v=").skip(1) {
                let shown: f64 = cell.split('>').next().unwrap().parse().unwrap();
                let is_near = |v: &f64| (v - shown).abs() <= v.abs() * 1e-5;
                assert!(known.iter().any(is_near), "{table}: {shown} is not in the report");
                checked += 1;
            }
        }
        assert!(checked > 300, "only {checked} numbers");
    }
}

#[test]
fn files_and_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let (file, charts) = (folder.path().join("a.html"), folder.path().join("charts"));
    let (file, charts) = (file.to_str().unwrap(), charts.to_str().unwrap());
    at_root(&["report", RECORDING, "--html", file, "--svg", charts]).is(0, &["page written to", "charts written to"]);
    let page = fs::read_to_string(file).unwrap();
    assert_eq!(page, at_root(&["report", RECORDING, "--html", "-"]).out);
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("Content-Security-Policy"));
    let svg = fs::read_to_string(Path::new(charts).join("cpu-user_percent.svg")).unwrap();
    assert!(svg.starts_with("<svg xmlns") && svg.contains("CPU time by state"));
    // Only a part.
    let part = at_root(&["report", RECORDING, "--html", "-", "--table", "memory"]).out;
    assert!(part.contains("id=\"t-memory\"") && !part.contains("id=\"t-disk\""));
    at_root(&["report", RECORDING, RECORDING, "--svg", charts]).is(2, &["--svg takes one recording"]);
    at_root(&["report", RECORDING, "--charts", "all"]).is(2, &["--html"]);
    at_root(&["report", RECORDING, "--html", "/no/such/folder/a.html"]).is(1, &["cannot write /no/such/folder/a.html"]);
}

/// What the machine does not have is named with its reason; a page of a short command is small.
#[test]
fn a_command_with_marks() {
    let (_folder, dir) = new();
    let text = "a\"><script>alert(1)</script>";
    let shell = format!(
        "{0} mark start load && sleep 0.3 && {0} mark event '{text}' && {0} mark end load; sleep 0.4",
        env!("CARGO_BIN_EXE_perfwatch")
    );
    let tag = format!("{text}=x");
    record(&dir, &["-q", "-i", "100ms", "--tag", &tag, "--", "sh", "-c", &shell]).is(0, &[]);
    let page = at_root(&["report", dir.to_str().unwrap(), "--html", "-"]);
    page.is(0, &[]);
    assert!(page.out.contains("exit status 0") && page.out.contains("id=\"t-mark\""));
    assert!(page.out.contains("&lt;script&gt;alert(1)") && !page.out.contains("<script>alert"));
    assert_eq!(page.out.matches("height=\"1000\" fill=\"currentColor\"").count(), 1, "one phase");
    let manifest: Value = serde_json::from_str(&fs::read_to_string(dir.join("_recording.json")).unwrap()).unwrap();
    for collector in manifest["sessions"][0]["collectors"].as_array().unwrap() {
        if collector["state"] == "unavailable" {
            let name = collector["name"].as_str().unwrap();
            assert!(page.out.contains(&format!("Not available on this system: <b>{name}</b>: ")), "{name}");
        }
    }
    assert!(page.out.len() < 200_000, "{} bytes", page.out.len());
}

#[test]
fn a_comparison() {
    let (_folder, dir) = new();
    let (base, new) = (dir.join("base"), dir.join("new"));
    for (dir, load) in [(&base, "true"), (&new, "head -c 40000000 /dev/zero | sort >/dev/null")] {
        for n in 0..2 {
            let run = dir.join(n.to_string());
            fs::create_dir_all(dir).unwrap();
            record(&run, &["-q", "-i", "50ms", "--", "sh", "-c", &format!("{load}; sleep 0.2")]).is(0, &[]);
        }
    }
    let named = |dir: &Path| ["0", "1"].map(|n| dir.join(n).display().to_string());
    let ([a, b], [c, d]) = (named(&base), named(&new));
    let html = dir.join("cmp.html");
    let out = format!("html={}", html.display());
    let said: Said =
        program().args(["compare", "--base", &a, &b, "--new", &c, &d, "--out", &out]).output().unwrap().into();
    assert!([0, 3].contains(&said.status), "{said:?}");
    let page = fs::read_to_string(&html).unwrap();
    assert!(page.contains("command.wall_s") && page.contains("id=\"verdicts\""));
    let first = page.find("<figure").unwrap();
    assert!(page.find("id=\"verdicts\"").unwrap() < first, "verdicts come first");
    let direct = program().args(["compare", "--base", &a, &b, "--new", &c, &d, "--html", "-"]).output().unwrap();
    assert_eq!(String::from_utf8(direct.stdout).unwrap(), page);
}

/// With a phase in all runs, they are aligned by it; otherwise by their starts.
#[test]
fn runs_are_aligned_by_their_phases() {
    let (_folder, dir) = new();
    let phase = |name: &str| {
        let perfwatch = env!("CARGO_BIN_EXE_perfwatch");
        format!("{perfwatch} mark start '{name}' && sleep 0.2 && {perfwatch} mark end '{name}'; ")
    };
    fs::create_dir_all(&dir).unwrap();
    let run = |name: &str, load: String| {
        let path = dir.join(name);
        record(&path, &["-q", "-i", "50ms", "--", "sh", "-c", &load]).is(0, &[]);
        path.display().to_string()
    };
    let base = run("base", phase("<b>load"));
    let new = run("new", format!("sleep 0.3; {}", phase("<b>load")));
    let other = run("other", phase("rest"));
    for (paths, said, bands) in [
        ([&base, &new], "aligned by their phases (&lt;b&gt;load)", 1),
        ([&base, &other], "by the time since the start of each", 0),
    ] {
        for command in ["compare", "report"] {
            let page = at_root(&[command, paths[0], paths[1], "--html", "-"]).out;
            assert!(page.contains(said), "{command} {paths:?}");
            assert_eq!(page.matches("height=\"1000\" fill=\"currentColor\"").count(), bands, "{command} {paths:?}");
        }
    }
}
