//! The recorder on a machine made of files, with a scripted clock.

use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use perfwatch::collect::catalog;
use perfwatch::collect::collector::Setup;
use perfwatch::collect::options::Options;
use perfwatch::facts::machine::Host;
use perfwatch::linux::clock::{Event, Now, Scripted, Stop};
use perfwatch::mark::Marks;
use perfwatch::mark::queue::{Mark, queue};
use perfwatch::record::burst::{Rule, rule};
use perfwatch::record::collectors::open_collectors;
use perfwatch::record::event::SamplingEvent;
use perfwatch::record::progress::Progress;
use perfwatch::record::recorder::Recorder;
use perfwatch::store::layout::Layout;
use perfwatch::store::manifest::{Manifest, Session};
use perfwatch::store::write::retain::Retention;
use perfwatch::store::write::{Follower, News, OnSealed, Sealer, Sink, SinkOptions, Syncer};

use super::Machine;

/// `CLOCK_MONOTONIC` at the start of a scripted recording.
pub const START_NS: u64 = 500_000_000_000;

/// A recording that is about to be made.
pub struct Recording<'t> {
    machine: &'t Machine,
    collectors: &'t [&'t str],
    start: &'t str,
    interval: Duration,
    bursts: Vec<Rule>,
    last: u64,
    retention: Retention,
    followers: Vec<Follower>,
    on_sealed: Option<OnSealed>,
    before_sealing: Box<dyn FnOnce(&Path) + 't>,
    marks: (Marks, Receiver<Mark>),
}

impl<'t> Recording<'t> {
    /// By default no collectors, and a tick per second from 07:10 UTC on 20 November 2026.
    pub fn of(machine: &'t Machine) -> Recording<'t> {
        Recording {
            machine,
            collectors: &[],
            start: "2026-11-20T07:10:00Z",
            interval: Duration::from_secs(1),
            bursts: Vec::new(),
            last: u64::MAX,
            retention: Retention::default(),
            followers: Vec::new(),
            on_sealed: None,
            before_sealing: Box::new(|_| ()),
            marks: queue(Stop::default()),
        }
    }

    pub fn collectors(self, collectors: &'t [&'t str]) -> Self {
        Recording { collectors, ..self }
    }

    /// The time of the first tick (RFC 3339).
    pub fn start(self, start: &'t str) -> Self {
        Recording { start, ..self }
    }

    pub fn interval(self, interval: Duration) -> Self {
        Recording { interval, ..self }
    }

    /// Samples more often by this rule.
    pub fn burst(mut self, text: &str) -> Self {
        self.bursts.push(rule(text, catalog::tables()).unwrap());
        self
    }

    /// The recorder is stopped while it waits for the tick with this number, which is then taken at once.
    pub fn stop_at(self, last: u64) -> Self {
        Recording { last, ..self }
    }

    pub fn retention(self, retention: Retention) -> Self {
        Recording { retention, ..self }
    }

    /// Passes each tick on to these as well.
    pub fn followers(self, followers: Vec<Follower>) -> Self {
        Recording { followers, ..self }
    }

    /// If it keeps a file that is too old, the notices say so.
    pub fn on_sealed(self, listener: OnSealed) -> Self {
        Recording { on_sealed: Some(listener), ..self }
    }

    /// Called with the directory when all ticks are in the journal, and it is not sealed yet.
    pub fn before_sealing(self, look: impl FnOnce(&Path) + 't) -> Self {
        Recording { before_sealing: Box::new(look), ..self }
    }

    /// For sending marks to the recorder.
    pub fn marks(&self) -> Marks {
        self.marks.0.clone()
    }

    /// Records. `script` is called before each tick except the first, with the number of the tick, and says what happens
    /// until then.
    pub fn record(self, mut script: impl FnMut(u64) -> Event) -> Recorded {
        // Recorders in one process share its file descriptors, which may be few.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let mut manifest = Manifest::new(self.start.to_string(), Host::detect(&self.machine.roots()));
        let ended = Some(self.start.to_string());
        let bursts = self.bursts.iter().map(|rule| rule.text.clone()).collect();
        let interval_s = self.interval.as_secs_f64();
        manifest.sessions = vec![Session { interval_s, bursts, ended, ..Session::default() }];
        manifest.write(&layout).unwrap();
        let setup = Setup::new(self.machine.roots(), Options::default());
        let (opened, _) = open_collectors(&setup, |name| self.collectors.contains(&name)).unwrap();
        let notices = Notices::default();
        let catalog = catalog::tables();
        let notify = Arc::new(notices.of_sealer(self.on_sealed.is_some()));
        let sealer = Sealer::start(layout.clone(), catalog, Vec::new(), notify).unwrap();
        let sealer = self.on_sealed.into_iter().fold(sealer.keeping(self.retention), Sealer::telling);
        let options = SinkOptions { rotate: Duration::from_secs(3600), session: 1, first_journal: 1 };
        let sink = Sink::new(layout, catalog, options, Syncer::start(Duration::from_secs(60)).unwrap(), sealer);
        let progress = Arc::new(Progress::default());
        let notify = Box::new(notices.of_recorder());
        let recorder =
            Recorder::new(self.interval, opened, catalog, sink, progress.clone(), notify).listen(self.marks.1);
        let recorder = recorder.with_bursts(self.bursts);
        let recorder = self.followers.into_iter().fold(recorder, Recorder::and_to);
        let wall_us = self.start.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros();
        let mut clock = Scripted::new(Now { mono_ns: START_NS, wall_us }, |tick| {
            let event = script(tick);
            if tick >= self.last { Event::Stop } else { event }
        });
        let sink = recorder.run(&mut clock, None);
        (self.before_sealing)(folder.path());
        assert_eq!(sink.finish(), Vec::<String>::new());
        Recorded { folder, notices: notices.take(), progress }
    }
}

/// What the recorder says to the user.
#[derive(Clone, Default)]
struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    fn add(&self, notice: String) {
        self.0.lock().unwrap().push(notice);
    }

    fn of_sealer(&self, may_wait: bool) -> impl Fn(News) + use<> {
        let notices = self.clone();
        move |news| match news {
            News::Problem(why) => {
                assert!(may_wait, "{why}");
                notices.add(why);
            }
            News::Deleted(deleted) => notices.add(deleted.to_string()),
            News::Uniform(..) => {}
        }
    }

    fn of_recorder(&self) -> impl Fn(SamplingEvent) + use<> {
        let notices = self.clone();
        move |event| {
            if !matches!(event, SamplingEvent::Begun) {
                notices.add(format!("{event:?}"));
            }
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A finished recording.
pub struct Recorded {
    pub folder: tempfile::TempDir,
    /// What the recorder said, except that it began; with retention also what was deleted.
    pub notices: Vec<String>,
    pub progress: Arc<Progress>,
}

impl Recorded {
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub fn layout(&self) -> Layout {
        Layout::new(self.dir())
    }

    /// The given columns of a table in order of time, as text; nulls as "null".
    pub fn rows(&self, table: &str, columns: &[&str]) -> Vec<Vec<String>> {
        super::rows(self.dir(), table, columns)
    }

    /// One column of a table.
    pub fn column(&self, table: &str, name: &str) -> Vec<String> {
        super::column(self.dir(), table, name)
    }
}
