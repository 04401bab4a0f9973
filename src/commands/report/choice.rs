//! `--table` and `--metric`: the names, and hints for unknown ones.

use std::collections::BTreeSet;

use super::Usage;
use crate::cli::report::ReportArgs;
use crate::events::generic;
use crate::events::name::means;
use crate::events::request::split_list;
use crate::metric::table::{self as metric, METRIC};
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

/// What has a name only in recordings.
#[derive(Debug, Default)]
pub struct Recorded {
    pub events: Vec<String>,
    /// The program's own numbers: the names, and those with labels.
    pub numbers: Vec<String>,
}

/// The selected tables, metrics, events, ratios and numbers.
pub fn chosen(args: &ReportArgs, catalog: &[TableDef], recorded: &Recorded) -> Result<Chosen, Usage> {
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
            Named::Number(number) => chosen.events.numbers.push(number),
        }
    }
    if !chosen.events.numbers.is_empty() {
        chosen.choice.metrics.extend([metric::VALUE, metric::PER_SEC].map(|column| format!("{METRIC}.{column}")));
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
    /// With or without labels.
    Number(String),
}

/// The names that there are.
struct Names<'a> {
    catalog: &'a [TableDef],
    /// Only those of these tables; empty: all.
    tables: &'a [String],
    recorded: &'a Recorded,
}

impl<'a> Names<'a> {
    fn find(&self, name: &str) -> Result<Named, Usage> {
        // `cpu_core/event=0x3c,name='a.b'/` is not a column of a table.
        let (of, column) = match name.split_once('.') {
            Some((of, column)) if self.catalog.iter().any(|t| t.name == of) => (Some(of), column),
            _ => (None, name),
        };
        let has_perf = self.among(of).any(|t| t.name == PERF);
        let is_number = |name: &str| self.recorded.numbers.iter().any(|number| number == name);
        // A name with dots may begin like that of a table.
        if let Some(number) = [name, column].into_iter().find(|name| is_number(name))
            && (number == name || of == Some(METRIC))
            && self.among(None).any(|t| t.name == METRIC)
            && !self.among(of).flat_map(TableDef::metrics).any(|c| c.name == column)
        {
            return Ok(Named::Number(number.to_string()));
        }
        if self.among(of).flat_map(TableDef::metrics).any(|c| c.name == column) {
            return Ok(Named::Column);
        }
        if let Some(ratio) = ratios::named(column).filter(|_| has_perf) {
            return Ok(Named::Ratio(ratio));
        }
        let is_event =
            generic::id_of(base(column)).is_some() || self.recorded.events.iter().any(|event| means(column, event));
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
            known.extend(self.recorded.events.iter().chain(&generic).map(String::as_str));
            for ratio in ratios::names() {
                known.push(ratio);
            }
        }
        if self.among(of).any(|t| t.name == METRIC) {
            known.extend(self.recorded.numbers.iter().map(String::as_str));
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

/// The events and numbers that recordings have.
pub fn recorded(opened: &[Box<dyn Source>]) -> Recorded {
    Recorded { events: recorded_events(opened), numbers: recorded_numbers(opened) }
}

fn recorded_numbers(opened: &[Box<dyn Source>]) -> Vec<String> {
    let mut numbers: BTreeSet<String> = BTreeSet::new();
    for source in opened {
        let Some(table) = source.tables().into_iter().find(|table| table.name == METRIC) else { continue };
        // What cannot be read is reported when the table is.
        for piece in source.pieces(table, Window::ALL, &mut Vec::new()) {
            let names = texts(piece.as_ref(), METRIC).unwrap_or_default();
            let labels = texts(piece.as_ref(), metric::LABELS).unwrap_or_default();
            for (name, labels) in names.into_iter().zip(labels) {
                let Some(name) = name else { continue };
                let full = labels.map(|labels| name.clone() + &labels);
                numbers.extend(full.into_iter().chain([name]));
            }
        }
    }
    numbers.into_iter().collect()
}

fn recorded_events(opened: &[Box<dyn Source>]) -> Vec<String> {
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
