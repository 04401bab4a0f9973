//! Before perf is started: which program, which events, which CPUs; and does it work at all?
//!
//! That perf is installed does not mean that it runs (a wrapper without a binary), nor that it may count (containers,
//! seccomp), nor what. So the events are probed one by one, and then the very command line that is to run is tried on the
//! program `true`, which takes some 50 ms and shows which rows an interval will have.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::child::{self, Finished, Invocation};
use super::line::{Format, Layout, Reading, each_row};
use super::lines::Lines;
use super::{csv, find};
use crate::collector::{Per, Setup, StatFormat, Unavailable};
use crate::perf::choose;
use crate::perf::cpus;
use crate::perf::event::generic::CPU_CLOCK;
use crate::perf::event::machine::{Counter, Machine, Unresolved};
use crate::perf::event::name::{parts, without_bracket};
use crate::perf::event::near;
use crate::perf::event::request::Request;
use crate::perf::facts::Facts;
use crate::perf::reasons::Reasons;
use crate::perf::scope::Scope;
use crate::perf::syscall::open::{Kernel, Whose};
use crate::perf::syscall::probe::{Answer, probe_source};
use crate::source::Roots;

/// perf itself warns of shorter ones, where none is asked for.
const SHORTEST_DEFAULT: Duration = Duration::from_millis(100);

/// perf's own limits: versions 4.4 to 4.15 refuse shorter intervals; the option is an `int` of milliseconds.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A trial run takes 50 ms; with thousands of counters on a busy machine some hundred.
const TRIAL: Duration = Duration::from_secs(5);

/// Events whose names only perf understands are tried one by one where the whole list fails, but not endlessly.
const MOST_TRIALS: usize = 20;

/// All that the running of perf needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    pub invocation: Invocation,
    pub layout: Layout,
    pub interval: Duration,
    /// What was asked for, in that order, including what is left out of the command line.
    pub requests: Arc<[Request]>,
    /// The requests that it counts, as indices.
    pub counts: Vec<usize>,
    /// The clock is in perf's list although nobody asked for it.
    pub clock_added: bool,
    /// Rows of one interval; zero: not known.
    pub rows: usize,
    /// With them the counting ends; none: it does not.
    pub processes: Vec<u32>,
    /// What the program says it is, which may be nothing.
    pub version: Option<String>,
}

/// Makes the plan, and the notes that go with it.
///
/// # Errors
/// When nothing that was asked for can be counted.
pub fn make(
    setup: &Setup,
    scope: &Scope,
    requests: &Arc<[Request]>,
    kernel: &Kernel,
) -> Result<(Plan, Vec<String>), Unavailable> {
    let options = &setup.options.perf;
    let mut notes = Vec::new();
    if options.path.is_none() && !setup.roots.are_live() {
        return Err(Unavailable::new("perf counts on this machine, but --proc-root or --sys-root name another")
            .advise("name the program with --perf-path if they are views of this machine after all"));
    }
    let programs = programs(options.path.as_deref())?;
    let asked = options.interval.unwrap_or(setup.options.interval.max(SHORTEST_DEFAULT));
    let interval = asked.clamp(SHORTEST, LONGEST);
    if interval != asked {
        notes.push(format!("perf's interval is {} ms, the nearest that it takes", interval.as_millis()));
    }

    let facts = Facts::read(&setup.roots);
    let mut missing = Reasons::default();
    let (events, denial) = wanted(setup, scope, requests, kernel, &facts, &mut missing);
    if events.is_empty() {
        let advice = match denial {
            Some(errno) => facts.advise(errno),
            None => format!("{CPU_CLOCK} counts on every machine"),
        };
        return Err(Unavailable::new(missing.joined()).advise(advice));
    }

    let trier = Trier { roots: &setup.roots, interval, scope, per: options.per, format: options.format, programs };
    let (found, events) = match trier.find_working(events, &mut missing) {
        Ok(found) => found,
        // perf's own words on permissions are long and differ; what we found ourselves is to the point.
        Err(unavailable) if !unavailable.is_mistake && denial.is_some_and(|e| e != libc::ENOSYS) => {
            let errno = denial.unwrap_or(libc::EACCES);
            return Err(Unavailable::new(facts.explain(errno)).advise(facts.advise(errno)));
        }
        Err(unavailable) => return Err(unavailable),
    };
    let trial = &found.rows;
    if options.path.is_none() && found.program != trier.programs[0] {
        notes.push(format!("{} does not work; {} is used", trier.programs[0].display(), found.program.display()));
    }
    let mut counts = Vec::new();
    for event in &events {
        let mut own = trial.iter().filter(|row| event.request.is_answered_by(&row.event));
        if own.all(|row| row.reading == Reading::NotSupported) {
            missing.add("not supported here, says perf", &event.text);
        } else {
            counts.push(event.index);
        }
    }
    if counts.is_empty() {
        return Err(
            Unavailable::new(missing.joined()).advise(format!("try `perf stat -a -e {CPU_CLOCK} true` by hand"))
        );
    }
    notes.extend(missing.notes());
    notes.extend(user_only(&events, trial));

    let texts = texts(&events);
    let plan = Plan {
        counts,
        version: find::version(&found.program),
        invocation: Invocation { args: trier.args(&texts, found.format), program: found.program },
        layout: trier.layout(&texts, found.format),
        interval,
        clock_added: lacks_clock(&texts),
        // Threads come and go.
        rows: if options.per == Per::Thread { 0 } else { found.rows.len() },
        requests: requests.clone(),
        processes: match scope {
            Scope::Processes(pids) => pids.clone(),
            _ => Vec::new(),
        },
    };
    Ok((plan, notes))
}

/// What perf is asked for.
struct Wanted<'r> {
    index: usize,
    request: &'r Request,
    /// The request, without the members of its group that are not there.
    text: String,
    /// The kernel has these events: perf will not refuse their names.
    is_sure: bool,
}

fn texts<'w>(events: &'w [Wanted<'_>]) -> Vec<&'w str> {
    events.iter().map(|e| &*e.text).collect()
}

/// Is the clock, which counts wherever anything does, not among them?
fn lacks_clock(events: &[&str]) -> bool {
    !events.iter().any(|e| Request::new(*e).members().iter().any(|member| member == CPU_CLOCK))
}

/// Asks the kernel event by event: one name that perf does not like ends it with all its other events. A denial is left to
/// perf, for its file may have a capability that we lack; it is returned.
fn wanted<'r>(
    setup: &Setup,
    scope: &Scope,
    requests: &'r [Request],
    kernel: &Kernel,
    facts: &Facts,
    missing: &mut Reasons,
) -> (Vec<Wanted<'r>>, Option<i32>) {
    let machine = Machine::look(&setup.roots);
    let (mut all, mut denial) = (Vec::new(), None);
    for (index, request) in requests.iter().enumerate() {
        let members = request.members();
        let (mut kept, mut is_sure) = (Vec::new(), true);
        for (n, member) in members.iter().enumerate() {
            let counters = match machine.resolve(member) {
                Ok(counters) => counters,
                Err(Unresolved::OnlyPerf(_)) => {
                    is_sure = false;
                    kept.push(n);
                    continue;
                }
                Err(Unresolved::Unknown(reason)) => {
                    missing
                        .add(reason, &format!("{member}{}", near::hint(&setup.roots, &Request::new(member.as_str()))));
                    continue;
                }
            };
            let answers: Vec<Answer> = counters.iter().filter_map(|c| ask(c, scope, kernel)).collect();
            denial = answers.iter().find_map(|a| if let Answer::Denied(e) = a { Some(*e) } else { None }).or(denial);
            let refusal = answers.iter().find_map(|a| if let Answer::Missing(e) = a { Some(*e) } else { None });
            match refusal.filter(|_| answers.iter().all(|a| matches!(a, Answer::Missing(_)))) {
                Some(errno) => {
                    denial = denial.or(Some(errno).filter(|e| *e == libc::ENOSYS));
                    missing.add(facts.explain(errno), member);
                }
                None => kept.push(n),
            }
        }
        if !kept.is_empty() {
            let text = if kept.len() == members.len() { request.text.clone() } else { request.only(&kept) };
            all.push(Wanted { index, request, text, is_sure });
        }
    }
    (all, denial)
}

/// Whether a counter counts, asked on a CPU where it can.
fn ask(counter: &Counter, scope: &Scope, kernel: &Kernel) -> Option<Answer> {
    let source = counter.sources.first()?;
    let whose = match (scope.trial(), &source.cpus) {
        (Whose::Cpu(cpu), Some(own)) => Whose::Cpu(own.first().copied().unwrap_or(cpu)),
        (whose, _) => whose,
    };
    Some(probe_source(kernel, source, whose, counter.modifiers).0)
}

/// The programs to try: the one that was named, or the one on `PATH` and those that its wrapper may not find.
fn programs(named: Option<&Path>) -> Result<Vec<PathBuf>, Unavailable> {
    if let Some(path) = named {
        // Before the kernel is asked: a user without permission should hear of this first.
        if !find::is_program(path) {
            let why = std::fs::metadata(path).map_or_else(|e| e.to_string(), |_| "not an executable file".into());
            return Err(Unavailable::new(format!("cannot run {}: {why}", path.display()))
                .advise("name a working perf with --perf-path"));
        }
        return Ok(vec![path.to_path_buf()]);
    }
    let on_path = find::on_path(std::env::var_os("PATH").as_deref());
    let programs: Vec<PathBuf> = on_path.into_iter().chain(find::behind_wrapper(Path::new("/usr/lib"))).collect();
    if programs.is_empty() {
        return Err(Unavailable::new("no program `perf` on PATH")
            .advise("install it (package linux-perf, linux-tools or perf), or name it with --perf-path"));
    }
    Ok(programs)
}

/// What is said where perf counts user mode only although more was asked for.
fn user_only(events: &[Wanted<'_>], trial: &[Trial]) -> Vec<String> {
    let mut all = Vec::new();
    for event in events.iter().filter(|e| !e.request.is_user_only()) {
        let own = trial.iter().filter(|row| event.request.is_answered_by(&row.event));
        let restricted = |event: &str| parts(event).modifiers.is_some_and(|m| m.contains('u') && !m.contains('k'));
        all.extend(own.filter(|row| restricted(&row.event)).map(|row| row.event.clone()));
    }
    choose::user_only(&all)
}

/// A row of the trial run.
#[derive(Debug)]
struct Trial {
    event: String,
    reading: Reading,
}

struct Trier<'a> {
    roots: &'a Roots,
    interval: Duration,
    scope: &'a Scope,
    per: Per,
    format: StatFormat,
    /// At least one.
    programs: Vec<PathBuf>,
}

/// A program that counts, and what its trial run showed.
struct Found {
    program: PathBuf,
    format: Format,
    rows: Vec<Trial>,
}

const CSV: Format = Format::Csv { separator: csv::SEPARATOR };

impl Trier<'_> {
    /// With the clock, which counts wherever anything does: perf 7 refuses a list of which nothing counts.
    fn list<'e>(&self, events: &[&'e str]) -> Vec<&'e str> {
        let clock = lacks_clock(events).then_some(CPU_CLOCK);
        events.iter().copied().chain(clock).collect()
    }

    fn args(&self, events: &[&str], format: Format) -> Vec<std::ffi::OsString> {
        let mut args: Vec<String> = ["stat", "-I"].map(Into::into).into();
        args.push(self.interval.as_millis().to_string());
        match format {
            Format::Csv { separator } => args.extend(["-x".into(), separator.to_string(), "--no-big-num".into()]),
            Format::Json => args.push("-j".into()),
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
            // Every version takes a cgroup for each event; one option for all events came later.
            let events: usize = list.iter().map(|e| Request::new(*e).members().len()).sum();
            let names = cgroups.iter().flat_map(|c| std::iter::repeat_n(&*c.name, events));
            of_each = Some(names.collect::<Vec<_>>().join(","));
            list = cgroups.iter().flat_map(|_| list.clone()).collect();
        }
        args.extend(["-e".into(), list.join(",")]);
        args.extend(of_each.into_iter().flat_map(|names| ["-G".into(), names]));
        args.extend(["--log-fd".into(), "1".into()]);
        args.into_iter().map(Into::into).collect()
    }

    fn layout(&self, events: &[&str], format: Format) -> Layout {
        let events = self.list(events).into_iter().map(str::to_string).collect();
        Layout { format, per: self.per, cgroups: matches!(self.scope, Scope::Cgroups(..)), events }
    }

    /// A program that counts, what it printed, and the events that it takes.
    fn find_working<'r>(
        &self,
        events: Vec<Wanted<'r>>,
        missing: &mut Reasons,
    ) -> Result<(Found, Vec<Wanted<'r>>), Unavailable> {
        let mut first_failure = None;
        for program in &self.programs {
            match self.try_out(program, &events) {
                Ok(found) => return Ok((found, events)),
                Err(Failure::Refused(_) | Failure::Unknown | Failure::Silent) if events.iter().any(|e| !e.is_sure) => {
                    return self.without_unknown(program, events, missing);
                }
                Err(failure) => {
                    first_failure.get_or_insert_with(|| failure.into_unavailable(program));
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
    ) -> Result<(Found, Vec<Wanted<'r>>), Unavailable> {
        let mut taken = Vec::new();
        let mut slips = Vec::new();
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
                Err(failure) => missing.add(failure.of_one_event(), &format!("{}{hint}", event.text)),
            }
        }
        if !slips.is_empty() {
            return Err(Unavailable::mistake(format!("perf knows no event {}", slips.join(", ")))
                .advise("`perfwatch events` names those that count here"));
        }
        if taken.is_empty() {
            return Err(Unavailable::new(missing.joined()).advise("`perfwatch events` names those that count here"));
        }
        match self.try_out(program, &taken) {
            Ok(found) => Ok((found, taken)),
            Err(failure) => Err(failure.into_unavailable(program)),
        }
    }

    /// A trial in the format that was asked for; CSV, which every version has, unless that fails where JSON does not.
    fn try_out(&self, program: &Path, events: &[Wanted<'_>]) -> Result<Found, Failure> {
        let formats: &[Format] = match self.format {
            StatFormat::Auto => &[CSV, Format::Json],
            StatFormat::Csv => &[CSV],
            StatFormat::Json => &[Format::Json],
        };
        let mut first_failure = None;
        for format in formats.iter().copied() {
            match self.try_format(program, events, format) {
                Ok(rows) => return Ok(Found { program: program.to_path_buf(), format, rows }),
                // Only a run that ended well and told nothing may have told it otherwise.
                Err(failure @ Failure::Silent) => first_failure = first_failure.or(Some(failure)),
                Err(failure) => return Err(first_failure.unwrap_or(failure)),
            }
        }
        Err(first_failure.unwrap_or(Failure::Silent))
    }

    fn try_format(&self, program: &Path, events: &[Wanted<'_>], format: Format) -> Result<Vec<Trial>, Failure> {
        let texts = texts(events);
        let mut args = self.args(&texts, format);
        args.push("true".into());
        let invocation = Invocation { program: program.to_path_buf(), args };
        let finished = match child::block_on(child::run(&invocation, TRIAL)) {
            Ok(Ok(finished)) => finished,
            Ok(Err(error)) | Err(error) => return Err(Failure::NotStarted(error.to_string())),
        };
        let rows = rows(&finished, &self.layout(&texts, format));
        if !rows.is_empty() && finished.status.is_some_and(|s| s.success()) {
            return Ok(rows);
        }
        Err(Failure::of(&finished))
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

fn rows(finished: &Finished, layout: &Layout) -> Vec<Trial> {
    let mut rows: Vec<Trial> = Vec::new();
    let mut time_ns = None;
    Lines::default().feed(&finished.output, |bytes| {
        let text = String::from_utf8_lossy(bytes.unwrap_or_default());
        each_row(&text, layout, |row| {
            let Ok(row) = row else { return };
            if time_ns != Some(row.time_ns) {
                // Only the last interval, on a machine so slow that there are several.
                rows.clear();
                time_ns = Some(row.time_ns);
            }
            rows.push(Trial { event: without_bracket(row.event).0.to_string(), reading: row.reading });
        });
    });
    rows
}

/// perf's exit status for a command line that it does not understand.
const USAGE: i32 = 129;

/// Why a trial run gave no rows.
enum Failure {
    NotStarted(String),
    TooLong,
    /// It ended well, but printed no counts.
    Silent,
    /// perf said no, in these words.
    Refused(String),
    /// perf does not understand the name of an event.
    Unknown,
    /// A script in perf's place that found no binary to run.
    Wrapper(String),
    TooMany,
}

impl Failure {
    fn of(finished: &Finished) -> Failure {
        let Some(status) = finished.status else { return Failure::TooLong };
        let words = finished.said.first_words();
        let of_wrapper = words.contains("perf not found") || words.contains("not found for kernel");
        match status.code() {
            // perf itself has no such status.
            Some(2 | 126 | 127) => Failure::Wrapper(words),
            _ if of_wrapper => Failure::Wrapper(words),
            Some(USAGE) if words.contains("event syntax error") => Failure::Unknown,
            Some(0) => Failure::Silent,
            _ => Failure::Refused(child::describe(status, &words)),
        }
    }

    fn of_one_event(self) -> String {
        match self {
            Failure::Refused(_) | Failure::Unknown | Failure::Silent => "unknown to perf, or refused by it".into(),
            Failure::NotStarted(words) | Failure::Wrapper(words) => words,
            Failure::TooLong => "perf hangs on it".into(),
            Failure::TooMany => "left out, for perf refuses the list and has been asked too often which".into(),
        }
    }

    fn into_unavailable(self, program: &Path) -> Unavailable {
        let program = program.display();
        match self {
            Failure::NotStarted(error) => Unavailable::new(format!("cannot run {program}: {error}"))
                .advise("name a working perf with --perf-path"),
            Failure::TooLong => {
                Unavailable::new(format!("{program} did not finish a trial run in {} s", TRIAL.as_secs()))
                    .advise(format!("try `{program} stat -a -e {} true` by hand", CPU_CLOCK))
            }
            Failure::Unknown => Unavailable::new(format!("{program} does not know the events")),
            Failure::Silent => Unavailable::new(format!("{program} cannot count: perf printed no counts"))
                .advise(format!("try `{program} stat -a -e {CPU_CLOCK} true` by hand")),
            Failure::Refused(words) => Unavailable::new(format!("{program} cannot count: {words}"))
                .advise(format!("try `{program} stat -a -e {} true` by hand", CPU_CLOCK)),
            Failure::Wrapper(words) => {
                let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
                Unavailable::new(format!("{program} is a wrapper without a perf for this kernel{words}"))
                    .advise("install linux-tools-$(uname -r) or linux-perf, or name a perf binary with --perf-path")
            }
            Failure::TooMany => Unavailable::new(format!("{program} refuses the events")),
        }
    }
}
