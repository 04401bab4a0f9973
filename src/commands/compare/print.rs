//! Writes a comparison in the requested forms.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::super::output::{write_all, write_as_it_is};
use super::page;
use super::read::Reader;
use crate::cli::compare::{CompareArgs, Format};
use crate::compare::{Comparison, output};
use crate::ui::{self, terminal};

/// # Errors
/// When an output cannot be written.
pub fn print(args: &CompareArgs, comparison: &Comparison, reader: &mut Reader<'_>, out: &mut dyn Write) -> Result<()> {
    for file in &args.out {
        let text = render(args, file.format, comparison, reader)?;
        std::fs::write(&file.path, text).with_context(|| format!("cannot write {}", file.path.display()))?;
    }
    if let Some(path) = &args.html {
        let text = page::render(args, comparison, reader)?;
        if path == Path::new("-") {
            return write_as_it_is(out, &text);
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        ui::message(&format!("page written to {}", path.display()));
    }
    if args.github {
        summarise_for_github(comparison)?;
        for line in output::annotations(comparison) {
            write_all(out, &(line + "\n"))?;
        }
    }
    let form = args.output.form();
    let text = render(args, form, comparison, reader)?;
    let is_data = matches!(form, Format::Csv | Format::Html) && !io::stdout().is_terminal();
    if is_data { write_as_it_is(out, &text) } else { write_all(out, &text) }
}

fn render(args: &CompareArgs, format: Format, comparison: &Comparison, reader: &mut Reader<'_>) -> Result<String> {
    Ok(match format {
        Format::Text => output::text(comparison, args.width.unwrap_or_else(terminal::width), args.all),
        Format::Markdown => output::markdown(comparison),
        Format::Json => output::json(comparison)?,
        Format::Csv => output::csv(comparison),
        Format::Junit => output::junit(comparison),
        Format::Openmetrics => output::openmetrics(comparison),
        Format::Html => page::render(args, comparison, reader)?,
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
