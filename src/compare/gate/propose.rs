//! Proposes a gate from past runs: thresholds that the noise of this program on this machine allows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::compare::asked::is_asked;
use crate::compare::history::History;
use crate::compare::metric::{Measured, Name};
use crate::compare::run::Run;
use crate::stats::means::Sample;
use crate::stats::student;
use crate::text::words::count;

/// How many runs a side is assumed to have.
const RUNS: f64 = 5.0;
/// Proposed relative thresholds.
const STEPS: [f64; 10] = [0.01, 0.02, 0.03, 0.05, 0.08, 0.10, 0.15, 0.20, 0.30, 0.50];

/// The text of a gate with these metrics, or with those that decide by default. `None` if there are none.
pub fn propose(runs: &[Run], wanted: &[String]) -> Option<String> {
    let mut found: BTreeMap<&Name, (&Measured, Vec<f64>)> = BTreeMap::new();
    for measured in runs.iter().flat_map(|run| &run.measured) {
        let is_wanted = if wanted.is_empty() { measured.is_gated } else { is_asked(&measured.name, wanted) };
        if is_wanted {
            found.entry(&measured.name).or_insert_with(|| (measured, Vec::new())).1.push(measured.value);
        }
    }
    if found.is_empty() {
        return None;
    }
    let history = History::of(runs);
    let mut out = heading(runs, &history);
    for (name, (measured, values)) in &found {
        let spread = spread(values);
        let between = history.noise(name);
        // What the test finds in nine of ten comparisons, and what sessions differ by.
        let detectable = spread.map(detectable);
        let needed = detectable.into_iter().chain(between).reduce(f64::max);
        let percent = |v: f64| format!("{:.1} %", v * 100.0);
        let spread = spread.map_or_else(|| why_none(values).into(), |v| format!("spread {}", percent(v)));
        let between = between.map_or_else(String::new, |v| format!(", sessions differ by up to {}", percent(v)));
        let found =
            detectable.map_or_else(String::new, |v| format!(", {RUNS} + {RUNS} runs show a change of {}", percent(v)));
        let _ = writeln!(out, "# {spread}{between}{found}");
        let direction = measured.facts.better.is_none().then(|| "direction = \"any\"".to_string());
        let key = quoted(&name.to_string());
        let rule = |parts: &[String]| match parts.is_empty() {
            true => format!("{key} = {{}}"),
            false => format!("{key} = {{ {} }}", parts.join(", ")),
        };
        let min_rel = |v: f64| format!("min_rel = \"{}%\"", (v * 100.0).round());
        let rule = match needed.map(|needed| STEPS.into_iter().find(|step| *step >= needed)) {
            None => rule(&direction.into_iter().collect::<Vec<_>>()),
            Some(Some(step)) => rule(&[min_rel(step)].into_iter().chain(direction).collect::<Vec<_>>()),
            Some(None) => format!("# too noisy to decide anything: {}", rule(&[min_rel(0.5)])),
        };
        let _ = writeln!(out, "{rule}");
    }
    Some(out)
}

fn heading(runs: &[Run], history: &History) -> String {
    let hosts: BTreeSet<&str> =
        runs.iter().filter_map(|run| run.manifest.as_ref()?.host.cpu_model.as_deref()).collect();
    let mut out = format!(
        "# Proposed from {} in {}.\n",
        count(history.recordings as u64, "run"),
        count(history.sessions as u64, "session")
    );
    for cpu in hosts {
        let _ = writeln!(out, "# CPU: {}", cpu.replace(|c: char| c.is_control(), " "));
    }
    out + "[gate]\n"
}

/// The relative standard deviation; `None` if it is not known, or the values are not positive.
fn spread(values: &[f64]) -> Option<f64> {
    if values.iter().any(|v| *v <= 0.0) {
        return None;
    }
    let logs: Vec<f64> = values.iter().map(|v| v.ln()).collect();
    Some(Sample::of(&logs)?.deviation)
}

/// Why there is no spread.
fn why_none(values: &[f64]) -> &'static str {
    if values.len() < 2 { "one run has no spread" } else { "no spread in percent: some values are zero" }
}

/// The relative change that [`RUNS`] runs a side show in nine of ten comparisons.
fn detectable(spread: f64) -> f64 {
    let df = 2.0 * RUNS - 2.0;
    let quantiles = student::quantile_of_tail(0.05, df) + student::quantile_of_tail(0.10, df);
    (quantiles * spread * (2.0 / RUNS).sqrt()).exp_m1()
}

/// As a key in TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out + "\""
}
