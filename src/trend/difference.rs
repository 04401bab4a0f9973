//! What differs between the recordings before and after a change.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use crate::compare::Run;
use crate::compare::mismatch::{FactOf, Mismatch, differing, mismatches};
use crate::store::manifest::{Manifest, NamedFile};

/// A fact with other values after a change than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub kind: Kind,
    pub fact: String,
    /// Every value once; empty if it had none.
    pub before: Vec<String>,
    pub after: Vec<String>,
}

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The machine: a change may not be of the program.
    Environment,
    /// How it was recorded.
    Recorder,
    /// What was run.
    Program,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Environment => "environment",
            Kind::Recorder => "recorder",
            Kind::Program => "program",
        }
    }
}

/// Facts that two sides of one comparison need not have in common.
const MORE: [(Kind, &str, FactOf); 10] = [
    (Kind::Environment, "host", |run| run.manifest.as_ref()?.host.hostname.clone()),
    (Kind::Environment, "operating system", |run| run.manifest.as_ref()?.host.os.clone()),
    (Kind::Environment, "firmware", |run| run.manifest.as_ref()?.host.firmware.clone()),
    (Kind::Environment, "container", |run| run.manifest.as_ref()?.host.container.clone()),
    (Kind::Recorder, "perfwatch", |run| Some(run.session()?.perfwatch.clone())),
    (Kind::Program, "revision", |run| Some(short(run.session()?.start.git.as_ref()?.commit.as_ref()?))),
    (Kind::Program, "branch", |run| run.session()?.start.git.as_ref()?.branch.clone()),
    (Kind::Program, "uncommitted changes", |run| {
        Some(if run.session()?.start.git.as_ref()?.dirty? { "yes" } else { "no" }.into())
    }),
    (Kind::Program, "command", |run| Some(run.command()?.argv.join(" "))),
    (Kind::Program, "files of the command", files),
];

/// Facts of [`mismatches`] that are about the recorder, not the machine.
const OF_RECORDER: [&str; 3] = ["interval", "scope of perf events", "perf events"];

/// Each with the start of its digest.
fn files(run: &Run) -> Option<String> {
    let digest = |file: &NamedFile| {
        let name = Path::new(&file.path).file_name().map_or_else(|| file.path.clone(), |n| n.to_string_lossy().into());
        format!("{name} {}", file.xxh3.chars().take(8).collect::<String>())
    };
    let files: Vec<String> = run.command()?.files.iter().map(digest).collect();
    (!files.is_empty()).then(|| files.join(", "))
}

/// As git shows it.
fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

/// By kind, the machine first.
pub fn differences(before: &[Run], after: &[Run]) -> Vec<Difference> {
    let of = |kind: Kind, Mismatch { fact, base, new }| Difference { kind, fact, before: base, after: new };
    let kind = |fact: &str| if OF_RECORDER.contains(&fact) { Kind::Recorder } else { Kind::Environment };
    let mut found: Vec<Difference> =
        mismatches(before, after).into_iter().map(|mismatch| of(kind(&mismatch.fact), mismatch)).collect();
    let more = MORE.iter().filter_map(|(kind, fact, value)| Some(of(*kind, differing(fact, *value, before, after)?)));
    found.extend(more);
    found.extend(tags(before, after));
    found.sort_by_key(|difference| difference.kind);
    found
}

/// A tag that only one side has differs too: users set it.
fn tags(before: &[Run], after: &[Run]) -> Vec<Difference> {
    let manifests = |runs: &'_ [Run]| runs.iter().filter_map(|run| run.manifest.clone()).collect::<Vec<_>>();
    let (before, after) = (manifests(before), manifests(after));
    let keys: BTreeSet<&String> = before.iter().chain(&after).flat_map(|manifest| manifest.tags.keys()).collect();
    let differs = |key: &String| {
        let values = |of: &[Manifest]| {
            of.iter().filter_map(|manifest| manifest.tags.get(key).cloned()).collect::<BTreeSet<String>>()
        };
        let (before, after) = (values(&before), values(&after));
        (before != after).then(|| Difference {
            kind: Kind::Program,
            fact: format!("tag {key}"),
            before: before.into_iter().collect(),
            after: after.into_iter().collect(),
        })
    };
    keys.into_iter().filter_map(differs).collect()
}
