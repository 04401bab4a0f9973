//! Checks whether perf works: the command line that will run is tried on the program `true`, or on a short `sleep`.
//!
//! An installed perf may not run (a wrapper without a binary), or may not be allowed to count (containers, seccomp). A
//! trial takes about 50 ms, and shows which rows an interval will have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::child::{self, FinishedPerf, Invocation};
use super::csv;
use super::line::{LineFormat, LineLayout, PrintedCount};
use super::lines::Lines;
use super::parse::each_row;
use super::refusal::Failure;
use super::wanted::{Wanted, lacks_clock, texts};
use crate::collect::collector::Unavailable;
use crate::collect::perf::facts::Facts;
use crate::collect::perf::options::{Per, StatFormat};
use crate::collect::perf::reasons::Reasons;
use crate::collect::perf::scope::Scope;
use crate::events::generic::CPU_CLOCK;
use crate::events::name::without_bracket;
use crate::events::request::Request;
use crate::events::{near, terms};
use crate::linux::cpus;
use crate::linux::files::Roots;

/// A trial run takes 50 ms; with thousands of counters on a busy machine a few hundred.
const TRIAL: Duration = Duration::from_secs(5);

/// For a run that is known to end on its own, after the first one was silent.
const SECOND_TRIAL: Duration = Duration::from_secs(2);

/// Events whose names only perf understands are tried one by one if the whole list fails. This is the maximum.
const MOST_TRIALS: usize = 20;

/// A row of the trial run.
#[derive(Debug)]
pub struct Trial {
    pub event: String,
    pub reading: PrintedCount,
}

/// How perf is started.
pub struct Trier<'a> {
    pub roots: &'a Roots,
    pub facts: &'a Facts,
    pub interval: Duration,
    pub scope: &'a Scope,
    pub per: Per,
    pub format: StatFormat,
    /// At least one.
    pub programs: Vec<PathBuf>,
}

/// A program that counts, and what its trial run showed.
pub struct FoundPerf {
    pub program: PathBuf,
    pub format: LineFormat,
    pub rows: Vec<Trial>,
}

const CSV: LineFormat = LineFormat::Csv { separator: csv::SEPARATOR };

impl Trier<'_> {
    /// With the clock, which counts wherever anything counts: perf 7 refuses a list in which nothing counts.
    fn list<'e>(&self, events: &[&'e str]) -> Vec<&'e str> {
        let clock = lacks_clock(events).then_some(CPU_CLOCK);
        events.iter().copied().chain(clock).collect()
    }

    /// perf's command line.
    pub fn args(&self, events: &[&str], format: LineFormat) -> Vec<std::ffi::OsString> {
        let mut args: Vec<String> = ["stat", "-I"].map(Into::into).into();
        args.push(self.interval.as_millis().to_string());
        match format {
            LineFormat::Csv { separator } => args.extend(["-x".into(), separator.to_string(), "--no-big-num".into()]),
            LineFormat::Json => args.push("-j".into()),
        }
        let mut list = self.list(events);
        match self.scope {
            Scope::Processes(pids) => {
                let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
                args.extend(["-p".into(), pids.join(",")]);
            }
            Scope::Cpus(cpus) | Scope::Cgroups(_, cpus) => {
                args.push("-a".into());
                if cpus.chosen {
                    args.extend(["-C".into(), cpus::format(&cpus.list)]);
                }
            }
        }
        args.extend(per_option(self.per).map(Into::into));
        let mut of_each = None;
        if let Scope::Cgroups(cgroups, _) = self.scope {
            // Every version accepts one cgroup per event; one option for all events was added later.
            let events: usize = list.iter().map(|e| Request::new(*e).members().len()).sum();
            let names = cgroups.iter().flat_map(|c| std::iter::repeat_n(&*c.name, events));
            of_each = Some(names.collect::<Vec<_>>().join(","));
            list = cgroups.iter().flat_map(|_| list.clone()).collect();
        }
        let list: Vec<_> = list.into_iter().map(terms::for_perf).collect();
        args.extend(["-e".into(), list.join(",")]);
        args.extend(of_each.into_iter().flat_map(|names| ["-G".into(), names]));
        args.extend(["--log-fd".into(), "1".into()]);
        args.into_iter().map(Into::into).collect()
    }

    /// The form of its lines.
    pub fn layout(&self, events: &[&str], format: LineFormat) -> LineLayout {
        let events = self.list(events).into_iter().map(str::to_string).collect();
        LineLayout { format, per: self.per, cgroups: matches!(self.scope, Scope::Cgroups(..)), events }
    }

    /// A program that counts, what it printed, and the events that it accepts.
    ///
    /// # Errors
    /// If there is none.
    pub fn find_working<'r>(
        &self,
        events: Vec<Wanted<'r>>,
        missing: &mut Reasons,
    ) -> Result<(FoundPerf, Vec<Wanted<'r>>), Unavailable> {
        let mut first_failure = None;
        for program in &self.programs {
            match self.try_out(program, &events) {
                Ok(found) => return Ok((found, events)),
                Err(failure) if failure.may_be_of_one_event() && events.iter().any(|e| !e.is_sure) => {
                    return self.without_unknown(program, events, missing);
                }
                Err(failure) => {
                    first_failure.get_or_insert_with(|| failure.into_unavailable(program, self.facts));
                }
            }
        }
        Err(first_failure.unwrap_or_else(|| Unavailable::new("no program `perf`")))
    }

    /// perf refused a list with names that only it understands: they are tried one by one.
    fn without_unknown<'r>(
        &self,
        program: &Path,
        events: Vec<Wanted<'r>>,
        missing: &mut Reasons,
    ) -> Result<(FoundPerf, Vec<Wanted<'r>>), Unavailable> {
        let mut taken = Vec::new();
        let mut slips = Vec::new();
        let mut helps = None;
        let mut trials = 0;
        for event in events {
            if event.is_sure {
                taken.push(event);
                continue;
            }
            trials += 1;
            let one = std::slice::from_ref(&event);
            let answer = if trials > MOST_TRIALS { Err(Failure::TooMany) } else { self.try_out(program, one) };
            let hint = near::hint(self.roots, event.request);
            match answer {
                Ok(_) => taken.push(event),
                Err(Failure::Unknown) if near::is_slip_in(self.roots, event.request) => {
                    slips.push(format!("`{}`{hint}", event.text));
                }
                Err(failure) => {
                    helps = helps.or_else(|| failure.advice(self.facts));
                    missing.add(failure.reason_for_one_event(self.facts), &format!("{}{hint}", event.text));
                }
            }
        }
        if !slips.is_empty() {
            return Err(Unavailable::mistake(format!("perf knows no event {}", slips.join(", ")))
                .advise("`perfwatch events` lists the events that count here"));
        }
        if taken.is_empty() {
            let helps = helps.unwrap_or_else(|| "`perfwatch events` lists the events that count here".into());
            return Err(Unavailable::new(missing.joined()).advise(helps));
        }
        match self.try_out(program, &taken) {
            Ok(found) => Ok((found, taken)),
            Err(failure) => Err(failure.into_unavailable(program, self.facts)),
        }
    }

    /// A trial in the requested format. By default CSV, which every version has, unless it fails and JSON does not.
    fn try_out(&self, program: &Path, events: &[Wanted<'_>]) -> Result<FoundPerf, Failure> {
        let formats: &[LineFormat] = match self.format {
            StatFormat::Auto => &[CSV, LineFormat::Json],
            StatFormat::Csv => &[CSV],
            StatFormat::Json => &[LineFormat::Json],
        };
        let mut first_failure = None;
        for format in formats.iter().copied() {
            match self.try_format(program, events, format) {
                Ok(rows) => return Ok(FoundPerf { program: program.to_path_buf(), format, rows }),
                // Only a run that ended normally without counts may print them in another format.
                Err(failure @ Failure::Silent) => first_failure = first_failure.or(Some(failure)),
                Err(failure) => return Err(first_failure.unwrap_or(failure)),
            }
        }
        Err(first_failure.unwrap_or(Failure::Silent))
    }

    fn try_format(&self, program: &Path, events: &[Wanted<'_>], format: LineFormat) -> Result<Vec<Trial>, Failure> {
        match self.try_on(&["true"], TRIAL, program, events, format) {
            // perf 6.1 prints nothing if the program ends before perf has looked for the first time: on a busy machine
            // in every third run.
            Err(Failure::Silent) => {
                self.try_on(&["sleep", "0.05"], SECOND_TRIAL, program, events, format).map_err(|_| Failure::Silent)
            }
            answer => answer,
        }
    }

    fn try_on(
        &self,
        command: &[&str],
        limit: Duration,
        program: &Path,
        events: &[Wanted<'_>],
        format: LineFormat,
    ) -> Result<Vec<Trial>, Failure> {
        let texts = texts(events);
        let mut args = self.args(&texts, format);
        args.extend(command.iter().map(Into::into));
        let invocation = Invocation { program: program.to_path_buf(), args };
        let finished = match child::block_on(child::run(&invocation, limit)) {
            Ok(Ok(finished)) => finished,
            Ok(Err(error)) | Err(error) => return Err(Failure::NotStarted(error)),
        };
        let rows = rows(&finished, &self.layout(&texts, format));
        if !rows.is_empty() && finished.status.is_some_and(|s| s.success()) {
            return Ok(rows);
        }
        Err(Failure::from_finished(&finished, limit.as_secs()))
    }
}

/// perf's own option for it.
fn per_option(per: Per) -> Option<&'static str> {
    match per {
        Per::Whole => None,
        Per::Cpu => Some("-A"),
        Per::Core => Some("--per-core"),
        Per::Die => Some("--per-die"),
        Per::Socket => Some("--per-socket"),
        Per::Node => Some("--per-node"),
        Per::Cluster => Some("--per-cluster"),
        Per::Cache => Some("--per-cache"),
        Per::Thread => Some("--per-thread"),
    }
}

fn rows(finished: &FinishedPerf, layout: &LineLayout) -> Vec<Trial> {
    let mut rows: Vec<Trial> = Vec::new();
    let mut time_ns = None;
    Lines::default().feed(&finished.output, |bytes| {
        let text = String::from_utf8_lossy(bytes.unwrap_or_default());
        each_row(&text, layout, |row| {
            let Ok(row) = row else { return };
            if time_ns != Some(row.time_ns) {
                // Only the last interval, if the machine is so slow that there are several.
                rows.clear();
                time_ns = Some(row.time_ns);
            }
            rows.push(Trial { event: without_bracket(row.event).0.to_string(), reading: row.reading });
        });
    });
    rows
}
