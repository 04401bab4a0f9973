//! What limits the conclusions of a comparison, in words.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::comparison::{Compared, Comparison, Side};
use super::judge::{ALPHA, LEAST_EFFECTIVE, LEAST_RUNS, Verdict};
use super::warmup::Warmup;
use crate::table::human::time;
use crate::text::words::count;

pub fn notes(comparison: &Comparison, base: &Side, new: &Side) -> Vec<String> {
    let mut notes = Vec::new();
    if comparison.has_few_runs() {
        notes.push(format!(
            "a side has fewer than {LEAST_RUNS} runs: runs differ by chance, so one or two cannot show what changed; \
             record more with `perfwatch record --runs 5`"
        ));
        if comparison.metrics.iter().any(|metric| metric.judged.effective.is_some()) {
            notes.push(format!(
                "verdicts are advisory: they use the spread within the runs, corrected for autocorrelation, of at least \
                 {LEAST_EFFECTIVE} independent values"
            ));
        }
    }
    notes.extend([("base", base), ("new", new)].into_iter().flat_map(|(name, side)| warmups(name, side)));
    notes.extend(history(comparison));
    notes.extend(looks(comparison));
    notes.extend(reach(comparison));
    notes.extend(same_program(base, new));
    notes.extend(age(comparison));
    notes
}

/// What was left out at the start of the runs.
fn warmups(name: &str, side: &Side) -> Vec<String> {
    let all: Vec<Warmup> = side.runs.iter().filter_map(|run| run.warmup).collect();
    let lengths: Vec<f64> = all
        .iter()
        .filter_map(|warmup| if let Warmup::LeftOut(seconds) = warmup { Some(*seconds) } else { None })
        .collect();
    let with = |kind: Warmup| all.iter().filter(|warmup| **warmup == kind).count() as u64;
    let mut notes = Vec::new();
    if let (Some(least), Some(most)) =
        (lengths.iter().copied().reduce(f64::min), lengths.iter().copied().reduce(f64::max))
    {
        let length = if least == most { time(most) } else { format!("{} to {}", time(least), time(most)) };
        notes.push(format!("{name}: left out as warm-up: {length} of {}", count(lengths.len() as u64, "run")));
    }
    for (kind, why) in [
        (Warmup::TooShort, "too short to see when it was steady, so nothing was left out"),
        (Warmup::NeverSteady, "no steady state, so nothing was left out"),
        (Warmup::Unknown, "no CPU usage was recorded, so it is not known when it was steady"),
    ] {
        if with(kind) > 0 {
            notes.push(format!("{name}: {}: {why}", count(with(kind), "run")));
        }
    }
    notes
}

fn history(comparison: &Comparison) -> Option<String> {
    let history = comparison.settings.history.as_ref()?;
    let (recordings, sessions) =
        (count(history.recordings as u64, "recording"), count(history.sessions as u64, "session"));
    let within = |metric: &&Compared| {
        let is_decided = metric.judged.p_adjusted.is_some_and(|p| p < ALPHA);
        metric.gated && metric.verdict == Verdict::Inconclusive && is_decided && metric.threshold.noise.is_some()
    };
    let within: Vec<&str> = comparison.metrics.iter().filter(within).map(|metric| metric.metric.as_str()).collect();
    let within = match within.is_empty() {
        true => String::new(),
        false => format!("; by as much as these differ from each other: {}", within.join(", ")),
    };
    Some(format!("history: {recordings} of past baselines in {sessions}{within}"))
}

fn looks(comparison: &Comparison) -> Option<String> {
    let looks = comparison.looks;
    (looks > 1).then(|| {
        format!(
            "the runs were looked at up to {looks} times (--until-decided): intervals and p values hold for all looks \
             together"
        )
    })
}

/// How far a verdict reaches: runs of one boot of one machine say nothing about another.
fn reach(comparison: &Comparison) -> Option<String> {
    let (base, new) = (comparison.base.sessions, comparison.new.sessions);
    match (base, new) {
        (0 | 1, 0 | 1) => Some(
            "each side was recorded in one boot of one machine: the verdict is about this machine, in this state"
                .into(),
        ),
        _ => Some(format!("base was recorded in {}, new in {}", count(base as u64, "boot"), count(new as u64, "boot"))),
    }
}

fn same_program(base: &Side, new: &Side) -> Option<String> {
    let argv = |side: &Side| side.runs.first()?.command().map(|command| command.argv.clone());
    let (base_argv, new_argv) = (argv(base)?, argv(new)?);
    if let (Some(base), Some(new)) = (files(base), files(new)) {
        // With digests in place of paths, copies of one program are the same.
        let digested = |argv: &[String], files: &BTreeMap<String, String>| {
            files.iter().fold(argv.join("\n"), |words, (path, digest)| words.replace(path, digest))
        };
        let digests = |files: &BTreeMap<String, String>| files.values().cloned().collect::<BTreeSet<_>>();
        if digested(&base_argv, &base) == digested(&new_argv, &new) && digests(&base) == digests(&new) {
            let names: Vec<&str> = base.keys().map(String::as_str).collect();
            return Some(format!(
                "both sides ran the same files, by their digests ({}): what differs is noise, or lies elsewhere",
                names.join(", ")
            ));
        }
    }
    let differ = || format!("the commands differ: `{}` and `{}`", shown(&base_argv), shown(&new_argv));
    (base_argv != new_argv).then(differ)
}

/// The digests of the files of the command, by path; `None` if they are not known, or not the same in all runs.
fn files(side: &Side) -> Option<BTreeMap<String, String>> {
    let mut all = side.runs.iter().map(|run| {
        let files = run.command()?.files.iter();
        Some(files.map(|file| (file.path.clone(), file.xxh3.clone())).collect::<BTreeMap<_, _>>())
    });
    let first = all.next()??;
    let is_same = all.all(|files| files.as_ref() == Some(&first));
    (is_same && !first.is_empty()).then_some(first)
}

/// A command may be a script of many lines.
fn shown(argv: &[String]) -> String {
    const MOST: usize = 120;
    let words = argv.join(" ");
    let more = if words.chars().nth(MOST).is_some() { " ..." } else { "" };
    words.chars().take(MOST).collect::<String>() + more
}

/// A baseline that is far older than the new side was recorded on another day's machine.
fn age(comparison: &Comparison) -> Option<String> {
    let time = |text: &str| text.parse::<DateTime<Utc>>().ok();
    let base = time(&comparison.base.started.as_ref()?.1)?;
    let new = time(&comparison.new.started.as_ref()?.0)?;
    let days = (new - base).num_days();
    match days {
        1.. => Some(format!("the baseline is {} old", count(days.unsigned_abs(), "day"))),
        ..=-1 => Some(format!("the baseline is {} younger than the new side", count(days.unsigned_abs(), "day"))),
        0 => None,
    }
}
