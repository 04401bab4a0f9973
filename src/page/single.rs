//! The page of one recording.

use std::fmt::Write;

use super::choose::Amount;
use super::data::Origin;
use super::document::document;
use super::glance::Facts;
use super::head;
use super::marks;
use super::section::{Section, title};
use crate::chart::escape::escape;
use crate::chart::frame::shared;
use crate::chart::time::TimeAxis;
use crate::query::Query;
use crate::report::marks::ListedMark;
use crate::report::model::Recording;
use crate::store::read::piece::{ReadError, Source};

/// A recording, its summary (with clean texts) and its marks.
pub struct Subject<'a> {
    pub source: &'a dyn Source,
    pub query: Query<'a>,
    pub recording: &'a Recording,
    pub marks: &'a [ListedMark],
}

/// The order of the sections. Others come before the recorder's own, which are last.
const ORDER: [&str; 27] = [
    "command",
    "metric",
    "cpu",
    "cpu_core",
    "memory",
    "paging",
    "resctrl",
    "disk",
    "filesystem",
    "network",
    "socket",
    "tcp",
    "udp",
    "ip",
    "icmp",
    "infiniband",
    "nfs",
    "nfs_server",
    "nfs_server_operation",
    "softirq",
    "interrupt",
    "pressure",
    "process",
    "cgroup",
    "gpu",
    "gpu_process",
    "perf",
];
const LAST: [&str; 4] = ["tick", "collector", "perf_status", "mark"];

pub fn place(table: &str) -> usize {
    let last = || LAST.iter().position(|name| *name == table).map(|at| ORDER.len() + 1 + at);
    ORDER.iter().position(|name| *name == table).or_else(last).unwrap_or(ORDER.len())
}

impl Subject<'_> {
    pub fn span(&self) -> (i64, i64) {
        match (self.recording.start, self.recording.end) {
            (Some(start), Some(end)) => (start.0, end.0),
            _ => (0, 0),
        }
    }

    fn time(&self) -> TimeAxis {
        let (from_us, to_us) = self.span();
        TimeAxis::new(from_us, to_us, false)
    }

    /// The tables with their values, in the order of the page.
    fn sections(&self, amount: Amount, problems: &mut Vec<ReadError>) -> Vec<Section<'_>> {
        let origin = Origin { source: self.source, query: &self.query, span: self.span() };
        let mut tables: Vec<_> = self.recording.tables.iter().filter(|t| t.table != "mark").collect();
        tables.sort_by_key(|table| place(table.table));
        tables.into_iter().filter_map(|table| Section::load(&origin, table, amount, problems)).collect()
    }
}

/// The page. What cannot be read is left out and added to `problems`.
pub fn page(subject: &Subject<'_>, amount: Amount, problems: &mut Vec<ReadError>) -> String {
    let recording = subject.recording;
    let manifest = subject.source.manifest();
    let (start, end) = subject.span();
    let time = subject.time();
    let sections = subject.sections(amount, problems);
    let verdicts = Facts { recording, sections: &sections, span: (start, end) }.verdicts();
    let spans = marks::spans(subject.marks, end);
    let background = marks::background(subject.marks, end, 0);
    let mut left_out = Vec::new();
    let mut body = String::new();
    for section in &sections {
        body += &section.html(&time, amount, &mut left_out);
    }
    let marks = marks::html(&recording.phases, subject.marks, &spans, start, &mut left_out);
    let missing = head::missing(manifest);

    let name = head::name(recording, manifest);
    let mut out = shared(&time, &background);
    let _ = write!(
        out,
        "<header><h1>{}</h1>\n<div class=\"lead\">{}</div>",
        escape(&name),
        head::sentences(recording, manifest, &verdicts)
    );
    if let Some(problems) = crate::report::view::problems(recording) {
        let _ = write!(out, "<p class=\"warning\">{}</p>", escape(&problems));
    }
    out += &head::facts(recording, manifest);
    out += "</header>\n";
    let mut links: Vec<(String, String)> = vec![("#glance".into(), "At a glance".into())];
    if !marks.is_empty() {
        links.push(("#t-mark".into(), "Phases".into()));
    }
    links.extend(sections.iter().map(|s| (format!("#t-{}", s.table.table), title(s.table.table))));
    if !missing.is_empty() {
        links.push(("#missing".into(), "Not recorded".into()));
    }
    out += &navigation(&links);
    out += &head::glance(&verdicts, start);
    out += &marks;
    out += &body;
    out += &missing;
    out += &foot(&left_out);
    document(&format!("{name} - perfwatch"), &attributes(&time), &out)
}

/// For the script.
pub fn attributes(time: &TimeAxis) -> String {
    format!(
        " data-from=\"{}\" data-to=\"{}\" data-since=\"{}\"",
        time.from_us,
        time.to_us,
        u8::from(time.is_since_start)
    )
}

pub fn navigation(links: &[(String, String)]) -> String {
    let links: Vec<String> = links.iter().map(|(to, name)| format!("<a href=\"{to}\">{}</a>", escape(name))).collect();
    format!("<nav aria-label=\"Sections\">{}</nav>\n", links.join(" &#183; "))
}

/// What was left out, and what the page needs.
pub fn foot(left_out: &[String]) -> String {
    let mut out = String::from("<footer>\n");
    if !left_out.is_empty() {
        let items: String = left_out.iter().map(|text| format!("<li>{}</li>\n", escape(text))).collect();
        let _ = write!(
            out,
            "<h2>Left out</h2>\n<p>To keep this page small. <code>--charts all</code> draws everything.</p>\n<ul>{items}</ul>\n"
        );
    }
    let _ = write!(
        out,
        "<p><small>Lines are means over columns of time, weighted as in the tables; the band around a line goes from the \
         smallest to the largest sample of each column. Gaps are times without a value. Counters are drawn as their growth \
         per second. Times are UTC. This page asks nothing of the network. Made by perfwatch {}.</small></p>\n</footer>\n",
        env!("CARGO_PKG_VERSION")
    );
    out
}

/// Each chart of the page as a file of its own: its name without extension, and its content.
pub fn svgs(subject: &Subject<'_>, amount: Amount, problems: &mut Vec<ReadError>) -> Vec<(String, String)> {
    let time = subject.time();
    let (start, end) = subject.span();
    let background = marks::background(subject.marks, end, 0);
    let about = format!("{}, {} UTC", subject.recording.host.as_deref().unwrap_or(""), head::moment(start));
    let mut files = Vec::new();
    for section in subject.sections(amount, problems) {
        for figure in section.figures(&time, &mut Vec::new()) {
            let is_fine = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            let name = figure.id.chars().map(|c| if is_fine(c) { c } else { '_' }).collect();
            files.push((name, figure.svg(about.trim_start_matches(", "), &time, &background)));
        }
    }
    files
}
