//! Parses `/proc/self/mountstats`.
//!
//! ```text
//! device server:/export mounted on /mnt with fstype nfs4 statvers=1.1
//!         opts:   rw,vers=4.2,…
//!         age:    120
//!         …
//!         per-op statistics
//!                 READ: 3 3 0 636 8512 0 4 5 0
//! ```
//! The numbers of an operation: how often it was done, how often it was sent, timeouts, bytes sent and received, and the
//! milliseconds in the queue, from sending to the answer, and in all. Since Linux 5.3 (statvers 1.1) also errors.

use std::collections::HashSet;

use crate::linux::files::unescape;
use crate::linux::name::Name;
use crate::linux::scan::{lines, number, words};

/// A mounted NFS file system.
#[derive(Debug, PartialEq)]
pub struct Mount {
    pub mountpoint: String,
    /// `server:/export`
    pub server: String,
    /// Seconds since it was mounted.
    pub age_s: Option<u64>,
    pub operations: Vec<Operation>,
}

/// One operation since the file system was mounted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operation {
    pub name: Name,
    pub count: u64,
    pub sent: u64,
    pub timeouts: u64,
    pub bytes_sent: u64,
    pub bytes_recv: u64,
    pub queue_ms: u64,
    pub rtt_ms: u64,
    pub execute_ms: u64,
    pub errors: Option<u64>,
}

pub fn is_nfs(fstype: &[u8]) -> bool {
    matches!(fstype, b"nfs" | b"nfs4")
}

/// The NFS file systems. One that is mounted at several places (with the same options) is listed once, at its first
/// place: the kernel has one set of numbers for it.
pub fn parse(text: &[u8]) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    let mut seen = HashSet::new();
    let mut current: Option<Mount> = None;
    for line in lines(text) {
        if !line.starts_with(b"\t") {
            mounts.extend(current.take());
            current = mount(line);
            continue;
        }
        let Some(mount) = &mut current else { continue };
        let Some((name, values)) = crate::linux::scan::split_once(line, b':') else { continue };
        match name.trim_ascii() {
            b"opts" => {
                if !seen.insert((mount.server.clone(), values)) {
                    current = None;
                }
            }
            b"age" => mount.age_s = number(values.trim_ascii()),
            // Operations have two tabs or a tab and blanks before them; other lines with a colon have no eight numbers.
            name => mount.operations.extend(operation(name, values)),
        }
    }
    mounts.extend(current);
    // The last mount at a place covers earlier ones.
    let mut places = HashSet::new();
    mounts.reverse();
    mounts.retain(|mount| places.insert(mount.mountpoint.clone()));
    mounts.reverse();
    mounts
}

/// `device server:/export mounted on /mnt with fstype nfs4 statvers=1.1`
fn mount(line: &[u8]) -> Option<Mount> {
    let mut words = words(line);
    let mut next = || words.next();
    let (b"device", server, b"mounted", b"on", mountpoint, b"with", b"fstype", fstype) =
        (next()?, next()?, next()?, next()?, next()?, next()?, next()?, next()?)
    else {
        return None;
    };
    let text = |word: &[u8]| String::from_utf8_lossy(&unescape(word)).into_owned();
    is_nfs(fstype).then(|| Mount {
        mountpoint: text(mountpoint),
        server: text(server),
        age_s: None,
        operations: Vec::new(),
    })
}

fn operation(name: &[u8], values: &[u8]) -> Option<Operation> {
    let mut values = words(values).map(number);
    let mut next = || values.next().flatten();
    let [count, sent, timeouts, bytes_sent, bytes_recv, queue_ms, rtt_ms, execute_ms] =
        [next()?, next()?, next()?, next()?, next()?, next()?, next()?, next()?];
    let errors = next();
    let name = Name::new(name)?;
    // The first names of an operation are letters, or its number where the kernel has no name for it.
    let is_name = name.as_str().bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    is_name.then_some(Operation {
        name,
        count,
        sent,
        timeouts,
        bytes_sent,
        bytes_recv,
        queue_ms,
        rtt_ms,
        execute_ms,
        errors,
    })
}
