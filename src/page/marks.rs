//! Phases as bands and marks as lines behind the charts, and their list.

use super::head::clock;
use super::section::details;
use super::tables::{Grid, head, number, text};
use crate::chart::escape::escape;
use crate::chart::frame::Background;
use crate::mark::request::MarkKind;
use crate::report::marks::ListedMark;
use crate::report::phases::Phase;
use crate::table::human::time;
use crate::text::printable::printable;

/// More bands than this would hide the data.
pub const MOST_BANDS: usize = 40;
const MOST_MARKS: usize = 100;

/// A phase from its start to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub name: String,
    pub from_us: i64,
    pub to_us: i64,
}

/// The outermost phases in order of time. One without an end lasts until the end.
pub fn spans(marks: &[ListedMark], end_us: i64) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open: Option<(String, i64)> = None;
    for mark in marks {
        let name = mark.name.clone().unwrap_or_default();
        if mark.kind == MarkKind::Start.word() && mark.phase.is_none() {
            open = Some((name, mark.ts.0));
        } else if mark.kind == MarkKind::End.word()
            && let Some((phase, from_us)) = open.take_if(|(phase, _)| *phase == name)
        {
            spans.push(Span { name: phase, from_us, to_us: mark.ts.0 });
        }
    }
    spans.extend(open.map(|(name, from_us)| Span { name, from_us, to_us: end_us }));
    spans
}

/// What is drawn behind the charts, as times since `zero`.
pub fn background(marks: &[ListedMark], end_us: i64, zero: i64) -> Background {
    let bands: Vec<(i64, i64)> = spans(marks, end_us).iter().map(|s| (s.from_us - zero, s.to_us - zero)).collect();
    let lines = marks.iter().filter(|m| m.kind == MarkKind::Event.word()).map(|m| m.ts.0 - zero);
    Background { bands: bands.into_iter().take(MOST_BANDS).collect(), lines: lines.take(MOST_BANDS).collect() }
}

/// Phases with their durations, and the marks.
pub fn html(
    phases: &[Phase],
    marks: &[ListedMark],
    spans: &[Span],
    start_us: i64,
    left_out: &mut Vec<String>,
) -> String {
    if phases.is_empty() && marks.is_empty() {
        return String::new();
    }
    let mut out = String::from("<section id=\"t-mark\"><h2>Phases and marks <small><code>mark</code></small></h2>\n");
    if !phases.is_empty() {
        let heads =
            [("phase", false), ("times", true), ("in all", true), ("first", false)].map(|(h, n)| (h.to_string(), n));
        let mut grid = Grid::new("", &heads);
        for phase in phases {
            let first = spans.iter().find(|s| printable(&s.name) == phase.phase);
            let first = first
                .map_or(String::new(), |s| format!("{} – {}", clock(s.from_us, start_us), clock(s.to_us, start_us)));
            grid.row(&[
                head(&phase.phase),
                number(Some((phase.times as f64, phase.times.to_string()))),
                number(Some((phase.seconds, time(phase.seconds)))),
                text(&first),
            ]);
        }
        out += &grid.done();
        out += "<p class=\"note\"><small>Grey bands in all charts: the outermost phases. Dotted lines: events.</small></p>\n";
    }
    let heads = ["time", "kind", "what", "tags"].map(|h| (h.to_string(), false));
    let mut grid = Grid::new("", &heads);
    for mark in marks.iter().take(MOST_MARKS) {
        let what = mark.name.as_deref().or(mark.text.as_deref()).unwrap_or("");
        let tags = mark.tags.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(", ");
        grid.row(&[
            format!("<td>{}</td>", escape(&clock(mark.ts.0, start_us))),
            text(&printable(&mark.kind)),
            text(&printable(what)),
            text(&printable(&tags)),
        ]);
    }
    if !marks.is_empty() {
        out += &details("All marks", false, &grid.done());
    }
    if marks.len() > MOST_MARKS {
        left_out.push(format!("marks: {} of {} (report --marks lists them)", marks.len() - MOST_MARKS, marks.len()));
    }
    out + "</section>\n"
}
