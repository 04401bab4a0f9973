//! `--table` and `--metric`: the names, and hints for unknown ones.

use super::Usage;
use crate::cli::report::ReportArgs;
use crate::events::generic;
use crate::query::Choice;
use crate::store::read::piece::Source;
use crate::table::TableDef;
use crate::text::nearest::did_you_mean;

/// The selected tables and metrics, whose names are known.
pub fn choice(args: &ReportArgs, catalog: &[TableDef]) -> Result<Choice, Usage> {
    let tables = || catalog.iter().map(|t| t.name);
    for name in &args.tables {
        if !tables().any(|t| t == name) {
            let hint = did_you_mean(name, tables());
            let all = if hint.is_empty() {
                format!("; there are: {}", tables().collect::<Vec<_>>().join(", "))
            } else {
                hint
            };
            return Err(Usage(format!("unknown table `{name}`{all}")));
        }
    }
    for name in &args.metrics {
        let (of, column) = name.split_once('.').map_or((None, name.as_str()), |(t, c)| (Some(t), c));
        if let Some(of) = of.filter(|of| !tables().any(|t| t == *of)) {
            return Err(Usage(format!("unknown table `{of}` in `{name}`{}", did_you_mean(of, tables()))));
        }
        let among = |t: &&TableDef| {
            of.map_or(args.tables.is_empty() || args.tables.iter().any(|n| n == t.name), |of| of == t.name)
        };
        let metrics = || catalog.iter().filter(among).flat_map(TableDef::metrics).map(|c| c.name);
        if !metrics().any(|m| m == column) {
            let place = match (of, args.tables.as_slice()) {
                (Some(of), _) => format!(" in table {of}"),
                (None, []) => String::new(),
                (None, tables) => format!(" in {}", tables.join(", ")),
            };
            let hint = did_you_mean(column, metrics());
            let hint =
                other_than_metric(column, catalog).unwrap_or_else(|| format!("{hint}; `perfwatch schema` lists them"));
            return Err(Usage(format!("unknown metric `{column}`{place}{hint}")));
        }
    }
    Ok(Choice { tables: args.tables.clone(), metrics: args.metrics.clone() })
}

/// A hint for a name that is not a metric, but a table or a perf event.
fn other_than_metric(name: &str, catalog: &[TableDef]) -> Option<String> {
    if catalog.iter().any(|t| t.name == name) {
        return Some(format!(": it is a table; choose it with `--table {name}`"));
    }
    let base = name.split(':').next().unwrap_or(name);
    let is_event =
        generic::all().any(|event| event.names.iter().any(|n| n.eq_ignore_ascii_case(base))) || base.contains('/');
    is_event.then(|| ": it is a perf event, not a column; `--table perf` shows the events that were counted".into())
}

/// The tables and columns of this build, and those of the recordings.
pub fn with_tables_of(catalog: &[TableDef], opened: &[Box<dyn Source>]) -> Vec<TableDef> {
    let mut all = catalog.to_vec();
    for table in opened.iter().flat_map(|source| source.tables()) {
        match all.iter_mut().find(|known| known.name == table.name) {
            Some(known) => *known = known.with_columns_of(table).unwrap_or_else(|| known.clone()),
            None => all.push(table.clone()),
        }
    }
    all
}
