//! `perfwatch verify`, and a check that no damaged byte of a Parquet file is shown as a value.
//!
//! `PERFWATCH_FLIPS=2000 cargo test --test verify` flips 2000 bits.

mod program;

use std::fs;
use std::path::{Path, PathBuf};

use perfwatch::store::layout::Layout;
use program::*;
use serde_json::{Value, json};

fn verify(dir: &Path) -> Said {
    run([Path::new("verify"), dir])
}

fn found(dir: &Path, status: i32) -> Value {
    let said = run([Path::new("verify"), dir, Path::new("--json")]);
    said.is(status, &[]);
    let found = said.json();
    assert_eq!((&found["version"], found["recordings"].as_array().unwrap().len()), (&json!(1), 1));
    found["recordings"][0].clone()
}

fn parquet_files(dir: &Path) -> Vec<PathBuf> {
    tree(dir).into_keys().filter(|path| path.extension().is_some_and(|e| e == "parquet")).collect()
}

#[test]
fn undamaged_recordings() {
    let (_folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    let before = tree(&dir);
    let said = verify(&dir);
    said.is(0, &[]);
    assert!(said.err.is_empty() && said.out.contains(": everything is as it was written"), "{said:?}");
    let finished = found(&dir, 0);
    let files = parquet_files(&dir).len();
    assert_eq!((&finished["files"], &finished["files_without_checksums"]), (&json!(files), &json!(0)));
    assert_eq!((&finished["state"], &finished["journals"]), (&json!("finished"), &json!(0)));
    assert_eq!(finished["rows"]["tick"], manifest(&dir)["sessions"][0]["ticks"]);
    let quiet = run([Path::new("verify"), &dir, Path::new("-q")]);
    assert_eq!((quiet.status, quiet.out.as_str(), quiet.err.as_str()), (0, "", ""));
    assert_eq!(tree(&dir), before, "nothing is changed");
    let more = Live::start(&dir, &["--append"]);
    verify(&dir).is(0, &[]);
    more.end(libc::SIGKILL);
    let killed = found(&dir, 0);
    assert_eq!((&killed["state"], &killed["journals"]), (&json!("killed"), &json!(1)));
    assert!(killed["rows"]["tick"].as_u64() > finished["rows"]["tick"].as_u64());
    run([Path::new("recover"), &dir]).is(0, &[]);
    assert_eq!(found(&dir, 0)["rows"], killed["rows"]);
}

#[test]
fn problems_are_named() {
    let (folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    let file = sealed(&dir, "memory");
    let whole = fs::read(&file).unwrap();
    let name = file.to_str().unwrap();
    let damage = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(&file, bytes).unwrap();
    };
    damage(0);
    verify(&dir).is(1, &[name, "not the start of a Parquet file"]);
    damage(30);
    verify(&dir).is(1, &[name, "is damaged: a column of table memory does not have the checksum"]);
    damage(whole.len() - 20);
    verify(&dir).is(1, &[name, "its footer"]);
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    verify(&dir).is(1, &[name, "not a Parquet file"]);
    fs::write(&file, &whole).unwrap();
    verify(&dir).is(0, &[]);

    let other = file.with_file_name("20010101T0000Z-0001.parquet");
    fs::rename(&file, &other).unwrap();
    verify(&dir).is(1, &["20010101T0000Z-0001.parquet", "its metadata says"]);
    fs::rename(&other, &file).unwrap();
    let astray = sealed(&dir, "paging").with_file_name("x.parquet");
    fs::copy(&file, &astray).unwrap();
    verify(&dir).is(1, &["paging/x.parquet", "it belongs to table memory"]);
    fs::remove_file(&astray).unwrap();

    // A missing file.
    let ticks = sealed(&dir, "tick");
    let kept = folder.path().join("kept");
    fs::rename(&ticks, &kept).unwrap();
    verify(&dir).is(1, &["_recording.json: says ", "table tick has 0 rows"]);
    fs::rename(&kept, &ticks).unwrap();

    let layout = Layout::new(&dir);
    let text = fs::read(layout.manifest()).unwrap();
    fs::write(layout.manifest(), "{\"format\": 1").unwrap();
    verify(&dir).is(1, &["_recording.json: not a manifest"]);
    fs::write(layout.manifest(), text).unwrap();
    fs::create_dir(layout.journal_folder()).unwrap();
    fs::write(layout.journal(9), "no journal").unwrap();
    verify(&dir).is(1, &[".journal/0009", "damaged from its first byte"]);
    run([Path::new("recover"), &dir]).is(1, &[]);
    verify(&dir).is(1, &[".journal/0009.damaged", "was set aside"]);

    let none = verify(folder.path());
    none.is(1, &["is not a recording"]);
    verify(Path::new("/no/such")).is(1, &["/no/such"]);
    run(["verify"]).is(2, &[]);
}

#[test]
fn a_flipped_bit_never_changes_a_report_silently() {
    let flips: usize = std::env::var("PERFWATCH_FLIPS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let (_folder, dir) = new();
    record(&dir, &["-q", "-d", "700ms"]).is(0, &[]);
    let report = || report(&dir, &["-f", "csv"]);
    let before = report();
    before.is(0, &[]);
    let files = parquet_files(&dir);
    let sizes: Vec<u64> = files.iter().map(|file| fs::metadata(file).unwrap().len()).collect();
    // The same bits each time; the multiplier is Knuth's.
    let mut dice = 1u64;
    for _ in 0..flips {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut at = (dice >> 24) % sizes.iter().sum::<u64>();
        let n = sizes.iter().position(|size| at.checked_sub(*size).map(|rest| at = rest).is_none()).unwrap();
        let bytes = fs::read(&files[n]).unwrap();
        let mut bad = bytes.clone();
        bad[at as usize] ^= 1 << (dice >> 16 & 7);
        fs::write(&files[n], bad).unwrap();
        let place = format!("bit {} of byte {at} of {}", dice >> 16 & 7, files[n].display());
        let said = report();
        assert!(said.status == 1 || said.status == 0 && said.out == before.out, "{place}: {said:?}");
        let name = files[n].to_str().unwrap();
        let verified = verify(&dir);
        assert!(verified.status == 1 && verified.err.contains(name), "{place}: {verified:?}");
        fs::write(&files[n], bytes).unwrap();
    }
    verify(&dir).is(0, &[]);
}
