//! Sealed files: good, foreign, damaged.

use std::path::{Path, PathBuf};

use super::*;
use crate::recording::Layout;
use crate::report::testing::*;
use crate::schema::Type;
use crate::schema::{Kind, Unit};

fn load() -> &'static TableDef {
    table(
        "load",
        vec![
            column("load1", Type::Float64, Kind::Gauge, Unit::None),
            column("running", Type::Int64, Kind::Gauge, Unit::Count),
        ],
    )
}

/// Ten rows, one a second, in row groups of four.
fn file(dir: &Path, version: Option<&str>) -> PathBuf {
    let seconds: Vec<i64> = (0..10).collect();
    let batch = rows(
        load(),
        &seconds,
        &[Some(1.0); 10],
        vec![floats((0..10).map(|i| f64::from(i) / 4.0)), ints((0..10).map(|i| (i != 3).then_some(i)))],
    );
    let path = dir.join("h.parquet");
    write(&path, &batch, version, 4);
    path
}

fn ints_of(piece: &ParquetPiece, name: &str) -> Vec<Option<i64>> {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    let chunks = piece.column(name).unwrap();
    chunks.iter().flat_map(|c| c.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()).collect()
}

#[test]
fn columns_come_one_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let piece = opened(&file(dir.path(), Some("1")), load()).unwrap();
    assert_eq!(piece.rows(), 10);
    assert_eq!(piece.span(), Some((START_US, START_US + 9_000_000)));
    assert_eq!(ints_of(&piece, "running"), (0..10).map(|i| (i != 3).then_some(i)).collect::<Vec<_>>());
    assert!(piece.column("no such").is_err());
}

#[test]
fn row_groups_outside_the_window_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), Some("1"));
    let within = |from: i64, to: i64| {
        let window = Window { from_us: START_US + from * 1_000_000, to_us: START_US + to * 1_000_000 };
        opened(&path, load()).unwrap().within(window)
    };
    // Row groups: seconds 0-3, 4-7, 8-9.
    let piece = within(4, 8);
    assert_eq!((piece.rows(), ints_of(&piece, "running")), (4, [4, 5, 6, 7].map(Some).to_vec()));
    assert_eq!(within(3, 4).rows(), 4);
    assert_eq!(within(7, 9).rows(), 6);
    assert_eq!(within(-5, 0).rows(), 0);
    assert_eq!(within(10, 20).rows(), 0);
    assert!(within(10, 20).column("running").unwrap().is_empty());
}

fn opened(path: &Path, table: &TableDef) -> Result<ParquetPiece, ReadError> {
    ParquetPiece::open(&Layout::new(path.parent().unwrap()), path, table)
}

fn fault(path: &Path, table: &TableDef) -> String {
    opened(path, table).err().expect("an error").to_string()
}

#[test]
fn foreign_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), None);
    assert!(fault(&path, load()).starts_with(&format!("{}: was not written by perfwatch", path.display())));
    let path = file(dir.path(), Some("2"));
    assert!(fault(&path, load()).contains("has format version 2, this perfwatch reads version 1"));
    let path = file(dir.path(), Some("1"));
    let other = table("other", vec![column("load5", Type::Float64, Kind::Gauge, Unit::None)]);
    assert!(fault(&path, other).contains("column 4 is `load1`, table other has `load5`"));
    let other = table("other", vec![column("load1", Type::Int64, Kind::Gauge, Unit::None)]);
    assert!(fault(&path, other).contains("column `load1` is Float64, table other has Int64"));
    let other = table("other", vec![column("load1", Type::Float64, Kind::Gauge, Unit::None)]);
    assert!(fault(&path, other).contains("column `running` is unknown to table other"));
    assert!(fault(&dir.path().join("absent"), load()).contains("absent: cannot be read: No such file"));
    std::fs::write(&path, "ts,elapsed_s\n").unwrap();
    assert!(fault(&path, load()).contains("is damaged, cut short, or no Parquet file"));
}

/// Reads whatever can be read.
fn read_all(path: &Path) -> Result<usize, ReadError> {
    let piece = opened(path, load())?;
    ["ts", "elapsed_s", "phase", "load1", "running"]
        .iter()
        .try_fold(0, |n, c| Ok(n + piece.column(c)?.iter().map(|c| c.len()).sum::<usize>()))
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), Some("1"));
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(read_all(&path).unwrap(), 50);
    for end in 0..bytes.len() {
        std::fs::write(&path, &bytes[..end]).unwrap();
        assert!(read_all(&path).is_err(), "cut at {end} of {}", bytes.len());
    }
}

#[test]
fn a_flipped_byte_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), Some("1"));
    let mut bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let bit = 1 << (at % 8);
        bytes[at] ^= bit;
        std::fs::write(&path, &bytes).unwrap();
        // An error or other values, as the flip has it: Parquet files of this profile have no checksums.
        let _ = read_all(&path);
        bytes[at] ^= bit;
    }
}
