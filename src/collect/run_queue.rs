//! How long tasks waited for each CPU, from `/proc/schedstat`. Kernels built without CONFIG_SCHEDSTATS do not have it.

use std::time::Duration;

use crate::linux::files::{HeldFile, Roots, SourceError};
use crate::linux::scan::{lines, number, words};
use crate::table::Unit;
use crate::table::human::scaled;

/// The file also describes the scheduling domains of each CPU, and is 1 KiB per CPU and longer. It is read at every
/// tick if that is at most this much per second: some 2 ms of CPU time.
const MOST_BYTES_PER_SEC: f64 = 256.0 * 1024.0;

/// The tasks that wait for each CPU.
pub struct RunQueues {
    file: HeldFile,
    /// The CPU, and the nanoseconds in which tasks could run on it and did not; sorted.
    waits: Vec<(i32, u64)>,
}

impl RunQueues {
    /// # Errors
    /// Why there are no values.
    pub fn open(roots: &Roots, interval: Duration) -> Result<RunQueues, String> {
        let mut file = HeldFile::open(roots.proc("schedstat")).map_err(|error| match error.is_missing() {
            true => "the kernel has no /proc/schedstat (CONFIG_SCHEDSTATS)".to_string(),
            false => error.to_string(),
        })?;
        let bytes = file.read().map_err(|error| error.to_string())?.len();
        if bytes as f64 > MOST_BYTES_PER_SEC * interval.as_secs_f64() {
            return Err(format!("{} of /proc/schedstat would be read too often", scaled(bytes as f64, Unit::Bytes)));
        }
        let mut queues = RunQueues { file, waits: Vec::new() };
        queues.read().map_err(|error| error.to_string())?;
        match queues.waits.is_empty() {
            true => Err("/proc/schedstat has an unknown form".into()),
            false => Ok(queues),
        }
    }

    /// # Errors
    /// If the file cannot be read. Nothing is known then.
    pub fn read(&mut self) -> Result<(), SourceError> {
        self.waits.clear();
        self.waits.extend(lines(self.file.read()?).filter_map(wait));
        self.waits.sort_unstable();
        Ok(())
    }

    /// Of this CPU, in nanoseconds.
    pub fn wait_ns(&self, cpu: i32) -> Option<u64> {
        let at = self.waits.binary_search_by_key(&cpu, |(cpu, _)| *cpu).ok()?;
        self.waits.get(at).map(|(_, ns)| *ns)
    }
}

/// A line of a CPU: nine numbers (until version 14 of the file: twelve), of which the last three are the time in which
/// tasks ran, the time in which they waited, and how often they ran.
fn wait(line: &[u8]) -> Option<(i32, u64)> {
    let mut words = words(line);
    let cpu = number(words.next()?.strip_prefix(b"cpu")?)?.try_into().ok()?;
    let (mut count, mut last) = (0, [None; 2]);
    for word in words {
        count += 1;
        last = [last[1], number(word)];
    }
    matches!(count, 9 | 12).then_some((cpu, last[0]?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn opened(text: &str, interval: Duration) -> Result<RunQueues, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("schedstat"), text).unwrap();
        RunQueues::open(&Roots { proc: dir.path().into(), sys: dir.path().into() }, interval)
    }

    #[test]
    fn the_last_but_one_number_is_the_wait() {
        // A line per CPU with fields numbered as in the kernel's sched-stats document.
        let text = "version 15\ntimestamp 4297299139\n\
                    cpu0 0 0 3 4 5 6 70000000 80000000 9\n\
                    domain0 3 10 11 12 13 14 15 16 17 18\n\
                    cpu10 0 0 3 4 5 6 7 10000001 9\n\
                    cpu2 0 0 3 4 5 6 7 20000000 9\n\
                    cpu3 0 0 3 4\n";
        let queues = opened(text, SECOND).unwrap();
        let waits = [0, 2, 3, 10, 11].map(|cpu| queues.wait_ns(cpu));
        assert_eq!(waits, [Some(80_000_000), Some(20_000_000), None, Some(10_000_001), None]);
        let old = opened("version 14\ntimestamp 1\ncpu0 1 2 3 4 5 6 7 8 9 10 11 12\n", SECOND).unwrap();
        assert_eq!(old.wait_ns(0), Some(11));
    }

    #[test]
    fn why_there_are_no_values() {
        let why = |text: &str, interval| opened(text, interval).err().unwrap();
        assert!(why("version 99\ncpu0 1 2\n", SECOND).contains("unknown form"));
        let long = "cpu0 0 0 3 4 5 6 70000000 80000000 9\n".repeat(1000);
        assert!(opened(&long, SECOND).is_ok());
        assert!(why(&long, Duration::from_millis(100)).contains("too often"));
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
        assert!(RunQueues::open(&roots, SECOND).err().unwrap().contains("no /proc/schedstat"));
    }
}
