//! `perfwatch export`: the rows of recordings in other formats.

mod pack;
pub(super) mod tables;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::report::{Problems, Progress, open_all, with_tables_of};
use super::{Outcome, Usage};
use crate::cli::export::{ExportArgs, Format as Named};
use crate::export::format::Format;
use crate::export::{Columns, Shape};
use crate::store::read::piece::Source;
use crate::table::{ELAPSED_S, PHASE, TS, TableDef};
use crate::text::nearest::did_you_mean;
use tables::{Asked, Export};

/// Writes the rows. What cannot be read is reported on standard error; the rest is written.
///
/// `open` opens a recording.
///
/// # Errors
/// [`Usage`] for unknown names, invalid times and options that do not fit together; otherwise when the output cannot be
/// written.
pub fn run(
    args: &ExportArgs,
    catalog: &[TableDef],
    open: impl Fn(&Path) -> anyhow::Result<Box<dyn Source>>,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    if let Some(file) = &args.pack {
        return pack::run(args, file, out);
    }
    let format = format_of(args);
    let shape = shape_of(args, format)?;
    let known = columns(args, catalog);
    let mut problems = Problems::default();
    let opened = open_all(&args.recordings, open, &mut problems)?.sources;
    // A name may exist only in the recording.
    let columns = known.or_else(|_| columns(args, &with_tables_of(catalog, &opened)))?;
    for source in &opened {
        problems.files(source.problems());
        for name in args.rows.tables.iter().filter(|name| source.tables().iter().all(|table| table.name != **name)) {
            problems.note(format!("{}: no rows in table {name}", source.path().display()));
        }
    }
    let mut progress = Progress::new(opened.iter().map(|source| columns.tables(source.as_ref()).len()).sum());
    let asked = Asked {
        option: "-o",
        format,
        columns: &columns,
        shape,
        part: (args.rows.since, args.rows.until),
        phase: args.rows.phase.as_deref(),
        force: args.force,
    };
    let path = args.output.as_deref().unwrap_or(Path::new("-"));
    Export { asked, opened: &opened, problems: &mut problems, progress: &mut progress }.write(path, out)?;
    progress.done();
    Ok(problems.outcome())
}

/// As asked for, or as the name of the file says.
fn format_of(args: &ExportArgs) -> Format {
    let by_name = || Format::from_extension(args.output.as_ref()?.extension()?.to_str()?);
    match args.format {
        Some(Named::Csv) => Format::Csv,
        Some(Named::Jsonl) => Format::JsonLines,
        Some(Named::Parquet) => Format::Parquet,
        Some(Named::Arrow) => Format::Arrow,
        Some(Named::Openmetrics) => Format::OpenMetrics,
        Some(Named::Perfetto) => Format::Perfetto,
        None => by_name().unwrap_or(Format::Csv),
    }
}

fn shape_of(args: &ExportArgs, format: Format) -> Result<Shape, Usage> {
    let every_us = match args.every {
        Some(every) if every < Duration::from_micros(1) => return Err(Usage("--every must be more than zero".into())),
        every => every.map(|every| i64::try_from(every.as_micros()).unwrap_or(i64::MAX)),
    };
    if args.wide && format.holds_all_tables() {
        return Err(Usage(
            "--wide is for formats with rows; this one has a series per metric and entity already".into(),
        ));
    }
    Ok(Shape { every_us, extremes: args.min_max, wide: args.wide })
}

/// The chosen tables and columns, whose names are known.
fn columns(args: &ExportArgs, catalog: &[TableDef]) -> Result<Columns, Usage> {
    let tables = || catalog.iter().map(|table| table.name);
    let unknown = |name: &str, of: &str| {
        let hint = did_you_mean(name, tables());
        let hint = if hint.is_empty() { "; `perfwatch schema` lists them".into() } else { hint };
        Err(Usage(format!("unknown table `{name}`{of}{hint}")))
    };
    if let Some(name) = args.rows.tables.iter().find(|name| !tables().any(|table| table == **name)) {
        return unknown(name, "");
    }
    for name in &args.columns {
        let (of, column) = name.split_once('.').map_or((None, name.as_str()), |(of, column)| (Some(of), column));
        if let Some(of) = of.filter(|of| !tables().any(|table| table == *of)) {
            return unknown(of, &format!(" in `{name}`"));
        }
        let among = |table: &&TableDef| {
            of.map_or(args.rows.tables.is_empty() || args.rows.tables.iter().any(|name| name == table.name), |of| {
                of == table.name
            })
        };
        let all = || {
            let own = catalog.iter().filter(among).flat_map(|table| &table.stored).map(|column| column.name);
            own.chain([TS, ELAPSED_S, PHASE])
        };
        if !all().any(|known| known == column) {
            let hint = did_you_mean(column, all());
            return Err(Usage(format!("unknown column `{name}`{hint}; `perfwatch schema` lists them")));
        }
    }
    Ok(Columns::Only { tables: args.rows.tables.clone(), columns: args.columns.clone() })
}
