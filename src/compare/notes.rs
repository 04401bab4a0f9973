//! What limits the conclusions of a comparison, in words.

use chrono::{DateTime, Utc};

use super::comparison::{Comparison, Side};
use super::judge::LEAST_RUNS;
use crate::text::words::count;

pub fn notes(comparison: &Comparison, base: &Side, new: &Side) -> Vec<String> {
    let mut notes = Vec::new();
    if comparison.has_few_runs() {
        notes.push(format!(
            "a side has fewer than {LEAST_RUNS} runs: runs differ by chance, so one or two cannot show what changed; \
             record more with `perfwatch record --runs 5`"
        ));
    }
    notes.extend(reach(comparison));
    notes.extend(same_program(base, new));
    notes.extend(age(comparison));
    notes
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
    let (base, new) = (argv(base)?, argv(new)?);
    (base != new).then(|| format!("the commands differ: `{}` and `{}`", shown(&base), shown(&new)))
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
