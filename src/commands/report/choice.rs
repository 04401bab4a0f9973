//! `--table` and `--metric`: the names, and hints for unknown ones.

use super::Usage;
use crate::cli::report::ReportArgs;
use crate::events::generic;
use crate::events::name::means;
use crate::events::request::split_list;
use crate::query::Choice;
use crate::query::read::texts;
use crate::report::perf::{EventChoice, PERF, RUNNING};
use crate::report::ratios::{self, EVENT, VALUE};
use crate::store::read::piece::{Source, Window};
use crate::table::TableDef;
use crate::text::nearest::did_you_mean;

/// What is shown, by names that are known.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Tables and columns.
    pub choice: Choice,
    pub events: EventChoice,
}

/// The selected tables, metrics, events and ratios. `recorded`: the events of the recordings.
pub fn chosen(args: &ReportArgs, catalog: &[TableDef], recorded: &[String]) -> Result<Chosen, Usage> {
    let tables = || catalog.iter().map(|t| t.name);
    for name in &args.rows.tables {
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
    let mut chosen = Chosen::default();
    chosen.choice.tables.clone_from(&args.rows.tables);
    // Events may have commas in their terms.
    for name in split_list(&args.metrics.join(",")) {
        let names = Names { catalog, tables: &args.rows.tables, recorded };
        match names.find(&name)? {
            Named::Column => {
                chosen.events.has_columns |= names.is_of_perf(&name);
                chosen.choice.metrics.push(name);
            }
            Named::Ratio(ratio) => chosen.events.ratios.push(ratio),
            Named::Event(event) => chosen.events.events.push(event),
        }
    }
    if chosen.events.is_limited() {
        chosen.choice.metrics.extend([VALUE, RUNNING].map(|column| format!("{PERF}.{column}")));
    }
    Ok(chosen)
}

enum Named {
    Column,
    Ratio(&'static str),
    Event(String),
}

/// The names that there are.
struct Names<'a> {
    catalog: &'a [TableDef],
    /// Only those of these tables; empty: all.
    tables: &'a [String],
    recorded: &'a [String],
}

impl<'a> Names<'a> {
    fn find(&self, name: &str) -> Result<Named, Usage> {
        // `cpu_core/event=0x3c,name='a.b'/` is not a column of a table.
        let (of, column) = match name.split_once('.') {
            Some((of, column)) if self.catalog.iter().any(|t| t.name == of) => (Some(of), column),
            _ => (None, name),
        };
        let has_perf = self.among(of).any(|t| t.name == PERF);
        if self.among(of).flat_map(TableDef::metrics).any(|c| c.name == column) {
            return Ok(Named::Column);
        }
        if let Some(ratio) = ratios::named(column).filter(|_| has_perf) {
            return Ok(Named::Ratio(ratio));
        }
        let is_event = generic::id_of(base(column)).is_some() || self.recorded.iter().any(|event| means(column, event));
        if is_event && has_perf {
            return Ok(Named::Event(column.to_string()));
        }
        Err(self.unknown(name, of, column))
    }

    fn among(&self, of: Option<&str>) -> impl Iterator<Item = &'a TableDef> {
        let is_chosen = move |t: &&TableDef| match of {
            Some(of) => of == t.name,
            None => self.tables.is_empty() || self.tables.iter().any(|n| n == t.name),
        };
        self.catalog.iter().filter(is_chosen)
    }

    fn is_of_perf(&self, name: &str) -> bool {
        let (of, column) = name.split_once('.').map_or((None, name), |(of, column)| (Some(of), column));
        let mut perf = self.among(of).filter(|t| t.name == PERF);
        perf.any(|t| t.metrics().any(|c| c.name == column))
    }

    fn unknown(&self, name: &str, of: Option<&str>, column: &str) -> Usage {
        let tables = || self.catalog.iter().map(|t| t.name);
        if let (None, Some((of, _))) = (of, name.split_once('.')) {
            let hint = did_you_mean(of, tables());
            if !hint.is_empty() {
                return Usage(format!("unknown table `{of}` in `{name}`{hint}"));
            }
        }
        if tables().any(|table| table == column) {
            return Usage(format!("`{column}` is a table, not a metric; choose it with `--table {column}`"));
        }
        let place = match (of, self.tables) {
            (Some(of), _) => format!(" in table {of}"),
            (None, []) => String::new(),
            (None, tables) => format!(" in {}", tables.join(", ")),
        };
        let has_perf = self.among(of).any(|t| t.name == PERF);
        let generic: Vec<String> = generic::all().flat_map(|event| event.names).collect();
        let mut known: Vec<&str> = Vec::new();
        for metric in self.among(of).flat_map(TableDef::metrics) {
            known.push(metric.name);
        }
        if has_perf {
            known.extend(self.recorded.iter().chain(&generic).map(String::as_str));
            for ratio in ratios::names() {
                known.push(ratio);
            }
        }
        let hint = did_you_mean(column, known);
        let lists = if has_perf {
            "`perfwatch schema` lists metrics, `--table perf` shows events and ratios"
        } else {
            "`perfwatch schema` lists them"
        };
        Usage(format!("unknown metric `{column}`{place}{hint}; {lists}"))
    }
}

/// The name without modifiers.
fn base(event: &str) -> &str {
    crate::events::name::parts(event).base
}

/// The events that recordings have.
pub fn recorded_events(opened: &[Box<dyn Source>]) -> Vec<String> {
    let mut events: Vec<String> = Vec::new();
    for source in opened {
        let Some(table) = source.tables().into_iter().find(|table| table.name == PERF) else { continue };
        // What cannot be read is reported when the table is.
        for piece in source.pieces(table, Window::ALL, &mut Vec::new()) {
            for event in texts(piece.as_ref(), EVENT).unwrap_or_default().into_iter().flatten() {
                if !events.contains(&event) {
                    events.push(event);
                }
            }
        }
    }
    events
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
