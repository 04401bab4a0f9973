//! Chooses how events are counted, and reports those that are not counted.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use super::facts::Facts;
use super::options::{Backend, Per, PerfOptions, StatFormat};
use super::program::supervisor::Limits;
use super::program::{self, plan};
use super::reasons::{self, Reasons};
use super::requests::requests;
use super::scope::{self, Scope, thread};
use super::syscall::collector as syscall;
use super::syscall::collector::OpenedCounters;
use super::syscall::open::{Ask, Kernel};
use super::syscall::plan::{Refusal, Why};
use super::uncounted::Uncounted;
use crate::collect::collector::{Opened, Setup, Unavailable};
use crate::events::EventId;
use crate::events::generic::GenericKind;
use crate::events::machine::Unresolved;
use crate::events::modifier::{Modifiers, counts_nothing_in_user_mode};
use crate::events::name::parts;
use crate::events::near::{self, did_you_mean};
use crate::events::request::{Request, events_of};

/// Opens the counters, or prepares perf.
///
/// # Errors
/// If nothing that was requested can be counted, or the options contradict each other.
pub fn open(setup: &Setup, kernel: &Kernel) -> Result<Opened, Unavailable> {
    let options = &setup.options.perf;
    let backend = backend(setup);
    let needed = needs_program(options, setup);
    if let (Backend::Syscall, Some(needed)) = (backend, needed) {
        return Err(Unavailable::mistake(format!("--perf-backend syscall: {}", needed.why())));
    }
    if !scope::pids(setup).is_empty() && !setup.roots.are_live() {
        return Err(Unavailable::mistake(
            "--pid names a process of this machine, but --proc-root or --sys-root name another machine",
        ));
    }
    let opened = open_either(setup, kernel, needed);
    // With captured files of another machine, nothing can be counted.
    let is_this_machine = setup.roots.are_live() || options.path.is_some() || backend == Backend::Syscall;
    opened.map_err(|why| match is_this_machine && !why.is_mistake {
        true => Unavailable { instead: Some(Uncounted::boxed), ..why },
        false => why,
    })
}

/// What counts. The program perf would only begin after the recorded command has begun.
fn backend(setup: &Setup) -> Backend {
    if scope::is_of_command(setup) { Backend::Syscall } else { setup.options.perf.backend }
}

fn open_either(setup: &Setup, kernel: &Kernel, needed: Option<Needed>) -> Result<Opened, Unavailable> {
    let _options = &setup.options.perf;
    let mut notes = Vec::new();
    let scope = Scope::from_setup(setup, &mut notes)?;
    let wish = Wish { setup, scope, requests: requests(setup, kernel)?, kernel };
    match backend(setup) {
        Backend::Perf => wish.by_program(notes).map(|(opened, _)| opened),
        Backend::Syscall => wish.judge(wish.count(&mut notes)?, notes, None),
        Backend::Auto => wish.by_either(needed, notes),
    }
}

/// What is to be counted.
struct Wish<'a> {
    setup: &'a Setup,
    scope: Scope,
    requests: Arc<[Request]>,
    kernel: &'a Kernel,
}

impl Wish<'_> {
    /// Uses the kernel's counters, unless only the program can count what was requested, or can count more of it.
    fn by_either(&self, needed: Option<Needed>, mut notes: Vec<String>) -> Result<Opened, Unavailable> {
        if let Some(needed) = needed {
            match (self.by_program(notes.clone()), needed) {
                (Err(why), Needed::Interval) if !why.is_mistake => {
                    notes.push(format!("{}; {}: counted at the tick", needed.why(), why.reason));
                }
                (Err(why), Needed::Part) if !why.is_mistake => {
                    return Err(Unavailable { reason: format!("{}; {}", needed.why(), why.reason), ..why });
                }
                (answer, _) => return answer.map(|(opened, _)| opened),
            }
        }
        if !self.setup.roots.are_live() {
            return Err(Unavailable::new(
                "events are counted on this machine, but --proc-root or --sys-root name another machine",
            )
            .advise("use --perf-backend syscall if they show this machine"));
        }
        let notes_before = notes.clone();
        let counted = self.count(&mut notes);
        // perf is tried if it may know an event or have a permission that we lack. What the kernel does not have, perf
        // does not have either.
        let refused: Option<Vec<Refusal>> = counted.as_ref().ok().map(|c| c.refused.clone());
        let perf_may = |r: &Refusal| matches!(r.why, Why::Unresolved(Unresolved::OnlyPerf(_)) | Why::Denied(_));
        if refused.as_ref().is_some_and(|refused| !refused.iter().any(perf_may)) {
            return self.judge(counted?, notes, None);
        }
        // Its trial run must not share the hardware with open counters.
        drop(counted);
        match self.by_program(notes_before.clone()) {
            // perf is only used if it counts something that we cannot.
            Ok((opened, counts)) if refused.is_none_or(|r| r.iter().any(|r| counts.contains(&r.request))) => Ok(opened),
            Err(why) if why.is_mistake => Err(why),
            answer => {
                let says = answer.err().map(|why| why.reason);
                let mut notes = notes_before;
                self.judge(self.count(&mut notes)?, notes, says.as_deref())
            }
        }
    }

    /// Opens everything that can be opened.
    fn count(&self, notes: &mut Vec<String>) -> Result<OpenedCounters, Unavailable> {
        let scope = permitted(self.setup, self.scope.clone(), self.kernel, notes)?;
        notes.extend(multiple(self.setup));
        Ok(syscall::open(self.setup, &scope, &self.requests, self.kernel))
    }

    /// The collector, and the requests that it counts.
    fn by_program(&self, mut notes: Vec<String>) -> Result<(Opened, Vec<usize>), Unavailable> {
        plan::programs(self.setup.options.perf.path.as_deref())?;
        let (plan, more) = match plan::make(self.setup, &self.scope, &self.requests, self.kernel) {
            // perf's file may have capabilities that we lack, so it was asked for all processes. One process that it
            // may not access makes it fail for all.
            Err(why) if !why.is_mistake => {
                let scope = permitted(self.setup, self.scope.clone(), self.kernel, &mut notes)?;
                if scope == self.scope {
                    return Err(why);
                }
                plan::make(self.setup, &scope, &self.requests, self.kernel)?
            }
            made => made?,
        };
        notes.extend(more);
        let version = plan.version.as_deref().map_or("of unknown version".to_string(), |v| format!("version {v}"));
        let by = format!("{} stat, {version}", plan.invocation.program.display());
        let (limits, counts) = (Limits::for_interval(plan.interval), plan.counts.clone());
        Ok((Opened::with_notes(program::collector::Perf::new(plan, limits), notes).by(by), counts))
    }

    /// The open counters, and notes on the events that are not counted.
    fn judge(
        &self,
        counted: OpenedCounters,
        mut notes: Vec<String>,
        program_says: Option<&str>,
    ) -> Result<Opened, Unavailable> {
        let setup = self.setup;
        let facts = Facts::read(&setup.roots);
        let mut why = Reasons::default();
        let mut errnos = Vec::new();
        let mut slips = Vec::new();
        for refusal in &counted.refused {
            match &refusal.why {
                Why::Denied(errno) | Why::Missing(errno) => {
                    errnos.push(*errno);
                    why.add(facts.explain(*errno), &refusal.event);
                }
                Why::NoRoom { needed, limit } => {
                    errnos.push(libc::EMFILE);
                    why.add(
                        format!("{needed} file descriptors are needed, but only {limit} are allowed"),
                        &refusal.event,
                    );
                }
                Why::Uncore => why.add("counts for a whole socket, not for processes or cgroups", &refusal.event),
                Why::Unresolved(unresolved) => {
                    let near = near::names(&setup.roots, parts(&refusal.event).base);
                    if near::is_slip(&refusal.event, &near) {
                        slips.push(format!("`{}`{}", refusal.event, did_you_mean(&near)));
                        continue;
                    }
                    let mut reason = unresolved.reason().to_string();
                    match (unresolved, program_says) {
                        (Unresolved::OnlyPerf(_), Some(says)) if says.contains(&refusal.event) => {
                            reason += ", and the program `perf` does not know it either";
                        }
                        (Unresolved::OnlyPerf(_), Some(says)) => {
                            reason += &format!(" (the program `perf` may know more, but: {says})");
                        }
                        _ => {}
                    }
                    why.add(reason, &format!("{}{}", refusal.event, did_you_mean(&near)));
                }
            }
        }
        if !slips.is_empty() {
            return Err(Unavailable::mistake(format!("unknown event {}", slips.join(", ")))
                .advise("`perfwatch events` lists the events that count here"));
        }
        let Some(collector) = counted.collector else {
            // Reasons that can be fixed come before what this machine lacks.
            let lacks_permission = matches!(self.scope, Scope::Cpus(_)) && facts.lacks_permission();
            errnos.extend(lacks_permission.then_some(libc::EACCES));
            let helps = errnos.iter().find_map(|errno| facts.advise(*errno));
            let helps = helps.or_else(|| reasons::instead_of(&self.requests));
            return Err(Unavailable::new(why.joined()).advise_if(helps));
        };
        notes.extend(why.notes());
        let mut user_only = counted.user_only;
        // Events that were requested in a form that never counts are reported as well.
        let asked = events_of(&self.requests).into_iter().map(|request| request.text);
        user_only.extend(asked.filter(|event| counts_nothing_in_user_mode(event)));
        notes.extend(reasons::user_only(&user_only));
        Ok(Opened::with_notes(collector, notes).by("perf_event_open, read at the tick"))
    }
}

/// Why only the program can do what was requested.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needed {
    /// The program, or its output format, was named.
    Named,
    Part,
    Interval,
}

impl Needed {
    fn why(self) -> &'static str {
        match self {
            Needed::Named => "--perf-path and --perf-format concern the program `perf`",
            Needed::Part => "only the program `perf` counts per cluster (from 6.11) or cache (from 6.5)",
            Needed::Interval => "counters are read at the tick, and a shorter --perf-interval needs the program `perf`",
        }
    }
}

fn needs_program(options: &PerfOptions, setup: &Setup) -> Option<Needed> {
    if options.path.is_some() || options.format != StatFormat::Auto {
        return Some(Needed::Named);
    }
    if matches!(options.per, Per::Cluster | Per::Cache) {
        return Some(Needed::Part);
    }
    options.interval.filter(|i| *i < setup.interval).map(|_| Needed::Interval)
}

fn multiple(setup: &Setup) -> Option<String> {
    let (asked, comes_to) = (setup.options.perf.interval?, syscall::interval_at_ticks(setup)?);
    let differs = asked > setup.interval && asked.abs_diff(comes_to) > Duration::from_millis(1);
    differs.then(|| {
        format!("counted every {}, the nearest multiple of the interval", humantime::format_duration(comes_to))
    })
}

/// Removes the processes that this user may not count, or that are gone.
fn permitted(setup: &Setup, scope: Scope, kernel: &Kernel, notes: &mut Vec<String>) -> Result<Scope, Unavailable> {
    let Scope::Processes(pids) = scope else { return Ok(scope) };
    let clock = EventId::new(GenericKind::Software.number(), 0);
    let ask = |pid: &u32| kernel(&Ask::single(clock, thread(*pid), Modifiers::NONE.user_only())).map(drop);
    let facts = Facts::read(&setup.roots);
    let (mut allowed, mut refusals) = (Vec::new(), Vec::new());
    for pid in pids {
        match ask(&pid) {
            // The call itself is not allowed: that is reported with the events.
            Ok(()) | Err(libc::ENOSYS | libc::EMFILE | libc::ENFILE | libc::ENOMEM) => allowed.push(pid),
            Err(errno) => {
                let owner = std::fs::metadata(setup.roots.proc(&pid.to_string())).map(|m| m.uid());
                let (why, advice) = why_not(owner.ok(), errno, &facts);
                refusals.push((format!("process {pid}: {why}"), advice));
            }
        }
    }
    let reasons = refusals.iter().map(|(reason, _)| reason.clone());
    match refusals.first() {
        Some((_, advice)) if allowed.is_empty() => {
            Err(Unavailable::new(reasons.collect::<Vec<_>>().join("; ")).advise_if(advice.clone()))
        }
        _ => {
            notes.extend(reasons);
            Ok(Scope::Processes(allowed))
        }
    }
}

/// Why a process of this owner is not counted, and what helps.
fn why_not(owner: Option<u32>, errno: i32, facts: &Facts) -> (String, Option<String>) {
    match errno {
        libc::EACCES | libc::EPERM if owner.is_some_and(|uid| uid != facts.uid) => (
            "it belongs to another user".into(),
            Some("run as that user or as root, or grant CAP_PERFMON and CAP_SYS_PTRACE".into()),
        ),
        // The reason is enough.
        libc::ESRCH => (facts.explain(errno), None),
        errno => (facts.explain(errno), facts.advise(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_users_process_is_not_explained_by_perf_event_paranoid() {
        let facts = Facts { paranoid: Some(2), uid: 1000, ..Facts::default() };
        for errno in [libc::EACCES, libc::EPERM] {
            let (why, advice) = why_not(Some(0), errno, &facts);
            assert_eq!(why, "it belongs to another user");
            assert!(advice.unwrap().contains("CAP_SYS_PTRACE"));
        }
        let (why, advice) = why_not(Some(1000), libc::EACCES, &facts);
        assert!(why.contains("perf_event_paranoid is 2") && advice.unwrap().contains("sysctl"));
        assert_eq!(why_not(Some(0), libc::ESRCH, &facts), ("the process has ended".into(), None));
    }
}
