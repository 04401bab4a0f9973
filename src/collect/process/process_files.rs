//! The files of processes, read one after the other.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::waits::Waited;
use crate::linux::files::{Roots, open, read_beginning};
use crate::linux::process::kernel::{Io, entries, io_of, pss_of};
use crate::linux::process::schedstat::Schedstat;
use crate::linux::process::stat::Stat;
use crate::linux::scan::{number, words};

/// Bytes of a command line that are recorded.
const COMMAND_LINE_BYTES: usize = 256;

pub struct ProcessFiles {
    root: PathBuf,
    buffer: Vec<u8>,
    /// Space for a folder's listing.
    pub listing: Vec<u8>,
}

impl ProcessFiles {
    pub fn new(roots: &Roots) -> ProcessFiles {
        ProcessFiles { root: roots.proc.clone(), buffer: vec![0; 32 * 1024], listing: Vec::with_capacity(32 * 1024) }
    }

    pub fn stat(&mut self, pid: u32) -> Option<Stat> {
        Stat::parse(self.text(pid, "stat").ok()?).filter(|stat| stat.pid == pid)
    }

    pub fn io(&mut self, pid: u32) -> Option<Io> {
        self.text(pid, "io").ok().and_then(io_of)
    }

    /// More precise than the value in `stat`, which lacks what each CPU has not yet added: on many CPUs megabytes.
    pub fn rss_pages(&mut self, pid: u32) -> Option<u64> {
        number(words(self.text(pid, "statm").ok()?).nth(1)?)
    }

    /// Empty if it cannot be read.
    pub fn status(&mut self, pid: u32) -> &[u8] {
        self.text(pid, "status").unwrap_or_default()
    }

    /// Its share of the memory that it maps. The kernel walks through all of it for that.
    pub fn pss_bytes(&mut self, pid: u32) -> Option<u64> {
        pss_of(self.text(pid, "smaps_rollup").ok()?)
    }

    /// From 0 to 1000, or 2000 on old kernels.
    pub fn oom_score(&mut self, pid: u32) -> Option<u64> {
        number(self.text(pid, "oom_score").ok()?.trim_ascii())
    }

    /// The arguments, separated by blanks. `None` for kernel threads and ended processes, which have none.
    pub fn command_line(&mut self, pid: u32) -> Option<String> {
        let text = self.text(pid, "cmdline").ok()?;
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        let line = text.split(|b| *b == 0).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
        (!line.is_empty()).then_some(line)
    }

    /// The beginning of the command line, on one line.
    pub fn short_command_line(&mut self, pid: u32) -> Option<Arc<str>> {
        let mut line: String = self.command_line(pid)?.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        line.truncate(line.floor_char_boundary(COMMAND_LINE_BYTES));
        Some(line.into())
    }

    /// What each thread of a process has waited so far; empty if the kernel does not count. `counts_io`: the kernel
    /// counts the waits for storage.
    pub fn waits(&mut self, stat: &Stat, counts_io: bool) -> Vec<(u32, Waited)> {
        let pid = stat.pid;
        if stat.threads <= 1 {
            let schedstat = self.text(pid, "schedstat").ok().and_then(Schedstat::parse);
            let io_ticks = counts_io.then_some(stat.io_wait_ticks);
            return schedstat.into_iter().map(|s| (pid, Waited::of(s, io_ticks))).collect();
        }
        let mut threads = Vec::new();
        if let Ok(folder) = open(self.root.join(format!("{pid}/task"))) {
            let mut listing = std::mem::take(&mut self.listing);
            // Incomplete is better than nothing: what one reading misses, the next one adds.
            let _ = entries(&folder, listing.spare_capacity_mut(), |tid, _| threads.push(tid));
            self.listing = listing;
        }
        let of = |tid: &u32| {
            let schedstat = Schedstat::parse(self.text(pid, &format!("task/{tid}/schedstat")).ok()?)?;
            let own = |text: &[u8]| Stat::parse(text).map(|stat| stat.io_wait_ticks);
            let io_ticks =
                if counts_io { self.text(pid, &format!("task/{tid}/stat")).ok().and_then(own) } else { None };
            Some((*tid, Waited::of(schedstat, io_ticks)))
        };
        threads.iter().filter_map(of).collect()
    }

    /// A small file of a process. None of the files read here is larger than the buffer, except long command lines,
    /// which are cut.
    fn text(&mut self, pid: u32, file: &str) -> io::Result<&[u8]> {
        let file = open(self.root.join(format!("{pid}/{file}")))?;
        let length = read_beginning(&file, &mut self.buffer)?;
        Ok(self.buffer.get(..length).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_process_with_two_threads() {
        let dir = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        // Field 42 is the wait for storage.
        let stat = |pid: u32, io: u32| {
            format!("{pid} (p) S 1 1 1 0 -1 0 5 0 0 0 9 0 0 0 20 0 2 0 50 4096 7{} {io} 0 0\n", " 0".repeat(17))
        };
        put("7/stat", &stat(7, 3));
        put("7/schedstat", "1 2000000 3\n");
        for (tid, wait, io) in [(7, 2_000_000, 3), (9, 5_000_000, 4)] {
            put(&format!("7/task/{tid}/schedstat"), &format!("1 {wait} 3\n"));
            put(&format!("7/task/{tid}/stat"), &stat(tid, io));
        }
        let long = format!("/usr/bin/p\0--name\nx\0{}ä\0", "y".repeat(COMMAND_LINE_BYTES - 21));
        put("7/cmdline", &long);
        put(
            "7/smaps_rollup",
            "00400000-7fff ---p 00000000 00:00 0 [rollup]\nRss: 900 kB\nPss:  301 kB\nPss_Dirty: 1 kB\n",
        );
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        let mut files = ProcessFiles::new(&roots);
        let one = files.stat(7).unwrap();
        let sorted = |mut waits: Vec<(u32, Waited)>| {
            waits.sort_by_key(|(tid, _)| *tid);
            waits
        };
        let of = |ms: u64, io_ticks| Waited { cpu_ns: ms * 1_000_000, runs: 3, io_ticks };
        assert_eq!(sorted(files.waits(&one, true)), [(7, of(2, Some(3))), (9, of(5, Some(4)))]);
        assert_eq!(sorted(files.waits(&one, false)), [(7, of(2, None)), (9, of(5, None))]);
        assert_eq!(files.waits(&Stat { threads: 1, ..one }, true), [(7, of(2, Some(3)))]);
        assert_eq!(files.waits(&Stat { threads: 1, pid: 8, ..one }, true), []);
        assert_eq!(files.pss_bytes(7), Some(301 * 1024));
        put("7/oom_score", "667\n");
        assert_eq!((files.oom_score(7), files.oom_score(8)), (Some(667), None));
        let line = files.short_command_line(7).unwrap();
        assert!(line.starts_with("/usr/bin/p --name x yyy") && line.ends_with('y') && line.len() == 255, "{line}");
        put("7/cmdline", "");
        assert_eq!(files.short_command_line(7), None, "a kernel thread");
    }
}
