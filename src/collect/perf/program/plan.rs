//! Decisions before perf is started: which program, which events, which CPUs, and the notes about them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::child::Invocation;
use super::find;
use super::line::{LineLayout, PrintedCount};
use super::refusal::by_hand;
use super::trial::{Trial, Trier};
use super::wanted::{Asked, Wanted, lacks_clock, texts, wanted};
use crate::collect::collector::{Setup, Unavailable};
use crate::collect::perf::facts::Facts;
use crate::collect::perf::options::Per;
use crate::collect::perf::reasons::{self, Reasons};
use crate::collect::perf::scope::Scope;
use crate::collect::perf::syscall::open::Kernel;
use crate::events::generic::CPU_CLOCK;
use crate::events::modifier::counts_nothing_in_user_mode;
use crate::events::name::parts;
use crate::events::request::Request;

/// perf itself warns about shorter intervals, so the default is not shorter.
const SHORTEST_DEFAULT: Duration = Duration::from_millis(100);

/// perf's own limits: versions 4.4 to 4.15 refuse shorter intervals; the option is an `int` of milliseconds.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Everything that is needed to run perf.
#[derive(Clone, Debug)]
pub struct PerfPlan {
    pub invocation: Invocation,
    pub layout: LineLayout,
    pub interval: Duration,
    /// The requested events in their order, including those left out of the command line.
    pub requests: Arc<[Request]>,
    /// The requests that it counts, as indices.
    pub counts: Vec<usize>,
    /// The clock is in perf's list although it was not requested.
    pub clock_added: bool,
    /// Rows in one interval; zero: unknown.
    pub rows: usize,
    /// The counting ends when these processes have ended; empty: it does not end.
    pub processes: Vec<u32>,
    /// The version that the program reports, if any.
    pub version: Option<String>,
}

/// Makes the plan, and the notes about it.
///
/// # Errors
/// If nothing that was requested can be counted.
pub fn make(
    setup: &Setup,
    scope: &Scope,
    requests: &Arc<[Request]>,
    kernel: &Kernel,
) -> Result<(PerfPlan, Vec<String>), Unavailable> {
    let options = &setup.options.perf;
    let mut notes = Vec::new();
    if options.path.is_none() && !setup.roots.are_live() {
        return Err(Unavailable::new(
            "perf counts on this machine, but --proc-root or --sys-root name another machine",
        )
        .advise("name the program with --perf-path if they show this machine"));
    }
    let programs = programs(options.path.as_deref())?;
    let asked = options.interval.unwrap_or(setup.interval.max(SHORTEST_DEFAULT));
    let interval = asked.clamp(SHORTEST, LONGEST);
    if options.interval.is_none() && asked > setup.interval {
        notes.push(format!("perf counts every {} ms; --perf-interval is shorter", asked.as_millis()));
    }
    if interval != asked {
        notes.push(format!("perf's interval is {} ms, the nearest possible", interval.as_millis()));
    }

    let facts = Facts::read(&setup.roots);
    let mut missing = Reasons::default();
    let Asked { wanted: events, denial, refusals } = wanted(setup, scope, requests, kernel, &facts, &mut missing);
    if events.is_empty() {
        let helps = denial.into_iter().chain(refusals).find_map(|errno| facts.advise(errno));
        let helps = helps.or_else(|| reasons::instead_of(requests));
        return Err(Unavailable::new(missing.joined()).advise_if(helps));
    }

    let trier = Trier {
        roots: &setup.roots,
        facts: &facts,
        interval,
        scope,
        per: options.per,
        format: options.format,
        programs,
    };
    let (found, events) = match trier.find_working(events, &mut missing) {
        Ok(found) => found,
        // perf's own messages about permissions are long and differ between versions; our own finding is more precise.
        Err(unavailable) if !unavailable.is_mistake && denial.is_some_and(|e| e != libc::ENOSYS) => {
            let errno = denial.unwrap_or(libc::EACCES);
            return Err(Unavailable::new(facts.explain(errno)).advise_if(facts.advise(errno)));
        }
        Err(unavailable) => return Err(unavailable),
    };
    let trial = &found.rows;
    if options.path.is_none() && found.program != trier.programs[0] {
        notes.push(format!("{} does not work; {} is used", trier.programs[0].display(), found.program.display()));
    }
    let counts = counted(&events, trial, &mut missing);
    if counts.is_empty() {
        let has_no_clock = trial.iter().any(|row| is_clock(row) && !is_supported(row));
        let helps = denial.or(has_no_clock.then_some(libc::ENOSYS)).and_then(|errno| facts.advise(errno));
        return Err(Unavailable::new(missing.joined()).advise(helps.unwrap_or_else(|| by_hand(&found.program))));
    }
    notes.extend(missing.notes());
    notes.extend(user_only(&events, trial));

    let texts = texts(&events);
    let plan = PerfPlan {
        counts,
        version: find::version(&found.program),
        invocation: Invocation { args: trier.args(&texts, found.format), program: found.program },
        layout: trier.layout(&texts, found.format),
        interval,
        clock_added: lacks_clock(&texts),
        // Threads start and end, so their number is unknown.
        rows: if options.per == Per::Thread { 0 } else { found.rows.len() },
        requests: requests.clone(),
        processes: match scope {
            Scope::Processes(pids) => pids.clone(),
            _ => Vec::new(),
        },
    };
    Ok((plan, notes))
}

/// The programs to try: the named one, or the one on `PATH` and those that its wrapper may not find.
///
/// # Errors
/// If there is none.
pub fn programs(named: Option<&Path>) -> Result<Vec<PathBuf>, Unavailable> {
    if let Some(path) = named {
        // Checked before the kernel is asked, so that a user without permission sees this first.
        if !find::is_program(path) {
            let why = std::fs::metadata(path).map_or_else(|e| e.to_string(), |_| "not an executable file".into());
            return Err(Unavailable::new(format!("cannot run {}: {why}", path.display()))
                .advise("name a working perf with --perf-path"));
        }
        return Ok(vec![path.to_path_buf()]);
    }
    let on_path = find::on_path(std::env::var_os("PATH").as_deref());
    let programs: Vec<PathBuf> =
        on_path.into_iter().chain(find::binaries_of_distribution(Path::new("/usr/lib"))).collect();
    if programs.is_empty() {
        return Err(Unavailable::new("no program `perf` on PATH")
            .advise("install it (package linux-perf, linux-tools or perf), or name it with --perf-path"));
    }
    Ok(programs)
}

/// The requests that perf counts, as indices. Reasons for the others are added to `missing`.
fn counted(events: &[Wanted<'_>], trial: &[Trial], missing: &mut Reasons) -> Vec<usize> {
    let is_unclaimed = |row: &&Trial| !events.iter().any(|event| event.request.is_answered_by(&row.event));
    // Rows of unknown events: perf may have its own name for an event.
    let has_others = trial.iter().filter(is_unclaimed).any(|row| is_supported(row) && !is_clock(row));
    let mut counts = Vec::new();
    for event in events {
        let own: Vec<&Trial> = trial.iter().filter(|row| event.request.is_answered_by(&row.event)).collect();
        if own.is_empty() {
            // perf did not say that it cannot count it.
            missing.add("perf printed no count under this name in its trial run", &event.text);
            if has_others {
                counts.push(event.index);
            }
        } else if own.iter().any(|row| is_supported(row) && !event.request.counts_nothing_as(&row.event)) {
            counts.push(event.index);
        } else if own.iter().all(|row| !is_supported(row)) {
            missing.add("not supported here, says perf", &event.text);
        } else {
            missing.add(reasons::NOT_IN_USER_MODE, &event.text);
        }
    }
    counts
}

fn is_clock(row: &Trial) -> bool {
    parts(&row.event).base == CPU_CLOCK
}

fn is_supported(row: &Trial) -> bool {
    row.reading != PrintedCount::NotSupported
}

/// The note if perf only counts user mode although more was requested.
fn user_only(events: &[Wanted<'_>], trial: &[Trial]) -> Vec<String> {
    let mut all = Vec::new();
    for event in events.iter().filter(|e| !e.request.is_user_only()) {
        let own = trial.iter().filter(|row| event.request.is_answered_by(&row.event));
        let restricted = |event: &str| parts(event).modifiers.is_some_and(|m| m.contains('u') && !m.contains('k'));
        // Events that only happen in the kernel were already reported.
        let is_counted =
            |row: &&Trial| is_supported(row) && restricted(&row.event) && !counts_nothing_in_user_mode(&row.event);
        all.extend(own.filter(is_counted).map(|row| row.event.clone()));
    }
    reasons::user_only(&all)
}
