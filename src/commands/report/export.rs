//! `--csv`: every row, into a directory, one file, or standard output.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::{Component, Path, PathBuf};

use super::{Problems, Progress, why_empty, window_of};
use crate::cli::report::ReportArgs;
use crate::commands::Usage;
use crate::commands::output::CsvForTerminal;
use crate::query::select::chosen;
use crate::query::{Choice, Rows};
use crate::report::rows;
use crate::report::summary::Request;
use crate::report::target::Target;
use crate::store::read::piece::Source;
use crate::ui;

/// An export, and its progress.
pub struct Export<'a> {
    pub args: &'a ReportArgs,
    pub opened: &'a [Box<dyn Source>],
    pub choice: &'a Choice,
    pub problems: &'a mut Problems,
    pub progress: &'a mut Progress,
}

impl Export<'_> {
    /// # Errors
    /// [`Usage`] if the target takes the rows of one table and several are selected; otherwise when a file cannot be
    /// written.
    pub fn write(mut self, path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
        match Target::from_path(path).map_err(Usage)? {
            Target::Directory(dir) => self.of_all_tables(&dir),
            target => self.of_one_table(&target, path, out),
        }
    }

    fn of_one_table(&mut self, target: &Target, path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
        let shown = path.display();
        let [source] = self.opened else {
            // A recording that cannot be read has already been reported.
            if self.opened.is_empty() && self.problems.any {
                return Ok(());
            }
            return Err(
                Usage(format!("--csv {shown}: it takes the rows of one recording; --csv DIR takes several")).into()
            );
        };
        let tables = chosen(source.as_ref(), self.choice).0;
        let [table] = tables.as_slice() else {
            let names: Vec<&str> = tables.iter().map(|t| t.name).collect();
            if names.is_empty() {
                self.problems.any = true;
                return Ok(());
            }
            let names = names.join(", ");
            return Err(Usage(format!(
                "--csv {shown}: it takes the rows of one table; choose it with --table (there are {names}), or name a directory"
            ))
            .into());
        };
        let mut faults = Vec::new();
        let rows =
            Rows { window: window_of(self.args, source.as_ref(), &mut faults)?, phase: self.args.phase.as_deref() };
        let request = Request::of(rows, self.choice);
        let written = match target {
            Target::File(file) => rows::to_file(source.as_ref(), table, &request, file, self.args.force, &mut faults),
            _ if io::stdout().is_terminal() => {
                rows::to_stream(source.as_ref(), table, &request, &mut CsvForTerminal::new(out), &mut faults)
            }
            _ => rows::to_stream(source.as_ref(), table, &request, out, &mut faults),
        };
        self.progress.step(table.name);
        self.problems.files(&faults);
        let written = written?;
        if matches!(target, Target::File(_)) {
            ui::message(&format!(
                "{} of {} written to {shown}",
                crate::text::words::count(written as u64, "row"),
                source.path().display()
            ));
        }
        self.say_if_empty(written, source.as_ref());
        Ok(())
    }

    fn of_all_tables(&mut self, dir: &Path) -> anyhow::Result<()> {
        let folders = folders(self.opened, dir)?;
        // All are checked before the first is written.
        for (source, folder) in self.opened.iter().zip(&folders) {
            let all = Request::of(Rows::ALL, self.choice);
            let mut targets = rows::targets(source.as_ref(), &all, folder).into_iter();
            if let Some(exists) = targets.find(|t| !self.args.force && t.exists()) {
                return Err(rows::ExportError::Exists(exists).into());
            }
        }
        for (source, folder) in self.opened.iter().zip(&folders) {
            let mut faults = Vec::new();
            let rows =
                Rows { window: window_of(self.args, source.as_ref(), &mut faults)?, phase: self.args.phase.as_deref() };
            let request = Request::of(rows, self.choice);
            let step = &mut |t: &str| self.progress.step(t);
            let written = rows::export(source.as_ref(), &request, folder, self.args.force, &mut faults, step);
            self.problems.files(&faults);
            let written = written?;
            self.say_if_empty(written, source.as_ref());
            let (rows, path) = (crate::text::words::count(written as u64, "row"), source.path().display());
            ui::message(&format!("{rows} of {path} written to {}", folder.display()));
        }
        Ok(())
    }

    fn say_if_empty(&mut self, written: usize, source: &dyn Source) {
        if written == 0 && self.args.phase.is_some() {
            self.problems.say(format!(
                "{}: {}",
                source.path().display(),
                why_empty(self.args.phase.as_deref(), source)
            ));
        }
    }
}

/// The folder for the files of each recording: `dir`, or with several recordings a folder below it with the name of the
/// recording, preceded by as many of its parent folders as are needed to distinguish the recordings.
fn folders(opened: &[Box<dyn Source>], dir: &Path) -> Result<Vec<PathBuf>, Usage> {
    if opened.len() < 2 {
        return Ok(vec![dir.to_path_buf()]);
    }
    let whole = |source: &dyn Source| source.path().canonicalize().unwrap_or_else(|_| source.path().to_path_buf());
    let paths: Vec<PathBuf> = opened.iter().map(|source| whole(source.as_ref())).collect();
    let names = |path: &PathBuf| path.components().filter(|c| matches!(c, Component::Normal(_))).count();
    for deep in 1..=paths.iter().map(names).max().unwrap_or(1) {
        let last = |path: &PathBuf| path.components().skip(1 + names(path).saturating_sub(deep)).collect::<PathBuf>();
        let folders: BTreeSet<PathBuf> = paths.iter().map(last).collect();
        if folders.len() == paths.len() {
            return Ok(paths.iter().map(|path| dir.join(last(path))).collect());
        }
    }
    Err(Usage("--csv: a recording is given twice".into()))
}
