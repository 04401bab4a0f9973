//! `perfwatch compare`: opens both sides, has them compared, prints the result.

mod print;
mod read;

use std::io::Write;

use anyhow::{Result, bail};

use super::output::write_all;
use super::{Outcome, Usage};
use crate::cli::compare::{CompareArgs, FailOn, Format, OnMismatch};
use crate::collect::catalog;
use crate::compare::comparison::{Settings, Side};
use crate::compare::gate::propose::propose;
use crate::compare::history::{History, LEAST_SESSIONS};
use crate::compare::self_check::check;
use crate::compare::{compare, output};
use crate::config;
use crate::text::words::count;
use crate::ui::{self, terminal};
use print::print;
use read::Reader;

/// Exit statuses of a comparison.
const REGRESSED: u8 = 3;
const INCONCLUSIVE: u8 = 4;
const MISMATCH: u8 = 5;

/// Prints to `out`.
///
/// # Errors
/// [`Usage`] for arguments that make no sense; otherwise when a side cannot be read or an output not be written.
pub fn run(args: &CompareArgs, settings: &config::Settings, out: &mut dyn Write) -> Result<Outcome> {
    let mut reader = Reader::new(args);
    if args.write_gate || args.self_check {
        return of_one_side(args, settings, &mut reader, out);
    }
    let (base, new) = reader.sides()?;
    for side in [&base, &new] {
        say_left_out(side);
        if let Some(needed) = args.require_runs.filter(|needed| side.runs.len() < *needed as usize) {
            let has = count(side.runs.len() as u64, "run");
            ui::message(&format!("{}: {has} that count, and --require-runs asks for {needed}", side.name));
            reader.is_complete = false;
        }
    }
    let is_one_twice = args.base_range.is_some() && args.new_range.is_some();
    if let Some(both) = base.runs.iter().find(|run| !is_one_twice && new.runs.iter().any(|o| o.path == run.path)) {
        return Err(Usage(format!("{} is on both sides", both.path.display())).into());
    }
    if let (true, Some(run)) = (args.paired, base.left_out.iter().chain(&new.left_out).next()) {
        return Err(Usage(format!("--paired: {run}, so it is not known which runs belong together")).into());
    }
    if args.paired && base.runs.len() != new.runs.len() {
        let (base, new) = (base.runs.len(), new.runs.len());
        return Err(Usage(format!("--paired: base has {}, new {new}", count(base as u64, "run"))).into());
    }
    let settings = Settings {
        paired: args.paired,
        history: history(args, &new, &mut reader)?,
        ..settings_for(args, settings, &[&base, &new])?
    };
    let mut comparison = compare(&base, &new, &settings).map_err(Usage)?;
    if comparison.metrics.is_empty() && !args.metrics.is_empty() {
        return Err(Usage(unknown(&args.metrics, &base, &new)).into());
    }
    let has_mismatch = !comparison.mismatches.is_empty();
    if args.on_mismatch == OnMismatch::Ignore {
        comparison.mismatches.clear();
    }
    print(args, &comparison, out)?;
    for lost in comparison.lost() {
        ui::message(&lost);
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

/// `--self-check` and `--write-gate`
fn of_one_side(
    args: &CompareArgs,
    settings: &config::Settings,
    reader: &mut Reader<'_>,
    out: &mut dyn Write,
) -> Result<Outcome> {
    if args.sides.is_empty() {
        return Err(Usage("name the recordings of one side".into()).into());
    }
    let side = reader.one_side(&args.sides)?;
    say_left_out(&side);
    if args.write_gate {
        let Some(gate) = propose(&side.runs, &args.metrics) else {
            let why = "no command was recorded, so no metric decides by default; choose some with --metric";
            return Err(
                Usage(if args.metrics.is_empty() { why.into() } else { unknown(&args.metrics, &side, &side) }).into()
            );
        };
        write_all(out, &gate)?;
    } else {
        let check = check(&side, &settings_for(args, settings, &[&side])?).map_err(Usage)?;
        if check.metrics.is_empty() {
            bail!("no metric decides; choose some with --metric, or in a gate file");
        }
        let text = match args.output.form() {
            Format::Json => output::self_check_json(&check)?,
            Format::Text => output::self_check(&check, args.width.unwrap_or_else(terminal::width)),
            _ => return Err(Usage("--self-check prints text or JSON".into()).into()),
        };
        write_all(out, &text)?;
    }
    Ok(if reader.is_complete { Outcome::Done } else { Outcome::Incomplete })
}

/// What the arguments and the settings file ask for.
fn settings_for(args: &CompareArgs, settings: &config::Settings, sides: &[&Side]) -> Result<Settings, Usage> {
    let gate = settings.gate().map_err(|error| Usage(error.to_string()))?;
    if let Some(gate) = &gate {
        gate.check_names(catalog::tables(), &names(sides)).map_err(Usage)?;
    }
    let is_part = args.phase.is_some()
        || args.by.is_some()
        || args.auto_warmup
        || args.trim_start.is_some()
        || args.trim_end.is_some()
        || args.base_range.is_some()
        || args.new_range.is_some();
    Ok(Settings { min_rel: args.min_rel, metrics: args.metrics.clone(), gate, is_part, ..Settings::default() })
}

/// The noise of past baselines, without the runs of the new side.
fn history(args: &CompareArgs, new: &Side, reader: &mut Reader<'_>) -> Result<Option<History>> {
    if args.history.is_empty() {
        return Ok(None);
    }
    let mut past = reader.one_side(&args.history)?;
    say_left_out(&past);
    past.runs.retain(|run| !new.runs.iter().any(|other| other.path == run.path));
    let history = History::of(&past.runs);
    if history.sessions < LEAST_SESSIONS {
        let has = count(history.sessions as u64, "session");
        ui::message(&format!(
            "--history: {has} of past baselines; at least {LEAST_SESSIONS} are needed to know their noise"
        ));
    }
    Ok(Some(history))
}

fn say_left_out(side: &Side) {
    side.left_out.iter().for_each(|run| ui::message(&format!("left out: {run}")));
}

/// The metrics that the sides have.
fn names(sides: &[&Side]) -> Vec<String> {
    let runs = sides.iter().flat_map(|side| &side.runs);
    let names = runs.flat_map(|run| &run.measured).map(|measured| measured.name.to_string());
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// No metric has one of these names.
fn unknown(wanted: &[String], base: &Side, new: &Side) -> String {
    let names = names(&[base, new]);
    let hint = crate::text::nearest::did_you_mean(&wanted[0], names.iter().map(String::as_str));
    format!("--metric {}: neither side has it{hint}; --all lists what they have", wanted.join(","))
}
