//! The gate: which metrics decide, and which changes of them matter. It is the table `[gate]` of `perfwatch.toml`, in
//! the user's repository:
//!
//! ```toml
//! [gate]
//! "command.wall_s" = { min_rel = "3%" }
//! "command.peak_memory_bytes" = { min_abs = "64 MiB", only_on = { cpu = "AMD EPYC*" } }
//! "cpu.load1" = { direction = "lower" }
//! ```

mod amount;
mod conditions;
mod file;
pub mod propose;

pub use amount::Amount;
pub use conditions::Condition;

use serde::Serialize;

use super::metric::{Facts, Name};
use super::run::{PHASE, PHASE_WALL, Run};
use super::{command, comparison};
use crate::report::ratios;
use crate::table::{Better, TableDef};
use crate::text::nearest::did_you_mean;

/// The name of the table in the settings file.
pub const TABLE: &str = "gate";

/// The metrics that decide; no others do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Gate {
    /// The file that it is from.
    pub file: String,
    pub rules: Vec<Rule>,
}

/// One metric of the gate.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rule {
    pub metric: String,
    /// The line in the file.
    #[serde(skip)]
    pub line: usize,
    pub min_rel: Option<f64>,
    pub min_abs: Option<Amount>,
    pub direction: Option<Direction>,
    /// It decides only on machines like these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_on: Vec<Condition>,
}

impl Rule {
    /// Is its metric in the tables of a recording, and not only in the manifest?
    pub fn is_of_tables(&self) -> bool {
        !self.metric.starts_with(&format!("{}.", command::COMMAND))
    }

    /// The first condition that does not hold for a run; `None` if the metric decides there.
    pub fn unmet(&self, run: &Run) -> Option<&Condition> {
        self.only_on.iter().find(|condition| !condition.holds(run))
    }
}

/// Which values are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Lower,
    Higher,
    /// Neither: any change is a regression.
    Any,
}

impl Gate {
    /// The rule of a metric in this part of the recordings.
    pub fn rule(&self, metric: &str, scope: &Scope) -> Option<&Rule> {
        let name = scope.name_in_rules(metric);
        self.rules.iter().find(|rule| rule.metric == name)
    }

    /// Refuses metrics that no perfwatch records. `found` are those that the recordings have.
    ///
    /// # Errors
    /// The line of the file, the name, and the nearest one that exists.
    pub fn check_names(&self, tables: &'static [TableDef], found: &[String]) -> Result<(), String> {
        let known = known(tables);
        for Rule { metric, line, .. } in &self.rules {
            if !found.contains(metric) && !known.contains(&plain(metric)) {
                let near = did_you_mean(metric, found.iter().chain(&known).map(String::as_str));
                return Err(format!(
                    "{}:{line}: there is no metric `{metric}`{near}; `perfwatch compare --all` lists them",
                    self.file
                ));
            }
        }
        Ok(())
    }

    fn at(&self, rule: &Rule, why: &str) -> String {
        format!("{}:{}: {}: {why}", self.file, rule.line, rule.metric)
    }

    /// What the rule of a metric makes of its facts and its smallest relative change.
    ///
    /// # Errors
    /// If the rule does not fit the metric.
    pub fn applied(&self, rule: &Rule, facts: Facts, min_rel: f64) -> Result<(Facts, f64), String> {
        let mut facts = facts;
        if let Some(amount) = rule.min_abs {
            facts.min_abs = amount.in_unit(facts.unit).map_err(|why| self.at(rule, &format!("min_abs: {why}")))?;
        }
        match rule.direction {
            Some(Direction::Lower) => facts.better = Some(Better::Lower),
            Some(Direction::Higher) => facts.better = Some(Better::Higher),
            Some(Direction::Any) => facts.better = None,
            None if facts.better.is_none() => {
                let why = "which values are better? Add direction = \"lower\", \"higher\" or \"any\"";
                return Err(self.at(rule, why));
            }
            None => {}
        }
        Ok((facts, rule.min_rel.unwrap_or(min_rel)))
    }

    /// Why a rule does not decide between these runs; `None` if it does.
    pub fn not_here(rule: &Rule, sides: [&comparison::Side; 2]) -> Option<String> {
        let mut runs = sides.iter().flat_map(|side| &side.runs);
        let (run, condition) = runs.find_map(|run| Some((run, rule.unmet(run)?)))?;
        let (metric, path, found) = (&rule.metric, run.path.display(), condition.found(run));
        Some(format!("{metric} decides only where {condition}, and {path} has {found}"))
    }
}

/// Which part of the recordings is compared. Each rule is about one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    #[default]
    Whole,
    /// A time of each.
    Time,
    /// Only this phase.
    Phase(String),
    EachPhase,
}

impl Scope {
    /// The name of a metric in rules.
    pub fn name_in_rules(&self, metric: &str) -> String {
        match self {
            Scope::Phase(phase) => format!("{phase}: {metric}"),
            _ => metric.to_string(),
        }
    }

    /// Is the rule about this part? The cost of the command is that of the whole run.
    pub fn includes(&self, rule: &Rule) -> bool {
        let phase = split_phase(&rule.metric).0;
        match self {
            Scope::Whole => phase.is_none(),
            Scope::Time => phase.is_none() && rule.is_of_tables(),
            Scope::Phase(name) => phase == Some(name),
            Scope::EachPhase => phase.is_some(),
        }
    }
}

/// The phase of a metric, and the metric. Both a phase and an entity may contain the separator, but a metric begins with
/// the name of a table.
fn split_phase(metric: &str) -> (Option<&str>, &str) {
    const SEPARATOR: &str = ": ";
    let is_table = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = |name: &str| {
        let end = name.find(|c| !is_table(c)).unwrap_or(0);
        end > 0 && name[end..].starts_with(['.', '['])
    };
    if begins(metric) {
        return (None, metric);
    }
    let mut parts = metric.match_indices(SEPARATOR).map(|(at, _)| (&metric[..at], &metric[at + SEPARATOR.len()..]));
    match parts.find(|(_, name)| begins(name)) {
        Some((phase, name)) => (Some(phase), name),
        None => (None, metric),
    }
}

/// The metric without its phase, entity and percentile.
fn plain(metric: &str) -> String {
    let name = split_phase(metric).1;
    let name = name.strip_suffix(".p50").or_else(|| name.strip_suffix(".p95")).unwrap_or(name);
    match (name.find('['), name.rfind(']')) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &name[..from], &name[to + 1..]),
        _ => name.to_string(),
    }
}

/// The names of all metrics that recordings may have, as [`plain`] gives them.
fn known(tables: &'static [TableDef]) -> Vec<String> {
    let columns =
        tables.iter().flat_map(|table| table.metrics().map(|column| format!("{}.{}", table.name, column.name)));
    let command = command::metrics(&Default::default()).into_iter().map(|measured| plain_name(&measured.name));
    let ratios = ratios::names().map(|name| format!("perf.{name}"));
    columns.chain(command).chain(ratios).chain([format!("{PHASE}.{PHASE_WALL}")]).collect()
}

fn plain_name(name: &Name) -> String {
    format!("{}.{}", name.table, name.column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_their_parts() {
        for (metric, expected) in [
            ("command.wall_s", "command.wall_s"),
            ("load/warm up: cpu.usage_percent.p95", "cpu.usage_percent"),
            ("disk[nvme0n1].read_iops", "disk.read_iops"),
            ("perf[msr/tsc/].value", "perf.value"),
            ("filesystem[/mnt/a]b].used_bytes", "filesystem.used_bytes"),
            (r#"metric[a.b{c="d: e.f[0]"}].value"#, "metric.value"),
            (r#"load: metric[q{c=": x"}].total_per_sec"#, "metric.total_per_sec"),
        ] {
            assert_eq!(plain(metric), expected);
        }
    }
}
