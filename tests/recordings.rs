//! Recordings of earlier builds can always be read: see `tests/fixtures/recordings/README.md`.

mod program;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use program::*;

/// The values of each column by name, in row order.
type Columns = BTreeMap<String, Vec<String>>;

/// A recording of an earlier build, and the values that this build read from it.
struct Kept {
    path: PathBuf,
    values: PathBuf,
}

/// Every recording of every earlier build.
fn kept() -> Vec<Kept> {
    let mut kept = Vec::new();
    for version in folders(&fixture("recordings")) {
        find(&version, &version, &mut kept);
    }
    assert!(kept.len() >= 12, "the kept recordings are missing");
    kept
}

fn find(version: &Path, folder: &Path, kept: &mut Vec<Kept>) {
    if folder.join("_recording.json").exists() {
        let name = folder.strip_prefix(version).unwrap().to_str().unwrap().replace('/', "-");
        kept.push(Kept { path: folder.to_path_buf(), values: version.join("values").join(name) });
    } else {
        folders(folder).iter().for_each(|inside| find(version, inside, kept));
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    folders
}

/// The tables below a folder of CSV files.
fn tables(folder: &Path) -> BTreeMap<String, Columns> {
    let files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    files
        .map(|f| (f.file_stem().unwrap().to_str().unwrap().to_string(), columns(&fs::read_to_string(f).unwrap())))
        .collect()
}

fn columns(csv: &str) -> Columns {
    let mut rows = csv.lines().map(fields);
    let names = rows.next().unwrap();
    let mut columns: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    for row in rows {
        assert_eq!(row.len(), names.len(), "{row:?}");
        columns.iter_mut().zip(row).for_each(|(column, field)| column.push(field));
    }
    names.into_iter().zip(columns).collect()
}

/// The fields of a line; none of the kept values has a line break.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

/// This build must read everything that the earlier one read; it may know more columns and tables.
#[track_caller]
fn has_all(recording: &Path, values: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("csv");
    report(recording, &["--csv", out.to_str().unwrap()]).is(0, &[]);
    let now = tables(&out);
    let then = tables(values);
    assert!(then.len() > 2);
    for (table, then) in then {
        let now = now.get(&table).unwrap_or_else(|| panic!("{}: no table {table}", recording.display()));
        for (column, then) in then {
            let now = now.get(&column).unwrap_or_else(|| panic!("{}: no {table}.{column}", recording.display()));
            let are_same = now.len() == then.len() && now.iter().zip(&then).all(|(now, then)| is_same(now, then));
            assert!(are_same, "{}: {table}.{column}: {now:?} was {then:?}", recording.display());
        }
    }
}

/// The same text or whole number. Version 0.1.0 made rates from journals with elapsed times of 20 bits, now they have 14;
/// what is in Parquet files stays as it is.
fn is_same(now: &str, then: &str) -> bool {
    let fraction = |text: &str| text.contains('.').then(|| text.parse::<f64>().ok()).flatten();
    match (fraction(now), fraction(then)) {
        (Some(now), Some(then)) => (now - then).abs() <= then.abs() * 2f64.powi(-13),
        _ => now == then,
    }
}

#[test]
fn earlier_recordings_are_read_as_they_were() {
    for Kept { path, values } in kept() {
        has_all(&path, &values);
        for command in ["report", "info"] {
            run([command.as_ref(), path.as_os_str()]).is(0, &[]);
        }
    }
}

#[test]
fn earlier_recordings_are_recovered_annotated_and_compacted() {
    for Kept { path, values } in kept() {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = folder.path().join("run");
        copy(&path, &run_dir);
        let on = |args: &[&str]| {
            let said = program().args(args).arg(&run_dir).output().unwrap();
            Said::from(said).is(0, &[]);
            has_all(&run_dir, &values);
        };
        on(&["recover"]);
        assert!(!run_dir.join(".journal/0001").exists() && !run_dir.join(".journal/0002").exists());
        on(&["annotate", "--tag", "read=again"]);
        on(&["compact"]);
    }
}

#[test]
fn earlier_recordings_are_appended_to() {
    for Kept { path, values } in kept() {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = folder.path().join("run");
        copy(&path, &run_dir);
        record(&run_dir, &["-q", "--append"]).is(0, &[]);
        // The appended rows may be earlier in time: some of the recordings have an artificial date.
        let then = tables(&values)["tick"]["ts"].len();
        let later = |rows: &[String]| -> usize { rows.len() - then };
        let now = {
            let out = folder.path().join("csv");
            report(&run_dir, &["--csv", out.to_str().unwrap()]).is(0, &[]);
            tables(&out)
        };
        assert!(later(&now["tick"]["ts"]) > 1, "{}", path.display());
        assert_eq!(now["tick"]["ts"][..then], tables(&values)["tick"]["ts"], "{}", path.display());
    }
}
