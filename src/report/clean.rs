//! Makes the texts of a report safe to show on a terminal or a page. Programs get them unchanged.

use std::path::PathBuf;

use super::matrix::Matrix;
use super::model::{Metric, Recording, Report, RunsFolder};
use crate::query::entities::Label;
use crate::store::runs::{Run, Runs};
use crate::text::printable::printable;

/// The same report with every text on one line and without characters that control a terminal.
pub fn clean(mut report: Report) -> Report {
    report.runs.iter_mut().for_each(clean_folder);
    report.recordings.iter_mut().for_each(clean_recording);
    report.side_by_side.iter_mut().for_each(clean_matrix);
    report
}

pub fn clean_folder(RunsFolder { runs, conclusion }: &mut RunsFolder) {
    clean_runs(runs);
    conclusion.iter_mut().for_each(clean_text);
}

fn clean_runs(runs: &mut Runs) {
    clean_path(&mut runs.path);
    runs.index.sides.iter_mut().for_each(clean_text);
    for Run { directory, side, parameters, .. } in &mut runs.index.runs {
        clean_path(directory);
        side.iter_mut().chain(parameters.values_mut()).for_each(clean_text);
    }
}

pub fn clean_recording(recording: &mut Recording) {
    let Recording { path, host, notes, troubles, tags, command, phases, tables, by_phase, changes, .. } = recording;
    clean_text(path);
    host.iter_mut().chain(notes).chain(command).for_each(clean_text);
    troubles.iter_mut().for_each(|trouble| clean_text(&mut trouble.what));
    by_phase.iter_mut().for_each(clean_matrix);
    for change in changes.iter_mut().flat_map(|changes| &mut changes.changes) {
        clean_labels(&mut change.labels);
        change.event_unit.iter_mut().for_each(clean_text);
    }
    phases.iter_mut().for_each(|phase| clean_text(&mut phase.phase));
    let shown = |text: &str| printable(text).into_owned();
    *tags = tags.iter().map(|(key, value)| (shown(key), shown(value))).collect();
    for table in tables {
        for entity in &mut table.entities {
            clean_labels(&mut entity.labels);
            for Metric { event_unit, .. } in &mut entity.metrics {
                event_unit.iter_mut().for_each(clean_text);
            }
        }
        table.ratios.iter_mut().for_each(|ratio| clean_labels(&mut ratio.labels));
        table.words.iter_mut().flat_map(|words| &mut words.values).for_each(|(word, _)| clean_text(word));
    }
}

fn clean_matrix(Matrix { columns, tables }: &mut Matrix) {
    columns.iter_mut().for_each(clean_text);
    for table in tables {
        for entity in &mut table.entities {
            clean_labels(&mut entity.labels);
            entity.metrics.iter_mut().filter_map(|row| row.event_unit.as_mut()).for_each(clean_text);
        }
        table.ratios.iter_mut().for_each(|ratio| clean_labels(&mut ratio.labels));
    }
}

fn clean_labels(labels: &mut [Label]) {
    labels.iter_mut().filter_map(|label| label.value.as_mut()).for_each(clean_text);
}

fn clean_text(text: &mut String) {
    if let std::borrow::Cow::Owned(shown) = printable(text) {
        *text = shown;
    }
}

fn clean_path(path: &mut PathBuf) {
    if let std::borrow::Cow::Owned(shown) = printable(&path.to_string_lossy()) {
        *path = shown.into();
    }
}
