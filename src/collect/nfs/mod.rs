//! What the NFS client asks its servers: operations by mount. Source: `/proc/self/mountstats`, which exists for this.
//!
//! The kernel prints all mounts of the machine into it, so it is only read while an NFS file system is mounted.

mod mountstats;
mod rows;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use crate::linux::files::{HeldFile, Roots};
use crate::linux::mounts::MountList;
use crate::linux::name::Name;
use crate::table::sample::Sample;
use mountstats::{Mount, parse};
use rows::{NfsRow, TABLE};

pub const ENTRY: Entry = Entry {
    name: "nfs",
    doc: "NFS client: operations, retransmits, bytes and latencies of each mount",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let list = MountList::open(file_of_mounts(&setup.roots, "mounts"))?;
    let is_used = has_nfs(&list).unwrap_or(false);
    // The kernel makes this file when it loads the client: file systems may then be mounted at any time.
    if !is_used && !setup.roots.net("rpc/nfs").exists() {
        return Err(Unavailable::new("no NFS file system is mounted"));
    }
    let file = HeldFile::open(file_of_mounts(&setup.roots, "mountstats"))?;
    let notes = if is_used { Vec::new() } else { vec!["no NFS file system is mounted at the start".into()] };
    let collector = NfsCollector { list, is_used: None, file, known: HashMap::new(), previous_ns: None };
    Ok(Opened::with_notes(collector, notes))
}

/// A list of mounts is that of a process: in a root of another machine, that of its first.
fn file_of_mounts(roots: &Roots, name: &str) -> PathBuf {
    let first = roots.proc("1").join(name);
    if !roots.are_live() && first.exists() { first } else { roots.proc("self").join(name) }
}

fn has_nfs(list: &MountList) -> Option<bool> {
    Some(list.read().ok()?.iter().any(|mount| mountstats::is_nfs(mount.fstype.as_bytes())))
}

struct NfsCollector {
    list: MountList,
    /// Whether an NFS file system is mounted; `None` if that is not known.
    is_used: Option<bool>,
    file: HeldFile,
    /// By mount point.
    known: HashMap<Arc<str>, KnownMount>,
    previous_ns: Option<u64>,
}

/// A mount at the previous reading.
struct KnownMount {
    /// The time at which it was first read, which tells it from an earlier mount at the same place.
    since_ns: u64,
    age_s: Option<u64>,
    /// The operations that had occurred.
    operations: Vec<Name>,
    is_seen: bool,
}

impl Collector for NfsCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        if self.list.changed() || self.is_used.is_none() {
            self.is_used = has_nfs(&self.list);
        }
        let mut rows = Vec::new();
        if self.is_used != Some(false) {
            for mount in parse(self.file.read()?) {
                follow(&mut self.known, self.previous_ns, out.mono_ns, &mount, &mut rows);
            }
        }
        self.known.retain(|_, known| std::mem::take(&mut known.is_seen));
        self.previous_ns = Some(out.mono_ns);
        out.push(&TABLE, &rows);
        Ok(())
    }
}

/// Adds the rows of a mount, of the operations that have occurred.
fn follow(
    known: &mut HashMap<Arc<str>, KnownMount>,
    previous_ns: Option<u64>,
    now_ns: u64,
    mount: &Mount,
    rows: &mut Vec<NfsRow>,
) {
    let before = known.remove(&*mount.mountpoint);
    let before = before.filter(|known| known.age_s.zip(mount.age_s).is_none_or(|(before, now)| now >= before));
    let is_first = previous_ns.is_none();
    // A file system that is mounted at a second place brings its numbers with it. Ages are in whole seconds.
    let passed_s = previous_ns.map_or(0, |at| now_ns.saturating_sub(at).div_ceil(1_000_000_000));
    let began = !is_first && mount.age_s.is_some_and(|age| age <= passed_s + 1);
    let since_ns = before.as_ref().map_or(now_ns, |known| known.since_ns);
    let mountpoint: Arc<str> = mount.mountpoint.as_str().into();
    let server: Arc<str> = mount.server.as_str().into();
    let mut operations = Vec::with_capacity(mount.operations.len());
    for operation in mount.operations.iter().filter(|operation| operation.count > 0) {
        operations.push(operation.name);
        let is_new = match &before {
            Some(known) => !known.operations.contains(&operation.name),
            None => began,
        };
        rows.push(NfsRow {
            mountpoint: mountpoint.clone(),
            server: server.clone(),
            since_ns,
            is_new,
            operation: *operation,
        });
    }
    known.insert(mountpoint, KnownMount { since_ns, age_s: mount.age_s, operations, is_seen: true });
}

#[cfg(test)]
mod tests;
