//! Who lives on this machine, who of them ran since the last look, and who belongs to a tree.
//!
//! A process that slept costs one system call: its CPU clock, read by its number, tells without a descriptor whether any
//! of its threads ran. Its files are read only if one did.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use super::super::scan::{lines, number, words};
use super::stat::Stat;
use crate::command::is_helper;
use crate::source::{HeldFile, Roots, SourceError};

/// Of one that sleeps, what others can change (its memory, when the kernel takes some) is read again after so many looks.
const STALE_AFTER: u32 = 60;

/// Whose children belong to the tree, and theirs.
#[derive(Clone, Debug, Default)]
pub struct Trunk {
    /// The recorded command.
    pub command: Option<u32>,
    /// Our own process, where it adopts the command's orphans.
    pub adopter: Option<u32>,
    /// Others that were asked for.
    pub others: Vec<u32>,
}

/// What part of the tree a process belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    Command,
    Other,
}

/// One process.
#[derive(Clone, Debug)]
pub struct Known {
    pub stat: Stat,
    /// `None`: no part of the tree.
    pub kin: Option<Kin>,
    /// Over the time since the previous look at it.
    pub usage_percent: Option<f64>,
    /// CPU time of all its threads, where the kernel tells it in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Bytes that went to and from storage, its dead children's included; `None` where it is not ours to know.
    pub io: Option<Io>,
    /// The kernel's high-water mark, of those in the tree.
    pub peak_rss_bytes: Option<u64>,
    /// It rose since the look before.
    pub peak_rose: bool,
    /// It ignores SIGCHLD: the kernel reaps its children, and tells nobody what they used up. Asked of those in the tree.
    disowns: bool,
    /// Does `--processes match=` take it; as long as it has this name.
    pub is_match: Option<bool>,
    inode: u64,
    looked_ns: Option<u64>,
    stale: u32,
    io_denied: bool,
    /// The listings in which it was seen first and last.
    born: u64,
    listed: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    pub read_bytes: u64,
    pub write_bytes: u64,
}

/// All processes, by number.
pub struct Census {
    root: PathBuf,
    /// The processes of `/proc` are those that system calls know.
    is_live: bool,
    trunk: Trunk,
    /// Who becomes our child belongs to the tree.
    pub adopts: bool,
    folder: File,
    loadavg: Option<HeldFile>,
    /// How many threads there were at the last listing, and the number given last.
    counted: Option<(u64, u64)>,
    listings: u64,
    pub known: BTreeMap<u32, Known>,
    /// Those of the tree that ended and whose account nobody took over, as they were seen last; for the caller to take.
    pub disowned: Vec<Known>,
    buffer: Vec<u8>,
}

impl Census {
    /// # Errors
    /// When `/proc` cannot be listed.
    pub fn open(roots: &Roots, trunk: Trunk) -> Result<Census, SourceError> {
        let folder = File::open(&roots.proc).map_err(|error| SourceError { path: roots.proc.clone(), error })?;
        Ok(Census {
            root: roots.proc.clone(),
            is_live: roots.are_live(),
            trunk,
            adopts: true,
            folder,
            loadavg: roots.are_live().then(|| HeldFile::open(roots.proc("loadavg")).ok()).flatten(),
            counted: None,
            listings: 0,
            known: BTreeMap::new(),
            disowned: Vec::new(),
            buffer: vec![0; 32 * 1024],
        })
    }

    /// Notices who came and who went. Where the kernel has given no new number and counts as many threads as before,
    /// nobody did, and `/proc` is not listed.
    ///
    /// # Errors
    /// When `/proc` cannot be listed.
    pub fn list(&mut self) -> Result<(), SourceError> {
        let counted = self.loadavg.as_mut().and_then(|file| threads_and_last_number(file.read().ok()?));
        if counted.is_some() && counted == self.counted {
            return Ok(());
        }
        self.counted = counted;
        self.listings += 1;
        let mut came = Vec::new();
        let (listing, known) = (self.listings, &mut self.known);
        entries(&self.folder, &mut self.buffer, |pid, inode| match known.get_mut(&pid) {
            Some(old) if old.inode == inode => old.listed = listing,
            _ => came.push((pid, inode)),
        })
        .map_err(|error| SourceError { path: self.root.clone(), error })?;
        for (pid, inode) in came {
            let Some(stat) = self.stat(pid) else { continue };
            match self.known.get_mut(&pid) {
                // The kernel gives a folder of `/proc` another inode when it has forgotten the first.
                Some(old) if old.stat.start_ticks == stat.start_ticks => {
                    old.inode = inode;
                    old.listed = listing;
                }
                _ => drop(self.known.insert(pid, Known::new(stat, inode, listing))),
            }
        }
        let gone: Vec<Known> = self.known.extract_if(.., |_, p| p.listed != listing).map(|(_, p)| p).collect();
        self.part_with(gone);
        self.find_tree(listing);
        Ok(())
    }

    /// Those who are gone leave orphans, and what they used up.
    fn part_with(&mut self, gone: Vec<Known>) {
        if gone.is_empty() {
            return;
        }
        self.find_new_parents(gone.iter().map(|p| p.stat.pid).collect());
        for process in gone.into_iter().filter(|p| p.kin.is_some()) {
            // Where the parent ended as well, it is not known who did first, and we may have adopted the child.
            let parent = self.known.get(&process.stat.ppid).filter(|parent| parent.stat.state != b'Z');
            if parent.is_some_and(|parent| parent.disowns) {
                self.disowned.push(process);
            }
        }
    }

    /// Of the children of those who ended: they need not run to be given another.
    fn find_new_parents(&mut self, mut ended: Vec<u32>) {
        ended.sort_unstable();
        let is_orphan = |p: &&Known| ended.binary_search(&p.stat.ppid).is_ok();
        let orphans: Vec<u32> = self.known.values().filter(is_orphan).map(|p| p.stat.pid).collect();
        for pid in orphans {
            let Some(stat) = self.stat(pid) else { continue };
            if let Some(orphan) = self.known.get_mut(&pid) {
                orphan.stat.ppid = stat.ppid;
            }
        }
    }

    /// Adds to the tree those whose parent belongs to it. A parent may have a larger number than its child, so this goes
    /// round until nobody is added.
    fn find_tree(&mut self, listing: u64) {
        let (trunk, adopts) = (&self.trunk, self.adopts);
        if trunk.command.is_none() && trunk.others.is_empty() {
            return;
        }
        let mut undecided: Vec<u32> =
            self.known.iter().filter(|(_, p)| p.kin.is_none() && p.born == listing).map(|(pid, _)| *pid).collect();
        loop {
            let before = undecided.len();
            undecided.retain(|pid| {
                let Some(ppid) = self.known.get(pid).map(|p| p.stat.ppid) else { return false };
                let kin = if trunk.command == Some(*pid) || adopts && trunk.adopter == Some(ppid) && !is_helper(*pid) {
                    Some(Kin::Command)
                } else if trunk.others.contains(pid) {
                    Some(Kin::Other)
                } else {
                    self.known.get(&ppid).and_then(|parent| parent.kin)
                };
                if let Some(process) = self.known.get_mut(pid) {
                    process.kin = kin;
                }
                kin.is_none()
            });
            if undecided.len() == before {
                return;
            }
        }
    }

    /// The processes of the tree, by number.
    pub fn tree(&self) -> impl Iterator<Item = &Known> {
        self.known.values().filter(|p| p.kin.is_some())
    }

    /// Looks at each of `whom`: did it run, and what did it use? `previous_ns` is when the look before was, at those that
    /// lived then. Who is gone is forgotten.
    pub fn look(&mut self, whom: impl Fn(&Known) -> bool, now_ns: u64, previous_ns: Option<u64>) {
        let mut known = std::mem::take(&mut self.known);
        let (mut gone, mut ended) = (Vec::new(), Vec::new());
        let mut is_gone = |process: &mut Known| {
            let was = process.stat.state;
            let is_gone = whom(process) && !self.look_at(process, now_ns, previous_ns);
            if process.stat.state == b'Z' && was != b'Z' {
                ended.push(process.stat.pid);
            }
            is_gone
        };
        gone.extend(known.extract_if(.., |_, process| is_gone(process)).map(|(_, process)| process));
        self.known = known;
        if !ended.is_empty() {
            self.find_new_parents(ended);
        }
        self.part_with(gone);
    }

    fn look_at(&mut self, process: &mut Known, now_ns: u64, previous_ns: Option<u64>) -> bool {
        let pid = process.stat.pid;
        let cpu_ns = if self.is_live { cpu_ns(pid) } else { None };
        if self.is_live && cpu_ns.is_none() {
            return false;
        }
        let first = process.looked_ns.is_none();
        let slept = cpu_ns.is_some() && cpu_ns == process.cpu_ns && !first;
        process.stale += 1;
        process.peak_rose = false;
        let before = (process.cpu_ns, process.stat.own);
        if !slept || process.stale >= STALE_AFTER {
            let Some(stat) = self.stat(pid) else { return false };
            if stat.start_ticks != process.stat.start_ticks {
                // Another process under the same number; the next listing tells whose child it is.
                self.counted = None;
                return false;
            }
            process.stale = 0;
            if stat.comm != process.stat.comm {
                process.is_match = None;
            }
            process.stat = stat;
            self.look_closer(process);
        }
        // Who was not there at the previous look began after it, from nothing.
        let since_ns = process.looked_ns.or(previous_ns.filter(|_| first));
        process.usage_percent =
            since_ns.and_then(|since| now_ns.checked_sub(since)).filter(|ns| *ns > 0).map(|elapsed| {
                let used = match (cpu_ns, before.0) {
                    (Some(now), then) => now.saturating_sub(if first { 0 } else { then.unwrap_or(now) }),
                    (None, _) => {
                        let now = process.stat.own.user_ticks + process.stat.own.system_ticks;
                        let then = if first { 0 } else { before.1.user_ticks + before.1.system_ticks };
                        now.saturating_sub(then).saturating_mul(1_000_000_000 / procfs::ticks_per_second().max(1))
                    }
                };
                used as f64 * 100.0 / elapsed as f64
            });
        process.cpu_ns = cpu_ns;
        process.looked_ns = Some(now_ns);
        true
    }

    /// What stands in files of its own: bytes, and for those in the tree the high-water mark.
    fn look_closer(&mut self, process: &mut Known) {
        let pid = process.stat.pid;
        // What `stat` says of it is off by what each CPU has not yet told, which on many CPUs is megabytes.
        if let Some(pages) = self.text(pid, "statm").ok().and_then(|text| number(words(text).nth(1)?)) {
            process.stat.rss_pages = pages;
        }
        if !process.io_denied {
            process.io = self.text(pid, "io").ok().and_then(io_of);
            // Another user's, which it stays, or a kernel without such accounts.
            process.io_denied = process.io.is_none();
        }
        // A zombie has no memory, but had some.
        if process.kin.is_some() && process.stat.state != b'Z' {
            let status = self.text(pid, "status").unwrap_or_default();
            let peak = peak_of(status);
            process.disowns = ignores_children(status);
            process.peak_rose = peak > process.peak_rss_bytes;
            process.peak_rss_bytes = peak.max(process.peak_rss_bytes);
        }
    }

    fn stat(&mut self, pid: u32) -> Option<Stat> {
        Stat::parse(self.text(pid, "stat").ok()?).filter(|stat| stat.pid == pid)
    }

    /// The command line, its arguments with blanks between them.
    pub fn command_line(&mut self, pid: u32) -> Option<String> {
        let text = self.text(pid, "cmdline").ok()?;
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        Some(text.split(|b| *b == 0).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" "))
    }

    /// A small file of a process. None of those read here is larger than the buffer, but for long command lines.
    fn text(&mut self, pid: u32, file: &str) -> io::Result<&[u8]> {
        use std::io::Read;
        let mut file = File::open(self.root.join(format!("{pid}/{file}")))?;
        let length = file.read(&mut self.buffer)?;
        Ok(&self.buffer[..length])
    }
}

impl Known {
    fn new(stat: Stat, inode: u64, listing: u64) -> Known {
        Known {
            stat,
            kin: None,
            usage_percent: None,
            cpu_ns: None,
            io: None,
            peak_rss_bytes: None,
            peak_rose: false,
            disowns: false,
            is_match: None,
            inode,
            looked_ns: None,
            stale: 0,
            io_denied: false,
            born: listing,
            listed: listing,
        }
    }
}

/// The CPU time of a process with all its threads, those that ended included. The kernel tells it of any process, by
/// number. `None`: there is none of this number.
fn cpu_ns(pid: u32) -> Option<u64> {
    /// Of a process, by the scheduler's accounts (`CPUCLOCK_SCHED`).
    const SCHEDULED: libc::clockid_t = 2;
    let clock = (!libc::clockid_t::try_from(pid).ok()?).wrapping_shl(3) | SCHEDULED;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills in the structure that is handed over.
    let answer = unsafe { libc::clock_gettime(clock, &mut time) };
    (answer == 0).then(|| (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64))
}

/// Calls `each` with the number and inode of every process in the folder.
fn entries(folder: &File, buffer: &mut [u8], mut each: impl FnMut(u32, u64)) -> io::Result<()> {
    /// Where in a `linux_dirent64` the record's length and the name stand.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    // SAFETY: no memory is involved.
    if unsafe { libc::lseek(folder.as_raw_fd(), 0, libc::SEEK_SET) } < 0 {
        return Err(io::Error::last_os_error());
    }
    loop {
        // SAFETY: the kernel writes at most the buffer's length into it.
        let read =
            unsafe { libc::syscall(libc::SYS_getdents64, folder.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
        let read = match usize::try_from(read) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(_) => return Err(io::Error::last_os_error()),
        };
        let mut rest = &buffer[..read];
        while let Some(length) = rest.get(LENGTH..LENGTH + 2) {
            let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
            let Some((record, tail)) = rest.split_at_checked(length).filter(|_| length > NAME) else { break };
            rest = tail;
            let name = record[NAME..].split(|b| *b == 0).next().unwrap_or_default();
            let inode = record[..8].try_into().map_or(0, u64::from_ne_bytes);
            if let Some(pid) = number(name).and_then(|n| n.try_into().ok()) {
                each(pid, inode);
            }
        }
    }
}

/// `0.20 0.18 0.12 1/80 11206`
fn threads_and_last_number(loadavg: &[u8]) -> Option<(u64, u64)> {
    let mut words = words(loadavg.trim_ascii_end()).skip(3);
    let threads = number(words.next()?.split(|b| *b == b'/').nth(1)?)?;
    Some((threads, number(words.next()?)?))
}

fn io_of(text: &[u8]) -> Option<Io> {
    let field = |name: &[u8]| number(lines(text).find_map(|l| l.strip_prefix(name))?.trim_ascii());
    Some(Io { read_bytes: field(b"read_bytes:")?, write_bytes: field(b"write_bytes:")? })
}

/// `VmHWM` of a `status`.
fn peak_of(text: &[u8]) -> Option<u64> {
    let line = lines(text).find_map(|l| l.strip_prefix(b"VmHWM:"))?;
    number(words(line).next()?)?.checked_mul(1024)
}

/// Is SIGCHLD in the `SigIgn` of a `status`, a number in base 16 of a bit for each signal?
fn ignores_children(status: &[u8]) -> bool {
    let line = lines(status).find_map(|l| l.strip_prefix(b"SigIgn:")).unwrap_or_default();
    let signals = std::str::from_utf8(line.trim_ascii()).ok().and_then(|hex| u128::from_str_radix(hex, 16).ok());
    signals.is_some_and(|set| set >> (libc::SIGCHLD - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn census(trunk: Trunk) -> Census {
        let mut census = Census::open(&Roots::default(), trunk).unwrap();
        census.list().unwrap();
        census
    }

    #[test]
    fn all_that_proc_lists_are_known() {
        let census = census(Trunk::default());
        let me = &census.known[&std::process::id()];
        assert_eq!(me.stat, Stat { own: me.stat.own, ..me.stat });
        for process in procfs::process::all_processes().unwrap().flatten() {
            // Those that began since are not there yet.
            if let Ok(stat) = process.stat()
                && let Some(known) = census.known.get(&(stat.pid as u32))
            {
                // Not the parent, who may have ended since.
                assert_eq!(known.stat.start_ticks, stat.starttime);
            }
        }
        assert!(census.known.contains_key(&1));
    }

    #[test]
    fn children_and_their_children_are_the_tree() {
        let script = "sh -c 'sleep 60 & read x; kill $!'; :";
        let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
        let mut census = census(Trunk { others: vec![child.id()], ..Trunk::default() });
        let tree = |census: &Census| -> Vec<(u32, String)> {
            census
                .known
                .values()
                .filter(|p| p.kin.is_some())
                .map(|p| (p.stat.ppid, p.stat.comm.as_str().into()))
                .collect()
        };
        while tree(&census).len() < 3 || !tree(&census).iter().any(|(_, comm)| comm == "sleep") {
            census.list().unwrap();
            census.look(|p| p.kin.is_some(), 1, None);
        }
        assert_eq!(tree(&census)[0].0, std::process::id());
        assert!(census.known[&std::process::id()].kin.is_none(), "its parent is no part of it");
        drop(child.stdin.take());
        child.wait().unwrap();
        census.list().unwrap();
        assert!(!census.known.contains_key(&child.id()));
    }

    /// Reads lines that a child writes.
    fn line(out: &mut impl std::io::BufRead) -> String {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }

    #[test]
    fn an_orphan_that_sleeps_has_another_parent() {
        let script = "sh -c 'sleep 60 >&2 & echo $!; read x'; echo gone; read x";
        let pipes = |c: &mut Command| c.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = pipes(Command::new("sh").args(["-c", script])).unwrap();
        let (mut to, mut from) = (child.stdin.take().unwrap(), io::BufReader::new(child.stdout.take().unwrap()));
        let sleeper: u32 = line(&mut from).parse().unwrap();
        let mut census = census(Trunk { command: Some(child.id()), ..Trunk::default() });
        let before = census.known[&sleeper].stat.ppid;
        assert_ne!(before, child.id());
        io::Write::write_all(&mut to, b"\n").unwrap();
        assert_eq!(line(&mut from), "gone");
        census.list().unwrap();
        let text = std::fs::read(format!("/proc/{sleeper}/stat")).unwrap();
        let after = Stat::parse(&text).unwrap().ppid;
        assert_ne!(after, before);
        assert_eq!(census.known[&sleeper].stat.ppid, after);
        assert_eq!(census.known[&sleeper].kin, Some(Kin::Command));
        // SAFETY: no memory is involved.
        unsafe { libc::kill(sleeper as i32, libc::SIGKILL) };
        drop(to);
        child.wait().unwrap();
    }

    #[test]
    fn whose_account_nobody_takes_over() {
        let dir = tempfile::tempdir().unwrap();
        let put = |pid: u32, state: &str, ppid: u32, ignored: &str| {
            let folder = dir.path().join(pid.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            let stat = format!("{pid} (p) {state} {ppid} 1 1 0 -1 0 0 0 0 0 {pid} 0 0 0 20 0 1 0 50 4096 7 0\n");
            std::fs::write(folder.join("stat"), stat).unwrap();
            std::fs::write(folder.join("status"), format!("Name:\tp\nSigIgn:\t{ignored}\n")).unwrap();
        };
        // The command; one that ignores SIGCHLD with two children; one that does not, with one; and another that does, and ends.
        for (pid, ppid, ignored) in [
            (10, 1, "0"),
            (20, 10, "0000000000010000"),
            (21, 20, "0"),
            (22, 20, "0"),
            (30, 10, "0"),
            (31, 30, "0"),
            (40, 10, "10000"),
            (41, 40, "0"),
        ] {
            put(pid, "S", ppid, ignored);
        }
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut census = Census::open(&roots, Trunk { command: Some(10), ..Trunk::default() }).unwrap();
        let mut look = |now| {
            census.list().unwrap();
            census.look(|p| p.kin.is_some(), now, now.checked_sub(1));
            let ticks = |p: Known| (p.stat.pid, p.stat.own.user_ticks);
            std::mem::take(&mut census.disowned).into_iter().map(ticks).collect::<Vec<_>>()
        };
        assert_eq!(look(1), []);
        put(40, "Z", 10, "10000");
        for gone in [21, 31, 41] {
            std::fs::remove_dir_all(dir.path().join(gone.to_string())).unwrap();
        }
        assert_eq!(look(2), [(21, 21), (41, 41)], "that 40 had ended is seen a moment later");
        put(41, "S", 40, "0");
        assert_eq!(look(3), []);
        std::fs::remove_dir_all(dir.path().join("41")).unwrap();
        assert_eq!(look(4), [], "of one that has ended they are no children");
        std::fs::remove_dir_all(dir.path().join("20")).unwrap();
        std::fs::remove_dir_all(dir.path().join("22")).unwrap();
        assert_eq!(look(5), [], "who ended first is not known");
    }

    #[test]
    fn who_slept_and_who_ran() {
        let mut census = census(Trunk::default());
        let me = std::process::id();
        let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        // Asleep once its clock stands still.
        let mut clock = None;
        while clock.is_none() || clock != cpu_ns(sleeper.id()) {
            clock = cpu_ns(sleeper.id());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        census.list().unwrap();
        let sleeping = sleeper.id();
        let both = |p: &Known| [me, sleeping].contains(&p.stat.pid);
        census.look(both, 1_000_000_000, None);
        assert_eq!(census.known[&me].usage_percent, None, "nothing to compare with");
        let before = cpu_ns(me).unwrap();
        while cpu_ns(me).unwrap() < before + 50_000_000 {}
        census.look(both, 2_000_000_000, None);
        let mine = census.known[&me].usage_percent.unwrap();
        assert!(mine >= 5.0, "50 ms and more of a second: {mine} %");
        assert_eq!(census.known[&sleeper.id()].usage_percent, Some(0.0));
        assert_eq!(census.known[&sleeper.id()].stale, 1, "its files were left alone");
        let gone = sleeper.id();
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        census.look(|p| p.stat.pid == gone, 3_000_000_000, None);
        assert!(!census.known.contains_key(&gone));
    }

    #[test]
    fn one_that_began_since_the_look_before_began_from_nothing() {
        let mut census = census(Trunk::default());
        let me = std::process::id();
        census.list().unwrap();
        let used = cpu_ns(me).unwrap();
        census.look(|p| p.stat.pid == me, 11_000_000_000, Some(1_000_000_000));
        let percent = census.known[&me].usage_percent.unwrap();
        assert!(percent >= used as f64 / 1e8, "{percent}");
    }

    #[test]
    fn files_of_a_process() {
        let io =
            b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n";
        assert_eq!(io_of(io), Some(Io { read_bytes: 4096, write_bytes: 8192 }));
        assert_eq!(io_of(b""), None);
        assert_eq!(peak_of(b"Name:\tx\nVmPeak:\t    3060 kB\nVmHWM:\t    1696 kB\n"), Some(1696 * 1024));
        assert_eq!(peak_of(b"Name:\tkthreadd\n"), None);
        assert!(ignores_children(b"SigBlk:\t0000000000000000\nSigIgn:\t0000000000011006\nSigCgt:\t0\n"));
        assert!(!ignores_children(b"SigBlk:\t0000000000010000\nSigIgn:\tfffffffffffeffff\n"));
        assert!(!ignores_children(b"SigIgn:\tx\n") && !ignores_children(b""));
        assert_eq!(threads_and_last_number(b"0.20 0.18 0.12 1/80 11206\n"), Some((80, 11_206)));
        assert_eq!(threads_and_last_number(b"0.20 0.18 0.12\n"), None);
    }

    #[test]
    fn no_number_no_clock() {
        assert_eq!(cpu_ns(4_000_000), None);
        assert!(cpu_ns(std::process::id()).is_some());
    }
}
