//! Checks whether the times of all CPUs together are continuous since the previous reading. The first line of
//! `/proc/stat` is their sum. A CPU that comes back online may restart its idle time (before Linux 6.9), and while it
//! is offline the kernel takes that time from other counters. The sum then jumps by minutes or hours in which no CPU
//! was idle.

use super::stat::CpuTimes;
use crate::table::step::LATE_S;

/// The idle time of each CPU at the previous reading, and of all together.
#[derive(Debug, Default)]
pub struct CpuSet {
    /// By CPU number. Unit: milliseconds, including waiting for I/O.
    before: Vec<(i32, u64)>,
    sum_ms: Option<u64>,
    mono_ns: u64,
    changes: i64,
}

/// No CPU's time grows by more than this. It grows by 1,000 ms per second, and by a little more where the clocks
/// differ.
pub const MOST_MS_PER_SEC: i64 = 10_000;

/// One CPU's idle time may decrease by this much without having restarted.
const WOBBLE_MS: i64 = 100;

const LATE_MS: i64 = (LATE_S * 1000.0) as i64;

/// Every line is rounded down to whole jiffies, usually 10 ms.
const ROUNDING_MS: i64 = 20;

/// For one CPU or all of them. `iowait` is idle time as well, and the kernel moves time between the two.
pub fn idle_ms(times: &CpuTimes) -> u64 {
    times.idle.saturating_add(times.iowait)
}

impl CpuSet {
    /// Adds a reading: the idle time of all CPUs, and of each (which is swapped into `cpus`). Returns how often the sum
    /// was not continuous so far.
    pub fn follow(&mut self, mono_ns: u64, sum_ms: u64, cpus: &mut Vec<(i32, u64)>) -> i64 {
        cpus.sort_unstable_by_key(|(cpu, _)| *cpu);
        let elapsed_ms = (mono_ns.saturating_sub(self.mono_ns) / 1_000_000) as i64;
        if let Some(before) = self.sum_ms
            && !self.goes_on(difference(before, sum_ms), cpus, elapsed_ms)
        {
            self.changes += 1;
        }
        self.sum_ms = Some(sum_ms);
        self.mono_ns = mono_ns;
        std::mem::swap(&mut self.before, cpus);
        self.changes
    }

    /// The sum grew by as much as the CPUs that were present throughout, and by no more than the others can have added.
    fn goes_on(&self, sum_grew_ms: i64, cpus: &[(i32, u64)], elapsed_ms: i64) -> bool {
        let mut throughout_ms: i64 = 0;
        let (mut stayed, mut throughout) = (0, 0);
        for (cpu, now) in cpus {
            let Ok(at) = self.before.binary_search_by_key(cpu, |(cpu, _)| *cpu) else { continue };
            stayed += 1;
            let grew = self.before.get(at).map_or(0, |(_, before)| difference(*before, *now));
            let most_ms = (elapsed_ms + LATE_MS).saturating_mul(MOST_MS_PER_SEC / 1000);
            if (-WOBBLE_MS..=most_ms).contains(&grew) {
                throughout_ms = throughout_ms.saturating_add(grew);
                throughout += 1;
            }
        }
        // CPUs that were added or restarted their idle time, and those that were removed.
        let others = (cpus.len() - throughout + self.before.len().saturating_sub(stayed)) as i64;
        if others == 0 {
            return true;
        }
        let by_others_ms = sum_grew_ms.saturating_sub(throughout_ms);
        let slack_ms = WOBBLE_MS + ROUNDING_MS * (cpus.len() as i64 + 1);
        (-slack_ms..=others.saturating_mul(elapsed_ms).saturating_add(slack_ms)).contains(&by_others_ms)
    }
}

fn difference(before: u64, now: u64) -> i64 {
    i64::try_from(i128::from(now) - i128::from(before)).unwrap_or(i64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum, and each CPU.
    type Reading<'r> = (u64, &'r [(i32, u64)]);

    /// Readings one second apart.
    fn changes(readings: &[Reading]) -> Vec<i64> {
        let mut set = CpuSet::default();
        let follow = |(second, (sum, cpus)): (usize, &Reading)| {
            set.follow(second as u64 * 1_000_000_000, *sum, &mut cpus.to_vec())
        };
        readings.iter().enumerate().map(follow).collect()
    }

    #[test]
    fn a_cpu_that_restarts_its_idle_time() {
        let readings: [Reading; 4] = [
            (2_361_000, &[(0, 1_180_110), (1, 1_180_890)]),
            (2_362_900, &[(0, 1_181_060), (1, 1_181_840)]),
            (1_183_410, &[(0, 1_182_010), (1, 1400)]),
            (1_185_300, &[(0, 1_182_950), (1, 2350)]),
        ];
        assert_eq!(changes(&readings), [0, 0, 1, 1]);
    }

    #[test]
    fn cpus_that_come_and_go_without_a_jump() {
        let readings: [Reading; 4] = [
            (3000, &[(0, 1000), (1, 2000)]),
            (4400, &[(0, 1900)]),
            (5300, &[(0, 2800)]),
            (6700, &[(0, 3700), (1, 3000)]),
        ];
        assert_eq!(changes(&readings), [0; 4]);
    }

    #[test]
    fn a_sum_taken_from_other_counters() {
        let off: [Reading; 3] = [(3000, &[(0, 1000), (1, 2000)]), (90_000, &[(0, 1900)]), (90_900, &[(0, 2800)])];
        assert_eq!(changes(&off), [0, 1, 1]);
        let on: [Reading; 2] = [(90_000, &[(0, 1000)]), (2000, &[(0, 1900), (1, 100)])];
        assert_eq!(changes(&on), [0, 1]);
    }

    #[test]
    fn idle_time_that_jumps() {
        let readings: [Reading; 2] = [(3000, &[(0, 1000), (1, 2000)]), (3_604_900, &[(0, 1900), (1, 3_603_000)])];
        assert_eq!(changes(&readings), [0, 1]);
    }

    #[test]
    fn small_decreases_are_not_a_change() {
        let readings: [Reading; 2] = [(3000, &[(0, 1000), (1, 2000)]), (2980, &[(0, 990), (1, 1990)])];
        assert_eq!(changes(&readings), [0, 0]);
    }

    proptest::proptest! {
        #[test]
        fn no_values_make_it_panic(readings: Vec<(u64, u64, Vec<(i32, u64)>)>) {
            let mut set = CpuSet::default();
            for (mono_ns, sum_ms, mut cpus) in readings {
                set.follow(mono_ns, sum_ms, &mut cpus);
            }
        }
    }
}
