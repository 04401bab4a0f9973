//! The facts about a recording as text: groups of aligned names and values.

use super::tree::Tree;
use super::words::{Line, lines};
use super::{RecordingInfo, Table};
use crate::collect::options::Options;
use crate::store::manifest::{CollectorFacts, CollectorState, Session};
use crate::store::read;
use crate::table::Unit;
use crate::table::human::{count, scaled};
use crate::text::grid::wrap;
use crate::text::printable::printable;
use crate::text::words;

/// The page of a recording for a terminal with `width` columns. `all`: every session in full, not only the last.
pub fn render(recording: &RecordingInfo, width: usize, all: bool) -> String {
    let mut page = Page { out: String::new(), width };
    page.line(&printable(&recording.path));
    wrap(&mut page.out, &printable(&recording.heading), 0, width);
    if let Some(manifest) = &recording.manifest {
        page.group("tags", &lines(&Tree::from_value(&manifest.tags)));
        let note = |text: &str, name: &str| Line {
            depth: 0,
            name: printable(name).into_owned(),
            words: Some(printable(text).into_owned()),
        };
        let notes = manifest.notes.iter().flat_map(|n| {
            let names = std::iter::once(n.at.as_str()).chain(std::iter::repeat(""));
            n.text.lines().zip(names).map(|(text, name)| note(text, name)).collect::<Vec<_>>()
        });
        page.group("notes", &notes.collect::<Vec<_>>());
        page.group("run", &manifest.run.as_ref().map_or_else(Vec::new, |run| lines(&Tree::from_value(run))));
    }
    page.tables(recording);
    let Some(manifest) = &recording.manifest else { return page.out };
    page.group("machine", &lines(&grouped(Tree::from_value(&manifest.host))));
    let last = manifest.sessions.len().saturating_sub(1);
    for (n, session) in manifest.sessions.iter().enumerate() {
        if all || n == last {
            page.group(&format!("session {}", session.number), &lines(&facts(session)));
            page.collectors(&session.collectors);
        } else {
            page.line(&format!("\nsession {}: {}", session.number, brief(session)));
        }
    }
    page.out
}

struct Page {
    out: String,
    width: usize,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// A group with a title; nothing if there are no lines.
    fn group(&mut self, title: &str, lines: &[Line]) {
        if lines.is_empty() {
            return;
        }
        self.line(&format!("\n{title}"));
        let names = lines.iter().filter(|l| l.words.is_some()).map(|l| 2 * l.depth + l.name.chars().count()).max();
        let names = names.unwrap_or(0);
        for line in lines {
            let name = format!("{}{}", "  ".repeat(line.depth), line.name);
            match &line.words {
                None => self.line(&format!("  {name}")),
                Some(words) => self.fact(&name, names, words),
            }
        }
    }

    /// The value after the name; text that does not fit continues on the next line.
    fn fact(&mut self, name: &str, names: usize, words: &str) {
        let head = format!("  {name:<names$}  ");
        let mut text = String::new();
        wrap(&mut text, words, head.chars().count(), self.width);
        self.line(&(head + text.trim_start()));
    }

    fn tables(&mut self, recording: &RecordingInfo) {
        self.line("\nfiles");
        let row = |t: &Table| {
            let files = words::count(t.files as u64, "file");
            let rows = format!("{:>8} rows", count(t.rows as f64));
            if t.files == 0 { rows } else { format!("{rows}  {files:>10}  {}", scaled(t.bytes as f64, Unit::Bytes)) }
        };
        let names = recording.tables.iter().map(|t| t.table.len()).max().unwrap_or(0).max("in all".len());
        for table in &recording.tables {
            self.line(&format!("  {:<names$}  {}", table.table, row(table)));
        }
        let all = format!("{}, {}", words::count(recording.files, "file"), scaled(recording.bytes as f64, Unit::Bytes));
        self.fact("in all", names, &all);
        if recording.journals > 0 {
            let what = match recording.state {
                Some(read::RecordingState::Live) => "the open hour is in the journal",
                _ => "some rows are only in journals: `perfwatch recover` converts them to Parquet",
            };
            self.fact("journal", names, what);
        }
        for path in &recording.damaged_journals {
            self.fact("damaged", names, &printable(path));
        }
    }

    /// The recorded collectors on one line; for the others, the reason.
    fn collectors(&mut self, facts: &[CollectorFacts]) {
        let of = |state| facts.iter().filter(move |c| c.state == state);
        let names = |state| of(state).map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut lines = Vec::new();
        let mut add = |name: &str, words: String| {
            if !words.is_empty() {
                lines.push(Line { depth: 0, name: name.into(), words: Some(printable(&words).into_owned()) });
            }
        };
        add("recorded", names(CollectorState::Recorded));
        for c in of(CollectorState::Partial) {
            let by = c.by.as_ref().map(|by| format!(" by {by}"));
            add("in part", format!("{}{}: {}", c.name, by.unwrap_or_default(), c.notes.join("; ")));
        }
        for c in of(CollectorState::Unavailable) {
            let advice = c.advice.as_ref().map(|advice| format!(" ({advice})"));
            add("missing", format!("{}: {}{}", c.name, c.notes.join("; "), advice.unwrap_or_default()));
        }
        add("not requested", names(CollectorState::Disabled));
        self.group("collectors", &lines);
    }
}

/// Leaves out what is shown elsewhere on the page, and options at their default.
fn facts(session: &Session) -> Tree {
    let facts = Tree::from_value(session).without(&["number", "collectors"]);
    let Tree::Members(mut members) = facts else { return facts };
    let usual = Tree::from_value(&Options::default().facts());
    for (name, value) in &mut members {
        if name == "options" {
            *value = std::mem::replace(value, Tree::Null).without_members_of(&usual);
        }
    }
    Tree::Members(members)
}

/// Combines all vulnerabilities that do not affect this CPU into one line.
fn grouped(host: Tree) -> Tree {
    let Tree::Members(mut host) = host else { return host };
    let kernel = host.iter_mut().find(|(name, _)| name == "kernel");
    if let Some((_, Tree::Members(kernel))) = kernel
        && let Some((_, Tree::Members(all))) = kernel.iter_mut().find(|(name, _)| name == "mitigations")
    {
        let spared = |(_, state): &(String, Tree)| *state == Tree::Text("Not affected".into());
        let names = all.iter().filter(|m| spared(m)).map(|(name, _)| Tree::Text(name.clone())).collect();
        all.retain(|m| !spared(m));
        all.push(("not affected".into(), Tree::List(names)));
    }
    Tree::Members(host)
}

fn brief(session: &Session) -> String {
    let how = match (&session.ended, &session.end_reason) {
        (Some(ended), Some(reason)) => format!("to {ended} ({reason}), {}", words::ticks(session.ticks)),
        (Some(ended), None) => format!("to {ended}, {}", words::ticks(session.ticks)),
        (None, _) => "not ended cleanly (killed?)".into(),
    };
    printable(&format!("{} {how}", session.started)).into_owned()
}
