//! Before perf is started: which program, which events, which CPUs; and does it work at all?
//!
//! That perf is installed does not mean that it runs (a wrapper without a binary), nor that it may count (containers,
//! seccomp), nor what. So the events are probed one by one, and then the very command line that is to run is tried on the
//! program `true`, which takes some 50 ms and shows which rows an interval will have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::child::{self, Finished, Invocation};
use super::event::{self, Request};
use super::lines::Lines;
use super::probe::{Answer, Ask, Facts, probe};
use super::stat::{self, Layout, Reading};
use super::{cpus, find};
use crate::collector::{Setup, Unavailable};
use crate::source::read_once;

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
    /// Rows of one interval.
    pub rows: usize,
}

/// What is left out, by reason.
#[derive(Default)]
struct Missing(Vec<(String, Vec<String>)>);

impl Missing {
    fn add(&mut self, reason: impl Into<String>, event: &str) {
        let reason = reason.into();
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, events)) => events.push(event.to_string()),
            None => self.0.push((reason, vec![event.to_string()])),
        }
    }
    fn notes(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(reason, events)| format!("{reason}: {}", events.join(", ")))
    }
}

/// Makes the plan, and the notes that go with it.
///
/// # Errors
/// When nothing that was asked for can be counted.
pub fn make(setup: &Setup, ask: &Ask<'_>) -> Result<(Plan, Vec<String>), Unavailable> {
    let options = &setup.options.perf;
    let mut notes = Vec::new();
    if options.path.is_none() && !setup.roots.are_live() {
        return Err(Unavailable::new("perf counts on this machine, but --proc-root or --sys-root name another")
            .advise("name the program with --perf-path if they are views of this machine after all"));
    }
    let programs = programs(options.path.as_deref())?;
    let cpus = chosen_cpus(setup, &mut notes)?;
    let interval = options.interval.clamp(SHORTEST, LONGEST);
    if interval != options.interval {
        notes.push(format!("perf's interval is {} ms, the nearest that it takes", interval.as_millis()));
    }

    let asked = match options.events.join(",") {
        list if list.trim().is_empty() => event::DEFAULT.iter().map(ToString::to_string).collect(),
        list => event::split_list(&list),
    };
    let requests: Arc<[Request]> = asked.into_iter().map(Request::new).collect();
    let facts = Facts::read(&setup.roots);
    let mut missing = Missing::default();
    let first_cpu = cpus.as_ref().and_then(|cpus| cpus.first().copied()).unwrap_or_else(|| first_online(setup));

    // What perf is asked for. A denial is left to it: its file may have a capability that we lack.
    let mut denial = None;
    let mut events: Vec<&Request> = Vec::new();
    for request in requests.iter() {
        match request.id.map(|id| probe(ask, id, first_cpu, request.is_user_only())) {
            Some(Answer::Missing(errno)) => {
                denial = denial.or(Some(errno).filter(|e| *e == libc::ENOSYS));
                missing.add(facts.explain(errno), &request.text);
            }
            Some(Answer::Denied(errno)) => {
                denial = Some(errno);
                events.push(request);
            }
            Some(Answer::Counts | Answer::UserOnly) | None => events.push(request),
        }
    }
    if events.is_empty() {
        let reasons: Vec<String> = missing.notes().collect();
        let advice = match denial {
            Some(errno) => facts.advise(errno),
            None => format!("{} counts on every machine", event::CPU_CLOCK),
        };
        return Err(Unavailable::new(reasons.join("; ")).advise(advice));
    }

    let trier = Trier { interval, cpus: cpus.as_ref().map(cpus::format), programs };
    let (program, trial, events) = match trier.find_working(events, &mut missing) {
        Ok(found) => found,
        // perf's own words on permissions are long and differ; what we found ourselves is to the point.
        Err(unavailable) if !unavailable.is_mistake && denial.is_some_and(|e| e != libc::ENOSYS) => {
            let errno = denial.unwrap_or(libc::EACCES);
            return Err(Unavailable::new(facts.explain(errno)).advise(facts.advise(errno)));
        }
        Err(unavailable) => return Err(unavailable),
    };
    if options.path.is_none() && program != trier.programs[0] {
        notes.push(format!("{} does not work; {} is used", trier.programs[0].display(), program.display()));
    }
    for request in &events {
        let own: Vec<&Trial> = trial.iter().filter(|row| request.is_answered_by(&row.event)).collect();
        if own.iter().all(|row| row.reading == Reading::NotSupported) {
            missing.add("not supported here, says perf", &request.text);
        }
    }
    let counted =
        |row: &&Trial| row.reading != Reading::NotSupported && events.iter().any(|e| e.is_answered_by(&row.event));
    if !trial.iter().any(|row| counted(&row)) {
        let reasons: Vec<String> = missing.notes().collect();
        return Err(Unavailable::new(reasons.join("; "))
            .advise(format!("try `perf stat -a -e {} true` by hand", event::CPU_CLOCK)));
    }
    notes.extend(missing.notes());
    notes.extend(user_only(&events, &trial));

    let texts: Vec<&str> = events.iter().map(|e| &*e.text).collect();
    let plan = Plan {
        invocation: Invocation { program, args: trier.args(&texts) },
        layout: trier.layout(&texts),
        interval,
        rows: trial.len(),
        requests: requests.clone(),
    };
    Ok((plan, notes))
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

/// The CPUs asked for that are on-line; `None`: all. perf up to 6.1 counts nothing at all if one of them is not.
fn chosen_cpus(setup: &Setup, notes: &mut Vec<String>) -> Result<Option<BTreeSet<u32>>, Unavailable> {
    let Some(list) = &setup.options.perf.cpus else { return Ok(None) };
    let asked = cpus::parse(list)
        .ok_or_else(|| Unavailable::new(format!("`{list}` is no list of CPUs")).advise("write it as 0-3,8"))?;
    let Some(online) = online(setup) else { return Ok(Some(asked)) };
    let chosen: BTreeSet<u32> = asked.intersection(&online).copied().collect();
    if chosen.is_empty() {
        return Err(Unavailable::new(format!("none of the CPUs {list} is on-line"))
            .advise(format!("on-line are {}", cpus::format(&online))));
    }
    if chosen != asked {
        let absent = asked.difference(&online).copied().collect();
        notes.push(format!("CPUs that are not on-line are left out: {}", cpus::format(&absent)));
    }
    Ok(Some(chosen))
}

fn online(setup: &Setup) -> Option<BTreeSet<u32>> {
    cpus::parse(&read_once(&setup.roots.sys("devices/system/cpu/online")).ok()?)
}

fn first_online(setup: &Setup) -> u32 {
    online(setup).and_then(|cpus| cpus.first().copied()).unwrap_or(0)
}

/// What is said where perf counts user mode only although more was asked for.
fn user_only(events: &[&Request], trial: &[Trial]) -> Vec<String> {
    let mut all = Vec::new();
    let mut never = Vec::new();
    for request in events.iter().filter(|e| !e.is_user_only()) {
        for row in trial.iter().filter(|row| request.is_answered_by(&row.event)) {
            let parts = event::parts(&row.event);
            if parts.modifiers.is_some_and(|m| m.contains('u') && !m.contains('k')) {
                all.push(&*row.event);
                if matches!(parts.base, "context-switches" | "cs" | "cpu-migrations" | "migrations") {
                    never.push(&*row.event);
                }
            }
        }
    }
    let mut notes = Vec::new();
    if !all.is_empty() {
        notes.push(format!("counted in user mode only, for lack of permission: {}", all.join(", ")));
    }
    if !never.is_empty() {
        notes.push(format!("always zero, since they happen in the kernel: {}", never.join(", ")));
    }
    notes
}

/// A row of the trial run.
#[derive(Debug)]
struct Trial {
    event: String,
    reading: Reading,
}

struct Trier {
    interval: Duration,
    cpus: Option<String>,
    /// At least one.
    programs: Vec<PathBuf>,
}

impl Trier {
    /// With the clock, which counts wherever anything does: perf 7 refuses a list of which nothing counts.
    fn list<'e>(&self, events: &[&'e str]) -> Vec<&'e str> {
        let clock = if events.contains(&event::CPU_CLOCK) { None } else { Some(event::CPU_CLOCK) };
        events.iter().copied().chain(clock).collect()
    }

    fn args(&self, events: &[&str]) -> Vec<std::ffi::OsString> {
        let interval = self.interval.as_millis().to_string();
        let separator = stat::SEPARATOR.to_string();
        let mut args = vec!["stat", "-I", &interval, "-x", &separator, "--no-big-num", "-a"];
        if let Some(cpus) = &self.cpus {
            args.extend(["-C", cpus]);
        }
        let list = self.list(events).join(",");
        args.extend(["-e", &list, "--log-fd", "1"]);
        args.into_iter().map(Into::into).collect()
    }

    fn layout(&self, events: &[&str]) -> Layout {
        let events = self.list(events).into_iter().map(str::to_string).collect();
        Layout { separator: stat::SEPARATOR, keyed: false, events }
    }

    /// A program that counts, what it printed, and the events that it takes.
    fn find_working<'r>(
        &self,
        events: Vec<&'r Request>,
        missing: &mut Missing,
    ) -> Result<(PathBuf, Vec<Trial>, Vec<&'r Request>), Unavailable> {
        let mut first_failure = None;
        for program in &self.programs {
            match self.try_out(program, &events) {
                Ok(trial) => return Ok((program.clone(), trial, events)),
                Err(Failure::Refused(_) | Failure::Unknown) if events.iter().any(|e| e.id.is_none()) => {
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
        events: Vec<&'r Request>,
        missing: &mut Missing,
    ) -> Result<(PathBuf, Vec<Trial>, Vec<&'r Request>), Unavailable> {
        let mut taken = Vec::new();
        let mut unknown = Vec::new();
        let mut trials = 0;
        for request in events {
            if request.id.is_some() {
                taken.push(request);
                continue;
            }
            trials += 1;
            match if trials > MOST_TRIALS { Err(Failure::TooMany) } else { self.try_out(program, &[request]) } {
                Ok(_) => taken.push(request),
                Err(Failure::Unknown) if request.is_plain() => unknown.push(request),
                Err(failure) => missing.add(failure.of_one_event(), &request.text),
            }
        }
        if !unknown.is_empty() {
            let named = unknown.into_iter().map(|r| match r.nearest() {
                Some(near) => format!("`{}` (did you mean `{near}`?)", r.text),
                None => format!("`{}`", r.text),
            });
            let named = named.collect::<Vec<_>>().join(", ");
            return Err(Unavailable::mistake(format!("perf knows no event {named}")).advise("`perf list` names them"));
        }
        if taken.is_empty() {
            let reasons: Vec<String> = missing.notes().collect();
            return Err(Unavailable::new(reasons.join("; ")).advise("`perf list` names the events"));
        }
        match self.try_out(program, &taken) {
            Ok(trial) => Ok((program.to_path_buf(), trial, taken)),
            Err(failure) => Err(failure.into_unavailable(program)),
        }
    }

    fn try_out(&self, program: &Path, events: &[&Request]) -> Result<Vec<Trial>, Failure> {
        let texts: Vec<&str> = events.iter().map(|e| &*e.text).collect();
        let mut args = self.args(&texts);
        args.push("true".into());
        let invocation = Invocation { program: program.to_path_buf(), args };
        let finished = match child::block_on(child::run(&invocation, TRIAL)) {
            Ok(Ok(finished)) => finished,
            Ok(Err(error)) | Err(error) => return Err(Failure::NotStarted(error.to_string())),
        };
        let rows = rows(&finished, &self.layout(&texts));
        if !rows.is_empty() && finished.status.is_some_and(|s| s.success()) {
            return Ok(rows);
        }
        Err(Failure::of(&finished))
    }
}

fn rows(finished: &Finished, layout: &Layout) -> Vec<Trial> {
    let mut rows: Vec<Trial> = Vec::new();
    let mut time_ns = None;
    Lines::default().feed(&finished.output, |bytes| {
        let text = String::from_utf8_lossy(bytes.unwrap_or_default());
        let Ok(line) = stat::line(&text, layout) else { return };
        if time_ns != Some(line.time_ns) {
            // Only the last interval, on a machine so slow that there are several.
            rows.clear();
            time_ns = Some(line.time_ns);
        }
        rows.push(Trial { event: event::without_bracket(line.event).0.to_string(), reading: line.reading });
    });
    rows
}

/// perf's exit status for a command line that it does not understand.
const USAGE: i32 = 129;

/// Why a trial run gave no rows.
enum Failure {
    NotStarted(String),
    TooLong,
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
            Some(0) => Failure::Refused("perf printed no counts".into()),
            _ => Failure::Refused(child::describe(status, &words)),
        }
    }

    fn of_one_event(self) -> String {
        match self {
            Failure::Refused(_) | Failure::Unknown => "unknown to perf, or refused by it".into(),
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
                    .advise(format!("try `{program} stat -a -e {} true` by hand", event::CPU_CLOCK))
            }
            Failure::Unknown => Unavailable::new(format!("{program} does not know the events")),
            Failure::Refused(words) => Unavailable::new(format!("{program} cannot count: {words}"))
                .advise(format!("try `{program} stat -a -e {} true` by hand", event::CPU_CLOCK)),
            Failure::Wrapper(words) => {
                let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
                Unavailable::new(format!("{program} is a wrapper without a perf for this kernel{words}"))
                    .advise("install linux-tools-$(uname -r) or linux-perf, or name a perf binary with --perf-path")
            }
            Failure::TooMany => Unavailable::new(format!("{program} refuses the events")),
        }
    }
}
