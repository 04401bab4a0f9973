//! How long the threads of a process waited, summed. The kernel has no such sum: a thread that ends takes its account
//! along, so each reading adds what every thread waited since the one before.

use crate::linux::process::schedstat::Schedstat;

/// Reading a thread takes about 10 us, so this limits the cost to a thousandth of a CPU: a process with n threads is
/// asked every n times this long.
const PER_THREAD_NS: u64 = 10_000_000;

/// What a thread, or a process, has waited so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// It could run, and no CPU ran it. Nanoseconds.
    pub cpu_ns: u64,
    /// How often it was given a CPU.
    pub runs: u64,
    /// For storage, in clock ticks; `None` where the kernel does not count it.
    pub io_ticks: Option<u64>,
}

/// The waits of a process.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// Its threads at the last reading.
    threads: Vec<(u32, Waited)>,
    sum: Option<Waited>,
    /// When that was.
    read_ns: Option<u64>,
    /// As of the last refresh; `None` if it did not read them.
    pub now: Option<Waited>,
    /// Waiting for a CPU since the reading before, in percent of the time: 250 means two and a half threads.
    pub percent: Option<f64>,
}

/// What is known of both.
pub fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

impl Waited {
    pub fn of(schedstat: Schedstat, io_ticks: Option<u64>) -> Waited {
        Waited { cpu_ns: schedstat.wait_ns, runs: schedstat.runs, io_ticks }
    }

    pub fn add(&mut self, more: &Waited) {
        self.cpu_ns += more.cpu_ns;
        self.runs += more.runs;
        self.io_ticks = sum(self.io_ticks, more.io_ticks);
    }

    /// What was added since `before`. A thread that has less than the one of the same ID before is another thread.
    fn since(&self, before: Option<&Waited>) -> Waited {
        let Some(before) = before.filter(|before| before.runs <= self.runs) else { return *self };
        Waited {
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            runs: self.runs - before.runs,
            io_ticks: self.io_ticks.map(|ticks| ticks.saturating_sub(before.io_ticks.unwrap_or(0))),
        }
    }
}

impl Waits {
    /// Everything that was seen so far; `None` if nothing could be read.
    pub fn sum(&self) -> Option<Waited> {
        self.sum
    }

    /// Is it time to read the threads again? A refresh that is a tenth early counts.
    pub fn are_due(&self, threads: u64, now_ns: u64) -> bool {
        let pause = threads.saturating_sub(1).saturating_mul(PER_THREAD_NS);
        self.read_ns.is_none_or(|read| now_ns.saturating_sub(read) >= pause - pause / 10)
    }

    /// Nothing was read at this refresh.
    pub fn skip(&mut self) {
        (self.now, self.percent) = (None, None);
    }

    /// The process did not run, so none of its threads waited for a CPU until now: the kernel adds a wait when it ends.
    pub fn stay(&mut self, now_ns: u64) {
        self.now = self.sum;
        self.percent = self.read_ns.filter(|_| self.sum.is_some()).map(|_| 0.0);
        self.read_ns = self.read_ns.map(|_| now_ns);
    }

    /// The threads as they are now. `began_ns`: a process that is new began after this time, with no waits.
    pub fn update(&mut self, mut threads: Vec<(u32, Waited)>, now_ns: u64, began_ns: Option<u64>) {
        self.skip();
        let since_ns = self.read_ns.or(began_ns);
        self.read_ns = Some(now_ns);
        if threads.is_empty() {
            return;
        }
        threads.sort_unstable_by_key(|(tid, _)| *tid);
        let mut grown = Waited::default();
        for (tid, waited) in &threads {
            let before = self.threads.binary_search_by_key(tid, |(tid, _)| *tid).ok();
            grown.add(&waited.since(before.and_then(|at| self.threads.get(at)).map(|(_, waited)| waited)));
        }
        self.threads = threads;
        let mut sum = self.sum.unwrap_or_default();
        sum.add(&grown);
        self.sum = Some(sum);
        self.now = self.sum;
        self.percent = since_ns
            .and_then(|since| now_ns.checked_sub(since))
            .filter(|ns| *ns > 0)
            .map(|elapsed| grown.cpu_ns as f64 * 100.0 / elapsed as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn waited(ms: u64, runs: u64) -> Waited {
        Waited { cpu_ns: ms * MS, runs, io_ticks: None }
    }

    #[test]
    fn threads_that_come_and_go() {
        let mut waits = Waits::default();
        // It existed before the recorder: how fast it waits is not known yet.
        waits.update(vec![(11, waited(7, 2)), (10, waited(5, 1))], 1000 * MS, None);
        assert_eq!((waits.now, waits.percent), (Some(waited(12, 3)), None));
        // 10 waited 20 ms, 11 ended, 12 began and waited 30 ms, in half a second.
        waits.update(vec![(10, waited(25, 3)), (12, waited(30, 4))], 1500 * MS, None);
        assert_eq!((waits.now, waits.percent), (Some(waited(62, 9)), Some(10.0)));
        // Another thread got the ID of the last one.
        waits.update(vec![(10, waited(25, 3)), (12, waited(1, 1))], 2000 * MS, None);
        assert_eq!(waits.now, Some(waited(63, 10)));
        waits.stay(2500 * MS);
        assert_eq!((waits.now, waits.percent), (Some(waited(63, 10)), Some(0.0)));
        waits.update(vec![(10, waited(125, 4))], 3000 * MS, None);
        assert_eq!((waits.now, waits.percent), (Some(waited(163, 11)), Some(20.0)));
        // The kernel did not tell.
        waits.update(Vec::new(), 3500 * MS, None);
        assert_eq!((waits.now, waits.percent, waits.sum()), (None, None, Some(waited(163, 11))));
    }

    #[test]
    fn a_new_process_began_with_none() {
        let mut waits = Waits::default();
        waits.stay(MS);
        assert_eq!((waits.now, waits.percent), (None, None));
        waits.update(vec![(10, waited(50, 1))], 1000 * MS, Some(0));
        assert_eq!((waits.now, waits.percent), (Some(waited(50, 1)), Some(5.0)));
    }

    #[test]
    fn many_threads_are_asked_less_often() {
        let mut waits = Waits::default();
        assert!(waits.are_due(5000, 0));
        waits.update(vec![(10, waited(0, 1))], 1000 * MS, None);
        assert!(waits.are_due(1, 1001 * MS));
        assert!(!waits.are_due(101, 1890 * MS));
        assert!(waits.are_due(101, 1910 * MS), "a tick that is a little early");
        assert!(!waits.are_due(1001, 9000 * MS) && waits.are_due(1001, 11_000 * MS));
    }
}
