//! One recording as one number per metric.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::conditions::Conditions;
use super::metric::{Facts, Measured, Name, Statistic};
use super::warmup::{Warmup, steady};
use super::{columns, command, ratios};
use crate::query::folded::Folded;
use crate::query::sums::{Sum, Sums};
use crate::query::{By, Choice, Query};
use crate::report::phases::{Phase, phases};
use crate::stats::autocorrelation::effective;
use crate::stats::means::Sample;
use crate::store::manifest::{CommandFacts, Manifest, Session};
use crate::store::read::Recording;
use crate::store::read::piece::{ReadError, Source, Window};
use crate::table::phase::{SEPARATOR, is_within};
use crate::table::{Better, TableDef, Unit};

/// The name before the column, as of a table, of what is known about a phase as a whole.
pub const PHASE: &str = "phase";
/// How long it took.
pub const PHASE_WALL: &str = "wall_s";

/// Which phases are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phases<'p> {
    /// The recording as a whole.
    Whole,
    One(&'p str),
    /// Each by itself.
    Each,
}

/// What is read of each recording.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'p> {
    pub window: Window,
    pub phases: Phases<'p>,
    /// Leave out the start, until the run is steady.
    pub is_steady: bool,
    /// Also how much each metric spreads within the run.
    pub has_spread: bool,
    pub threads: usize,
}

/// A recording of one side.
#[derive(Clone, Debug)]
pub struct Run {
    pub path: PathBuf,
    pub manifest: Option<Manifest>,
    pub measured: Vec<Measured>,
    /// Only if it was asked for.
    pub warmup: Option<Warmup>,
    /// None if its tables were not read.
    pub conditions: Option<Conditions>,
}

impl Run {
    /// Reads what is needed of a recording; files that cannot be read are added to `problems` and left out.
    pub fn read(recording: &Recording, plan: Plan<'_>, problems: &mut Vec<ReadError>) -> Run {
        let manifest = recording.manifest().cloned();
        let mut run = Run {
            path: recording.path().to_path_buf(),
            manifest,
            measured: Vec::new(),
            warmup: None,
            conditions: None,
        };
        let mut window = plan.window;
        if plan.is_steady {
            let phase = if let Phases::One(name) = plan.phases { Some(name) } else { None };
            let (steady, warmup) = steady(recording, window, phase, problems);
            (window, run.warmup) = (steady, Some(warmup));
        }
        // The manifest has the cost of the whole command.
        let cost = run.command().and_then(|command| command.cost.as_ref());
        let is_whole = plan.phases == Phases::Whole && plan.window == Window::ALL && !plan.is_steady;
        let whole_cost = cost.filter(|_| is_whole);
        let mut conditions = None;
        let mut measured = whole_cost.map(command::metrics).unwrap_or_default();
        let reader = Reader {
            recording,
            window,
            is_work: cost.is_some(),
            is_of_command: run.counts_command(),
            interval_us: run.session().map_or(0, |session| (session.interval_s * 1e6) as i64),
            plan,
        };
        match plan.phases {
            Phases::Whole => {
                // The table of the command has samples of some of its costs.
                let exact: BTreeSet<Name> = measured.iter().map(|measured| measured.name.clone()).collect();
                let tables = reader.fold(None, problems);
                if is_whole && Conditions::are_of_whole(recording) {
                    conditions = Some(Conditions::of_tables(&tables, recording.manifest()));
                }
                let sampled = reader.metrics(&tables, None, problems).into_iter();
                measured.extend(sampled.filter(|measured| !exact.contains(&measured.name)));
            }
            Phases::One(name) => {
                let seconds: Vec<f64> = (phases(recording, window, problems).iter())
                    .filter(|phase| is_outermost(&phase.phase, name))
                    .map(|phase| phase.seconds)
                    .collect();
                measured.extend((!seconds.is_empty()).then(|| wall(seconds.iter().sum())));
                measured.extend(reader.part(Some(name), problems));
            }
            Phases::Each => {
                for Phase { phase, seconds, .. } in phases(recording, window, problems) {
                    let part = [wall(seconds)].into_iter().chain(reader.part(Some(&phase), problems));
                    let of_phase = |mut measured: Measured| {
                        measured.name.phase = Some(phase.clone());
                        measured
                    };
                    measured.extend(part.map(of_phase));
                }
            }
        }
        run.measured = measured;
        // Of a command, others can be told apart.
        let has_command = run.command().is_some();
        run.conditions = has_command.then(|| conditions.unwrap_or_else(|| Conditions::read(recording, problems)));
        run
    }

    /// Only with the cost of its command.
    pub fn by_cost(path: PathBuf, manifest: Manifest) -> Run {
        let cost = command_of(Some(&manifest)).and_then(|command| command.cost.as_ref());
        let measured = cost.map(command::metrics).unwrap_or_default();
        Run { path, manifest: Some(manifest), measured, warmup: None, conditions: None }
    }

    /// The session that recorded it: the first, because a recording may have been continued later.
    pub fn session(&self) -> Option<&Session> {
        self.manifest.as_ref()?.sessions.first()
    }

    /// The series to which it belongs, with its side; None of a recording that is not one of several.
    pub fn series(&self) -> Option<String> {
        let of = self.manifest.as_ref()?.run.as_ref()?;
        Some(format!("{} {}", of.series, of.side.as_deref().unwrap_or_default()))
    }

    pub fn command(&self) -> Option<&CommandFacts> {
        command_of(self.manifest.as_ref())
    }

    /// How often the runs of its series could be looked at until they were decided.
    pub fn looks(&self) -> Option<u32> {
        self.manifest.as_ref()?.run.as_ref()?.looks
    }

    /// Did perf count the command, not the machine?
    fn counts_command(&self) -> bool {
        let scope = self.session().and_then(|session| session.options.get("perf")?.get("scope"));
        scope.is_some_and(|scope| scope == "command")
    }
}

fn command_of(manifest: Option<&Manifest>) -> Option<&CommandFacts> {
    manifest?.sessions.first()?.command.as_ref()
}

/// Is the phase the asked one, and not inside another that is?
fn is_outermost(path: &str, asked: &str) -> bool {
    let around = path.rsplit_once(SEPARATOR).map(|(around, _)| around);
    is_within(path, asked) && !around.is_some_and(|around| is_within(around, asked))
}

fn wall(seconds: f64) -> Measured {
    let name = Name { phase: None, table: PHASE, entity: None, column: PHASE_WALL, statistic: Statistic::Total };
    Measured::new(name, Facts::of_unit(Unit::Seconds, Some(Better::Lower)), seconds).gated(true)
}

/// Reads the metrics of a part of a recording.
struct Reader<'r> {
    recording: &'r Recording,
    window: Window,
    /// A command was recorded.
    is_work: bool,
    /// Events of the command were counted.
    is_of_command: bool,
    interval_us: i64,
    plan: Plan<'r>,
}

impl Reader<'_> {
    fn part(&self, phase: Option<&str>, problems: &mut Vec<ReadError>) -> Vec<Measured> {
        self.metrics(&self.fold(phase, problems), phase, problems)
    }

    fn query<'q>(&'q self, phase: Option<&'q str>) -> Query<'q> {
        let query = Query::of([self.recording as &dyn Source]);
        query.window(self.window).phase(phase).threads(self.plan.threads)
    }

    /// All compared tables, folded.
    fn fold(&self, phase: Option<&str>, problems: &mut Vec<ReadError>) -> Vec<Folded<Sum>> {
        let mut tables = Vec::new();
        for has_percentiles in [true, false] {
            let choice = self.tables(|table| is_one_row(table) == has_percentiles);
            if !choice.tables.is_empty() {
                let sums = Sums { percentiles: has_percentiles };
                tables.extend(self.query(phase).choice(&choice).fold(&sums, problems).into_iter().flatten());
            }
        }
        tables
    }

    fn metrics(&self, tables: &[Folded<Sum>], phase: Option<&str>, problems: &mut Vec<ReadError>) -> Vec<Measured> {
        let mut measured: Vec<_> = tables.iter().flat_map(|folded| columns::metrics(folded, self.is_work)).collect();
        measured.extend(ratios::metrics(&self.query(phase), self.recording, problems));
        if self.is_of_command {
            measured.iter_mut().filter(|measured| is_instructions(&measured.name)).for_each(|measured| {
                measured.facts.better = Some(Better::Lower);
                measured.is_gated = self.plan.phases == Phases::Whole;
            });
        }
        if self.plan.has_spread {
            let choice = self.tables(|_| true);
            let query = self.query(phase).choice(&choice).group(By::Bucket { width_us: self.bucket_us() });
            for folded in query.fold(&Sums { percentiles: false }, problems).iter().flatten() {
                let series = columns::series(folded);
                for measured in &mut measured {
                    let sample = series.get(&measured.name).and_then(|series| effective(series));
                    // The whole run knows its mean better than the buckets, some of which are not full.
                    measured.within = measured.within.or(sample.map(|s| Sample { mean: measured.value, ..s }));
                }
            }
        }
        measured
    }

    fn tables(&self, is_chosen: impl Fn(&TableDef) -> bool) -> Choice {
        let tables = self.recording.tables().into_iter();
        let chosen = tables.filter(|table| columns::is_compared(table) && is_chosen(table));
        Choice { tables: chosen.map(|table| table.name.to_string()).collect(), ..Choice::default() }
    }

    /// Whole intervals, of which there are a few hundred in the recording.
    fn bucket_us(&self) -> i64 {
        const MOST_BUCKETS: i64 = 240;
        let interval_us = self.interval_us.max(1);
        let span = self.recording.tables().into_iter().find(|table| table.name == "tick").and_then(|table| {
            let pieces = self.recording.pieces(table, self.window, &mut Vec::new());
            pieces.iter().filter_map(|piece| piece.span()).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        });
        let (from, to) = span.unwrap_or((0, 0));
        let (from, to) = (from.max(self.window.from_us), to.min(self.window.to_us));
        let intervals = to.saturating_sub(from).max(0) / interval_us;
        (intervals / MOST_BUCKETS + 1) * interval_us
    }
}

/// Percentiles only of tables with one row per tick: those of several entities cannot be combined.
fn is_one_row(table: &TableDef) -> bool {
    table.entities().next().is_none()
}

/// Counted in user mode only, or in all modes.
fn is_instructions(name: &Name) -> bool {
    let event = name.entity.as_deref().map(|event| event.split(':').next().unwrap_or(event));
    (name.table, name.column) == ("perf", "value") && event == Some("instructions")
}

/// Why a recording is not a sample; `None` if it is one. Failed and interrupted commands take another time than
/// successful ones.
pub fn not_a_sample(path: &Path, manifest: Option<&Manifest>) -> Option<String> {
    if manifest.and_then(|manifest| manifest.run.as_ref()).is_some_and(|run| run.warmup) {
        return Some(format!("{} is a warm-up", path.display()));
    }
    let command = command_of(manifest)?;
    let why = match (command.interrupted_by, command.exit_code) {
        (Some(_), _) => "was interrupted".to_string(),
        (None, Some(0)) if !command.timed_out => return None,
        _ => format!("failed ({})", command.how_it_ended(true)),
    };
    Some(format!("{} {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_inside_itself_is_counted_once() {
        for (path, asked, is_counted) in [
            ("load", "load", true),
            ("all/load", "load", true),
            ("load/load", "load", false),
            ("load/preload", "load", false),
            ("preload", "load", false),
            ("load/warmup", "load", false),
            ("load/warmup", "load/warmup", true),
            ("all/load/warmup/x", "load/warmup", false),
        ] {
            assert_eq!(is_outermost(path, asked), is_counted, "{asked} in {path}");
        }
    }
}
