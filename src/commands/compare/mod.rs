//! `perfwatch compare`: opens both sides, has them compared, prints the result.

mod page;
mod print;
mod read;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::output::write_all;
use super::samples::place;
use super::{Outcome, Usage};
use crate::cli::compare::{By, CompareArgs, FailOn, Format, OnMismatch};
use crate::collect::catalog;
use crate::compare::asked::{names, unknown, whole};
use crate::compare::comparison::{Settings, Side};
use crate::compare::gate::Scope;
use crate::compare::gate::propose::propose;
use crate::compare::history::{History, LEAST_SESSIONS};
use crate::compare::self_check::check;
use crate::compare::{compare_with_control, output};
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
    let args = &CompareArgs { metrics: whole(&args.metrics), ..args.clone() };
    let mut reader = Reader::new(args);
    if args.write_gate || args.self_check {
        return of_one_side(args, settings, &mut reader, out);
    }
    let (base, new) = reader.sides()?;
    reader.control.iter().for_each(say_left_out);
    for side in [&base, &new] {
        say_left_out(side);
        if let Some(needed) = args.require_runs.filter(|needed| side.runs.len() < *needed as usize) {
            let has = count(side.runs.len() as u64, "run");
            ui::message(&format!("{}: {has} that count, and --require-runs asks for {needed}", side.name));
            reader.samples.is_complete = false;
        }
    }
    let left_out = || [Some(&base), Some(&new), reader.control.as_ref()].into_iter().flatten();
    if let (true, Some(run)) = (args.paired, left_out().flat_map(|side| &side.left_out).next()) {
        return Err(Usage(format!("--paired: {run}, so it is not known which runs belong together")).into());
    }
    if args.paired && base.runs.len() != new.runs.len() {
        let (base, new) = (base.runs.len(), new.runs.len());
        return Err(Usage(format!("--paired: base has {}, new {new}", count(base as u64, "run"))).into());
    }
    refuse_unknown(&args.metrics, &[&base, &new])?;
    let settings = Settings {
        paired: args.paired,
        history: history(args, &new, &mut reader)?,
        ..settings_for(args, settings, &[&base, &new])?
    };
    let control = reader.control.as_ref();
    let mut comparison = compare_with_control(&base, control, &new, &settings).map_err(Usage)?;
    let has_mismatch = !comparison.mismatches.is_empty();
    if args.on_mismatch == OnMismatch::Ignore {
        comparison.mismatches.clear();
    }
    print(args, &comparison, &mut reader, out)?;
    for lost in comparison.lost() {
        ui::message(&lost);
        reader.samples.is_complete = false;
    }
    Ok(match () {
        () if !reader.samples.is_complete => Outcome::Incomplete,
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
    refuse_unknown(&args.metrics, &[&side])?;
    if args.write_gate {
        let Some(gate) = propose(&side.runs, &args.metrics) else {
            let why = "no command was recorded, so no metric decides by default; choose some with --metric";
            return Err(Usage(why.into()).into());
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
    Ok(if reader.samples.is_complete { Outcome::Done } else { Outcome::Incomplete })
}

/// What the arguments and the settings file ask for.
fn settings_for(args: &CompareArgs, settings: &config::Settings, sides: &[&Side]) -> Result<Settings, Usage> {
    let is_cut = args.part.is_cut() || args.base_range.is_some() || args.new_range.is_some();
    let scope = match (args.by, &args.part.phase) {
        (Some(By::Phase), _) => Scope::EachPhase,
        (None, Some(phase)) => Scope::Phase(phase.clone()),
        (None, None) if is_cut => Scope::Time,
        (None, None) => Scope::Whole,
    };
    let gate = settings.gate().map_err(|error| Usage(error.to_string()))?;
    if let Some(gate) = &gate {
        let found = names(sides.iter().flat_map(|side| &side.runs));
        let found: Vec<String> = found.iter().map(|name| scope.name_in_rules(&name.to_string())).collect();
        if scope == Scope::Whole && args.metrics.is_empty() && !gate.rules.iter().any(|rule| scope.includes(rule)) {
            let why = "its metrics are of phases; --by phase compares them";
            return Err(Usage(format!("{}: [gate]: {why}", gate.file)));
        }
        gate.check_names(catalog::tables(), &found).map_err(Usage)?;
    }
    Ok(Settings { min_rel: args.min_rel, metrics: args.metrics.clone(), gate, scope, ..Settings::default() })
}

/// The noise of past baselines, without the runs of the new side.
fn history(args: &CompareArgs, new: &Side, reader: &mut Reader<'_>) -> Result<Option<History>> {
    if args.history.is_empty() {
        return Ok(None);
    }
    let mut past = reader.one_side(&args.history)?;
    say_left_out(&past);
    let of_new: Vec<PathBuf> = new.runs.iter().map(|run| place(&run.path)).collect();
    past.runs.retain(|run| !of_new.contains(&place(&run.path)));
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

fn refuse_unknown(wanted: &[String], sides: &[&Side]) -> Result<(), Usage> {
    let names = names(sides.iter().flat_map(|side| &side.runs));
    match unknown(wanted, &names) {
        Some((wrong, hint)) => {
            Err(Usage(format!("--metric {wrong}: no recording has it{hint}; --all lists what they have")))
        }
        None => Ok(()),
    }
}
