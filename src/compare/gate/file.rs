//! Reads the gate from the settings file.

use toml::de::{DeTable, DeValue};

use super::{Amount, Condition, Direction, Gate, Rule, TABLE};
use crate::text::nearest::did_you_mean;

const KEYS: [&str; 4] = ["min_rel", "min_abs", "direction", "only_on"];

impl Gate {
    /// The gate in the text of a settings file; `None` if it has none. `file` is its name, for messages.
    ///
    /// # Errors
    /// The line, and what is wrong there.
    pub fn parse(text: &str, file: &str) -> Result<Option<Gate>, String> {
        let line_of = |at: usize| 1 + text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count();
        let wrong = |at: usize, why: &str| format!("{file}:{}: {why}", line_of(at));
        let document =
            DeTable::parse(text).map_err(|error| wrong(error.span().map_or(0, |s| s.start), error.message().trim()))?;
        let Some((key, table)) = document.get_ref().iter().find(|(name, _)| name.get_ref() == TABLE) else {
            return Ok(None);
        };
        let DeValue::Table(table) = table.get_ref() else {
            return Err(wrong(key.span().start, "`gate` must be a table: [gate]"));
        };
        let mut rules = Vec::new();
        for (metric, value) in table {
            let at = metric.span().start;
            let metric = metric.get_ref().to_string();
            let DeValue::Table(entries) = value.get_ref() else {
                let form = format!("write \"{metric}\" = {{ min_rel = \"5%\" }}, or {{}} for the usual thresholds");
                return Err(wrong(at, &form));
            };
            // `command.wall_s = {}` without quotes is a table in a table.
            if let Some((inner, _)) = entries.iter().find(|(_, value)| matches!(value.get_ref(), DeValue::Table(_)))
                && !KEYS.contains(&inner.get_ref().as_ref())
            {
                let name = format!("{metric}.{}", inner.get_ref());
                return Err(wrong(at, &format!("the name of a metric needs quotes: \"{name}\" = {{ … }}")));
            }
            let rule = Rule { metric, line: line_of(at), ..Rule::default() };
            rules.push(entries.iter().try_fold(rule, |rule, (key, value)| {
                let (at, key) = (key.span().start, key.get_ref());
                with(rule, key, value.get_ref()).map_err(|why| wrong(at, &format!("{key}: {why}")))
            })?);
        }
        rules.sort_by_key(|rule| rule.line);
        Ok(Some(Gate { file: file.into(), rules }))
    }
}

/// The rule with one more of its keys.
fn with(rule: Rule, key: &str, value: &DeValue<'_>) -> Result<Rule, String> {
    Ok(match key {
        "min_rel" => Rule { min_rel: Some(share(value)?), ..rule },
        "min_abs" => {
            let amount = match text(value) {
                Some(text) => Amount::parse(text)?,
                None => Amount::plain(number(value).ok_or("a number, or a text such as \"16 MiB\", is needed")?),
            };
            Rule { min_abs: Some(amount), ..rule }
        }
        "direction" => {
            let direction = match text(value) {
                Some("lower") => Direction::Lower,
                Some("higher") => Direction::Higher,
                Some("any") => Direction::Any,
                _ => return Err("it can be \"lower\", \"higher\" or \"any\"".into()),
            };
            Rule { direction: Some(direction), ..rule }
        }
        "only_on" => Rule { only_on: conditions(value)?, ..rule },
        _ => return Err(format!("not a key of a metric{}; there are {}", did_you_mean(key, KEYS), KEYS.join(", "))),
    })
}

fn conditions(value: &DeValue<'_>) -> Result<Vec<Condition>, String> {
    let DeValue::Table(table) = value else { return Err("write { cpu = \"AMD EPYC*\" }".into()) };
    let condition = |fact: &str, value: &DeValue<'_>| {
        let patterns: Option<Vec<String>> = match value {
            DeValue::Array(all) => all.iter().map(|one| text(one.get_ref()).map(str::to_string)).collect(),
            one => text(one).map(|text| vec![text.to_string()]),
        };
        let patterns = patterns.filter(|all| !all.is_empty()).ok_or_else(|| format!("{fact}: a text is needed"))?;
        Condition::new(fact, patterns)
    };
    table.iter().map(|(fact, value)| condition(fact.get_ref(), value.get_ref())).collect()
}

fn text<'v>(value: &'v DeValue<'_>) -> Option<&'v str> {
    if let DeValue::String(text) = value { Some(text) } else { None }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    let parsed = match value {
        DeValue::Integer(n) => n.as_str().parse::<f64>().ok(),
        DeValue::Float(f) => f.as_str().parse::<f64>().ok(),
        _ => None,
    };
    parsed.filter(|v| v.is_finite() && *v >= 0.0)
}

/// `"5%"` or `0.05`.
fn share(value: &DeValue<'_>) -> Result<f64, String> {
    let wrong = "a percentage is needed, such as \"5%\", or a share such as 0.05";
    let share = match text(value) {
        Some(text) => {
            let number = text.strip_suffix('%').ok_or(wrong)?.trim().parse::<f64>();
            number.map_err(|_| wrong)? / 100.0
        }
        None => number(value).ok_or(wrong)?,
    };
    if (0.0..=10.0).contains(&share) { Ok(share) } else { Err(wrong.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Unit;

    #[test]
    fn every_key() {
        let text = r#"
[record]
interval = "1s"

[gate]
"command.wall_s" = {}
"command.peak_memory_bytes" = { min_rel = "2.5%", min_abs = "64 MiB", direction = "lower" }
"disk[nvme0n1].read_iops" = { min_rel = 0.1, min_abs = 50, direction = "any", only_on = { cpu = ["AMD*", "Intel*"], "tag.pool" = "fast" } }
"#;
        let gate = Gate::parse(text, "perfwatch.toml").unwrap().unwrap();
        let [wall, memory, iops] = &gate.rules[..] else { panic!("{gate:?}") };
        assert_eq!(*wall, Rule { metric: "command.wall_s".into(), line: 6, ..Rule::default() });
        assert_eq!((memory.min_rel, memory.direction), (Some(0.025), Some(Direction::Lower)));
        assert_eq!(memory.min_abs.unwrap().in_unit(Unit::Bytes), Ok(64.0 * 1048576.0));
        assert_eq!((iops.min_rel, iops.min_abs.unwrap()), (Some(0.1), Amount::plain(50.0)));
        assert_eq!(iops.only_on.len(), 2);
        assert_eq!(Gate::parse("[record]\ninterval = 1\n", "x"), Ok(None));
    }

    #[test]
    fn mistakes_are_refused_with_their_line() {
        for (text, expected) in [
            ("[gate]\n\"command.wall_s\" = 5", "f:2: write \"command.wall_s\" = { min_rel = \"5%\" }"),
            ("[gate]\ncommand.wall_s = {}", "f:2: the name of a metric needs quotes: \"command.wall_s\" = { … }"),
            ("[gate]\n\n\"a.b\" = { min_rell = 1 }", "f:3: min_rell: not a key of a metric (did you mean `min_rel`?)"),
            ("[gate]\n\"a.b\" = { min_rel = \"5\" }", "f:2: min_rel: a percentage is needed"),
            ("[gate]\n\"a.b\" = { min_rel = 50 }", "f:2: min_rel: a percentage is needed"),
            ("[gate]\n\"a.b\" = { min_abs = \"5 parsecs\" }", "f:2: min_abs: `5 parsecs` is not an amount"),
            ("[gate]\n\"a.b\" = { min_abs = -1 }", "f:2: min_abs: a number, or a text"),
            ("[gate]\n\"a.b\" = { direction = \"up\" }", "f:2: direction: it can be"),
            ("[gate]\n\"a.b\" = { only_on = { cpuu = \"x\" } }", "f:2: only_on: no fact is called `cpuu`; there are"),
            ("[gate]\n\"a.b\" = { only_on = { cpu = \"[\" } }", "f:2: only_on: `[` is not a pattern"),
            ("[gate]\n\"a.b\" = { only_on = \"x\" }", "f:2: only_on: write { cpu"),
            ("gate = 5", "f:1: `gate` must be a table"),
        ] {
            let error = Gate::parse(text, "f").unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
