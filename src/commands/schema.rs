//! `perfwatch schema`: prints all tables and columns from their declarations, and generates docs/COLUMNS.md.

use std::fmt::Write as _;
use std::io::Write;

use serde_json::{Value, json};

use super::output::write_all;
use super::{Outcome, Usage};
use crate::cli::schema::{Format, SchemaArgs};
use crate::report::markdown::escape;
use crate::store::layout::FORMAT;
use crate::table::{Better, ELAPSED_S, PHASE, StoredColumn, TS, TableDef};
use crate::text::nearest::did_you_mean;

/// # Errors
/// [`Usage`] for an unknown table; otherwise when `out` cannot be written.
pub fn run(args: &SchemaArgs, catalog: &[TableDef], out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let names = || catalog.iter().map(|t| t.name);
    if let Some(unknown) = args.tables.iter().find(|n| !names().any(|t| t == *n)) {
        return Err(Usage(format!("unknown table `{unknown}`{}", did_you_mean(unknown, names()))).into());
    }
    let chosen = catalog.iter().filter(|t| args.tables.is_empty() || args.tables.iter().any(|n| n == t.name));
    let chosen: Vec<&TableDef> = chosen.collect();
    let text = match args.output.form() {
        Format::Table => text(&chosen, crate::ui::terminal::width()),
        Format::Json => serde_json::to_string_pretty(&json(&chosen))? + "\n",
        Format::Markdown => markdown(&chosen),
    };
    write_all(out, &text)?;
    Ok(Outcome::Done)
}

/// The first columns of every table: name, type, unit, description.
const COMMON: [(&str, &str, &str, &str); 3] = [
    (
        TS,
        "timestamp(us, UTC)",
        "",
        "Wall-clock time at which the tick began. It is the same in all tables of a tick, except `mark`, `perf` and `perf_status`, which have their own times.",
    ),
    (
        ELAPSED_S,
        "float64",
        "s",
        "Monotonic time since the previous row of the same entity; null in its first row of a session, and in the first row after its counters were reset.",
    ),
    (
        PHASE,
        "string",
        "",
        "The phase that `perfwatch mark` set for this interval. For nested phases all names, outermost first: `load/warmup`. Null outside of phases.",
    ),
];

/// For a terminal of `width` columns.
pub fn text(tables: &[&TableDef], width: usize) -> String {
    let mut out = String::from("every table\n");
    let common = COMMON.iter().map(|(name, ty, unit, doc)| [*name, *ty, "", *unit, *doc]);
    lines(&mut out, &common.collect::<Vec<_>>(), width);
    for table in tables {
        let _ = writeln!(out, "\n{}  ({})", table.name, table.source);
        let _ = writeln!(out, "  {}", table.doc);
        let types: Vec<(String, String)> =
            table.stored.iter().map(|c| (c.ty.to_string(), c.kind.to_string())).collect();
        let rows: Vec<[&str; 5]> =
            table.stored.iter().zip(&types).map(|(c, (ty, kind))| [c.name, ty, kind, c.unit.word(), &c.doc]).collect();
        lines(&mut out, &rows, width);
    }
    out
}

/// Prints aligned columns; the text in the last one wraps between words.
fn lines(out: &mut String, rows: &[[&str; 5]], width: usize) {
    let widest = |n: usize| rows.iter().filter_map(|r| r.get(n)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(widest).collect();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths).filter(|(_, w)| **w > 0) {
            let _ = write!(line, " {cell:width$}");
        }
        let indent = line.chars().count();
        // On a narrow terminal the text starts on the next line.
        let below = indent + 30 > width;
        let indent = if below { 6 } else { indent };
        if below {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(indent);
        }
        let mut begun = false;
        for word in row.last().copied().unwrap_or("").split(' ') {
            if begun && line.chars().count() + 1 + word.chars().count() > width {
                let _ = writeln!(out, "{}", line.trim_end());
                line = " ".repeat(indent);
            }
            line.push(' ');
            line.push_str(word);
            begun = true;
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

pub fn json(tables: &[&TableDef]) -> Value {
    let column = |c: &StoredColumn| {
        json!({
            "name": c.name, "type": c.ty.to_string(), "kind": c.kind.to_string(), "unit": c.unit.word(),
            "better": c.better.map(Better::word), "weight": c.weight.word(), "doc": c.doc,
        })
    };
    let table = |t: &&TableDef| {
        json!({
            "name": t.name, "source": t.source, "doc": t.doc,
            "columns": t.stored.iter().map(column).collect::<Vec<_>>(),
        })
    };
    let common = COMMON.iter().map(|(name, ty, unit, doc)| json!({"name": name, "type": ty, "unit": unit, "doc": doc}));
    json!({
        "format_version": FORMAT,
        "common_columns": common.collect::<Vec<_>>(),
        "tables": tables.iter().map(table).collect::<Vec<_>>(),
    })
}

/// The column reference, docs/COLUMNS.md.
pub fn markdown(tables: &[&TableDef]) -> String {
    let mut out = String::from(
        "# Tables and columns\n\nGenerated by `perfwatch schema --format markdown` from the declarations in the source code; do not edit.\n\n\
         *Kind* says what a column contains: an *entity* identifies the subject of the row; a *label* is a state or text; a\n\
         *counter* grows from boot; a *gauge* is the value at the tick; an *interval* is a value over the time since the\n\
         entity's previous row. It is null in the entity's first row, and if the growth of a counter is not known. In means and\n\
         percentiles, all rows of a gauge have the same weight, and an interval is weighted by its length, unless its text says\n\
         otherwise. *Better* says which direction is better.\n\n\
         ## Every table\n\n| column | type | unit | |\n|---|---|---|---|\n",
    );
    for (name, ty, unit, doc) in COMMON {
        let _ = writeln!(out, "| `{name}` | {ty} | {unit} | {doc} |");
    }
    for table in tables {
        let _ = writeln!(out, "\n## {}\n\n{}\n\nSource: {}\n", table.name, table.doc, escape(table.source));
        out.push_str("| column | type | kind | unit | better | |\n|---|---|---|---|---|---|\n");
        for c in &table.stored {
            let better = c.better.map_or("", Better::word);
            // The texts are Markdown already: they contain names of columns and files in backquotes.
            let doc = c.doc.replace('|', "\\|");
            let _ = writeln!(out, "| `{}` | {} | {} | {} | {better} | {doc} |", c.name, c.ty, c.kind, c.unit);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::format::FormatArgs;
    use crate::report::testing::{column, counter, entity, table};
    use crate::table::{Kind, Type, Unit};

    fn disk() -> &'static TableDef {
        let mut util = column("util_percent", Type::Float64, Kind::Interval, Unit::Percent);
        util.better = Some(Better::Lower);
        util.doc = "Time in which the device was busy, of the whole; a|b.".into();
        table("disk", vec![entity("device"), counter("read_bytes", 0, Unit::Bytes), util])
    }

    #[test]
    fn markdown_is_the_reference() {
        let got = markdown(&[disk()]);
        assert!(got.contains("\n| `ts` | timestamp(us, UTC) |  | Wall-clock time at which the tick began."), "{got}");
        assert_eq!(got.matches("`elapsed_s`").count(), 1);
        let want = "\n## disk\n\nA test.\n\nSource: /proc/test\n\n\
            | column | type | kind | unit | better | |\n|---|---|---|---|---|---|\n\
            | `device` | string | entity |  |  | The device. |\n\
            | `read_bytes` | int64 | counter | bytes |  | The read_bytes. |\n\
            | `util_percent` | float64 | interval | percent | lower | Time in which the device was busy, of the whole; a\\|b. |\n";
        assert!(got.ends_with(want), "{got}");
    }

    #[test]
    fn json_has_every_field() {
        let got = json(&[disk()]);
        assert_eq!(got["tables"][0]["columns"][2]["better"], "lower");
        assert_eq!(got["tables"][0]["columns"][1]["kind"], "counter");
        assert_eq!(got["common_columns"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn text_fits_the_terminal() {
        let want = "
disk  (/proc/test)
  A test.
  device       string  entity           The device.
  read_bytes   int64   counter bytes    The read_bytes.
  util_percent float64 interval percent Time in which the device was busy, of
                                        the whole; a|b.
";
        let got = text(&[disk()], 80);
        let squeeze = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeeze(&got).ends_with(&squeeze(want)), "{got}");
        for width in [60, 80, 200] {
            assert!(text(&[disk()], width).lines().all(|l| l.chars().count() <= width), "{width}");
        }
    }

    #[test]
    fn an_unknown_table_is_refused() {
        let args = SchemaArgs { tables: vec!["dsik".into()], output: FormatArgs::default() };
        let error = run(&args, &[disk().clone()], &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "unknown table `dsik` (did you mean `disk`?)");
        assert!(error.is::<Usage>());
    }
}
