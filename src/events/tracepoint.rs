//! Tracepoints: places in the kernel's code that can be counted. Source: tracefs, which only root can read by default.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::EventId;
use crate::linux::files::{Roots, SourceError, names_in, read_once};

/// `perf_event_attr.type` of tracepoints.
pub const KIND: u32 = 2;

/// Where tracefs is mounted; before Linux 4.1 it was part of debugfs.
fn folder(roots: &Roots) -> PathBuf {
    let own = roots.sys("kernel/tracing");
    let older = roots.sys("kernel/debug/tracing");
    if !own.is_dir() {
        return if older.is_dir() { older } else { own };
    }
    // An empty folder is the mount point; if the folder may not be read, tracefs is mounted there.
    let is_empty = std::fs::read_dir(&own).is_ok_and(|mut entries| entries.next().is_none());
    // The kernel mounts it in debugfs as soon as someone accesses the folder. We must not cause that.
    if is_empty && is_mount(&older) { older } else { own }
}

/// Whether something is mounted here. This check does not mount it.
fn is_mount(folder: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).ok().map(|m| m.dev());
    device(folder).is_some_and(|own| folder.parent().and_then(device).is_some_and(|parent| own != parent))
}

/// The number of `sched:sched_switch`; `None` if tracefs cannot be read or has no such name.
pub fn id_of(roots: &Roots, name: &str) -> Option<EventId> {
    let (system, event) = split(name)?;
    let path = folder(roots).join("events").join(system).join(event).join("id");
    Some(EventId::new(KIND, read_once(&path).ok()?.trim().parse().ok()?))
}

/// Splits a tracepoint's name into its two parts, if it can be one.
pub fn split(name: &str) -> Option<(&str, &str)> {
    let (system, event) = name.split_once(':')?;
    let is_word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    (is_word(system) && is_word(event)).then_some((system, event))
}

/// All names, sorted.
///
/// # Errors
/// If tracefs is not mounted, or may not be read.
pub fn all(roots: &Roots) -> Result<Vec<String>, SourceError> {
    let events = folder(roots).join("events");
    let mut names = Vec::new();
    for system in names_in(&events)? {
        // There are also files next to the folders of the systems, and in these folders.
        let of_system = names_in(&events.join(&system)).unwrap_or_default();
        let has_number = |event: &String| events.join(&system).join(event).join("id").exists();
        names.extend(of_system.into_iter().filter(has_number).map(|event| format!("{system}:{event}")));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::super::pmu::tests::{roots, tree};
    use super::*;

    #[test]
    fn names_and_numbers() {
        let dir = tree(&[
            ("kernel/debug/tracing/events/sched/sched_switch/id", "316\n"),
            ("kernel/debug/tracing/events/sched/filter", ""),
            ("kernel/debug/tracing/events/ftrace/wakeup/format", ""),
            ("kernel/debug/tracing/events/block/block_rq_issue/id", "17\n"),
            ("kernel/debug/tracing/events/enable", "0\n"),
        ]);
        let roots = roots(&dir);
        assert_eq!(id_of(&roots, "sched:sched_switch"), Some(EventId::new(2, 316)));
        // From Linux 4.1 on the kernel mounts tracefs at that folder when it is accessed.
        std::fs::create_dir(roots.sys("kernel/tracing")).unwrap();
        assert_eq!(id_of(&roots, "sched:sched_switch"), None, "not mounted, and not mounted by us");
        std::fs::remove_dir(roots.sys("kernel/tracing")).unwrap();
        for none in ["sched:nosuch", "sched", ":", "sched:", "mem:0x1000:rw", "../x:y", "cycles:u"] {
            assert_eq!(id_of(&roots, none), None, "{none}");
        }
        assert_eq!(
            all(&roots).unwrap(),
            ["block:block_rq_issue", "sched:sched_switch"],
            "without a number it cannot be counted"
        );
        assert!(all(&super::super::pmu::tests::roots(&tree(&[]))).is_err());
    }
}
