//! SealedReader files: good, foreign, damaged.

use std::path::{Path, PathBuf};

use arrow_array::Array;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;

use super::*;
use crate::report::testing::*;
use crate::store::layout::Layout;
use crate::store::write::output::Output;
use crate::table::{Kind, Type, Unit};

fn load() -> &'static TableDef {
    table(
        "load",
        vec![
            column("load1", Type::Float64, Kind::Gauge, Unit::None),
            column("running", Type::Int64, Kind::Gauge, Unit::Count),
        ],
    )
}

/// Ten rows, one per second, in row groups of four.
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
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
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
fn row_groups_outside_the_window_are_skipped() {
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

/// A flipped bit in a file without checksums can cause this. For a missing column, this number of nulls would be
/// allocated.
#[test]
fn impossible_row_counts_are_refused() {
    use parquet::file::metadata::ParquetMetaDataWriter;
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), Some("1"));
    let mut bytes = std::fs::read(&path).unwrap();
    let good = SerializedFileReader::new(File::open(&path).unwrap()).unwrap().metadata().clone();
    for rows in [-1, 1 << 40, i64::MAX - 10] {
        let mut builder = good.clone().into_builder();
        let mut groups = builder.take_row_groups();
        groups[1] = groups[1].clone().into_builder().set_num_rows(rows).build().unwrap();
        let damaged = builder.set_row_groups(groups).build();
        ParquetMetaDataWriter::new(&mut bytes, &damaged).finish().unwrap();
        std::fs::write(&path, &bytes).unwrap();
        assert!(fault(&path, load()).contains(&format!("a row group of {rows} rows")), "{}", fault(&path, load()));
    }
    ParquetMetaDataWriter::new(&mut bytes, &good).finish().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(opened(&path, load()).unwrap().rows(), 10);
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
    assert!(fault(&path, other).contains("it has none of the columns of table other"));
    let other = table("other", vec![column("load1", Type::Int64, Kind::Gauge, Unit::None)]);
    assert!(fault(&path, other).contains("column `load1` is Float64, table other has Int64"));
    assert!(fault(&dir.path().join("absent"), load()).contains("absent: cannot be read: No such file"));
    std::fs::write(&path, "ts,elapsed_s\n").unwrap();
    assert!(fault(&path, load()).contains("is damaged, cut short, or not a Parquet file"));
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

/// A file of an older perfwatch, without checksums.
#[test]
fn a_flipped_byte_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), Some("1"));
    let mut bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let bit = 1 << (at % 8);
        bytes[at] ^= bit;
        std::fs::write(&path, &bytes).unwrap();
        // The result is an error or other values, depending on the flipped bit.
        let _ = read_all(&path);
        bytes[at] ^= bit;
    }
}

/// Rows of an artificial hour, as sealing writes them, in this many row groups of 20 rows.
fn sealed(dir: &Path, groups: i64) -> PathBuf {
    let path = dir.join("20261120T0700Z-0001.parquet");
    let facts = vec![("host".to_string(), "box".to_string())];
    let layout = Layout::new(dir);
    let mut output = Output::new(&layout, &path, load(), "20261120T0700Z", &facts);
    for group in 0..groups {
        let seconds: Vec<i64> = (0..20).map(|n| group * 20 + n).collect();
        let values = vec![floats(seconds.iter().map(|s| *s as f64 / 4.0)), ints(seconds.iter().copied())];
        output.write_group(&rows(load(), &seconds, &[Some(1.0); 20], values)).unwrap();
    }
    assert_eq!(output.close().unwrap(), 20 * groups as usize);
    path
}

#[test]
fn every_flipped_bit_of_a_sealed_file_is_detected() {
    // With one checksum for all columns, and with one for each.
    every_flipped_bit_is_detected(1);
    every_flipped_bit_is_detected(2);
}

fn every_flipped_bit_is_detected(groups: i64) {
    let dir = tempfile::tempdir().unwrap();
    let path = sealed(dir.path(), groups);
    let rows = 20 * groups as usize;
    let mut bytes = std::fs::read(&path).unwrap();
    let check = || check(File::open(&path).unwrap(), &path);
    assert_eq!(check().unwrap(), rows);
    assert_eq!(read_all(&path).unwrap(), 5 * rows);
    assert!(SealedReader::from_file(File::open(&path).unwrap(), &path).unwrap().has_checksums());
    let mut unread = 0;
    for at in 0..bytes.len() {
        let bit = 1 << (at % 8);
        bytes[at] ^= bit;
        std::fs::write(&path, &bytes).unwrap();
        assert!(check().is_err(), "bit {} of byte {at} of {}", at % 8, bytes.len());
        // The magic at the start and the page index are not needed for the values.
        unread += usize::from(read_all(&path).is_ok());
        bytes[at] ^= bit;
    }
    std::fs::write(&path, &bytes).unwrap();
    let index = {
        let groups = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let chunks = groups.metadata().row_groups().iter().flat_map(|g| g.columns().to_vec());
        chunks.map(|c| c.offset_index_length().unwrap_or(0) + c.column_index_length().unwrap_or(0)).sum::<i32>()
    };
    assert_eq!(unread, 4 + index as usize);
}

#[test]
fn damage_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = sealed(dir.path(), 2);
    let bytes = std::fs::read(&path).unwrap();
    let file = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let chunk = file.metadata().row_group(1).column(4).byte_range();
    let damaged = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    };
    damaged(chunk.0 as usize + chunk.1 as usize - 1);
    let piece = opened(&path, load()).unwrap();
    let said = piece.column("running").unwrap_err().to_string();
    let expected = format!(
        "{}: is damaged: column `running` of table load does not have the checksum that it was written with",
        path.display()
    );
    assert_eq!(said, expected);
    assert_eq!(check(File::open(&path).unwrap(), &path).unwrap_err().to_string(), expected);
    assert_eq!(piece.column("load1").unwrap().len(), 2);
    // Data outside the window is not read.
    let seconds_20_on = Window { from_us: START_US, to_us: START_US + 20_000_000 };
    assert!(piece.within(seconds_20_on).column("running").is_ok());
    damaged(bytes.len() - 40);
    assert!(fault(&path, load()).contains("is damaged: its footer does not have the checksum"));

    let other = tempfile::tempdir().unwrap();
    let short = sealed(other.path(), 1);
    let mut bytes = std::fs::read(&short).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&short, bytes).unwrap();
    assert!(fault(&short, load()).contains("is damaged: a column of table load does not have the checksum"));
}

#[test]
fn columns_that_were_added_or_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.parquet");
    let (layout, facts) = (Layout::new(dir.path()), Vec::new());
    let mut output = Output::new(&layout, &path, load(), "20261120T0700Z", &facts);
    let piece = opened(&file(dir.path(), Some("1")), load()).unwrap();
    piece.batches().for_each(|batch| output.write(&batch.unwrap()).unwrap());
    output.close().unwrap();
    let later = table(
        "load",
        vec![
            column("load15", Type::Float64, Kind::Gauge, Unit::None),
            column("running", Type::Int64, Kind::Gauge, Unit::Count),
            column("why", Type::Text, Kind::Label, Unit::None),
        ],
    );
    let piece = opened(&path, later).unwrap();
    let nulls = |name: &str| piece.column(name).unwrap().iter().map(|c| c.null_count()).sum::<usize>();
    assert_eq!((nulls("load15"), nulls("why"), nulls("running")), (10, 10, 1));
    let wider: Vec<_> = piece.wider(later).unwrap().stored.iter().map(|c| (c.name, c.kind)).collect();
    assert_eq!(wider[3], ("load1", Kind::Gauge));
    assert_eq!(wider.len(), 4);
    let batch = piece.batches().next().unwrap().unwrap();
    assert_eq!((batch.schema(), batch.column(3).null_count()), (arrow_schema(later), batch.num_rows()));
    assert!(piece.column("no such").is_err());
}
