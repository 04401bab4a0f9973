//! Which way events are counted, and what is said about those that are not.

use std::sync::Arc;

use super::event::generic::{self, CPU_CLOCK};
use super::event::machine::Unresolved;
use super::event::name::parts;
use super::event::near::{self, did_you_mean};
use super::event::request::{Request, split_list};
use super::event::{set, tracepoint};
use super::facts::Facts;
use super::program::supervisor::Limits;
use super::program::{self, plan};
use super::reasons::Reasons;
use super::scope::Scope;
use super::syscall::collector::{self as syscall, Opened as Counted};
use super::syscall::open::{Kernel, Whose};
use super::syscall::plan::{Refusal, Why};
use super::syscall::probe::{Answer, probe};
use crate::collector::{Backend, Opened, Per, PerfOptions, Setup, StatFormat, Unavailable};
use crate::perf::event::modifier::Modifiers;

/// Opens the counters, or prepares perf.
///
/// # Errors
/// When nothing that was asked for can be counted, or the options contradict each other.
pub fn open(setup: &Setup, kernel: &Kernel) -> Result<Opened, Unavailable> {
    let options = &setup.options.perf;
    let mut notes = Vec::new();
    let requests = requests(options, setup, kernel);
    let program_only = only_program(options, setup);
    if let (Backend::Syscall, Some(why)) = (options.backend, &program_only) {
        return Err(Unavailable::mistake(format!("--perf-backend syscall: {why}")));
    }
    let scope = Scope::of(setup, &mut notes)?;
    if options.backend == Backend::Perf || program_only.is_some() {
        return by_program(setup, &scope, &requests, kernel, notes);
    }
    if !setup.roots.are_live() && options.backend == Backend::Auto {
        return Err(Unavailable::new("events are counted on this machine, but --proc-root or --sys-root name another")
            .advise("say --perf-backend syscall if they are views of this machine after all"));
    }
    let counted = syscall::open(setup, &scope, &requests, kernel);
    // What perf may know, or may be allowed, is a reason to ask it; what the kernel does not have it does not have either.
    let perf_may = |r: &Refusal| matches!(r.why, Why::Unresolved(Unresolved::OnlyPerf(_)) | Why::Denied(_));
    if options.backend == Backend::Auto && counted.refused.iter().any(perf_may) {
        match by_program(setup, &scope, &requests, kernel, notes.clone()) {
            // Without perf the names are judged by what we know.
            Err(why) if !why.is_mistake => {}
            answer => return answer,
        }
    }
    by_syscall(setup, counted, notes)
}

/// The events that were asked for, with sets in the place of their names.
fn requests(options: &PerfOptions, setup: &Setup, kernel: &Kernel) -> Arc<[Request]> {
    let mut counts = |event: &generic::Generic| {
        let online = super::scope::online(&setup.roots).and_then(|cpus| cpus.first().copied());
        let whose = match options.pids.first().and_then(|pid| libc::pid_t::try_from(*pid).ok()) {
            Some(pid) => Whose::Thread(pid),
            None => Whose::Cpu(online.unwrap_or(0)),
        };
        matches!(probe(kernel, event.id, whose, Modifiers::NONE), Answer::Counts | Answer::UserOnly)
    };
    let asked = match split_list(&options.events.join(",")) {
        list if list.is_empty() => vec!["default".to_string()],
        list => list,
    };
    let mut events: Vec<String> = Vec::new();
    for name in asked {
        for event in set::members(&name, &mut counts).unwrap_or_else(|| vec![name]) {
            if !events.contains(&event) {
                events.push(event);
            }
        }
    }
    events.into_iter().map(Request::new).collect()
}

/// Why only the program can do what was asked for, if that is so.
fn only_program(options: &PerfOptions, setup: &Setup) -> Option<String> {
    if options.path.is_some() {
        return Some("--perf-path names a program".into());
    }
    if options.format != StatFormat::Auto {
        return Some("--perf-format is about a program's output".into());
    }
    if matches!(options.per, Per::Cluster | Per::Cache) {
        return Some("only the perf program counts per cluster or cache".into());
    }
    if options.interval.is_some_and(|i| i < setup.options.interval) {
        return Some("counters are read at the tick, but --perf-interval is shorter than that".into());
    }
    None
}

fn by_program(
    setup: &Setup,
    scope: &Scope,
    requests: &Arc<[Request]>,
    kernel: &Kernel,
    mut notes: Vec<String>,
) -> Result<Opened, Unavailable> {
    let (plan, more) = plan::make(setup, scope, requests, kernel)?;
    notes.extend(more);
    let version = plan.version.as_deref().map_or("of no stated version".to_string(), |v| format!("version {v}"));
    let source = format!("{} stat, {version}", plan.invocation.program.display());
    let limits = Limits::of(plan.interval);
    Ok(Opened::with_notes(program::collector::Perf::new(plan, limits), notes).by(source))
}

fn by_syscall(setup: &Setup, counted: Counted, mut notes: Vec<String>) -> Result<Opened, Unavailable> {
    let facts = Facts::read(&setup.roots);
    let mut reasons = Reasons::default();
    let mut errno = None;
    let mut unknown = Vec::new();
    for refusal in &counted.refused {
        match &refusal.why {
            Why::Denied(e) | Why::Missing(e) => {
                errno = errno.or(Some(*e));
                reasons.add(facts.explain(*e), &refusal.event);
            }
            Why::Uncore => reasons.add("counts for a whole socket, not for processes or cgroups", &refusal.event),
            Why::Unresolved(unresolved) => {
                let near = near::names(&setup.roots, parts(&refusal.event).base);
                if is_slip(&refusal.event, &near) {
                    unknown.push(format!("`{}`{}", refusal.event, did_you_mean(&near)));
                } else {
                    reasons.add(unresolved.reason(), &format!("{}{}", refusal.event, did_you_mean(&near)));
                }
            }
        }
    }
    if !unknown.is_empty() {
        return Err(Unavailable::mistake(format!("no event is called {}", unknown.join(", ")))
            .advise("`perfwatch events` names those that count here"));
    }
    let Some(collector) = counted.collector else {
        let advice = match errno {
            Some(errno) if errno != libc::ENOENT => facts.advise(errno),
            _ => format!("{CPU_CLOCK} counts on every machine; `perfwatch events` names those that count here"),
        };
        return Err(Unavailable::new(reasons.joined()).advise(advice));
    };
    notes.extend(reasons.notes());
    notes.extend(user_only(&counted.user_only));
    Ok(Opened::with_notes(collector, notes).by("perf_event_open, read at the tick"))
}

/// A generic name with a slip of the pen: no machine has it. Other names may well be events of another machine.
fn is_slip(event: &str, near: &[String]) -> bool {
    let base = parts(event).base;
    !event.contains(['/', '.']) && tracepoint::split(base).is_none() && near.iter().any(|n| generic::id_of(n).is_some())
}

/// What is said where user mode alone is counted although more was asked for.
pub fn user_only(events: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    if !events.is_empty() {
        notes.push(format!("counted in user mode only, for lack of permission: {}", events.join(", ")));
    }
    let is_of_kernel =
        |e: &&String| matches!(&*generic::usual_name(parts(e).base), "context-switches" | "cpu-migrations");
    let never: Vec<&str> = events.iter().filter(is_of_kernel).map(String::as_str).collect();
    if !never.is_empty() {
        notes.push(format!("always zero, since they happen in the kernel: {}", never.join(", ")));
    }
    notes
}
