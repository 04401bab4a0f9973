//! Recordings for tests: tables of a few rows, in memory or as Parquet files.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::model::Recording;
use super::summary::{Request, summarise};
use crate::query::{Choice, Rows, threads};
use crate::store::layout::Layout;
use crate::store::read::parquet::ParquetPiece;
use crate::store::read::piece::{Facts, Fault, Part, Piece, ReadError, Source, VERSION_KEY, Window};
use crate::table::arrow::arrow_schema;
use crate::table::{Charts, Kind, Life, ResolvedFormula, StoredColumn, StoredOrigin, TableDef, Type, Unit, Weight};

/// 2026-11-20T07:00:00Z.
pub const START_US: i64 = 1_795_158_000_000_000;

pub fn table(name: &'static str, stored: Vec<StoredColumn>) -> &'static TableDef {
    Box::leak(Box::new(TableDef {
        name,
        source: "/proc/test",
        doc: "A test.",
        raw: Vec::new(),
        stored,
        order: None,
        life: Life::default(),
        separate: Vec::new(),
        charts: Charts::Unknown,
    }))
}

pub fn column(name: &'static str, ty: Type, kind: Kind, unit: Unit) -> StoredColumn {
    let origin = StoredOrigin::Raw(0);
    let weight = Weight::of(kind);
    StoredColumn { name, ty, kind, unit, doc: format!("The {name}."), better: None, weight, origin }
}

pub fn entity(name: &'static str) -> StoredColumn {
    column(name, Type::Text, Kind::Entity, Unit::None)
}

pub fn counter(name: &'static str, raw: usize, unit: Unit) -> StoredColumn {
    StoredColumn { origin: StoredOrigin::Raw(raw), ..column(name, Type::Int64, Kind::Counter, unit) }
}

/// The rate of the counter that is raw column `raw`.
pub fn rate(name: &'static str, raw: usize, unit: Unit) -> StoredColumn {
    let formula = ResolvedFormula { of: vec![raw], over: None, factor: 1.0, cap: f64::INFINITY };
    StoredColumn { origin: StoredOrigin::Derived(formula), ..column(name, Type::Float64, Kind::Interval, unit) }
}

pub fn text<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<DictionaryArray<Int32Type>>())
}
pub fn ints<T: Into<Option<i64>>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Int64Array>())
}
pub fn int32s(values: impl IntoIterator<Item = Option<i32>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int32Array>())
}
pub fn floats<T: Into<Option<f64>>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Float64Array>())
}

/// Rows at these seconds after [`START_US`], with intervals of these lengths, outside any phase.
pub fn rows(table: &TableDef, seconds: &[i64], elapsed: &[Option<f64>], columns: Vec<ArrayRef>) -> RecordBatch {
    rows_in_phase(table, seconds, elapsed, &vec![None; seconds.len()], columns)
}

pub fn rows_in_phase(
    table: &TableDef,
    seconds: &[i64],
    elapsed: &[Option<f64>],
    phase: &[Option<&str>],
    columns: Vec<ArrayRef>,
) -> RecordBatch {
    let ts = seconds.iter().map(|s| START_US + s * 1_000_000);
    let mut all: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(ts).with_timezone("UTC")),
        floats(elapsed.iter().copied()),
        text(phase.iter().copied()),
    ];
    all.extend(columns);
    RecordBatch::try_new(arrow_schema(table), all).unwrap()
}

/// Writes rows as a Parquet file with row groups of at most `group` rows.
pub fn write(path: &Path, batch: &RecordBatch, version: Option<&str>, group: usize) {
    let key = version.map(|v| vec![KeyValue::new(VERSION_KEY.to_string(), v.to_string())]);
    let properties =
        WriterProperties::builder().set_key_value_metadata(key).set_max_row_group_row_count(Some(group)).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// A recording in memory. Columns are returned in chunks of three rows, so that chunks and ticks do not match.
#[derive(Clone, Default)]
pub struct Memory {
    pub tables: Vec<(&'static TableDef, Vec<RecordBatch>)>,
    /// The path of a piece, and the column that cannot be read.
    pub broken: Option<(PathBuf, &'static str)>,
}

impl Memory {
    pub fn with(mut self, table: &'static TableDef, pieces: Vec<RecordBatch>) -> Self {
        self.tables.push((table, pieces));
        self
    }

    pub fn summary(&self, window: Window, phase: Option<&str>, choice: &Choice) -> (Recording, Vec<ReadError>) {
        let mut problems = Vec::new();
        let request = Request { threads: threads::default(), ..Request::of(Rows { window, phase }, choice) };
        let recording = summarise(self, &request, &mut problems, &mut |_| {});
        (recording, problems)
    }

    pub fn whole(&self) -> Recording {
        let (recording, problems) = self.summary(Window::ALL, None, &Choice::default());
        assert!(problems.is_empty(), "{problems:?}");
        recording
    }
}

impl Source for Memory {
    fn path(&self) -> &Path {
        Path::new("my-run")
    }
    fn facts(&self) -> Facts {
        Facts { host: Some("box".into()), interval_s: Some(1.0), ..Facts::default() }
    }
    fn tables(&self) -> Vec<&'static TableDef> {
        self.tables.iter().map(|(t, _)| *t).collect()
    }
    fn pieces(&self, table: &'static TableDef, _: Window, _: &mut Vec<ReadError>) -> Vec<Box<dyn Piece + '_>> {
        let of = self.tables.iter().filter(|(t, _)| t.name == table.name).flat_map(|(_, p)| p);
        let piece = |(n, batch)| Box::new(MemoryPiece { name: format!("{}/{n}", table.name).into(), batch, of: self });
        of.enumerate().map(|p| piece(p) as Box<dyn Piece>).collect()
    }
}

struct MemoryPiece<'a> {
    name: PathBuf,
    batch: &'a RecordBatch,
    of: &'a Memory,
}

impl Piece for MemoryPiece<'_> {
    fn path(&self) -> &Path {
        &self.name
    }
    fn rows(&self) -> usize {
        self.batch.num_rows()
    }
    fn span(&self) -> Option<(i64, i64)> {
        let ts = self.batch.column(0).as_any().downcast_ref::<TimestampMicrosecondArray>()?;
        Some((*ts.values().first()?, *ts.values().last()?))
    }
    fn column(&self, name: &str) -> Result<Vec<ArrayRef>, ReadError> {
        if self.of.broken.as_ref().is_some_and(|(path, column)| *path == self.name && *column == name) {
            return Err(ReadError::new(&self.name, Fault::Damaged("bad page".into())));
        }
        let column = self.batch.column_by_name(name).expect("a column");
        Ok((0..column.len()).step_by(3).map(|at| column.slice(at, 3.min(column.len() - at))).collect())
    }
    fn parts(&self, columns: &[&str], take: &mut dyn FnMut(Part) -> ControlFlow<()>) -> Result<(), ReadError> {
        for name in columns {
            self.column(name)?;
        }
        let columns: Vec<usize> = columns.iter().map(|name| self.batch.schema().index_of(name).unwrap()).collect();
        let _ = take(Part { columns: self.batch.project(&columns).unwrap(), from_us: self.span().map(|span| span.0) });
        Ok(())
    }
}

/// A folder with a folder of Parquet files per table.
pub struct Folder {
    pub path: PathBuf,
    pub tables: Vec<&'static TableDef>,
}

impl Source for Folder {
    fn path(&self) -> &Path {
        &self.path
    }
    fn facts(&self) -> Facts {
        Facts::default()
    }
    fn tables(&self) -> Vec<&'static TableDef> {
        self.tables.iter().copied().filter(|t| self.path.join(t.name).is_dir()).collect()
    }
    fn pieces(
        &self,
        table: &'static TableDef,
        window: Window,
        problems: &mut Vec<ReadError>,
    ) -> Vec<Box<dyn Piece + '_>> {
        let entries = std::fs::read_dir(self.path.join(table.name)).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        files.sort();
        let mut pieces: Vec<Box<dyn Piece>> = Vec::new();
        for file in files {
            match ParquetPiece::open(&Layout::new(&self.path), &file, table) {
                Ok(piece) => pieces.push(Box::new(piece.within(window))),
                Err(error) => problems.push(error),
            }
        }
        pieces
    }
}
