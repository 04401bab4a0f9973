//! `perfwatch trend`: opens the recordings, has them put in order and looked at, prints the result.

mod read;

use std::io::{self, IsTerminal, Write};

use anyhow::{Result, bail};

use super::output::{write_all, write_as_it_is};
use super::{Outcome, Usage};
use crate::cli::trend::{Format, TrendArgs};
use crate::collect::catalog;
use crate::config;
use crate::text::nearest::did_you_mean;
use crate::trend::point::shorten;
use crate::trend::{Order, Point, Settings, Trend, output, trend};
use crate::ui::{self, terminal};
use read::Reader;

/// Prints to `out`.
///
/// # Errors
/// [`Usage`] for arguments that make no sense; otherwise when no recording can be read, or the output not be written.
pub fn run(args: &TrendArgs, config: &config::Settings, out: &mut dyn Write) -> Result<Outcome> {
    let mut reader = Reader::new(args);
    let points = reader.points()?;
    let (mut points, unplaced) = args.order_by.sort(points);
    if points.is_empty() {
        if let (Order::Tag(key), false) = (&args.order_by, unplaced.is_empty()) {
            return Err(Usage(format!("no recording has a tag `{key}`; `perfwatch info` shows tags")).into());
        }
        unplaced.iter().for_each(|why| ui::message(why));
        bail!("no run that counts");
    }
    let left_out = [std::mem::take(&mut reader.left_out), unplaced].concat();
    left_out.iter().for_each(|why| ui::message(&format!("left out: {why}")));
    shorten(&mut points);
    let names = names(&points);
    let gate = config.gate().map_err(|error| Usage(error.to_string()))?;
    if let Some(gate) = &gate {
        gate.check_names(catalog::tables(), &names).map_err(Usage)?;
    }
    let settings =
        Settings { order_by: args.order_by.clone(), min_rel: args.min_rel, metrics: args.metrics.clone(), gate };
    let found = trend(&points, left_out, &settings).map_err(Usage)?;
    if let (true, Some(asked)) = (found.metrics.is_empty(), args.metrics.first()) {
        let hint = did_you_mean(asked, names.iter().map(String::as_str));
        let asked = args.metrics.join(",");
        return Err(Usage(format!("--metric {asked}: no recording has it{hint}; --all lists what they have")).into());
    }
    print(args, &found, out)?;
    Ok(if reader.is_complete { Outcome::Done } else { Outcome::Incomplete })
}

/// The metrics that the recordings have.
fn names(points: &[Point]) -> Vec<String> {
    let runs = points.iter().flat_map(|point| &point.runs);
    let names = runs.flat_map(|run| &run.measured).map(|measured| measured.name.to_string());
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
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
