//! The page of a comparison: verdicts first, then the charts of both sides over each other.

use std::fmt::Write;

use super::beside::{Key, Side, align, figures};
use super::document::document;
use super::section::details;
use super::single::{attributes, foot, navigation};
use super::tables::{Grid, head, number, text};
use crate::chart::escape::escape;
use crate::chart::frame::shared;
use crate::compare::comparison::{Compared, Comparison};
use crate::compare::judge::Verdict;
use crate::compare::output::{self, Sentences};
use crate::store::read::piece::ReadError;
use crate::table::intern;
use crate::text::printable::printable;

/// Drawn in any case, after what decides or differs.
const USUAL: [&str; 6] = [
    "command.usage_percent",
    "command.rss_bytes",
    "cpu.usage_percent",
    "memory.used_bytes",
    "disk.util_percent",
    "cpu.steal_percent",
];
/// The most charts.
const MOST_CHARTS: usize = 24;
/// The most rows of metrics that neither decide nor differ.
const MOST_ROWS: usize = 400;

/// What the charts show: the metrics that decide or differ, the worst first. `tables`: those of the recordings.
pub fn keys(comparison: &Comparison, tables: &[&str]) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let shown = comparison.metrics.iter().filter(|m| output::is_shown(m)).map(|m| m.metric.as_str());
    for name in shown.take(MOST_CHARTS).chain(USUAL) {
        if let Some(key) = key(name, tables).filter(|key| !keys.contains(key)) {
            keys.push(key);
        }
    }
    keys
}

/// The column that `load: disk[vda].read_iops.p95` is about.
fn key(metric: &str, tables: &[&str]) -> Option<Key> {
    let name = metric.split_once(": ").map_or(metric, |(_, name)| name);
    let name = name.strip_suffix(".p50").or_else(|| name.strip_suffix(".p95")).unwrap_or(name);
    let (of, column) = name.rsplit_once('.')?;
    let (table, entity) = match of.split_once('[') {
        Some((table, entity)) => (table, Some(entity.strip_suffix(']')?.to_string())),
        None => (of, None),
    };
    // Entities that are combined have no name of their own.
    let entity = entity.filter(|name| !["max", "min", "mean", "sum"].contains(&name.as_str()));
    tables.contains(&table).then(|| Key { table: intern(table), entity, column: intern(column) })
}

/// The page. `sides`: the recordings of the baseline and of the new side.
pub fn comparison_page(
    comparison: &Comparison,
    sides: &[Side<'_>],
    keys: &[Key],
    left_out: &[String],
    problems: &mut Vec<ReadError>,
) -> String {
    let alignment = align(sides);
    let time = alignment.axis();
    let figures = figures(sides, &alignment, keys, problems);
    let said = Sentences::of(comparison);
    let mut out = shared(&time, &alignment.background());
    let clean = |text: &str| escape(&printable(text));
    let _ = writeln!(
        out,
        "<header><h1>{}</h1>\n<div class=\"lead\"><p>{}</p></div>",
        clean(&said.conclusion),
        clean(&said.heading)
    );
    let notes: String = said.notes.iter().map(|note| format!("<li>{}</li>\n", clean(note))).collect();
    if !notes.is_empty() {
        let _ = writeln!(out, "<ul>\n{notes}</ul>");
    }
    out += "</header>\n";
    let links = [("#verdicts", "Verdicts"), ("#charts", "Both sides over time")];
    out += &navigation(&links.map(|(to, name)| (to.to_string(), name.to_string())));
    let (shown, rest): (Vec<&Compared>, Vec<&Compared>) = comparison.metrics.iter().partition(|m| output::is_shown(m));
    let _ = writeln!(out, "<section id=\"verdicts\"><h2>Verdicts</h2>\n{}", table(&shown));
    let title = format!("{} more metrics: {}", rest.len(), output::rest(&rest));
    let some: Vec<&Compared> = rest.iter().copied().take(MOST_ROWS).collect();
    if !some.is_empty() {
        out += &details(&title, false, &table(&some));
    }
    out += "</section>\n";
    if !figures.is_empty() {
        let _ = writeln!(
            out,
            "<section id=\"charts\"><h2>Both sides over time</h2>\n<p class=\"note\"><small>The runs are drawn over each \
             other, {}. A line is the mean of the runs of a side; thin lines are the lowest and highest run, or with one \
             run its smallest and largest samples.</small></p>\n<div class=\"charts\">",
            clean(&alignment.words())
        );
        figures.iter().for_each(|(_, figure)| out += &figure.html(&time));
        out += "</div></section>\n";
    }
    let mut left_out = left_out.to_vec();
    if rest.len() > MOST_ROWS {
        left_out.push(format!("{} metrics that neither decide nor differ (--all, --out json)", rest.len() - MOST_ROWS));
    }
    out += &foot(&left_out);
    document(&format!("{} - perfwatch", printable(&said.conclusion)), &attributes(&time), &out)
}

fn table(metrics: &[&Compared]) -> String {
    let heads = ["metric", "base", "new", "change", "95 % interval", "p", "verdict"];
    let heads: Vec<(String, bool)> =
        heads.iter().enumerate().map(|(n, head)| (head.to_string(), (1..6).contains(&n))).collect();
    let mut grid = Grid::new("", &heads);
    for metric in metrics {
        let said = output::Row::of(metric);
        let value = |v: Option<f64>, shown: String| number(v.map(|v| (v, shown)));
        let class = match metric.verdict {
            Verdict::Regressed => " class=\"level high\"",
            Verdict::Improved => " class=\"level low\"",
            _ => "",
        };
        let change = metric.judged.relative.or(metric.judged.absolute);
        grid.row(&[
            head(&printable(&metric.metric)),
            value(metric.judged.base, said.base),
            value(metric.judged.new, said.new),
            value(change, said.change),
            format!("<td align=right>{}</td>", escape(&said.interval)),
            value(metric.judged.p_adjusted, said.p),
            match class {
                "" => text(&said.verdict),
                class => format!("<td{class}>{}</td>", escape(&said.verdict)),
            },
        ]);
    }
    grid.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_of_a_metric() {
        let tables = ["cpu", "disk", "cpu_core"];
        let of = |metric: &str| key(metric, &tables).map(|k| (k.table, k.entity, k.column));
        assert_eq!(of("cpu.usage_percent"), Some(("cpu", None, "usage_percent")));
        assert_eq!(of("load: disk[a.b]c].read_iops.p95"), Some(("disk", Some("a.b]c".into()), "read_iops")));
        assert_eq!(of("cpu_core[max].usage_percent"), Some(("cpu_core", None, "usage_percent")));
        assert_eq!(of("command.wall_s"), None);
    }
}
