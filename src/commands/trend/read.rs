//! Opens and reads the recordings, and makes points of them.

use std::path::PathBuf;

use anyhow::Result;

use super::super::samples::{Named, Samples, Wish};
use crate::cli::trend::TrendArgs;
use crate::compare::run::Run;
use crate::trend::Point;

/// What was read.
pub struct Found {
    /// In the order in which they were named.
    pub points: Vec<Point>,
    /// Recordings that are no samples, and why.
    pub left_out: Vec<String>,
    /// Everything could be read.
    pub is_complete: bool,
}

/// The runs of a series, or one recording.
struct Group {
    /// What was named.
    path: PathBuf,
    /// Of the runs; None of a recording that is not one of several.
    series: Option<String>,
    runs: Vec<Run>,
}

/// # Errors
/// When the arguments make no sense, or an index cannot be read.
pub fn read(args: &TrendArgs) -> Result<Found> {
    let mut samples = Samples::new(&args.part, args.threads);
    let wish = Wish { each_phase: false, range: None, has_spread: false };
    let (mut groups, mut left_out) = (Vec::<Group>::new(), Vec::new());
    for Named { path, recordings } in samples.named(&args.recordings)? {
        // One at a time, because there may be hundreds.
        for recording in &recordings {
            let opened = samples.open(std::slice::from_ref(recording), &mut left_out);
            for run in samples.read(&opened, wish, &mut left_out)? {
                let series = run.series();
                // The runs of a series count as one point, however they were named.
                match groups.iter_mut().find(|group| series.is_some() && group.series == series) {
                    Some(group) => group.runs.push(run),
                    None => groups.push(Group { path: path.clone(), series, runs: vec![run] }),
                }
            }
        }
    }
    Ok(Found { points: points(groups), left_out, is_complete: samples.is_complete })
}

/// If there is one series only, its runs are the points.
fn points(groups: Vec<Group>) -> Vec<Point> {
    if let [Group { series: Some(_), .. }] = &groups[..] {
        let runs = groups.into_iter().flat_map(|group| group.runs);
        return runs.map(|run| Point::of(run.path.clone(), vec![run])).collect();
    }
    groups.into_iter().map(|group| Point::of(group.path, group.runs)).collect()
}
