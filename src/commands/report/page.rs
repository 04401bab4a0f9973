//! `--html` and `--svg`: the report as a page, and its charts as files.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

use super::{Problems, span, window_of};
use crate::cli::report::{Charts, ReportArgs};
use crate::commands::Usage;
use crate::commands::output::write_as_it_is;
use crate::page::{Amount, Side, Subject, beside, page, svgs};
use crate::query::{Choice, Query};
use crate::report::clean::clean_recording;
use crate::report::marks::{self, ListedMark};
use crate::report::model::Recording;
use crate::store::read::piece::Source;
use crate::ui;

/// A larger page is slow to open everywhere.
const MOST_BYTES: usize = 50 << 20;
/// Larger than usual: its size is printed.
const MANY_BYTES: usize = 5 << 20;

/// # Errors
/// [`Usage`] if the page is too large and `--force` is not given; otherwise when a file cannot be written.
pub fn write(
    args: &ReportArgs,
    opened: &[Box<dyn Source>],
    choice: &Choice,
    mut recordings: Vec<Recording>,
    problems: &mut Problems,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    recordings.iter_mut().for_each(clean_recording);
    let mut faults = Vec::new();
    let mut listed: Vec<Vec<ListedMark>> = Vec::new();
    let mut subjects: Vec<Subject<'_>> = Vec::new();
    let mut windows = Vec::new();
    for source in opened {
        let window = window_of(args, source.as_ref(), &mut faults)?;
        let began = span(source.as_ref(), &mut faults).map(|(first, _)| first);
        listed.push(marks::read(source.as_ref(), window, args.rows.phase.as_deref(), began, &mut faults).marks);
        windows.push(window);
    }
    // The summary has already reported the files that cannot be read.
    faults.clear();
    let rest = recordings.iter().zip(&listed).zip(windows);
    for (source, ((recording, marks), window)) in opened.iter().zip(rest) {
        let query = Query::of([source.as_ref()]).window(window).phase(args.rows.phase.as_deref()).choice(choice);
        let query = match args.threads {
            Some(threads) => query.threads(threads),
            None => query,
        };
        subjects.push(Subject { source: source.as_ref(), query, recording, marks });
    }
    let amount = match args.charts {
        Charts::Headline => Amount::Headline,
        Charts::All => Amount::All,
    };
    let Some(subject) = subjects.first() else { return Ok(()) };
    if subjects.len() > 1 && args.svg.is_some() {
        return Err(Usage("--svg takes one recording".into()).into());
    }
    if let Some(folder) = &args.svg {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let files = svgs(subject, amount, &mut faults);
        for (name, svg) in &files {
            let path = folder.join(format!("{name}.svg"));
            fs::write(&path, svg).with_context(|| format!("cannot write {}", path.display()))?;
        }
        ui::message(&format!(
            "{} written to {}",
            crate::text::words::count(files.len() as u64, "chart"),
            folder.display()
        ));
    }
    if let Some(path) = &args.html {
        let html = if subjects.len() > 1 {
            beside(&sides(subjects), amount, &mut faults)
        } else {
            page(subject, amount, &mut faults)
        };
        if html.len() > MOST_BYTES && !args.force {
            let size = html.len() >> 20;
            return Err(Usage(format!(
                "--html: the page would have {size} MB; choose tables with --table, or --force"
            ))
            .into());
        }
        if path == Path::new("-") {
            write_as_it_is(out, &html)?;
        } else {
            fs::write(path, &html).with_context(|| format!("cannot write {}", path.display()))?;
            let size = if html.len() > MANY_BYTES { format!(" ({} MB)", html.len() >> 20) } else { String::new() };
            ui::message(&format!("page written to {}{size}", path.display()));
        }
    }
    problems.files(&faults);
    Ok(())
}

/// A line per recording, named by the last part of its path, or by the whole if that is not enough.
fn sides(subjects: Vec<Subject<'_>>) -> Vec<Side<'_>> {
    let short = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).to_string();
    let mut names: Vec<String> = subjects.iter().map(|s| short(&s.recording.path)).collect();
    let mut different = names.clone();
    different.sort();
    different.dedup();
    if different.len() < names.len() {
        names = subjects.iter().map(|s| s.recording.path.clone()).collect();
    }
    names.into_iter().zip(subjects).map(|(name, subject)| Side { name, subjects: vec![subject] }).collect()
}
