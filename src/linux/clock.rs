//! Time: the two clocks of a tick, and the wait for the next tick. Everything that needs the time uses this module, so
//! that a test can script hours, steps and stalls.

use std::num::NonZeroU64;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};

/// One instant on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// `CLOCK_MONOTONIC`, nanoseconds: for durations.
    pub mono_ns: u64,
    /// `CLOCK_REALTIME`, microseconds since the epoch: the time stamp of rows.
    pub wall_us: i64,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    Deadline,
    /// Something arrived that must not wait.
    Interrupt,
    Stop,
}

pub trait Clock {
    fn now(&mut self) -> Now;
    fn mono_ns(&mut self) -> u64;
    /// Sleeps until the deadline on `CLOCK_MONOTONIC`, or until it is interrupted or stopped.
    fn wait(&mut self, deadline_ns: u64) -> Woken;
}

/// Ends the wait of a [`SystemClock`] from another thread: for good, or so that it handles what arrived.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<Called>, Condvar)>);

#[derive(Debug, Default)]
struct Called {
    stop: bool,
    interrupt: bool,
}

impl Stop {
    pub fn stop(&self) {
        self.call(|called| called.stop = true);
    }

    /// Ends one wait: the current one, or the next.
    pub fn interrupt(&self) {
        self.call(|called| called.interrupt = true);
    }

    fn call(&self, set: impl FnOnce(&mut Called)) {
        set(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
    }

    /// Waits until the time has passed, or until one of the others is called.
    pub fn wait_for(&self, time: Duration) -> Woken {
        let called = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(called, time, |called| !called.stop && !called.interrupt);
        let mut called = waited.unwrap_or_else(PoisonError::into_inner).0;
        match (called.stop, std::mem::take(&mut called.interrupt)) {
            (true, _) => Woken::Stop,
            (false, true) => Woken::Interrupt,
            (false, false) => Woken::Deadline,
        }
    }
}

/// The machine's clocks.
#[derive(Clone, Debug)]
pub struct SystemClock {
    pub stop: Stop,
}

/// Seconds and nanoseconds.
fn read(clock: ClockId) -> (u64, u64) {
    let time = clock_gettime(clock);
    (time.tv_sec as u64, time.tv_nsec as u64)
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub fn mono_ns() -> u64 {
    let (s, ns) = read(ClockId::Monotonic);
    s * 1_000_000_000 + ns
}

/// `CLOCK_REALTIME` in microseconds since the epoch.
pub fn wall_us() -> i64 {
    let (s, ns) = read(ClockId::Realtime);
    (s * 1_000_000 + ns / 1000) as i64
}

/// `CLOCK_REALTIME` in nanoseconds since the epoch.
pub fn wall_ns() -> i64 {
    let (s, ns) = read(ClockId::Realtime);
    (s * 1_000_000_000 + ns) as i64
}

/// When this machine booted, by the current wall clock: milliseconds since the epoch, with the resolution of the
/// kernel's tick of 10 ms.
pub fn boot_ms() -> i64 {
    let (s, ns) = read(ClockId::Boottime);
    let since_boot_us = (s * 1_000_000 + ns / 1000) as i64;
    (wall_us() - since_boot_us) / 10_000 * 10
}

/// The time for timeouts and for messages about durations. What is recorded comes from a [`Clock`].
#[allow(clippy::disallowed_methods, reason = "this is where it is asked for")]
pub fn instant() -> Instant {
    Instant::now()
}

/// CPU time that this process has used, in microseconds.
pub fn process_cpu_us() -> u64 {
    let (s, ns) = read(ClockId::ProcessCPUTime);
    s * 1_000_000 + ns / 1000
}

impl SystemClock {
    pub fn new(stop: Stop) -> Self {
        SystemClock { stop }
    }

    /// Lets this thread be woken on time: by default the kernel delays wake-ups by up to 50 us to combine them.
    pub fn wake_sharply() {
        const SLACK_NS: NonZeroU64 = NonZeroU64::new(1_000).expect("not zero");
        // If this is refused, ticks are 50 us late.
        let _ = set_current_timer_slack(Some(SLACK_NS));
    }
}

impl Clock for SystemClock {
    fn now(&mut self) -> Now {
        Now { mono_ns: mono_ns(), wall_us: wall_us() }
    }
    fn mono_ns(&mut self) -> u64 {
        mono_ns()
    }
    fn wait(&mut self, deadline_ns: u64) -> Woken {
        self.stop.wait_for(Duration::from_nanos(deadline_ns.saturating_sub(mono_ns())))
    }
}

/// What happens while a [`Scripted`] clock waits for a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The tick begins on time.
    OnTime,
    /// The machine stands still for this much longer.
    Stall(Duration),
    /// Somebody sets the wall clock by this many microseconds, forward or back.
    StepUs(i64),
    /// Something arrives this long after the wait began, before the tick.
    Interrupt(Duration),
    Stop,
}

/// A clock on which hours pass at once: each wait asks the script what happens, and ends immediately.
pub struct Scripted<F> {
    now: Now,
    waits: u64,
    script: F,
}

impl<F: FnMut(u64) -> Event> Scripted<F> {
    /// `script` gets the number of the wait, from 1. This is the number of the tick that ends the wait, unless a tick
    /// was missed or off the grid.
    pub fn new(start: Now, script: F) -> Self {
        Scripted { now: start, waits: 0, script }
    }
}

impl<F: FnMut(u64) -> Event> Clock for Scripted<F> {
    fn now(&mut self) -> Now {
        self.now
    }
    fn mono_ns(&mut self) -> u64 {
        self.now.mono_ns
    }
    fn wait(&mut self, deadline_ns: u64) -> Woken {
        self.waits += 1;
        let event = (self.script)(self.waits);
        if event == Event::Stop {
            return Woken::Stop;
        }
        let left = deadline_ns.saturating_sub(self.now.mono_ns);
        let passed = match event {
            Event::Interrupt(after) => left.min(after.as_nanos() as u64),
            Event::Stall(time) => left.saturating_add(time.as_nanos() as u64),
            _ => left,
        };
        self.now.mono_ns = self.now.mono_ns.saturating_add(passed);
        self.now.wall_us += (passed / 1000) as i64 + if let Event::StepUs(step) = event { step } else { 0 };
        if matches!(event, Event::Interrupt(_)) { Woken::Interrupt } else { Woken::Deadline }
    }
}

/// When the ticks are due: at wall-clock multiples of the interval, waited for on the monotonic clock.
#[derive(Debug)]
pub struct Ticker {
    interval_ns: u64,
    /// The next tick.
    deadline_ns: Option<u64>,
}

/// How late a tick is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    pub late_us: u64,
    /// Whole intervals that passed without a tick before this one.
    pub missed: u64,
}

impl Ticker {
    pub fn new(interval: Duration) -> Self {
        let mut ticker = Ticker { interval_ns: 1, deadline_ns: None };
        ticker.set_interval(interval);
        ticker
    }

    /// Changes the time between ticks, from the next [`next`](Ticker::next) on.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval_ns = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    }

    /// What to report about a tick that begins now; the first is never late.
    pub fn lateness(&self, now: Now) -> Lateness {
        let Some(late_ns) = self.deadline_ns.map(|d| now.mono_ns.saturating_sub(d)) else { return Lateness::default() };
        Lateness { late_us: late_ns / 1000, missed: late_ns / self.interval_ns }
    }

    /// The time of a tick on the grid that begins now. The wall clock is that of the grid if it is within a millisecond
    /// (and a tenth of the interval) of it: then all machines have the same times, which takes next to no space, and
    /// [`Lateness`] has the rest.
    pub fn stamp(&self, now: Now) -> Now {
        const NEAR_US: i64 = 1000;
        let interval_us = i64::try_from(self.interval_ns / 1000).unwrap_or(i64::MAX);
        // The first tick is not on the grid, and one of fractions of microseconds has no times.
        if self.deadline_ns.is_none() || interval_us == 0 || !self.interval_ns.is_multiple_of(1000) {
            return now;
        }
        let near_us = NEAR_US.min(interval_us / 10);
        let after_us = now.wall_us.rem_euclid(interval_us);
        let wall_us = match after_us {
            after_us if after_us <= near_us => now.wall_us - after_us,
            after_us if interval_us - after_us <= near_us => now.wall_us + (interval_us - after_us),
            _ => now.wall_us,
        };
        Now { wall_us, ..now }
    }

    /// The deadline of the tick after the one that began at `now`. Aligned each time, so that nothing drifts, a late
    /// tick does not move the later ones, and a step of the wall clock moves the grid.
    pub fn next(&mut self, now: Now) -> u64 {
        let interval = i128::from(self.interval_ns);
        let wall_ns = i128::from(now.wall_us) * 1000;
        let mut ahead = interval - wall_ns.rem_euclid(interval);
        let late_ns = self.deadline_ns.map_or(0, |d| now.mono_ns.saturating_sub(d));
        // Woken just before the multiple (the clocks slew), or started just before one: this multiple is taken.
        let margin = if self.deadline_ns.is_none() { interval / 2 } else { interval / 10 };
        if ahead < margin && i128::from(late_ns) < margin {
            ahead += interval;
        }
        let deadline = now.mono_ns.saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX));
        self.deadline_ns = Some(deadline);
        deadline
    }

    /// There was a tick off the grid at `now`. The next one on the grid stays when it is due, unless that is nearer
    /// than `nearest_ns`: then this tick replaces it.
    pub fn between(&mut self, now: Now, nearest_ns: u64) {
        let near = |d: &&mut u64| d.saturating_sub(now.mono_ns) < nearest_ns;
        if let Some(deadline) = self.deadline_ns.as_mut().filter(near) {
            *deadline = deadline.saturating_add(self.interval_ns);
        }
    }

    /// When the next tick on the grid is due; before the first tick: now.
    pub fn deadline_ns(&self) -> u64 {
        self.deadline_ns.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_s: f64, wall_s: f64) -> Now {
        Now { mono_ns: (mono_s * 1e9).round() as u64, wall_us: (wall_s * 1e6).round() as i64 }
    }

    #[test]
    fn ticks_fall_on_wall_clock_multiples_and_do_not_drift() {
        let mut ticker = Ticker::new(Duration::from_secs(1));
        // Starts at a quarter past; boot was 900 s before the epoch's 1,000.
        assert_eq!(ticker.next(at(100.25, 1000.25)), 101_000_000_000);
        for i in 1..1000u32 {
            let late = 0.0001 * f64::from(i % 7);
            let now = at(100.0 + f64::from(i) + late, 1000.0 + f64::from(i) + late);
            assert_eq!(ticker.lateness(now).missed, 0);
            assert_eq!(ticker.next(now), (101 + u64::from(i)) * 1_000_000_000);
        }
    }

    #[test]
    fn the_time_of_a_tick_is_that_of_the_grid_if_it_is_near() {
        let stamp = |interval: Duration, wall_s: f64| {
            let mut ticker = Ticker::new(interval);
            let first = at(5.0, 1_000.000_1);
            assert_eq!(ticker.stamp(first), first);
            ticker.next(first);
            ticker.stamp(at(6.0, wall_s)).wall_us
        };
        let second = Duration::from_secs(1);
        for (wall_s, us) in [
            (1_001.000_001, 1_001_000_000),
            (1_001.001, 1_001_000_000),
            (1_001.001_001, 1_001_001_001),
            (1_000.999_5, 1_001_000_000),
            (1_000.998, 1_000_998_000),
            (1_003.7, 1_003_700_000),
        ] {
            assert_eq!(stamp(second, wall_s), us, "{wall_s}");
        }
        let short = Duration::from_millis(2);
        assert_eq!((stamp(short, 1_001.004_2), stamp(short, 1_001.004_201)), (1_001_004_000, 1_001_004_201));
        assert_eq!(stamp(Duration::from_nanos(1500), 1_001.004_2), 1_001_004_200);
    }

    #[test]
    fn a_stall_is_counted_and_the_grid_kept() {
        let mut ticker = Ticker::new(Duration::from_secs(1));
        ticker.next(at(0.0, 1000.0));
        let stalled = at(4.3, 1004.3);
        assert_eq!(ticker.lateness(stalled), Lateness { late_us: 3_300_000, missed: 3 });
        assert_eq!(ticker.next(stalled), 5_000_000_000);
    }

    #[test]
    fn a_step_of_the_wall_clock_moves_the_grid_and_misses_nothing() {
        let mut ticker = Ticker::new(Duration::from_secs(1));
        ticker.next(at(0.0, 1000.0));
        let stepped = at(1.0, 500.7);
        assert_eq!(ticker.lateness(stepped), Lateness::default());
        assert_eq!(ticker.next(stepped), 1_300_000_000);
    }

    #[test]
    fn a_tick_between_leaves_the_grid_as_it_is() {
        let mut ticker = Ticker::new(Duration::from_secs(1));
        ticker.next(at(0.0, 1000.0));
        ticker.between(at(0.5, 1000.5), 10_000_000);
        ticker.between(at(0.985, 1000.985), 10_000_000);
        assert_eq!(ticker.deadline_ns(), 1_000_000_000);
        // 9 ms before the next tick it replaces that one, which is then not missed.
        ticker.between(at(0.991, 1000.991), 10_000_000);
        assert_eq!(ticker.deadline_ns(), 2_000_000_000);
        assert_eq!(ticker.lateness(at(2.0, 1002.0)), Lateness::default());
    }

    #[test]
    fn an_interrupt_ends_one_wait_and_stop_all() {
        let stop = Stop::default();
        let (none, long) = (Duration::ZERO, Duration::from_secs(60));
        assert_eq!(stop.wait_for(none), Woken::Deadline);
        stop.interrupt();
        stop.interrupt();
        assert_eq!((stop.wait_for(long), stop.wait_for(none)), (Woken::Interrupt, Woken::Deadline));
        stop.interrupt();
        stop.stop();
        assert_eq!((stop.wait_for(long), stop.wait_for(long)), (Woken::Stop, Woken::Stop));
    }

    #[test]
    fn woken_a_hair_early_it_does_not_tick_twice() {
        let mut ticker = Ticker::new(Duration::from_secs(1));
        ticker.next(at(0.0, 1000.0));
        assert_eq!(ticker.next(at(1.0, 1_000.999_999)), 2_000_001_000);
        // At the start there is no tick just before a multiple either.
        assert_eq!(Ticker::new(Duration::from_secs(1)).next(at(0.0, 1000.9)), 1_100_000_000);
    }
}
