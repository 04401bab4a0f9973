//! `pressure[cpu].some_percent>20: 100ms for 30s of cpu,process`

use std::time::Duration;

use crate::collect::REGISTRY;
use crate::table::sample::{Cell, Texts};
use crate::table::{Kind, StoredColumn, TableDef};
use crate::text::nearest::did_you_mean;
use crate::text::number::with_binary_unit;
use crate::text::time::{duration, interval};

/// The tables in which a rule looks for its metric.
pub type Tables = &'static [TableDef];

/// When to sample more often, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// As it was written.
    pub text: String,
    pub metric: Metric,
    pub is: Comparison,
    pub threshold: f64,
    /// The time between samples of a burst.
    pub interval: Duration,
    /// How long a burst lasts after the condition held last.
    pub lasts: Duration,
    /// The collectors that it samples; all, if there are none.
    pub collectors: Vec<&'static str>,
}

/// A column, of one entity or of any.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub table: &'static str,
    pub column: &'static str,
    pub entity: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Comparison {
    /// The longer ones first, because the others begin like them.
    const ALL: [(&'static str, Comparison); 4] =
        [(">=", Comparison::AtLeast), ("<=", Comparison::AtMost), (">", Comparison::Above), ("<", Comparison::Below)];

    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Comparison::Above => value > threshold,
            Comparison::AtLeast => value >= threshold,
            Comparison::Below => value < threshold,
            Comparison::AtMost => value <= threshold,
        }
    }
}

impl Metric {
    /// Is this the row of its entity? Any row, if it has none.
    pub fn is_of(&self, table: &TableDef, stored: &[Cell], texts: &Texts) -> bool {
        let Some(entity) = &self.entity else { return true };
        let mut labels = table.stored.iter().zip(stored).filter(|(column, _)| column.kind == Kind::Entity);
        labels.any(|(_, cell)| match cell {
            Cell::Text(id) => texts.get(*id) == Some(entity),
            Cell::Int(number) => number.to_string() == *entity,
            _ => false,
        })
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.entity {
            Some(entity) => write!(f, "{}[{entity}].{}", self.table, self.column),
            None => write!(f, "{}.{}", self.table, self.column),
        }
    }
}

const FORM: &str =
    "a burst is written like 'pressure[cpu].some_percent>20: 100ms for 30s', or with `of cpu,process` at its end";

/// Parses a rule.
///
/// # Errors
/// What is wrong, and how it is written.
pub fn rule(text: &str, tables: Tables) -> Result<Rule, String> {
    let wrong = |what: &str| format!("{what}; {FORM}");
    let (condition, burst) = text.rsplit_once(':').ok_or_else(|| wrong("there is no `:` after the condition"))?;
    let found = Comparison::ALL.iter().find_map(|(sign, is)| Some((condition.split_once(sign)?, *is)));
    let ((name, threshold), is) = found.ok_or_else(|| wrong("the condition has none of >, >=, <, <="))?;
    let (burst, names) = burst.split_once(" of ").map_or((burst, None), |(burst, names)| (burst, Some(names)));
    let (every, lasts) = burst.split_once(" for ").ok_or_else(|| wrong("there is no `for` and a time"))?;
    Ok(Rule {
        text: text.trim().to_string(),
        metric: metric(name.trim(), tables)?,
        is,
        threshold: number(threshold.trim()).ok_or_else(|| wrong(&format!("`{}` is no number", threshold.trim())))?,
        interval: interval(every.trim())?,
        lasts: duration(lasts.trim())?,
        collectors: names.map_or(Ok(Vec::new()), collectors)?,
    })
}

/// A number, with `%` or a unit of bytes after it.
fn number(text: &str) -> Option<f64> {
    let (number, factor) = with_binary_unit(text.trim_end_matches('%'))?;
    number.is_finite().then_some(number * factor)
}

/// `TABLE.COLUMN`, `TABLE[ENTITY].COLUMN`, or `ENTITY.COLUMN` if only one table has such a column.
fn metric(name: &str, tables: Tables) -> Result<Metric, String> {
    let no = |what: String| Err(format!("{name}: {what}"));
    let Some((front, column)) = name.rsplit_once('.') else {
        return no("a metric is written TABLE.COLUMN or TABLE[ENTITY].COLUMN".into());
    };
    let (table, entity) = match front.strip_suffix(']').and_then(|front| front.split_once('[')) {
        Some((table, entity)) => (table, Some(entity.to_string())),
        None => (front, None),
    };
    let of_table = tables.iter().find(|known| known.name == table);
    if let Some((known, found)) = of_table.and_then(|known| Some((known, measured(known, column)?))) {
        if entity.is_some() && known.entities().next().is_none() {
            return no(format!("table {table} has one row per tick, and no entities"));
        }
        return Ok(Metric { table: known.name, column: found.name, entity });
    }
    // `cpu.some_percent`: the column is that of an entity of another table.
    let mut others = tables.iter().filter(|t| t.entities().next().is_some());
    if let (None, Some(other)) = (&entity, others.find(|t| measured(t, column).is_some()))
        && others.all(|t| measured(t, column).is_none())
    {
        let column = measured(other, column).map_or("", |c| c.name);
        return Ok(Metric { table: other.name, column, entity: Some(front.to_string()) });
    }
    match of_table {
        None => no(format!("there is no table `{table}`{}", did_you_mean(table, tables.iter().map(|t| t.name)))),
        Some(known) if known.stored.iter().any(|c| c.name == column) => {
            no("a condition needs a level, a rate or a share; this column is a counter or a text".into())
        }
        Some(known) => {
            let hint = did_you_mean(column, known.stored.iter().map(|c| c.name));
            no(format!("table {table} has no column `{column}`{hint}"))
        }
    }
}

/// A column whose value says something by itself.
fn measured<'t>(table: &'t TableDef, name: &str) -> Option<&'t StoredColumn> {
    table.metrics().find(|column| column.name == name && column.kind != Kind::Counter)
}

fn collectors(list: &str) -> Result<Vec<&'static str>, String> {
    let known = |name: &str| {
        let entry = REGISTRY.iter().find(|entry| entry.name == name);
        let hint = || did_you_mean(name, REGISTRY.iter().map(|entry| entry.name));
        entry.map(|entry| entry.name).ok_or_else(|| format!("unknown collector `{name}`{}", hint()))
    };
    list.split(',').map(|name| known(name.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::catalog;

    fn parsed(text: &str) -> Result<Rule, String> {
        rule(text, catalog::tables())
    }

    #[test]
    fn rules_are_written_in_words() {
        let burst = parsed("pressure[cpu].some_percent>20: 100ms for 30s of cpu, process").unwrap();
        assert_eq!(burst.metric.to_string(), "pressure[cpu].some_percent");
        assert_eq!((burst.is, burst.threshold), (Comparison::Above, 20.0));
        assert_eq!((burst.interval, burst.lasts), (Duration::from_millis(100), Duration::from_secs(30)));
        assert_eq!(burst.collectors, ["cpu", "process"]);

        // The entity stands for the table, if only one has the column.
        let short = parsed("cpu.some_percent>20: 100ms for 30s").unwrap();
        assert_eq!((short.metric, short.collectors.len()), (burst.metric, 0));
        let memory = parsed("memory.available_bytes <= 1.5G : 50ms for 2m").unwrap();
        assert_eq!((memory.is, memory.threshold), (Comparison::AtMost, 1_610_612_736.0));
        assert_eq!(memory.metric.entity, None);
        // An entity may contain the signs of a rule.
        let path = parsed("filesystem[/mnt/a:b].usage_percent>=90%: 1s for 10s").unwrap();
        assert_eq!((path.metric.entity.as_deref(), path.threshold), (Some("/mnt/a:b"), 90.0));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("cpu.usage_percent>20", "no `:`"),
            ("cpu.usage_percent: 100ms for 30s", "none of >"),
            ("cpu.usage_percent>20: 100ms", "no `for`"),
            ("cpu.usage_percent>a: 100ms for 30s", "`a` is no number"),
            ("cpu.usage_percent>inf: 100ms for 30s", "`inf` is no number"),
            ("usage>20: 100ms for 30s", "TABLE.COLUMN"),
            ("cpu.usage_percnt>20: 100ms for 30s", "did you mean `usage_percent`?"),
            ("memroy.dirty_bytes>20: 100ms for 30s", "did you mean `memory`?"),
            ("cpu.user_ms>20: 100ms for 30s", "this column is a counter"),
            ("cpu[0].usage_percent>20: 100ms for 30s", "no entities"),
            ("cpu.usage_percent>20: soon for 30s", "a time is written"),
            ("cpu.usage_percent>20: 100ms for 30s of dsik", "did you mean `disk`?"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
