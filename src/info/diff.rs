//! The facts that differ between recordings: the first thing to check when one was slower.

use serde::Serialize;
use serde_json::Value;

use super::noise::is_noise;
use super::tree::Tree;
use super::words::words;
use super::{JSON_VERSION, Recording};
use crate::store::manifest::Manifest;
use crate::text::grid::{Align, Grid, columns};
use crate::text::printable::printable;

/// What `perfwatch info --diff --json` prints.
#[derive(Debug, Serialize)]
pub struct Diff {
    pub version: u32,
    /// What is compared: recordings, or folders of runs.
    pub recordings: Vec<String>,
    pub facts: Vec<Fact>,
}

/// A recording, or the runs of one command, which are combined.
#[derive(Debug, Default)]
pub struct Column {
    pub name: String,
    pub recordings: Vec<Recording>,
}

#[derive(Debug, Serialize)]
pub struct Fact {
    /// Path in the manifest, such as `host.cpu.turbo`; `session.` is the latest session.
    pub fact: String,
    /// In the order of the recordings; null if a recording does not have it, a list if the runs of one command differ.
    pub values: Vec<Value>,
    #[serde(skip)]
    shown: Vec<String>,
}

/// Facts that differ in every session, or are results: they explain nothing.
const ALWAYS_NEW: &[&str] = &[
    "number",
    "pid",
    "argv",
    "started",
    "ended",
    "end_reason",
    "boot_id",
    "boot_time",
    "ticks",
    "missed",
    "lost_ticks",
    "sync_failures",
    "marks",
    "deleted_files",
    "deleted_bytes",
    "deleted_before",
    "problems",
];

/// Recordings without a manifest have no facts.
pub fn diff(columns: &[Column]) -> Diff {
    let of = |c: &Column| c.recordings.iter().map(|r| r.manifest.as_ref().map(facts).unwrap_or_default()).collect();
    let all: Vec<Vec<Facts>> = columns.iter().map(of).collect();
    let names = merged(all.iter().flatten());
    let manifests = || columns.iter().flat_map(|c| &c.recordings).filter_map(|r| r.manifest.as_ref());
    let cpus = manifests().filter_map(|m| m.host.cpus_online).min().unwrap_or(1) as f64;
    let fact = |name: &&String| {
        let values: Vec<Vec<Option<&Tree>>> = all.iter().map(|runs| distinct(runs, name)).collect();
        let differ = values.iter().any(|value| *value != values[0]) && !is_noise(name, &values, cpus);
        differ.then(|| Fact {
            fact: (*name).clone(),
            values: values.iter().map(|v| json_of(v)).collect(),
            shown: values.iter().map(|v| shown(name, v)).collect(),
        })
    };
    Diff {
        version: JSON_VERSION,
        recordings: columns.iter().map(|c| c.name.clone()).collect(),
        facts: names.iter().filter_map(fact).collect(),
    }
}

/// The facts of a recording, by name.
type Facts = Vec<(String, Tree)>;

/// The values of a fact in these recordings, each once.
fn distinct<'a>(runs: &'a [Facts], name: &str) -> Vec<Option<&'a Tree>> {
    let mut values = Vec::new();
    for facts in runs {
        let value = facts.iter().find(|(n, _)| n == name).map(|(_, value)| value);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

fn json_of(values: &[Option<&Tree>]) -> Value {
    let json = |value: &Option<&Tree>| value.map_or(Value::Null, json);
    if let [one] = values { json(one) } else { values.iter().map(json).collect() }
}

/// If the runs differ, only the first values are shown.
fn shown(name: &str, values: &[Option<&Tree>]) -> String {
    const MOST: usize = 3;
    let word = |value: &Option<&Tree>| {
        let word = value.map_or_else(String::new, |value| words(last(name), value));
        if word.is_empty() { "-".to_string() } else { word }
    };
    let mut shown = values.iter().take(MOST).map(word).collect::<Vec<_>>().join(" | ");
    if values.len() > MOST {
        shown += &format!(" and {} more", values.len() - MOST);
    }
    shown
}

/// Every name once; a name that is missing in the first recording comes after its predecessor.
fn merged<'a>(facts: impl Iterator<Item = &'a Facts>) -> Vec<&'a String> {
    let mut names: Vec<&String> = Vec::new();
    for of in facts {
        let mut at = 0;
        for (name, _) in of {
            match names.iter().position(|n| *n == name) {
                Some(found) => at = found + 1,
                None => {
                    names.insert(at, name);
                    at += 1;
                }
            }
        }
    }
    names
}

/// Tags, machine and latest session; each fact with its path in the manifest.
fn facts(manifest: &Manifest) -> Facts {
    let mut out = Vec::new();
    let mut take = |name: &str, value: Tree| flatten(name, value, &mut out);
    // Tags can have any name, so none is left out.
    take("tags", Tree::from_value(&manifest.tags));
    take("host", Tree::from_value(&manifest.host).without(ALWAYS_NEW));
    if let Some(session) = manifest.sessions.last() {
        take("session", Tree::from_value(session).without(ALWAYS_NEW).without(&["collectors", "command"]));
        if let Some(command) = &session.command {
            take("session.command.argv", Tree::List(command.argv.iter().cloned().map(Tree::Text).collect()));
        }
        for collector in &session.collectors {
            let mut state = collector.state.word().to_string();
            if let Some(by) = &collector.by {
                state += &format!(" by {by}");
            }
            take(&format!("session.collectors.{}", collector.name), Tree::Text(state));
        }
    }
    out
}

/// A list is one fact.
fn flatten(name: &str, value: Tree, out: &mut Vec<(String, Tree)>) {
    match value {
        Tree::Members(members) => {
            for (member, value) in members {
                flatten(&format!("{name}.{member}"), value, out);
            }
        }
        value if value.is_empty() => {}
        value => out.push((name.to_string(), value)),
    }
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn json(value: &Tree) -> Value {
    match value {
        Tree::Null => Value::Null,
        Tree::Bool(yes) => (*yes).into(),
        // 64, as it was written, not 64.0.
        #[allow(clippy::cast_possible_truncation, reason = "it has no fraction, and is small enough to be exact")]
        Tree::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => (*n as i64).into(),
        Tree::Number(n) => (*n).into(),
        Tree::Text(text) => text.clone().into(),
        Tree::List(items) => items.iter().map(json).collect(),
        Tree::Members(members) => members.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
    }
}

impl Diff {
    /// One line per fact, one column per recording. Text that is too long for its column continues on the next line.
    pub fn text(&self, width: usize) -> String {
        if self.facts.is_empty() {
            return "no fact differs\n".into();
        }
        let head = std::iter::once(String::new()).chain(self.names());
        let rows = self.facts.iter().map(|f| {
            std::iter::once(printable(&f.fact).into_owned()).chain(f.shown.iter().cloned()).collect::<Vec<_>>()
        });
        let rows: Vec<Vec<String>> = std::iter::once(head.collect()).chain(rows).collect();
        let facts = rows.iter().filter_map(|row| row.first()).map(|fact| columns(fact)).max().unwrap_or(0);
        let room = width.saturating_sub(facts) / self.recordings.len();
        let mut grid = Grid::new(vec![Align::Left; rows.first().map_or(0, Vec::len)]);
        grid = grid.most_after_first(room.saturating_sub(GAP).max(NARROWEST));
        rows.into_iter().for_each(|row| grid.row(row));
        grid.text(width)
    }

    /// The directory names of the recordings if they differ, otherwise the paths.
    fn names(&self) -> Vec<String> {
        let short = |path: &String| std::path::Path::new(path).file_name().map(|n| n.to_string_lossy().into_owned());
        let names: Option<Vec<String>> = self.recordings.iter().map(short).collect();
        let differ = |names: &Vec<String>| names.iter().collect::<std::collections::BTreeSet<_>>().len() == names.len();
        let names = names.filter(differ).unwrap_or_else(|| self.recordings.clone());
        names.iter().map(|name| printable(name).into_owned()).collect()
    }
}

/// Spaces between two columns.
const GAP: usize = 2;
/// Minimum width of a column, even if lines then wrap.
const NARROWEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::machine::Host;
    use crate::store::manifest::{CommandFacts, Session};

    fn recording(path: &str, change: impl FnOnce(&mut Manifest)) -> Column {
        Column { name: path.into(), recordings: vec![one(change)] }
    }

    fn one(change: impl FnOnce(&mut Manifest)) -> Recording {
        let mut manifest = Manifest::new("2026-11-20T07:00:00Z".into(), Host::default());
        manifest.sessions.push(Session { number: 1, pid: 7, ..Session::default() });
        change(&mut manifest);
        Recording { manifest: Some(manifest), ..Recording::default() }
    }

    #[test]
    fn only_what_differs() {
        let base = recording("base", |m| {
            m.host.governor = Some("powersave".into());
            m.host.cpus_online = Some(2);
            m.sessions[0].pid = 8;
        });
        let new = recording("new", |m| {
            m.host.governor = Some("performance".into());
            m.host.cpus_online = Some(2);
            m.host.cpu.turbo = Some(true);
            m.tags.insert("number".into(), "7".into());
        });
        let diff = diff(&[base, new]);
        let facts: Vec<(&str, &[Value])> = diff.facts.iter().map(|f| (f.fact.as_str(), f.values.as_slice())).collect();
        let expected: [(&str, &[Value]); 3] = [
            ("tags.number", &[Value::Null, "7".into()]),
            ("host.governor", &["powersave".into(), "performance".into()]),
            ("host.cpu.turbo", &[Value::Null, true.into()]),
        ];
        assert_eq!(facts, expected);
        let wide = "                base       new\n\
                    tags.number     -          7\n\
                    host.governor   powersave  performance\n\
                    host.cpu.turbo  -          yes\n";
        assert_eq!(diff.text(80), wide);
    }

    #[test]
    fn nothing_differs() {
        let same = || recording("a", |_| ());
        assert_eq!(diff(&[same(), same()]).text(80), "no fact differs\n");
        let lost = Column { name: "lost".into(), recordings: vec![Recording::default()] };
        assert!(!diff(&[same(), lost]).facts.is_empty());
    }

    #[test]
    fn runs_are_combined() {
        let run = |governor: &str, load1: f64| {
            one(|m| {
                m.host.governor = Some(governor.into());
                m.sessions[0].start.load.load1 = Some(load1);
                m.sessions[0].command =
                    Some(CommandFacts { argv: vec!["make".into()], pid: 7, ..CommandFacts::default() });
            })
        };
        let base = vec![run("powersave", 1.0), run("powersave", 1.0)];
        let new =
            vec![run("performance", 2.0), run("powersave", 3.0), run("performance", 4.0), run("performance", 5.0)];
        let diff =
            diff(&[Column { name: "base".into(), recordings: base }, Column { name: "new".into(), recordings: new }]);
        let expected = "                    base       new\n\
                        host.governor       powersave  performance | powersave\n\
                        session.load.load1  1          2 | 3 | 4 and 1 more\n";
        assert_eq!(diff.text(80), expected);
        assert_eq!(diff.facts[1].values, [Value::from(1), [2, 3, 4, 5].into_iter().collect()]);
    }

    #[test]
    fn normal_differences_of_load_are_not_shown() {
        let run = |load1: f64, threads: u64| {
            recording("run", |m| {
                m.host.cpus_online = Some(2);
                m.sessions[0].start.load.load1 = Some(load1);
                m.sessions[0].start.load.threads = Some(threads);
            })
        };
        assert_eq!(diff(&[run(0.31, 210), run(0.64, 214)]).text(80), "no fact differs\n");
        let facts = diff(&[run(0.31, 210), run(7.5, 214)]).facts;
        assert_eq!(facts.iter().map(|f| f.fact.as_str()).collect::<Vec<_>>(), ["session.load.load1"]);
    }

    #[test]
    fn long_words_go_on_below() {
        let diff = diff(&[
            recording("x/run", |m| m.host.os = Some("Debian GNU/Linux 12 (bookworm)".into())),
            recording("y/run", |_| ()),
        ]);
        let narrow = "         x/run             y/run\n\
                      host.os  Debian GNU/Linux  -\n\
                      \u{20}        12 (bookworm)\n";
        assert_eq!(diff.text(40), narrow);
    }
}
