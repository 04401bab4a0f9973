//! `perfwatch compare`: opens both sides, has them compared, prints the result.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::output::{write_all, write_as_it_is};
use super::report::span;
use super::{Outcome, Usage};
use crate::cli::compare::{CompareArgs, FailOn, Format, OnMismatch};
use crate::collect::catalog;
use crate::compare::comparison::{Settings, Side};
use crate::compare::run::{Part, Run, not_a_sample};
use crate::compare::sides::recordings;
use crate::compare::{Comparison, compare, output};
use crate::query::threads;
use crate::store::read::piece::{Source, Window};
use crate::store::read::{self, Recording};
use crate::store::runs::{Meant, meant};
use crate::text::words::{count, quoted};
use crate::ui::{self, terminal};

/// Exit statuses of a comparison.
const REGRESSED: u8 = 3;
const INCONCLUSIVE: u8 = 4;
const MISMATCH: u8 = 5;

/// Prints to `out`.
///
/// # Errors
/// [`Usage`] for arguments that make no sense; otherwise when a side cannot be read or an output not be written.
pub fn run(args: &CompareArgs, out: &mut dyn Write) -> Result<Outcome> {
    let mut reader = Reader { args, is_complete: true };
    let (base, new) = reader.sides()?;
    for side in [&base, &new] {
        side.left_out.iter().for_each(|run| ui::message(&format!("left out: {run}")));
        if let Some(needed) = args.require_runs.filter(|needed| side.runs.len() < *needed as usize) {
            let has = count(side.runs.len() as u64, "run");
            ui::message(&format!("{}: {has} that count, and --require-runs asks for {needed}", side.name));
            reader.is_complete = false;
        }
    }
    if let Some(both) = base.runs.iter().find(|run| new.runs.iter().any(|other| other.path == run.path)) {
        return Err(Usage(format!("{} is on both sides", both.path.display())).into());
    }
    if let (true, Some(run)) = (args.paired, base.left_out.iter().chain(&new.left_out).next()) {
        return Err(Usage(format!("--paired: {run}, so it is not known which runs belong together")).into());
    }
    if args.paired && base.runs.len() != new.runs.len() {
        let (base, new) = (base.runs.len(), new.runs.len());
        return Err(Usage(format!("--paired: base has {}, new {new}", count(base as u64, "run"))).into());
    }
    let settings = Settings { min_rel: args.min_rel, paired: args.paired, metrics: args.metrics.clone() };
    let mut comparison = compare(&base, &new, &settings);
    if comparison.metrics.is_empty() && !args.metrics.is_empty() {
        return Err(Usage(unknown(&args.metrics, &base, &new)).into());
    }
    let has_mismatch = !comparison.mismatches.is_empty();
    if args.on_mismatch == OnMismatch::Ignore {
        comparison.mismatches.clear();
    }
    print(args, &comparison, out)?;
    for lost in comparison.lost() {
        ui::message(&format!("{lost} decides, and only one side has it"));
        reader.is_complete = false;
    }
    Ok(match () {
        () if !reader.is_complete => Outcome::Incomplete,
        () if has_mismatch && args.on_mismatch == OnMismatch::Fail => Outcome::Status(MISMATCH),
        () if comparison.has_regressed() => Outcome::Status(REGRESSED),
        () if comparison.is_undecided() && args.fail_on == Some(FailOn::Inconclusive) => Outcome::Status(INCONCLUSIVE),
        () => Outcome::Done,
    })
}

/// Reads the sides, and reports what cannot be read.
struct Reader<'a> {
    args: &'a CompareArgs,
    is_complete: bool,
}

/// What is opened of a side.
#[derive(Default)]
struct Named {
    name: String,
    recordings: Vec<PathBuf>,
}

impl Reader<'_> {
    fn sides(&mut self) -> Result<(Side, Side)> {
        let (base, new) = match self.args.sides.as_slice() {
            [both] => self.of_one(both)?,
            [base, new] => (self.named(std::slice::from_ref(base))?, self.named(std::slice::from_ref(new))?),
            _ => (self.named(&self.args.base)?, self.named(&self.args.new)?),
        };
        Ok((self.read(base)?, self.read(new)?))
    }

    /// The two sides in a folder of `perfwatch ab`.
    fn of_one(&mut self, path: &Path) -> Result<(Named, Named)> {
        let one_side = |path: &Path| {
            let path = path.display();
            Usage(format!("{path} has only one side; name two: perfwatch compare {path} OTHER"))
        };
        let Some(Meant::Runs(runs)) = meant(&[path.to_path_buf()])?.pop() else { return Err(one_side(path).into()) };
        let Some((base, new)) = runs.pair() else {
            return Err(match runs.sides()[..] {
                [first, second, ..] => {
                    let (first, second) = (path.join(first), path.join(second));
                    let (first, second) = (quoted(&first.to_string_lossy()), quoted(&second.to_string_lossy()));
                    let sides = runs.sides().len();
                    Usage(format!("{} has {sides} sides; name two: perfwatch compare {first} {second}", path.display()))
                }
                _ => one_side(path),
            }
            .into());
        };
        runs.problem.iter().for_each(|problem| self.complain(problem));
        let side = |name: &str| {
            let recordings = recordings(&runs, name);
            Named { name: runs.path.join(name).display().to_string(), recordings }
        };
        Ok((side(base), side(new)))
    }

    fn named(&mut self, paths: &[PathBuf]) -> Result<Named> {
        let first = paths.first().map_or_else(String::new, |path| path.display().to_string());
        let name = if paths.len() > 1 { format!("{first} and {} more", paths.len() - 1) } else { first };
        let mut named = Named { name, ..Named::default() };
        for meant in meant(paths)? {
            meant.problem().iter().for_each(|problem| self.complain(problem));
            match meant {
                Meant::Recording(path) => named.recordings.push(path),
                Meant::Runs(runs) => {
                    let counting = runs.index.runs.iter().filter(|run| !run.warmup);
                    named.recordings.extend(counting.map(|run| runs.path.join(&run.directory)));
                }
            }
        }
        Ok(named)
    }

    fn read(&mut self, named: Named) -> Result<Side> {
        let mut side = Side { name: named.name, runs: Vec::new(), left_out: Vec::new() };
        for path in named.recordings {
            let recording = match read::open(&path, catalog::tables()) {
                Ok(recording) => recording,
                Err(error) => {
                    self.complain(&error.to_string());
                    continue;
                }
            };
            match not_a_sample(&path, recording.manifest()) {
                Some(why) => side.left_out.push(why),
                None => side.runs.push(self.run(&recording)),
            }
        }
        if side.runs.is_empty() {
            anyhow::bail!("{}: no run that counts", side.name);
        }
        Ok(side)
    }

    fn run(&mut self, recording: &Recording) -> Run {
        recording.problems().iter().for_each(|problem| self.complain(&problem.to_string()));
        let mut problems = Vec::new();
        let threads = self.args.threads.unwrap_or_else(threads::default).min(threads::MOST);
        let part = Part { window: self.window(recording), phase: self.args.phase.as_deref(), threads };
        let run = Run::read(recording, part, &mut problems);
        problems.iter().for_each(|problem| self.complain(&problem.to_string()));
        run
    }

    fn window(&self, recording: &Recording) -> Window {
        let (start, end) = (self.args.trim_start, self.args.trim_end);
        if start.is_none() && end.is_none() {
            return Window::ALL;
        }
        let Some((from_us, to_us)) = span(recording as &dyn Source, &mut Vec::new()) else { return Window::ALL };
        let us = |time: Option<std::time::Duration>| {
            time.map_or(0, |time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
        };
        Window { from_us: from_us.saturating_add(us(start)), to_us: to_us.saturating_add(1).saturating_sub(us(end)) }
    }

    fn complain(&mut self, text: &str) {
        ui::message(text);
        self.is_complete = false;
    }
}

/// No metric has one of these names.
fn unknown(wanted: &[String], base: &Side, new: &Side) -> String {
    let runs = || base.runs.iter().chain(&new.runs);
    let names: std::collections::BTreeSet<String> =
        runs().flat_map(|run| &run.measured).map(|measured| measured.name.to_string()).collect();
    let hint = crate::text::nearest::did_you_mean(&wanted[0], names.iter().map(String::as_str));
    format!("--metric {}: neither side has it{hint}; --all lists what they have", wanted.join(","))
}

fn print(args: &CompareArgs, comparison: &Comparison, out: &mut dyn Write) -> Result<()> {
    for file in &args.out {
        let text = render(args, file.format, comparison)?;
        std::fs::write(&file.path, text).with_context(|| format!("cannot write {}", file.path.display()))?;
    }
    if args.github {
        summarise_for_github(comparison)?;
        for line in output::annotations(comparison) {
            write_all(out, &(line + "\n"))?;
        }
    }
    let form = args.output.form();
    let text = render(args, form, comparison)?;
    let is_data = form == Format::Csv && !io::stdout().is_terminal();
    if is_data { write_as_it_is(out, &text) } else { write_all(out, &text) }
}

fn render(args: &CompareArgs, format: Format, comparison: &Comparison) -> Result<String> {
    Ok(match format {
        Format::Text => output::text(comparison, args.width.unwrap_or_else(terminal::width), args.all),
        Format::Markdown => output::markdown(comparison),
        Format::Json => output::json(comparison)?,
        Format::Csv => output::csv(comparison),
        Format::Junit => output::junit(comparison),
        Format::Openmetrics => output::openmetrics(comparison),
    })
}

/// Appends to the file that GitHub Actions shows as the summary of the job.
fn summarise_for_github(comparison: &Comparison) -> Result<()> {
    const FILE: &str = "GITHUB_STEP_SUMMARY";
    let Some(path) = std::env::var_os(FILE) else {
        ui::message(&format!("--github: {FILE} is not set, so no summary is written"));
        return Ok(());
    };
    let append = || {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&path)?;
        file.write_all(output::markdown(comparison).as_bytes())
    };
    append().with_context(|| format!("cannot write {}", Path::new(&path).display()))
}
