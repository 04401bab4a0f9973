//! Which processes exist, which of them ran since the previous refresh, and which belong to a tree.
//!
//! A process that slept costs one system call: its CPU clock, read by process ID without a descriptor, tells whether
//! any of its threads ran. Its files are read only if one did.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::process_files::ProcessFiles;
use super::waits::{Waited, Waits};
use crate::linux::files::{HeldFile, Roots, SourceError, open};
use crate::linux::helper::is_helper;
use crate::linux::name::Name;
use crate::linux::process::clock::cpu_ns;
use crate::linux::process::kernel::{Io, entries, ignores_children, peak_of, swap_of, threads_and_last_number};
use crate::linux::process::stat::{Stat, TicksUsed};
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
    /// Of a process in the tree, when it last ran.
    pub swap_bytes: Option<u64>,
    pub waits: Waits,
    /// Its share of the memory that it maps, if it was read at this refresh.
    pub pss_bytes: Option<u64>,
    /// How likely the kernel ends it when memory runs out, if it was read at this refresh.
    pub oom_score: Option<u64>,
    /// Its beginning, of processes that have rows.
    pub command_line: Option<Arc<str>>,
    /// The name and the address of the arguments of the program whose command line that is.
    line_of: Option<(Name, u64)>,
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
    files: ProcessFiles,
    /// The kernel counts how long processes wait for storage.
    pub counts_io_waits: bool,
    /// How often the proportional memory of the tree is read, if at all, and when it was read.
    pub pss: Option<Duration>,
    pss_ns: Option<u64>,
    /// What the processes of the command that have ended had waited, as seen last.
    pub by_ended: Waited,
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
}

impl ProcessTable {
    /// # Errors
    /// If `/proc` cannot be listed.
    pub fn open(roots: &Roots, trunk: Trunk) -> Result<ProcessTable, SourceError> {
        let folder = open(&roots.proc).map_err(|error| SourceError { path: roots.proc.clone(), error })?;
        Ok(ProcessTable {
            root: roots.proc.clone(),
            files: ProcessFiles::new(roots),
            counts_io_waits: false,
            pss: None,
            pss_ns: None,
            by_ended: Waited::default(),
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
        entries(&self.folder, self.files.listing.spare_capacity_mut(), |pid, inode| match known.get_mut(&pid) {
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
        let Some(stat) = self.files.stat(pid) else { return };
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
            if process.kin == Some(Kin::Command) {
                self.by_ended.add(&process.waits.sum().unwrap_or_default());
            }
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
            let Some(stat) = self.files.stat(pid) else { continue };
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
            let Some(stat) = self.files.stat(pid) else { return false };
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
        self.read_waits(process, slept, now_ns, previous_ns.filter(|_| first));
        process.cpu_ns = cpu_ns;
        process.read_ns = Some(now_ns);
        true
    }

    /// Reads values in separate files: bytes, and for processes in the tree the high-water mark.
    fn read_details(&mut self, process: &mut KnownProcess) {
        let pid = process.stat.pid;
        if let Some(pages) = self.files.rss_pages(pid) {
            process.stat.rss_pages = pages;
        }
        if !process.io_denied {
            process.io = self.files.io(pid);
            // Another user's process, which does not change, or a kernel without I/O accounting.
            process.io_denied = process.io.is_none();
        }
        // A zombie has no memory left, but had some.
        if process.kin.is_some() && process.stat.state != b'Z' {
            let status = self.files.status(pid);
            let peak = peak_of(status);
            process.swap_bytes = swap_of(status);
            process.disowns = ignores_children(status);
            process.peak_rose = peak > process.peak_rss_bytes;
            process.peak_rss_bytes = peak.max(process.peak_rss_bytes);
        }
    }

    /// How long its threads waited. `slept`: none of them ran since the previous refresh; `began_ns`: a new process
    /// began after this time.
    fn read_waits(&mut self, process: &mut KnownProcess, slept: bool, now_ns: u64, began_ns: Option<u64>) {
        if slept && process.waits.now.is_some() {
            process.waits.stay(now_ns);
        } else if process.waits.are_due(process.stat.threads, now_ns) {
            process.waits.update(self.files.waits(&process.stat, self.counts_io_waits), now_ns, began_ns);
        } else {
            process.waits.skip();
        }
    }

    /// Reads the proportional memory and the OOM score of the tree, if it is time.
    pub fn read_pss(&mut self, now_ns: u64, is_last: bool) {
        let Some(every) = self.pss else { return };
        let every_ns = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        // A tick may be a little early.
        let is_due = self.pss_ns.is_none_or(|read| now_ns.saturating_sub(read) >= every_ns - every_ns / 10);
        for process in self.known.values_mut().filter(|process| process.kin.is_some()) {
            (process.pss_bytes, process.oom_score) = (None, None);
            if is_due || is_last {
                process.pss_bytes = self.files.pss_bytes(process.stat.pid);
                process.oom_score = self.files.oom_score(process.stat.pid);
            }
        }
        if is_due {
            self.pss_ns = Some(now_ns);
        }
    }

    /// Reads the command lines of these processes, unless they are known. After an exec it is another one.
    pub fn read_command_lines(&mut self, pids: impl IntoIterator<Item = u32>) {
        for pid in pids {
            let Some(process) = self.known.get_mut(&pid) else { continue };
            let program = Some((process.stat.comm, process.stat.arguments));
            if process.line_of != program {
                process.line_of = program;
                // Ended processes have none; what it was is still true.
                process.command_line = self.files.short_command_line(pid).or(process.command_line.take());
            }
        }
    }

    /// The whole command line.
    pub fn command_line(&mut self, pid: u32) -> Option<String> {
        self.files.command_line(pid)
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
            swap_bytes: None,
            waits: Waits::default(),
            pss_bytes: None,
            oom_score: None,
            command_line: None,
            line_of: None,
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
