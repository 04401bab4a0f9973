//! Several commands in turn: values of parameters, the order of the runs, and the results for other programs.

mod program;

use std::fs;
use std::path::Path;

use program::*;
use serde_json::{Value, json};

fn series(kind: &str, dir: &Path, args: &[&str]) -> Said {
    let mut command = program();
    command.arg(kind).arg("-o").arg(dir).args(["--collectors", "cpu"]).args(args);
    command.output().unwrap().into()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn sides(dir: &Path) -> Vec<String> {
    index(dir).iter().map(|run| run["side"].as_str().unwrap().to_string()).collect()
}

#[test]
fn a_folder_per_value() {
    let (folder, dir) = new();
    let (log, export) = (folder.path().join("log"), folder.path().join("export.json"));
    let (step, export_name) = (format!("echo prepare {{n}} >> {}", log.display()), export.to_str().unwrap());
    let script = format!("echo run {{n}} {{m}} >> {}", log.display());
    let lists = ["-L", "n=1,2", "-L", "m=a/b", "--runs", "2", "--prepare", &step, "--order", "alternate"];
    let rest = ["--export-json", export_name, "--", "sh", "-c", &script];
    let said = series("record", &dir, &[&lists[..], &rest].concat());
    said.is(0, &["relative", "n=1,m=a_b", "1.00", " ± "]);
    let once = "prepare 1\nrun 1 a/b\nprepare 2\nrun 2 a/b\n";
    assert_eq!(fs::read_to_string(&log).unwrap(), once.repeat(2));
    assert_eq!(sides(&dir), ["n=1,m=a_b", "n=2,m=a_b"].repeat(2));
    assert_eq!(index(&dir)[0]["parameters"], json!({"n": "1", "m": "a/b"}));
    let recorded = manifest(&dir.join("n=2,m=a_b/run=002"));
    assert_eq!(recorded["tags"], json!({"n": "2", "m": "a/b"}));
    assert_eq!(recorded["run"]["parameters"], json!({"n": "2", "m": "a/b"}));

    // The results for other programs.
    let results = json_of(&export)["results"].clone();
    assert_eq!(results[1]["command"], script.replace("{n}", "2").replace("{m}", "a/b"));
    assert_eq!(results[1]["parameters"], json!({"n": "2", "m": "a/b"}));
    assert_eq!(results[0]["times"], json!([index(&dir)[0]["wall_s"], index(&dir)[2]["wall_s"]]));

    // Other subcommands take the folder, and one value.
    let (one, other) = (dir.join("n=1,m=a_b"), dir.join("n=2,m=a_b"));
    let said = report(&one, &["-f", "json"]);
    assert_eq!(said.json()["recordings"].as_array().unwrap().len(), 2);
    let info = run([Path::new("info"), &dir]);
    info.is(0, &[]);
    assert!(info.out.contains("n=1,m=a_b/run=001") && info.out.contains("relative"), "{info:?}");
    for sides in [vec![&dir], vec![&one, &other]] {
        let said = run([Path::new("compare")].into_iter().chain(sides.into_iter().map(|path| path.as_path())));
        // A long path is on a line of its own.
        assert!(said.out.contains("base:") && said.out.contains("(2 runs)"), "{said:?}");
    }
    // From the manifests only.
    let before = index(&dir);
    fs::write(dir.join("_runs.json"), "").unwrap();
    run([Path::new("recover"), &dir]).is(0, &[]);
    assert_eq!(index(&dir), before);
}

#[test]
fn three_values_are_not_two_sides() {
    let (_folder, dir) = new();
    series("record", &dir, &["-qq", "-L", "n=1,2,3", "--runs", "1", "--", "echo", "{n}"]).is(0, &[]);
    run([Path::new("compare"), &dir]).is(2, &["has 3 sides; name two: perfwatch compare ", "n=1"]);
    let said = run([Path::new("info"), &dir, "--diff".as_ref()]);
    assert!(said.out.lines().next().unwrap().split_whitespace().eq(["n=1", "n=2", "n=3"]), "{said:?}");
}

#[test]
fn a_random_order_can_be_repeated() {
    let run_with = |seed: &[&str]| {
        let (folder, dir) = new();
        let args = ["--runs", "6", "--base", "true", "--new", "true"];
        let said = series("ab", &dir, &[&args[..], seed].concat());
        (folder, dir, said)
    };
    let (_folder, dir, said) = run_with(&[]);
    let seed = json_of(&dir.join("_runs.json"))["seed"].to_string();
    said.is(0, &[&format!("the order was random, and --seed {seed} repeats it")]);
    let order = sides(&dir);
    for block in order.chunks(2) {
        assert!(block.contains(&"base".to_string()) && block.contains(&"new".to_string()), "{order:?}");
    }
    assert_eq!(manifest(&dir.join("new/run=004"))["run"]["seed"].to_string(), seed);
    let (_folder, again, _) = run_with(&["--seed", &seed]);
    assert_eq!(sides(&again), order);
    // Six blocks that are all in the order of 2: one in 64 by chance, but not for both of these seeds.
    let orders: Vec<Vec<String>> = ["1", "2"].iter().map(|seed| sides(&run_with(&["--seed", seed]).1)).collect();
    assert!(orders.iter().any(|order| *order != ["base", "new"].repeat(6)), "{orders:?}");
    // The sides stay what they are, whichever ran first.
    assert!(said.err.find("base: 6 runs") < said.err.find("new: 6 runs"), "{said:?}");
    let said = run([Path::new("compare"), &again, "--paired".as_ref()]);
    assert!(said.out.starts_with("base:") && said.out.contains("new:"), "{said:?}");
}

/// What did run is exported when a failure cuts the series short.
#[test]
fn results_of_a_series_that_failed() {
    let (folder, dir) = new();
    let (count, export) = (folder.path().join("count"), folder.path().join("export.json"));
    let script = format!("echo >> {0}; [ $(wc -l < {0}) -lt 3 ]", count.display());
    let args = ["-q", "--runs", "5", "--export-json", export.to_str().unwrap(), "--", "sh", "-c", &script];
    series("record", &dir, &args).is(1, &["run=003: exit status 1; no more runs"]);
    let result = json_of(&export)["results"][0].clone();
    assert_eq!((result["times"].as_array().unwrap().len(), &result["exit_codes"]), (2, &json!([0, 0])));
    // On standard output, and nowhere else.
    let (_folder, dir) = new();
    let said = series(
        "ab",
        &dir,
        &["-qq", "-r", "1", "--base", "true", "--new", "false", "--order", "alternate", "--export-json", "-"],
    );
    said.is(1, &["new/run=001: exit status 1"]);
    let commands: Vec<Value> =
        said.json()["results"].as_array().unwrap().iter().map(|r| r["command"].clone()).collect();
    assert_eq!(commands, ["true"]);
}

#[test]
fn arguments_that_make_no_sense() {
    let (_folder, dir) = new();
    series("record", &dir, &["--runs", "2", "-L", "n=1,2", "--", "true"]).is(125, &["{n} is not in the command"]);
    series("record", &dir, &["-L", "n=1,2", "--", "echo", "{n}"]).is(125, &["--parameter-list needs --runs"]);
    series("record", &dir, &["--export-json", "x", "--", "true"]).is(125, &["--export-json needs --runs"]);
    series("record", &dir, &["--runs", "2", "-L", "n=no-such-a,true", "--", "{n}"]).is(127, &["no-such-a"]);
    series("ab", &dir, &["--base", "true", "--new", "true", "-L", "n=1"])
        .is(125, &["--parameter-list", "record --runs"]);
    assert!(!dir.exists());
}
