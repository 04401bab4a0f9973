//! Groups of collectors, for `--collectors`.

use super::collector::Entry;

/// A name in `--collectors` that stands for several collectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Every collector. Those that need to be told what to record (`process`, `cgroup`) still do.
    All,
    /// What is recorded without `--collectors`: cheap, and useful on every machine.
    Default,
    /// What `sadc -S XALL` of sysstat records.
    Sar,
}

impl Group {
    pub const EVERY: [Group; 3] = [Group::All, Group::Default, Group::Sar];

    pub fn name(self) -> &'static str {
        match self {
            Group::All => "all",
            Group::Default => "default",
            Group::Sar => "sar",
        }
    }

    /// The group of this name.
    pub fn named(name: &str) -> Option<Group> {
        Group::EVERY.into_iter().find(|group| group.name() == name)
    }

    pub fn contains(self, entry: &Entry) -> bool {
        self == Group::All || entry.groups.contains(&self)
    }
}
