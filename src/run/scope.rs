//! A control group for the command alone, so that the kernel keeps accounts of it and all that comes of it: the peak of
//! their memory together, and their CPU time.
//!
//! The command must not notice. Its group therefore lies inside of our own, whose limits hold for it as before, with two
//! exceptions. Version 2 lets no group have processes *and* divide its memory's account, unless it is the root; the
//! command's then lies beside ours, but only if ours has no limits of its own, and nobody ends it as a whole. And a group
//! of version 1 that would take from the command the right to real-time scheduling is not made. What remains: where
//! version 1 mounts `cpu` together with `cpuacct`, the command competes with others of our group as one, not process by
//! process.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cgroup::{Folder, Hierarchies, Hierarchy, Own, Version};
use crate::source::read_once;

const PREFIX: &str = "perfwatch-";
const PROCESSES: &str = "cgroup.procs";
const DIVIDED: &str = "cgroup.subtree_control";

const CPU_ALONE: &str = "the command's control group counts CPU time alone: our own, having processes, cannot divide the \
                         account of its memory, and nothing may lie beside it";

/// Files of version 2 that would not hold beside our own group, and what they say when nobody set them.
const UNLIMITED: [(&str, &str); 14] = [
    ("cpu.max", "max 100000"),
    ("cpu.weight", "100"),
    ("cpu.idle", "0"),
    ("cpuset.cpus", ""),
    ("cpuset.mems", ""),
    ("io.max", ""),
    ("io.weight", "default 100"),
    ("memory.min", "0"),
    ("memory.low", "0"),
    ("memory.high", "max"),
    ("memory.max", "max"),
    ("memory.swap.max", "max"),
    ("memory.oom.group", "0"),
    ("pids.max", "max"),
];

/// The command's group; it is gone when this is dropped.
#[derive(Default)]
pub struct Scope {
    places: Vec<Place>,
    notes: Vec<String>,
}

/// The group in one hierarchy.
struct Place {
    folder: Folder,
    /// Whose processes come back there.
    home: PathBuf,
    /// Through which it is joined.
    door: File,
    /// Where we had memory's account divided.
    divided: Option<PathBuf>,
    /// Held for as long as we live: who finds it free has found what a killed recorder left.
    _lock: File,
}

impl Scope {
    /// Makes it as far as that is permitted.
    pub fn make(hierarchies: &Hierarchies) -> Scope {
        let mut scope = Scope::default();
        let (memory, cpu) = (hierarchies.with("memory"), hierarchies.with("cpuacct"));
        match (memory, cpu, hierarchies.unified()) {
            (None, None, None) => scope.notes.push("no control groups are mounted".into()),
            (memory, cpu, unified) => {
                scope.add(
                    memory.map(|h| {
                        in_first(h, "memory.use_hierarchy", |text| text != "0", "limits would not hold in it")
                    }),
                );
                // Both controllers may share a hierarchy.
                let cpu = cpu.filter(|cpu| memory != Some(cpu));
                scope.add(
                    cpu.map(|h| in_first(h, "cpu.rt_runtime_us", |_| false, "it would have no real-time scheduling")),
                );
                if memory.is_none() || hierarchies.with("cpuacct").is_none() {
                    scope.add(unified.map(in_second));
                    if memory.is_none() && scope.places.iter().any(|place| !place.counts_memory()) {
                        scope.notes.push(CPU_ALONE.into());
                    }
                }
            }
        }
        scope
    }

    fn add(&mut self, place: Option<Result<Place, String>>) {
        match place {
            Some(Ok(place)) => self.places.push(place),
            Some(Err(why)) => self.notes.push(format!("the command has no control group of its own: {why}")),
            None => {}
        }
    }

    /// The files through which the command joins, by writing a zero.
    pub fn doors(&self) -> Vec<File> {
        self.places.iter().filter_map(|place| place.door.try_clone().ok()).collect()
    }

    /// Gives up where this process, who was to join, is not: where it was not let in.
    pub fn check(&mut self, pid: u32) {
        let (inside, outside) = std::mem::take(&mut self.places)
            .into_iter()
            .partition(|place| processes(&place.folder.path).any(|inside| inside == pid.to_string()));
        self.places = inside;
        for place in outside {
            self.add(Some(Err(format!("it could not join {}", place.folder.path.display()))));
        }
    }

    /// What collectors need of it.
    pub fn own(&self) -> Own {
        Own { folders: self.places.iter().map(|place| place.folder.clone()).collect(), notes: self.notes.clone() }
    }
}

/// Inside of our own group, unless a file there speaks against it.
fn in_first(hierarchy: &Hierarchy, file: &str, is_fine: fn(&str) -> bool, why: &str) -> Result<Place, String> {
    let own = own_folder(hierarchy)?;
    if read_once(&own.join(file)).is_ok_and(|text| !is_fine(&text)) {
        return Err(format!("in {} {why}", own.display()));
    }
    Place::make(&own, Version::One, &own, None)
}

/// Where memory is accounted for if possible: inside of our own group, else beside it; or at least CPU time, inside of it.
fn in_second(hierarchy: &Hierarchy) -> Result<Place, String> {
    let own = own_folder(hierarchy)?;
    let inside = if is_divided(&own) {
        Some(None)
    } else {
        // Refused, but in the root, for the processes that are in it.
        fs::write(own.join(DIVIDED), "+memory").is_ok().then(|| Some(own.join(DIVIDED)))
    };
    if let Some(divided) = inside {
        return Place::make(&own, Version::Two, &own, divided);
    }
    if let Some(parent) = own.parent().filter(|_| may_leave(hierarchy, &own))
        && let Ok(place) = Place::make(parent, Version::Two, &own, None)
    {
        return Ok(place);
    }
    Place::make(&own, Version::Two, &own, None)
}

fn own_folder(hierarchy: &Hierarchy) -> Result<PathBuf, String> {
    let outside = || format!("our own lies outside of {}", hierarchy.mount.display());
    hierarchy.own_folder().ok_or_else(outside)
}

/// Do the groups inside of this one have accounts of their memory?
fn is_divided(folder: &Path) -> bool {
    read_once(&folder.join(DIVIDED)).is_ok_and(|text| text.split_whitespace().any(|c| c == "memory"))
}

/// Is there a place beside our own group, and nothing that would not hold there?
fn may_leave(hierarchy: &Hierarchy, own: &Path) -> bool {
    let name = own.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    // A service is ended by ending all of its group; and another recorder's command is to stay in its accounts.
    let is_whole = name.ends_with(".service") || is_ours(name);
    let is_unlimited = |(file, free): &(&str, &str)| read_once(&own.join(file)).map_or(true, |text| text == *free);
    let Some(parent) = own.parent().filter(|_| own != hierarchy.mount) else { return false };
    // The kernel asks for the right to write there, too.
    let may_move = OpenOptions::new().write(true).open(parent.join(PROCESSES)).is_ok();
    !is_whole && may_move && is_divided(parent) && UNLIMITED.iter().all(is_unlimited)
}

impl Place {
    fn counts_memory(&self) -> bool {
        self.folder.path.join("memory.current").exists()
    }

    fn make(parent: &Path, version: Version, home: &Path, divided: Option<PathBuf>) -> Result<Place, String> {
        sweep(parent);
        let made = make_folder(parent).and_then(|path| {
            let open = || Ok((OpenOptions::new().write(true).open(path.join(PROCESSES))?, lock(&path)?));
            let (door, lock) = open().inspect_err(|_: &io::Error| drop(fs::remove_dir(&path)))?;
            Ok(Place {
                folder: Folder { path, version },
                home: home.into(),
                door,
                divided: divided.clone(),
                _lock: lock,
            })
        });
        made.map_err(|error| {
            undivide(divided.as_deref());
            format!("none can be made in {}: {error}", parent.display())
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        const TRIES: u32 = 50;
        let path = &self.folder.path;
        // What a recorder inside of it left.
        sweep(path);
        for _ in 0..TRIES {
            for pid in processes(path) {
                // One that has just ended cannot be moved, and need not be.
                let _ = fs::write(self.home.join(PROCESSES), pid);
            }
            match fs::remove_dir(path) {
                // Somebody was born meanwhile, or has not quite ended.
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                _ => break,
            }
        }
        undivide(self.divided.as_deref());
    }
}

/// As it was before, unless others have come to need it.
fn undivide(divided: Option<&Path>) {
    if let Some(file) = divided {
        let _ = fs::write(file, "-memory");
    }
}

/// A new folder; another recorder may have one of our number, in another namespace or left behind.
fn make_folder(parent: &Path) -> io::Result<PathBuf> {
    const TRIES: u32 = 100;
    let pid = std::process::id();
    for n in 1..=TRIES {
        let name = if n == 1 { format!("{PREFIX}{pid}") } else { format!("{PREFIX}{pid}-{n}") };
        let path = parent.join(name);
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Locks a folder for as long as the file is open.
fn lock(folder: &Path) -> io::Result<File> {
    let file = File::open(folder)?;
    // SAFETY: no memory is involved.
    let answer = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    if answer == 0 { Ok(file) } else { Err(io::Error::last_os_error()) }
}

/// Removes empty groups of recorders that were killed.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_ours)
            && let Ok(_lock) = lock(&entry.path())
        {
            // The kernel refuses where processes are.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// `perfwatch-123`, or `perfwatch-123-2`.
fn is_ours(name: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.splitn(2, '-').all(is_number))
}

/// The numbers of the processes in a group.
fn processes(folder: &Path) -> impl Iterator<Item = String> {
    let text = read_once(&folder.join(PROCESSES)).unwrap_or_default();
    text.lines().map(str::to_string).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::Tree;

    const MOUNT: (&str, &str) = ("proc/self/mountinfo", "30 23 0:26 / {sys}/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    const PARENT: [(&str, &str); 2] = [
        ("sys/fs/cgroup/user.slice/cgroup.subtree_control", "cpu memory pids\n"),
        ("sys/fs/cgroup/user.slice/cgroup.procs", ""),
    ];

    /// May the command's group lie beside `user.slice/NAME`?
    fn beside(name: &str, files: &[(&str, &str)]) -> bool {
        let own = format!("0::/user.slice/{name}\n");
        let mut all = vec![MOUNT, ("proc/self/cgroup", &*own)];
        all.extend(PARENT);
        all.extend(files);
        let tree = Tree::new(&all);
        let hierarchy = Hierarchies::look(&tree.roots()).unified().unwrap().clone();
        may_leave(&hierarchy, &hierarchy.own_folder().unwrap())
    }

    #[test]
    fn beside_our_own_only_where_the_same_holds() {
        assert!(beside("session-1.scope", &[]));
        let free = [
            ("sys/fs/cgroup/user.slice/session-1.scope/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpuset.cpus", "\n"),
        ];
        assert!(beside("session-1.scope", &free));
        for limit in [
            ("sys/fs/cgroup/user.slice/session-1.scope/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpu.max", "50000 100000\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpu.weight", "20\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/pids.max", "4915\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/cpuset.cpus", "0-3\n"),
            ("sys/fs/cgroup/user.slice/session-1.scope/io.max", "8:0 rbps=1 wbps=max riops=max wiops=max\n"),
        ] {
            assert!(!beside("session-1.scope", &[limit]), "{limit:?}");
        }
        assert!(!beside("runner.service", &[]), "whoever ends the service would miss it");
        assert!(!beside("perfwatch-17", &[]), "whoever records us would miss it");
    }

    #[test]
    fn the_root_has_nothing_beside_it() {
        let tree = Tree::new(&[
            MOUNT,
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/cgroup.subtree_control", "memory\n"),
            ("sys/fs/cgroup.procs", ""),
            ("sys/fs/cgroup.subtree_control", "memory\n"),
        ]);
        let hierarchies = Hierarchies::look(&tree.roots());
        let unified = hierarchies.unified().unwrap();
        assert!(!may_leave(unified, &unified.own_folder().unwrap()));
    }

    #[test]
    fn what_cannot_be_joined_is_not_left_behind() {
        // A folder of a common file system: a new one in it has no file to join by.
        let tree = Tree::new(&[MOUNT, ("proc/self/cgroup", "0::/ci\n"), ("sys/fs/cgroup/ci/cgroup.procs", "")]);
        let scope = Scope::make(&Hierarchies::look(&tree.roots()));
        let own = scope.own();
        assert!(own.folders.is_empty() && scope.doors().is_empty());
        let ci = tree.roots().sys("fs/cgroup/ci");
        let why = format!("the command has no control group of its own: none can be made in {}: ", ci.display());
        assert!(own.notes[0].starts_with(&why), "{:?}", own.notes);
        assert!(fs::read_dir(&ci).unwrap().flatten().all(|e| e.file_type().unwrap().is_file()));
    }

    #[test]
    fn limits_and_rights_of_version_1() {
        let tree = Tree::new(&[
            (
                "proc/self/mountinfo",
                "33 31 0:30 / {sys}/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                 34 31 0:31 / {sys}/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            ),
            ("proc/self/cgroup", "2:memory:/a\n1:cpu,cpuacct:/a\n"),
            ("sys/fs/cgroup/cpu/a/cpu.rt_runtime_us", "950000\n"),
            ("sys/fs/cgroup/memory/a/memory.use_hierarchy", "0\n"),
        ]);
        let notes = Scope::make(&Hierarchies::look(&tree.roots())).own().notes;
        assert!(notes[0].ends_with("/memory/a limits would not hold in it"), "{notes:?}");
        assert!(notes[1].ends_with("/cpu/a it would have no real-time scheduling"), "{notes:?}");
    }

    #[test]
    fn what_killed_recorders_left() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::create_dir(dir.path().join(name)).unwrap();
        for name in ["perfwatch-1", "perfwatch-2", "perfwatch-3-2", "perfwatch-data", "perfwatch-", "other"] {
            make(name);
        }
        fs::write(dir.path().join("perfwatch-2/inside"), "").unwrap();
        make("perfwatch-4");
        let lives = lock(&dir.path().join("perfwatch-4")).unwrap();
        sweep(dir.path());
        let left = || crate::source::names_in(dir.path()).unwrap();
        assert_eq!(left(), ["other", "perfwatch-", "perfwatch-2", "perfwatch-4", "perfwatch-data"]);
        drop(lives);
        sweep(dir.path());
        assert!(!left().contains(&"perfwatch-4".to_string()));
    }
}
