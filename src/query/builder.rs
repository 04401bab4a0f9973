//! A query: which rows of which columns, in which groups.

use super::column::ColumnBuffers;
use super::folded::Folded;
use super::index::RowIndex;
use super::lives::Lives;
use super::read::BadPiece;
use super::select::{By, Choice, Rows, chosen};
use super::threads;
use super::values::Fold;
use super::view::View;
use crate::store::read::piece::{Piece, ReadError, Source, Window};
use crate::table::rates::quantised;
use crate::table::{StoredColumn, TableDef};

/// ```text
/// Query::of(&sources).window(w).phase(p).choice(&c).group(By::Bucket { width_us }).fold(&Points, &mut problems)
/// ```
pub struct Query<'q> {
    sources: Vec<&'q dyn Source>,
    pub rows: Rows<'q>,
    choice: Option<&'q Choice>,
    by: By,
    threads: usize,
    buffers: ColumnBuffers,
}

impl<'q> Query<'q> {
    /// All rows of these recordings, by entity.
    pub fn of(sources: impl IntoIterator<Item = &'q dyn Source>) -> Query<'q> {
        Query {
            sources: sources.into_iter().collect(),
            rows: Rows::ALL,
            choice: None,
            by: By::Entity,
            threads: threads::default(),
            buffers: ColumnBuffers::default(),
        }
    }

    /// Only rows in this window.
    #[must_use]
    pub fn window(mut self, window: Window) -> Self {
        self.rows.window = window;
        self
    }

    /// Only rows in this phase and those inside it.
    #[must_use]
    pub fn phase(mut self, phase: Option<&'q str>) -> Self {
        self.rows.phase = phase;
        self
    }

    /// Only these tables and columns.
    #[must_use]
    pub fn choice(mut self, choice: &'q Choice) -> Self {
        self.choice = Some(choice);
        self
    }

    /// The same rows in other groups.
    #[must_use]
    pub fn regrouped(&self, by: By) -> Self {
        let (sources, buffers) = (self.sources.clone(), ColumnBuffers::default());
        Query { sources, rows: self.rows, choice: self.choice, by, threads: self.threads, buffers }
    }

    #[must_use]
    pub fn group(mut self, by: By) -> Self {
        self.by = by;
        self
    }

    /// The largest number of threads; the default is [`threads::default`].
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Folds all chosen columns. The result has, per recording, the tables with rows. What cannot be read is left out
    /// and added to `problems`.
    pub fn fold<F: Fold>(&self, fold: &F, problems: &mut Vec<ReadError>) -> Vec<Vec<Folded<F::Out>>> {
        let of_source = |source: &&dyn Source| {
            let all = Choice::default();
            let tables = chosen(*source, self.choice.unwrap_or(&all)).0;
            let fold = |table| self.table(*source, table, problems, |view| Ok(Some(self.folded(view, fold)?)));
            tables.into_iter().filter_map(fold).collect()
        };
        self.sources.iter().map(of_source).collect()
    }

    /// Finds the chosen rows of a table and calls `work` with them. If a piece cannot be read, this is repeated without
    /// it, so that no piece is read in part. None if no row is chosen.
    pub fn table<T>(
        &self,
        source: &dyn Source,
        table: &'static TableDef,
        problems: &mut Vec<ReadError>,
        mut work: impl FnMut(&View<'_>) -> Result<Option<T>, BadPiece>,
    ) -> Option<T> {
        let (table, mut pieces) = source.read(table, self.rows.window, problems);
        let held_s = held_s(source);
        loop {
            match self.view(table, &pieces, held_s).and_then(|view| view.map_or(Ok(None), |view| work(&view))) {
                Ok(done) => return done,
                Err(bad) => {
                    problems.push(bad.error);
                    if bad.piece >= pieces.len() {
                        return None;
                    }
                    pieces.remove(bad.piece);
                }
            }
        }
    }

    /// The chosen metrics of a table.
    pub fn columns(&self, table: &'static TableDef) -> Vec<&'static StoredColumn> {
        table
            .metrics()
            .filter(|column| self.choice.is_none_or(|choice| choice.has_metric(table, column.name)))
            .collect()
    }

    fn view<'v>(
        &'v self,
        table: &'static TableDef,
        pieces: &'v [Box<dyn Piece + 'v>],
        held_s: Option<f64>,
    ) -> Result<Option<View<'v>>, BadPiece> {
        let index = RowIndex::build(table, pieces, self.rows, self.by)?;
        if index.chosen() == 0 {
            return Ok(None);
        }
        let lives = Lives::find(table, &index, pieces, self.rows, self.by)?;
        Ok(Some(View { table, index, pieces, lives, held_s, threads: self.threads, buffers: &self.buffers }))
    }

    fn folded<F: Fold>(&self, view: &View<'_>, fold: &F) -> Result<Folded<F::Out>, BadPiece> {
        let columns = self.columns(view.table);
        let results = view.fold(&columns, fold, &mut || ())?;
        Ok(Folded {
            table: view.table,
            rows: view.index.chosen(),
            entities: view.index.entities.clone(),
            groups: view.index.groups.clone(),
            columns: columns.into_iter().zip(results).collect(),
            by: self.by,
        })
    }
}

/// The usual interval in seconds of a recording in which samples were taken more often at times.
fn held_s(source: &dyn Source) -> Option<f64> {
    let sessions = &source.manifest()?.sessions;
    let has_bursts = sessions.iter().any(|session| !session.bursts.is_empty());
    // As precise as the other intervals, so that sums of both are exact.
    has_bursts.then(|| sessions.last().map(|session| quantised(session.interval_s)))?
}
