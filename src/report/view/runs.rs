//! The runs of a folder.

use super::metric::names;
use super::{Group, Section};
use crate::report::model::RunsFolder;
use crate::store::runs::Run;
use crate::table::Unit;
use crate::table::human::scaled;

/// One line per run: its status, times and memory.
pub fn runs(RunsFolder { runs, conclusion }: &RunsFolder) -> Section {
    let row = |run: &Run| {
        let value = |value: Option<f64>, unit| value.map_or_else(|| "-".into(), |v| scaled(v, unit));
        let seconds = |s| value(s, Unit::Seconds);
        let status = match (run.interrupted, run.exit_status) {
            (true, _) => "interrupted".into(),
            (_, Some(status)) => status.to_string(),
            (_, None) => "-".into(),
        };
        let largest = value(run.max_rss_bytes.map(|bytes| bytes as f64), Unit::Bytes);
        let cells = vec![status, seconds(run.wall_s), seconds(run.user_s), seconds(run.system_s), largest];
        (run.directory.display().to_string(), cells)
    };
    let rows = runs.index.runs.iter().map(row).collect();
    Section {
        title: runs.path.display().to_string(),
        of: "run",
        columns: names(&["status", "wall", "user", "system", "largest process"]),
        groups: vec![Group { rows, ..Group::default() }],
        notes: match runs.index.runs.is_empty() {
            true => vec!["no runs".into()],
            false => runs.index.summary().into_iter().chain(conclusion.clone()).collect(),
        },
        ..Section::default()
    }
}
