//! One recording as one number per metric.

use std::path::{Path, PathBuf};

use super::columns;
use super::command;
use super::metric::Measured;
use crate::query::sums::Sums;
use crate::query::{Choice, Query};
use crate::store::manifest::{CommandFacts, Manifest, Session};
use crate::store::read::Recording;
use crate::store::read::piece::{ReadError, Source, Window};
use crate::table::TableDef;

/// What is read of each recording.
#[derive(Clone, Copy, Debug)]
pub struct Part<'p> {
    pub window: Window,
    pub phase: Option<&'p str>,
    pub threads: usize,
}

/// A recording of one side.
#[derive(Clone, Debug)]
pub struct Run {
    pub path: PathBuf,
    pub manifest: Option<Manifest>,
    pub measured: Vec<Measured>,
}

impl Run {
    /// Reads what is needed of a recording; files that cannot be read are added to `problems` and left out.
    pub fn read(recording: &Recording, part: Part<'_>, problems: &mut Vec<ReadError>) -> Run {
        let manifest = recording.manifest().cloned();
        let is_whole = part.phase.is_none() && part.window == Window::ALL;
        // The manifest has the cost of the whole command.
        let cost = command_of(manifest.as_ref()).and_then(|command| command.cost.as_ref());
        let mut measured = cost.filter(|_| is_whole).map(command::metrics).unwrap_or_default();
        for percentiles in [true, false] {
            // Percentiles only of tables with one row per tick: those of several entities cannot be combined.
            let chosen = |table: &&&'static TableDef| {
                columns::is_compared(table) && (table.entities().next().is_none() == percentiles)
            };
            let tables = recording.tables();
            let names: Vec<String> = tables.iter().filter(chosen).map(|table| table.name.to_string()).collect();
            if names.is_empty() {
                continue;
            }
            let choice = Choice { tables: names, ..Choice::default() };
            let query = Query::of([recording as &dyn Source]);
            let query = query.window(part.window).phase(part.phase).choice(&choice).threads(part.threads);
            for folded in query.fold(&Sums { percentiles }, problems).iter().flatten() {
                measured.extend(columns::metrics(folded, cost.is_some()));
            }
        }
        Run { path: recording.path().to_path_buf(), manifest, measured }
    }

    /// Only with the cost of its command.
    pub fn by_cost(path: PathBuf, manifest: Manifest) -> Run {
        let cost = command_of(Some(&manifest)).and_then(|command| command.cost.as_ref());
        let measured = cost.map(command::metrics).unwrap_or_default();
        Run { path, manifest: Some(manifest), measured }
    }

    /// The session that recorded it: the first, because a recording may have been continued later.
    pub fn session(&self) -> Option<&Session> {
        self.manifest.as_ref()?.sessions.first()
    }

    pub fn command(&self) -> Option<&CommandFacts> {
        command_of(self.manifest.as_ref())
    }
}

fn command_of(manifest: Option<&Manifest>) -> Option<&CommandFacts> {
    manifest?.sessions.first()?.command.as_ref()
}

/// Why a recording is not a sample; `None` if it is one. Failed and interrupted commands take another time than
/// successful ones.
pub fn not_a_sample(path: &Path, manifest: Option<&Manifest>) -> Option<String> {
    let command = command_of(manifest)?;
    let why = match (command.interrupted_by, command.exit_code) {
        (Some(_), _) => "was interrupted".to_string(),
        (None, Some(0)) if !command.timed_out => return None,
        _ => format!("failed ({})", command.how_it_ended(true)),
    };
    Some(format!("{} {why}", path.display()))
}
