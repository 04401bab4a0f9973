//! Which processes exist, which of them ran since the previous refresh, and which belong to a tree.
//!
//! A process that slept costs one system call: its CPU clock, read by process ID without a descriptor, tells whether
//! any of its threads ran. Its files are read only if one did.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::linux::files::{HeldFile, Roots, SourceError, open, read_beginning};
use crate::linux::helper::is_helper;
use crate::linux::process::clock::cpu_ns;
use crate::linux::process::kernel::{Io, entries, ignores_children, io_of, peak_of, threads_and_last_number};
use crate::linux::process::stat::{Stat, TicksUsed};
use crate::linux::scan::{number, words};
use crate::table::step::{Memory, Step};

/// For a sleeping process, values that others can change (its memory, if the kernel takes some) are read again after
/// this many refreshes.
const STALE_AFTER: u32 = 60;

/// After trying only new process IDs this many times, the whole `/proc` is listed, in case IDs were given out of order.
const WHOLE_AFTER: u32 = 60;

/// The process that first has a requested ID is the one that is meant.
const FIRST: u64 = 1;

/// The roots of the tree: their descendants belong to it.
#[derive(Clone, Debug, Default)]
pub struct Trunk {
    /// The recorded command.
    pub command: Option<u32>,
    /// Our own process, if it adopts the orphans of the command.
    pub adopter: Option<u32>,
    /// Other requested processes.
    pub others: Vec<u32>,
}

/// Which part of the tree a process belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    Command,
    Other,
}

/// One process.
#[derive(Clone, Debug)]
pub struct KnownProcess {
    pub stat: Stat,
    /// `None`: not part of the tree.
    pub kin: Option<Kin>,
    /// Over the time since the previous refresh.
    pub usage_percent: Option<f64>,
    /// CPU time of all its threads, if the kernel provides it in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Bytes read from and written to storage, including its dead children; `None` if we may not read it.
    pub io: Option<Io>,
    /// The kernel's high-water mark, for processes in the tree.
    pub peak_rss_bytes: Option<u64>,
    /// It rose since the previous refresh.
    pub peak_rose: bool,
    /// It ignores SIGCHLD: the kernel reaps its children, and nobody gets what they used. Checked for processes in the
    /// tree.
    disowns: bool,
    /// It began after the first sample, and has no row yet: its counters are growth from zero.
    pub is_new: bool,
    /// Whether `--processes match=` matches it, as long as it has this name.
    pub is_match: Option<bool>,
    inode: Option<u64>,
    read_ns: Option<u64>,
    pub(super) stale: u32,
    io_denied: bool,
    /// Remembered values for CPU time in ticks, if only ticks are available.
    ticks: Memory,
    /// The numbers of the listings in which it was seen first and last.
    born: u64,
    listed: u64,
}

/// All processes, by process ID.
pub struct ProcessTable {
    root: PathBuf,
    /// The processes of `/proc` are those of the running system, so system calls can be used.
    is_live: bool,
    trunk: Trunk,
    /// Processes that become our children belong to the tree.
    pub adopts: bool,
    folder: File,
    loadavg: Option<HeldFile>,
    /// The number of threads and the last process ID, at the last check for new processes.
    counted: Option<(u64, u64)>,
    /// The last process ID at the check before that.
    before: u64,
    /// Number of checks for new processes; and checks since the whole `/proc` was listed.
    listings: u64,
    pub(super) since_whole: u32,
    pub known: BTreeMap<u32, KnownProcess>,
    /// Processes of the tree that ended and whose usage no parent took over, as seen last; the caller takes them.
    pub disowned: Vec<KnownProcess>,
    buffer: Vec<u8>,
    /// Space for the folder's listing.
    listing: Vec<u8>,
}

impl ProcessTable {
    /// # Errors
    /// If `/proc` cannot be listed.
    pub fn open(roots: &Roots, trunk: Trunk) -> Result<ProcessTable, SourceError> {
        let folder = open(&roots.proc).map_err(|error| SourceError { path: roots.proc.clone(), error })?;
        Ok(ProcessTable {
            root: roots.proc.clone(),
            is_live: roots.are_live(),
            trunk,
            adopts: false,
            folder,
            loadavg: roots.are_live().then(|| HeldFile::open(roots.proc("loadavg")).ok()).flatten(),
            counted: None,
            before: 0,
            listings: 0,
            since_whole: 0,
            known: BTreeMap::new(),
            disowned: Vec::new(),
            buffer: vec![0; 32 * 1024],
            listing: Vec::with_capacity(32 * 1024),
        })
    }

    /// Notices new processes, and sometimes ended ones. If the last process ID and the number of threads are unchanged,
    /// no process was started. If only a few IDs were given, those are tried, which costs a fraction of listing
    /// `/proc`.
    ///
    /// # Errors
    /// If `/proc` cannot be listed.
    pub fn list(&mut self) -> Result<(), SourceError> {
        let counted = self.loadavg.as_mut().and_then(|file| threads_and_last_number(file.read().ok()?));
        if counted.is_some() && counted == self.counted {
            return Ok(());
        }
        self.listings += 1;
        match self.new_numbers(counted) {
            Some(numbers) => {
                self.since_whole += 1;
                numbers.filter(|pid| cpu_ns(*pid).is_some()).for_each(|pid| self.add(pid, None));
            }
            None => self.list_whole()?,
        }
        self.before = self.counted.map_or(0, |(_, last)| last);
        self.counted = counted;
        self.find_tree(self.listings);
        Ok(())
    }

    /// The IDs that the kernel may have given to processes since the check before the last: a process being created at
    /// the last check had its ID, but was not visible yet. `None` if they are too many or unknown.
    fn new_numbers(&self, counted: Option<(u64, u64)>) -> Option<std::ops::RangeInclusive<u32>> {
        let (_, now) = counted.filter(|_| self.counted.is_some() && self.since_whole < WHOLE_AFTER)?;
        let new = now.checked_sub(self.before).filter(|_| self.before > 0)?;
        let few = new <= self.known.len() as u64;
        few.then_some(u32::try_from(self.before + 1).ok()?..=u32::try_from(now).ok()?)
    }

    fn list_whole(&mut self) -> Result<(), SourceError> {
        self.since_whole = 0;
        let mut came = Vec::new();
        let (listing, known) = (self.listings, &mut self.known);
        entries(&self.folder, self.listing.spare_capacity_mut(), |pid, inode| match known.get_mut(&pid) {
            Some(old) if old.inode == Some(inode) => old.listed = listing,
            _ => came.push((pid, inode)),
        })
        .map_err(|error| SourceError { path: self.root.clone(), error })?;
        came.into_iter().for_each(|(pid, inode)| self.add(pid, Some(inode)));
        let gone: Vec<KnownProcess> = self.known.extract_if(.., |_, p| p.listed != listing).map(|(_, p)| p).collect();
        self.part_with(gone);
        Ok(())
    }

    /// Adds a process, unless it is already known.
    fn add(&mut self, pid: u32, inode: Option<u64>) {
        let Some(stat) = self.stat(pid) else { return };
        match self.known.get_mut(&pid) {
            // The kernel gives a folder of `/proc` another inode after it dropped the first.
            Some(old) if old.stat.start_ticks == stat.start_ticks => {
                old.inode = inode.or(old.inode);
                old.listed = self.listings;
            }
            _ => {
                let old = self.known.insert(pid, KnownProcess::new(stat, inode, self.listings));
                self.part_with(old.into_iter().collect());
            }
        }
    }

    /// Removes processes that are gone; they leave orphans and their usage.
    fn part_with(&mut self, gone: Vec<KnownProcess>) {
        if gone.is_empty() {
            return;
        }
        self.find_new_parents(gone.iter().map(|p| p.stat.pid).collect());
        for process in gone.into_iter().filter(|p| p.kin.is_some()) {
            // If the parent ended as well, it is unknown which ended first, and we may have adopted the child.
            let parent = self.known.get(&process.stat.ppid).filter(|parent| parent.stat.state != b'Z');
            if parent.is_some_and(|parent| parent.disowns) {
                self.disowned.push(process);
            }
        }
    }

    /// Reads the new parents of the children of ended processes. This change is visible without the children having
    /// run.
    fn find_new_parents(&mut self, mut ended: Vec<u32>) {
        ended.sort_unstable();
        let is_orphan = |p: &&KnownProcess| ended.binary_search(&p.stat.ppid).is_ok();
        let orphans: Vec<u32> = self.known.values().filter(is_orphan).map(|p| p.stat.pid).collect();
        for pid in orphans {
            let Some(stat) = self.stat(pid) else { continue };
            if let Some(orphan) = self.known.get_mut(&pid) {
                orphan.stat.ppid = stat.ppid;
            }
        }
    }

    /// Adds the processes to the tree whose parent belongs to it. A parent may have a larger ID than its child, so this
    /// is repeated until none is added.
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
                } else if listing == FIRST && trunk.others.contains(pid) {
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

    /// The processes of the tree, by process ID.
    pub fn tree(&self) -> impl Iterator<Item = &KnownProcess> {
        self.known.values().filter(|p| p.kin.is_some())
    }

    /// Finds out about each process in `whom` whether it ran and what it used. `previous_ns` is the time of the
    /// previous refresh, for processes that existed then. Processes that are gone are forgotten.
    pub fn refresh(&mut self, whom: impl Fn(&KnownProcess) -> bool, now_ns: u64, previous_ns: Option<u64>) {
        let mut known = std::mem::take(&mut self.known);
        let (mut gone, mut ended) = (Vec::new(), Vec::new());
        let mut is_gone = |process: &mut KnownProcess| {
            let was = process.stat.state;
            let is_gone = whom(process) && !self.refresh_one(process, now_ns, previous_ns);
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

    /// Reads the files of all processes in advance: with thousands of processes, doing this at the first refresh takes
    /// longer than a tick.
    pub fn prepare(&mut self) {
        self.refresh(|_| true, 0, None);
        self.known.values_mut().for_each(|process| process.read_ns = None);
    }

    fn refresh_one(&mut self, process: &mut KnownProcess, now_ns: u64, previous_ns: Option<u64>) -> bool {
        let pid = process.stat.pid;
        let cpu_ns = if self.is_live { cpu_ns(pid) } else { None };
        if self.is_live && cpu_ns.is_none() {
            return false;
        }
        let first = process.read_ns.is_none();
        let slept = cpu_ns.is_some() && cpu_ns == process.cpu_ns;
        process.stale += 1;
        process.peak_rose = false;
        let before = (process.cpu_ns, process.stat.own);
        if !slept || process.stale >= STALE_AFTER {
            let Some(stat) = self.stat(pid) else { return false };
            if stat.start_ticks != process.stat.start_ticks {
                // Another process with the same ID; the next listing finds its parent.
                self.counted = None;
                return false;
            }
            process.stale = 0;
            if stat.comm != process.stat.comm {
                process.is_match = None;
            }
            process.stat = stat;
            self.read_details(process);
        }
        // A process that did not exist at the previous refresh began after it, from zero.
        let since_ns = process.read_ns.or(previous_ns.filter(|_| first));
        process.usage_percent =
            since_ns.and_then(|since| now_ns.checked_sub(since)).filter(|ns| *ns > 0).and_then(|elapsed| {
                let used = match (cpu_ns, before.0) {
                    (Some(now), then) => now.checked_sub(if first { 0 } else { then.unwrap_or(now) })?,
                    (None, _) => {
                        let ticks =
                            |usage: &TicksUsed| i64::try_from(usage.user_ticks.saturating_add(usage.system_ticks)).ok();
                        let then = if first { 0 } else { ticks(&before.1)? };
                        let seconds = elapsed as f64 / 1e9;
                        let step = process.ticks.step(then, ticks(&process.stat.own)?, seconds, f64::INFINITY);
                        let Step::Grew(by) = step else { return None };
                        by.unsigned_abs().saturating_mul(1_000_000_000 / procfs::ticks_per_second().max(1))
                    }
                };
                Some(used as f64 * 100.0 / elapsed as f64)
            });
        process.cpu_ns = cpu_ns;
        process.read_ns = Some(now_ns);
        true
    }

    /// Reads values in separate files: bytes, and for processes in the tree the high-water mark.
    fn read_details(&mut self, process: &mut KnownProcess) {
        let pid = process.stat.pid;
        // The value in `stat` lacks what each CPU has not yet added, which on many CPUs is megabytes.
        if let Some(pages) = self.text(pid, "statm").ok().and_then(|text| number(words(text).nth(1)?)) {
            process.stat.rss_pages = pages;
        }
        if !process.io_denied {
            process.io = self.text(pid, "io").ok().and_then(io_of);
            // Another user's process, which does not change, or a kernel without I/O accounting.
            process.io_denied = process.io.is_none();
        }
        // A zombie has no memory left, but had some.
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

    /// The command line, its arguments separated by blanks.
    pub fn command_line(&mut self, pid: u32) -> Option<String> {
        let text = self.text(pid, "cmdline").ok()?;
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        Some(text.split(|b| *b == 0).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" "))
    }

    /// A small file of a process. None of the files read here is larger than the buffer, except long command lines,
    /// which are cut.
    fn text(&mut self, pid: u32, file: &str) -> io::Result<&[u8]> {
        let file = open(self.root.join(format!("{pid}/{file}")))?;
        let length = read_beginning(&file, &mut self.buffer)?;
        Ok(self.buffer.get(..length).unwrap_or_default())
    }
}

impl KnownProcess {
    fn new(stat: Stat, inode: Option<u64>, listing: u64) -> KnownProcess {
        KnownProcess {
            stat,
            kin: None,
            usage_percent: None,
            cpu_ns: None,
            io: None,
            peak_rss_bytes: None,
            peak_rose: false,
            disowns: false,
            is_new: true,
            is_match: None,
            inode,
            read_ns: None,
            stale: 0,
            io_denied: false,
            ticks: Memory::default(),
            born: listing,
            listed: listing,
        }
    }
}
