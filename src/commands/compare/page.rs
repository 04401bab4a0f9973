//! `--html`: the comparison as a page, with the recordings of both sides.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::read::Reader;
use crate::cli::compare::CompareArgs;
use crate::collect::catalog;
use crate::compare::Comparison;
use crate::page::{Key, Side, Subject, comparison_keys, comparison_page};
use crate::query::{Choice, Query, Rows};
use crate::report::clean::clean_recording;
use crate::report::marks::{self, ListedMark};
use crate::report::model::Recording as Summary;
use crate::report::summary::{Request, summarise};
use crate::store::read::piece::{Source, Window};
use crate::store::read::{self, Recording};

/// The most runs of a side that are drawn.
const MOST_RUNS: usize = 20;

/// A run with what its charts need.
struct Run {
    recording: Recording,
    window: Window,
    summary: Summary,
    marks: Vec<ListedMark>,
}

/// # Errors
/// When a time has several meanings in a recording. Recordings that can no longer be read are left out.
pub fn render(args: &CompareArgs, comparison: &Comparison, reader: &mut Reader<'_>) -> Result<String> {
    let mut left_out = Vec::new();
    let mut opened: Vec<(String, Vec<(Recording, Window)>)> = Vec::new();
    for (name, side, range) in [("base", &comparison.base, args.base_range), ("new", &comparison.new, args.new_range)] {
        let paths: Vec<PathBuf> = side.recordings.iter().map(PathBuf::from).collect();
        if paths.len() > MOST_RUNS {
            left_out.push(format!("{name}: charts show the first {MOST_RUNS} of {} runs", paths.len()));
        }
        let mut runs = Vec::new();
        for path in paths.iter().take(MOST_RUNS) {
            // It was read a moment ago, and what was wrong with it has been said.
            let Ok(recording) = read::open(Path::new(path), catalog::tables()) else { continue };
            let window = reader.samples.window(&recording, range)?;
            runs.push((recording, window));
        }
        opened.push((name.to_string(), runs));
    }
    let tables: Vec<&str> =
        opened.iter().flat_map(|(_, runs)| runs).flat_map(|(r, _)| r.tables()).map(|t| t.name).collect();
    let keys = comparison_keys(comparison, &tables);
    let choice = Choice { tables: Vec::new(), metrics: names(&keys) };
    let phase = args.part.phase.as_deref();
    let mut problems = Vec::new();
    let mut sides: Vec<(String, Vec<Run>)> = Vec::new();
    for (name, runs) in opened {
        let mut all = Vec::new();
        for (recording, window) in runs {
            let request = Request::of(Rows { window, phase }, &choice);
            let mut summary = summarise(&recording, &request, &mut problems, &mut |_| {});
            clean_recording(&mut summary);
            // The time of one phase needs no alignment by phases.
            let marks = match phase {
                None => marks::read(&recording, window, None, None, &mut problems).marks,
                Some(_) => Vec::new(),
            };
            all.push(Run { recording, window, summary, marks });
        }
        sides.push((name, all));
    }
    let sides: Vec<Side<'_>> = (sides.iter())
        .map(|(name, runs)| Side { name: name.clone(), subjects: runs.iter().map(|run| subject(run, phase)).collect() })
        .collect();
    Ok(comparison_page(comparison, &sides, &keys, &left_out, &mut Vec::new()))
}

fn subject<'r>(run: &'r Run, phase: Option<&'r str>) -> Subject<'r> {
    let Run { recording, window, summary, marks } = run;
    let query = Query::of([recording as &dyn Source]).window(*window).phase(phase);
    Subject { source: recording, query, recording: summary, marks }
}

/// The metrics of the charts. Never empty, which would mean all.
fn names(keys: &[Key]) -> Vec<String> {
    let names = keys.iter().map(|key| format!("{}.{}", key.table, key.column));
    names.chain(["tick.missed".to_string()]).collect()
}
