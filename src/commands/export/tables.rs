//! The rows of tables, into a directory, one file, or standard output.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::{Component, Path, PathBuf};

use crate::commands::Usage;
use crate::commands::output::ForTerminal;
use crate::commands::report::{Problems, Progress, why_empty, window_between};
use crate::export::file::{ExportError, write_stream, write_to};
use crate::export::format::{Format, writer};
use crate::export::target::Target;
use crate::export::{Columns, Request, Shape, TableRows, openmetrics, perfetto};
use crate::query::Rows;
use crate::query::window::When;
use crate::store::read::piece::{ReadError, Source};
use crate::table::TableDef;
use crate::text::words::count;
use crate::ui;

/// What to write, and how.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The option with the path, for messages.
    pub option: &'static str,
    pub format: Format,
    pub columns: &'a Columns,
    pub shape: Shape,
    pub part: (Option<When>, Option<When>),
    pub phase: Option<&'a str>,
    pub force: bool,
}

impl<'a> Asked<'a> {
    fn request(&self, source: &dyn Source, faults: &mut Vec<ReadError>) -> Result<Request<'a>, Usage> {
        let rows = Rows { window: window_between(self.part, source, faults)?, phase: self.phase };
        Ok(Request { rows, columns: self.columns, shape: self.shape })
    }
}

/// An export, and its progress.
pub struct Export<'a> {
    pub asked: Asked<'a>,
    pub opened: &'a [Box<dyn Source>],
    pub problems: &'a mut Problems,
    pub progress: &'a mut Progress,
}

impl Export<'_> {
    /// # Errors
    /// [`Usage`] if the target takes the rows of one table and several are selected; otherwise when a file cannot be
    /// written.
    pub fn write(mut self, path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
        let target = Target::from_path(path, self.asked.format, self.asked.option).map_err(Usage)?;
        if target == Target::Stdout && self.asked.format.is_binary() && io::stdout().is_terminal() {
            return Err(Usage("this format is not text: write it into a file with -o, or into a pipe".into()).into());
        }
        // Recordings that cannot be read have already been reported.
        if self.opened.is_empty() {
            return Ok(());
        }
        match target {
            _ if self.asked.format.holds_all_tables() => self.all_in_one(&target, out),
            Target::Directory(dir) => self.of_all_tables(&dir),
            target => self.of_one_table(&target, path, out),
        }
    }

    /// All tables of all recordings in one file.
    fn all_in_one(&mut self, target: &Target, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut faults = Vec::new();
        let mut requests = Vec::new();
        for source in self.opened {
            requests.push((source.as_ref(), self.asked.request(source.as_ref(), &mut faults)?));
        }
        let names = names(self.opened);
        let (format, progress) = (self.asked.format, &mut *self.progress);
        let step = &mut |table: &str| progress.step(table);
        let write = |out: &mut dyn Write| {
            let all = requests.iter().zip(&names);
            if format == Format::Perfetto {
                let all = all.map(|((source, request), name)| perfetto::Exported {
                    source: *source,
                    request: *request,
                    name: name.clone(),
                });
                return perfetto::write(&all.collect::<Vec<_>>(), out, &mut faults, step);
            }
            let all = all.map(|((source, request), name)| {
                let host = source.facts().host.map(|host| ("host", host));
                let recording = (requests.len() > 1).then(|| ("recording", name.clone()));
                openmetrics::Exported {
                    source: *source,
                    request: *request,
                    labels: host.into_iter().chain(recording).collect(),
                }
            });
            openmetrics::write(&all.collect::<Vec<_>>(), out, &mut faults, step)
        };
        let written = match target {
            Target::File(file) => write_to(file, self.asked.force, write).map(Some),
            _ if io::stdout().is_terminal() => write_stream(&mut ForTerminal::lines(out), write),
            _ => write_stream(out, write),
        };
        self.progress.done();
        self.problems.files(&faults);
        let written = written?;
        if let (Target::File(file), Some(values)) = (target, written) {
            ui::message(&format!("{} written to {}", count(values as u64, "value"), file.display()));
        }
        if written == Some(0) {
            for source in self.opened {
                self.say_if_empty(0, source.as_ref());
            }
        }
        Ok(())
    }

    fn of_one_table(&mut self, target: &Target, path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
        let (shown, option) = (path.display(), self.asked.option);
        let [source] = self.opened else {
            return Err(Usage(format!(
                "{option} {shown}: it takes the rows of one recording; {option} DIR takes several"
            ))
            .into());
        };
        let source = source.as_ref();
        let tables = self.asked.columns.tables(source);
        let [table] = tables.as_slice() else {
            let names: Vec<&str> = tables.iter().map(|t| t.name).collect();
            if names.is_empty() {
                self.problems.any = true;
                return Ok(());
            }
            let names = names.join(", ");
            return Err(Usage(format!(
                "{option} {shown}: it takes the rows of one table; choose it with --table (there are {names}), or name a directory"
            ))
            .into());
        };
        let mut faults = Vec::new();
        let request = self.asked.request(source, &mut faults)?;
        let rows = TableRows::open(source, table, &request, &mut faults).map_err(Usage)?;
        let format = self.asked.format;
        let mut write = |out: &mut dyn Write, is_stream: bool| rows_to(&rows, format, out, is_stream, &mut faults);
        let written = match target {
            Target::File(file) => {
                let is_stream = file.extension().is_some_and(|e| e == "arrows");
                write_to(file, self.asked.force, |out| write(out, is_stream)).map(Some)
            }
            _ if io::stdout().is_terminal() && format == Format::Csv => {
                write_stream(&mut ForTerminal::csv(out), |out| write(out, true))
            }
            _ if io::stdout().is_terminal() => write_stream(&mut ForTerminal::lines(out), |out| write(out, true)),
            _ => write_stream(out, |out| write(out, true)),
        };
        self.progress.step(table.name);
        self.problems.files(&faults);
        let written = written?.unwrap_or(0);
        if matches!(target, Target::File(_)) {
            let rows = count(written as u64, "row");
            ui::message(&format!("{rows} of {} written to {shown}", source.path().display()));
        }
        self.say_if_empty(written, source);
        Ok(())
    }

    fn of_all_tables(&mut self, dir: &Path) -> anyhow::Result<()> {
        let folders = folders(self.opened, dir, self.asked.option)?;
        let format = self.asked.format;
        let target = |folder: &Path, table: &TableDef| folder.join(format!("{}.{}", table.name, format.extension()));
        // All are checked before the first is written.
        for (source, folder) in self.opened.iter().zip(&folders) {
            let tables = self.asked.columns.tables(source.as_ref());
            let mut targets = tables.iter().map(|table| target(folder, table));
            if let Some(exists) = targets.find(|path| !self.asked.force && path.exists()) {
                return Err(ExportError::Exists(exists).into());
            }
        }
        for (source, folder) in self.opened.iter().zip(&folders) {
            let source = source.as_ref();
            let mut faults = Vec::new();
            let request = self.asked.request(source, &mut faults)?;
            std::fs::create_dir_all(folder).map_err(|error| ExportError::Io { path: folder.clone(), error })?;
            let mut written = 0;
            for table in self.asked.columns.tables(source) {
                let rows = TableRows::open(source, table, &request, &mut faults).map_err(Usage)?;
                let path = target(folder, table);
                let done = write_to(&path, self.asked.force, |out| rows_to(&rows, format, out, false, &mut faults));
                self.progress.step(table.name);
                if done.is_err() {
                    self.problems.files(&faults);
                }
                written += done?;
            }
            self.problems.files(&faults);
            self.say_if_empty(written, source);
            let (rows, path) = (count(written as u64, "row"), source.path().display());
            ui::message(&format!("{rows} of {path} written to {}", folder.display()));
        }
        Ok(())
    }

    fn say_if_empty(&mut self, written: usize, source: &dyn Source) {
        if written == 0 && self.asked.phase.is_some() {
            self.problems.say(format!("{}: {}", source.path().display(), why_empty(self.asked.phase, source)));
        }
    }
}

/// Writes the rows of a table; returns their number.
fn rows_to(
    rows: &TableRows<'_>,
    format: Format,
    out: &mut dyn Write,
    is_stream: bool,
    faults: &mut Vec<ReadError>,
) -> io::Result<usize> {
    let mut writer = writer(format, rows.schema(), out, is_stream)?;
    let written = rows.each(faults, &mut |batch| writer.write(batch))?;
    writer.finish()?;
    Ok(written)
}

/// The folder for the files of each recording: `dir`, or with several recordings a folder below it with the name of the
/// recording.
fn folders(opened: &[Box<dyn Source>], dir: &Path, option: &str) -> Result<Vec<PathBuf>, Usage> {
    if opened.len() < 2 {
        return Ok(vec![dir.to_path_buf()]);
    }
    let names = different(opened).ok_or_else(|| Usage(format!("{option}: a recording is given twice")))?;
    Ok(names.iter().map(|name| dir.join(name)).collect())
}

/// The names of the recordings in a file that holds several.
fn names(opened: &[Box<dyn Source>]) -> Vec<String> {
    let paths = || opened.iter().map(|source| source.path().to_path_buf()).collect();
    let names = different(opened).unwrap_or_else(paths);
    names.iter().map(|name| name.display().to_string()).collect()
}

/// The name of each recording, preceded by as many of its parent folders as are needed to distinguish them; `None` if a
/// recording is given twice.
fn different(opened: &[Box<dyn Source>]) -> Option<Vec<PathBuf>> {
    let whole = |source: &dyn Source| source.path().canonicalize().unwrap_or_else(|_| source.path().to_path_buf());
    let paths: Vec<PathBuf> = opened.iter().map(|source| whole(source.as_ref())).collect();
    let names = |path: &PathBuf| path.components().filter(|c| matches!(c, Component::Normal(_))).count();
    for deep in 1..=paths.iter().map(names).max().unwrap_or(1) {
        let last = |path: &PathBuf| path.components().skip(1 + names(path).saturating_sub(deep)).collect::<PathBuf>();
        let different: BTreeSet<PathBuf> = paths.iter().map(last).collect();
        if different.len() == paths.len() {
            return Some(paths.iter().map(last).collect());
        }
    }
    None
}
