//! One target with a thread of its own, which reads it when it is asked to. Whatever the program at the other end does, the
//! sampling thread only takes what is there.

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::growth::{Growth, Rows};
use super::read::{Found, PATIENCE, Version, read};
use super::target::Target;
use crate::linux::clock;
use crate::linux::lock::lock;
use crate::metric::exposition::parse;
use crate::table::sample::Sample;

/// For paths of files and addresses of hosts, which the C library resolves on the stack.
const STACK_BYTES: usize = 512 * 1024;

/// A tick, and the monotonic time at which it was seen here: the clock of a tick may be scripted.
#[derive(Clone, Copy, Debug, Default)]
struct Moment {
    ts_us: i64,
    mono_ns: u64,
    seen_ns: u64,
}

impl Moment {
    fn of(sample: &Sample) -> Moment {
        Moment { ts_us: sample.ts_us, mono_ns: sample.mono_ns, seen_ns: clock::mono_ns() }
    }

    /// How long ago it was.
    fn age_ns(&self) -> u64 {
        clock::mono_ns().saturating_sub(self.seen_ns)
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// When it was whole.
    pub ts_us: i64,
    pub rows: Vec<Rows>,
    pub left_out: Option<String>,
}

/// What a reading ended with; `Ok(None)`: a file that did not change.
type Outcome = Result<Option<Answer>, String>;

#[derive(Debug, Default)]
struct State {
    /// The tick after which it should be read.
    asked: Option<Moment>,
    is_reading: bool,
    /// What ended since the last tick: one reading, at the end of the recording two.
    outcomes: Vec<Outcome>,
    is_over: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A target that is read again and again.
#[derive(Debug)]
pub struct Source {
    target: Target,
    shared: Arc<Shared>,
    last: Moment,
    has_answered: bool,
    /// How often in a row it could not be read.
    misses: u32,
    failure: Option<String>,
}

impl Source {
    /// Starts the thread. `instance`: the label of this name that series without one get.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(target: Target, instance: Option<String>) -> io::Result<Source> {
        let shared = Arc::new(Shared::default());
        // What a file holds from before was written about another time.
        let before = if let Target::File(path) = &target { Version::of(path) } else { None };
        let reader = Reader { target: target.clone(), instance, version: before, growth: Growth::default() };
        let theirs = shared.clone();
        thread::Builder::new().name("metric".into()).stack_size(STACK_BYTES).spawn(move || reader.run(&theirs))?;
        Ok(Source { target, shared, last: Moment::default(), has_answered: false, misses: 0, failure: None })
    }

    /// What was read since the last call. `asks`: also asks for the next reading, unless one goes on.
    pub fn take(&mut self, sample: &Sample, asks: bool) -> Vec<Answer> {
        let moment = Moment::of(sample);
        let mut state = lock(&self.shared.state);
        let outcomes = std::mem::take(&mut state.outcomes);
        if !state.is_reading && state.asked.is_none() && asks {
            state.asked = Some(moment);
            self.last = moment;
            self.shared.changed.notify_all();
        }
        drop(state);
        if outcomes.is_empty() && self.last.age_ns() > 3 * PATIENCE.as_nanos() as u64 {
            self.failure = Some("it does not answer".into());
        }
        outcomes.into_iter().filter_map(|outcome| self.note(outcome)).collect()
    }

    fn note(&mut self, outcome: Outcome) -> Option<Answer> {
        match outcome {
            Ok(answer) => {
                self.misses = 0;
                self.failure = None;
                self.has_answered |= answer.is_some();
                answer
            }
            Err(why) => {
                self.misses += 1;
                // One miss is ordinary: the program begins, ends, or is started again.
                self.failure = (self.misses > 1 && !self.is_awaited()).then_some(why);
                None
            }
        }
    }

    /// A file that the program has not written yet.
    fn is_awaited(&self) -> bool {
        matches!(self.target, Target::File(_)) && !self.has_answered
    }

    /// Why there are no numbers at present.
    pub fn failure(&self) -> Option<String> {
        self.failure.as_ref().map(|why| format!("{}: {why}", self.target))
    }

    /// Why there were none at all.
    pub fn silence(&self) -> Option<String> {
        if self.has_answered {
            return None;
        }
        let file = "it was not written while this was recorded";
        Some(match &self.target {
            Target::File(path) if Version::of(path).is_some() && self.failure.is_none() => {
                format!("{}: {file}", self.target)
            }
            Target::File(_) if self.failure.is_none() => format!("{}: no such file", self.target),
            _ => self.failure().unwrap_or_else(|| format!("{}: there was no answer", self.target)),
        })
    }

    /// Asks for one more reading, unless one goes on.
    pub fn ask_again(&mut self) {
        let mut state = lock(&self.shared.state);
        if !state.is_reading && state.asked.is_none() {
            state.asked = Some(self.last);
            self.shared.changed.notify_all();
        }
    }

    /// Waits until the reading has ended, for at most `patience`.
    pub fn wait(&self, patience: Duration) {
        let state = lock(&self.shared.state);
        let is_busy = |state: &mut State| state.is_reading || state.asked.is_some();
        drop(self.shared.changed.wait_timeout_while(state, patience, is_busy));
    }
}

impl Drop for Source {
    /// The thread may wait for the other end, so it is not waited for.
    fn drop(&mut self) {
        lock(&self.shared.state).is_over = true;
        self.shared.changed.notify_all();
    }
}

/// The thread's side.
struct Reader {
    target: Target,
    instance: Option<String>,
    version: Option<Version>,
    growth: Growth,
}

impl Reader {
    fn run(mut self, shared: &Shared) {
        loop {
            let idle = |state: &mut State| state.asked.is_none() && !state.is_over;
            let waited = shared.changed.wait_while(lock(&shared.state), idle);
            let mut state = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
            let Some(moment) = state.asked.take().filter(|_| !state.is_over) else { return };
            state.is_reading = true;
            drop(state);
            let outcome = self.read(moment);
            let mut state = lock(&shared.state);
            state.is_reading = false;
            state.outcomes.push(outcome);
            drop(state);
            shared.changed.notify_all();
        }
    }

    fn read(&mut self, tick: Moment) -> Outcome {
        let Found::Text(text) = read(&self.target, &mut self.version)? else { return Ok(None) };
        let age_ns = tick.age_ns();
        let exposed = parse(&text, self.instance.as_deref()).map_err(|error| error.to_string())?;
        let (rows, left_out) = self.growth.rows(tick.mono_ns + age_ns, exposed);
        Ok(Some(Answer { ts_us: tick.ts_us + (age_ns / 1000) as i64, rows, left_out }))
    }
}
