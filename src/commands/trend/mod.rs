//! `perfwatch trend`: opens the recordings, has them put in order and looked at, prints the result.

mod read;

use std::io::{self, IsTerminal, Write};

use anyhow::{Result, bail};

use super::output::{write_all, write_as_it_is};
use super::{Outcome, Usage};
use crate::cli::trend::{Format, TrendArgs};
use crate::collect::catalog;
use crate::compare::asked::{names, unknown, whole};
use crate::compare::gate::Scope;
use crate::config;
use crate::trend::point::shorten;
use crate::trend::{Order, Settings, Trend, output, trend};
use crate::ui::{self, terminal};
use read::{Found, read};

/// Prints to `out`.
///
/// # Errors
/// [`Usage`] for arguments that make no sense; otherwise when no recording can be read, or the output not be written.
pub fn run(args: &TrendArgs, config: &config::Settings, out: &mut dyn Write) -> Result<Outcome> {
    let args = &TrendArgs { metrics: whole(&args.metrics), ..args.clone() };
    let Found { points, left_out, is_complete } = read(args)?;
    let (mut points, unplaced) = args.order_by.sort(points);
    let has_unplaced = !unplaced.is_empty();
    let left_out = [left_out, unplaced].concat();
    if points.is_empty() {
        if let (Order::Tag(key), true) = (&args.order_by, has_unplaced) {
            return Err(Usage(format!("no recording has a tag `{key}`; `perfwatch info` shows tags")).into());
        }
        left_out.iter().for_each(|why| ui::message(why));
        bail!("no run that counts");
    }
    left_out.iter().for_each(|why| ui::message(&format!("left out: {why}")));
    shorten(&mut points);
    let names = names(points.iter().flat_map(|point| &point.runs));
    if let Some((wrong, hint)) = unknown(&args.metrics, &names) {
        return Err(Usage(format!("--metric {wrong}: no recording has it{hint}; --all lists what they have")).into());
    }
    let scope = match &args.part.phase {
        Some(phase) => Scope::Phase(phase.clone()),
        None if args.part.is_cut() => Scope::Time,
        None => Scope::Whole,
    };
    let gate = config.gate().map_err(|error| Usage(error.to_string()))?;
    if let Some(gate) = &gate {
        let found: Vec<String> = names.iter().map(|name| scope.name_in_rules(&name.to_string())).collect();
        gate.check_names(catalog::tables(), &found).map_err(Usage)?;
    }
    let settings =
        Settings { order_by: args.order_by.clone(), min_rel: args.min_rel, metrics: args.metrics.clone(), gate, scope };
    let found = trend(&points, left_out, &settings).map_err(Usage)?;
    print(args, &found, out)?;
    Ok(if is_complete { Outcome::Done } else { Outcome::Incomplete })
}

fn print(args: &TrendArgs, trend: &Trend, out: &mut dyn Write) -> Result<()> {
    let text = match args.output.form() {
        Format::Text => output::text(trend, args.width.unwrap_or_else(terminal::width), args.all),
        Format::Markdown => output::markdown(trend),
        Format::Json => output::json(trend)?,
        Format::Csv if !io::stdout().is_terminal() => return write_as_it_is(out, &output::csv(trend)),
        Format::Csv => output::csv(trend),
    };
    write_all(out, &text)
}
