//! Records a command several times, or several commands in turn. Each run is a separate recording made by a separate
//! process, the same as a plain `perfwatch record -- COMMAND`.

mod child;
mod feeder;
mod hyperfine;
mod input;
mod kept;
mod order;
mod parameters;
mod series;
mod side;
mod unnamed;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::json_file::JsonFile;
use super::tags::tags;
use super::{Outcome, Usage, record};
use crate::cli::ab::AbArgs;
use crate::cli::record::RecordArgs;
use crate::collect::catalog;
use crate::compare::gate::Gate;
use crate::compare::judge::LEAST_RUNS;
use crate::compare::looks::schedule;
use crate::compare::sides::{conclusion_with_control, strange_runs};
use crate::config::Settings;
use crate::record::directory::{default_directory, make_default};
use crate::store::runs::{BASE, CONTROL, Looks, NEW, Runs};
use crate::ui;
use hyperfine::Export;
use input::Input;
use order::Blocks;
use series::Series;
use side::Side;

/// `record --runs N -- COMMAND`
///
/// # Errors
/// When the runs cannot start or continue. A command that fails is an outcome.
pub fn repeat(args: &RecordArgs) -> Result<Outcome> {
    let sides = if args.parameter_lists.is_empty() { vec![Side::of(args)] } else { parameters::sides(args)? };
    if let Some(status) = sides.iter().find_map(|side| record::not_there(&side.args(args))) {
        return Ok(Outcome::Status(status));
    }
    record::checks::all(args)?;
    run(args, &sides, None, None)
}

/// `ab --base SCRIPT --new SCRIPT`
///
/// # Errors
/// [`Usage`] for invalid arguments, or a gate with a mistake; otherwise when the runs cannot start or continue.
pub fn ab(args: &AbArgs, settings: &Settings) -> Result<Outcome> {
    if !args.record.command.is_empty() {
        return Err(Usage("ab takes its commands from --base and --new, not after `--`".into()).into());
    }
    if args.record.duration.is_some() || args.record.append {
        let option = if args.record.append { "--append" } else { "--duration" };
        return Err(Usage(format!("{option} cannot be used with ab; --timeout limits a run")).into());
    }
    if !args.record.parameter_lists.is_empty() {
        return Err(Usage("--parameter-list cannot be used with ab, but with `record --runs`".into()).into());
    }
    let side = |name: &str, script: &str, given: &[String]| {
        tags(given).map_err(|Usage(why)| Usage(why.replacen("--tag", &format!("--{name}-tag"), 1)))?;
        Ok::<Side, Usage>(Side::script(name, script, given, &args.record))
    };
    let mut sides = vec![side(BASE, &args.base, &args.base_tags)?, side(NEW, &args.new, &args.new_tags)?];
    if args.control {
        sides.insert(1, side(CONTROL, &args.base, &args.base_tags)?);
    }
    record::checks::all(&sides[0].args(&args.record))?;
    if args.until_decided && (args.max_runs as usize) < LEAST_RUNS {
        return Err(Usage(format!("--max-runs {}: a verdict needs at least {LEAST_RUNS} runs", args.max_runs)).into());
    }
    let gate = settings.gate().map_err(|error| Usage(error.to_string()))?;
    if let Some(gate) = &gate {
        gate.check_names(catalog::tables(), &[]).map_err(Usage)?;
    }
    let looks = args.until_decided.then(|| schedule(args.record.runs.unwrap_or(1), args.max_runs));
    run(&args.record, &sides, gate.as_ref(), looks)
}

/// `gate`: the metrics that decide; None for the usual ones. `looks`: go on until decided, and look after these numbers of
/// runs.
fn run(args: &RecordArgs, sides: &[Side], gate: Option<&Gate>, looks: Option<Vec<u32>>) -> Result<Outcome> {
    let messages = ui::Messages { quiet: args.quiet, verbose: args.verbose };
    args.stdin.iter().try_for_each(|path| super::input::take(path))?;
    let root = match &args.output {
        Some(root) => begin(root).map(|()| root.clone())?,
        None => make_default(&default_directory())?,
    };
    let file = |option, path: &Option<PathBuf>| path.as_deref().map(|path| JsonFile::open(option, path)).transpose();
    let (summary, export) = (file("--summary", &args.summary)?, file("--export-json", &args.export_json)?);
    let most = looks.as_ref().and_then(|looks| looks.last().copied());
    let numbers = |warmup, most| (1..=most).map(move |n| (warmup, n));
    let blocks = numbers(true, args.warmup_runs.unwrap_or(0)).chain(numbers(false, most.or(args.runs).unwrap_or(1)));
    let blocks: Vec<(bool, u32)> = blocks.collect();
    // A single run can read the input directly.
    let input = if blocks.len() * sides.len() > 1 { Input::detect(&root, &messages)? } else { Input::Same };
    let mut order = Blocks::new(args.order.unwrap_or_default(), args.seed);
    let mut series = Series::new(args, gate, messages, root, input);
    series.index.sides = sides.iter().filter_map(|side| side.name.clone()).collect();
    series.index.seed = order.seed.filter(|_| sides.len() > 1);
    series.index.looks = looks.map(|planned| Looks { planned, ..Looks::default() });
    let mut cut = None;
    'blocks: for (warmup, number) in blocks {
        for side in order.next(sides) {
            cut = series.run(side, warmup, number)?;
            if let Some(cut) = &cut {
                ui::message(&cut.why);
                break 'blocks;
            }
        }
        if !warmup && series.is_decided(number)? {
            break;
        }
    }
    let runs = Runs { path: series.root, index: series.index, problem: None };
    if args.quiet < 2 {
        closing(&runs, gate)?.iter().for_each(|line| ui::message(line));
    }
    // The runs are complete, even if a file cannot be written.
    let commands: Vec<_> = sides.iter().map(|side| (side.name.as_deref(), side.text())).collect();
    let exported = export.map(|file| file.write(&Export::of(&runs.index, &commands)));
    let summarised = summary.map(|file| file.write(&runs));
    for error in [exported, summarised].into_iter().flatten().filter_map(Result::err) {
        ui::message(&format!("{error:#}"));
    }
    Ok(cut.map_or(Outcome::Done, |cut| cut.outcome))
}

/// The last lines: the results, where the runs are, and what they come to.
fn closing(runs: &Runs, gate: Option<&Gate>) -> Result<Vec<String>> {
    let mut lines = runs.index.summary();
    let order = |seed| format!("; the order was random, and --seed {seed} repeats it");
    let order = runs.index.seed.map_or_else(String::new, order);
    lines.push(format!("the runs are in {}{order}", runs.path.display()));
    lines.extend(strange_runs(runs));
    lines.extend(conclusion_with_control(runs, gate).map_err(Usage)?);
    Ok(lines)
}

/// Creates the folder of all runs, which must be new or empty.
fn begin(root: &Path) -> Result<()> {
    match fs::read_dir(root) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                bail!("{} is not empty: choose a new directory", root.display());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", root.display())),
    }
    fs::create_dir_all(root).with_context(|| format!("cannot make {}", root.display()))
}
