//! `only_on`: the machines on which a metric decides. Another CPU takes another time.

use std::fmt;

use serde::Serialize;

use crate::compare::run::Run;
use crate::facts::machine::Host;

/// A fact of the machine, and the patterns of which it has to match one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Condition {
    pub fact: String,
    /// With `*`, `?` and `[…]`, in upper or lower case.
    pub patterns: Vec<String>,
}

type FactOf = fn(&Host) -> Option<String>;

const FACTS: [(&str, FactOf); 8] = [
    ("hostname", |host| host.hostname.clone()),
    ("cpu", |host| host.cpu_model.clone()),
    ("cpus", |host| host.cpus_online.map(|n| n.to_string())),
    ("isa", |host| host.cpu.isa_level.clone()),
    ("architecture", |host| Some(host.architecture.clone())),
    ("kernel", |host| host.kernel_release.clone()),
    ("os", |host| host.os.clone()),
    ("governor", |host| host.governor.clone()),
];

/// A tag of the recording.
const TAG: &str = "tag.";

impl Condition {
    /// # Errors
    /// If there is no such fact, or a pattern is not one.
    pub fn new(fact: &str, patterns: Vec<String>) -> Result<Condition, String> {
        if !fact.starts_with(TAG) && !FACTS.iter().any(|(name, _)| *name == fact) {
            let names: Vec<&str> = FACTS.iter().map(|(name, _)| *name).chain(["tag.NAME"]).collect();
            return Err(format!("no fact is called `{fact}`; there are {}", names.join(", ")));
        }
        if let Some((pattern, error)) = patterns.iter().find_map(|p| Some((p, glob::Pattern::new(p).err()?))) {
            return Err(format!("`{pattern}` is not a pattern: {error}"));
        }
        Ok(Condition { fact: fact.into(), patterns })
    }

    pub fn holds(&self, run: &Run) -> bool {
        let options = glob::MatchOptions { case_sensitive: false, ..glob::MatchOptions::default() };
        let matches = |fact: &str| {
            let patterns = self.patterns.iter().filter_map(|pattern| glob::Pattern::new(pattern).ok());
            patterns.into_iter().any(|pattern| pattern.matches_with(fact, options))
        };
        self.value(run).is_some_and(|value| matches(&value))
    }

    /// The fact in a run, for people.
    pub fn found(&self, run: &Run) -> String {
        self.value(run).map_or_else(|| "none".into(), |value| format!("`{value}`"))
    }

    fn value(&self, run: &Run) -> Option<String> {
        let manifest = run.manifest.as_ref()?;
        if let Some(tag) = self.fact.strip_prefix(TAG) {
            return manifest.tags.get(tag).cloned();
        }
        let (_, of) = FACTS.iter().find(|(name, _)| *name == self.fact)?;
        of(&manifest.host)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is `{}`", self.fact, self.patterns.join("` or `"))
    }
}
