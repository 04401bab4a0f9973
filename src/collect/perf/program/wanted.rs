//! The events for the perf command line. The kernel is asked first, for each event.

use crate::collect::collector::Setup;
use crate::collect::perf::facts::Facts;
use crate::collect::perf::reasons::Reasons;
use crate::collect::perf::scope::Scope;
use crate::collect::perf::syscall::open::{Kernel, Whose};
use crate::collect::perf::syscall::probe::{ProbeAnswer, probe_source};
use crate::events::generic::CPU_CLOCK;
use crate::events::machine::{CounterSpec, Machine, Unresolved};
use crate::events::near;
use crate::events::request::Request;

/// An event for the perf command line.
pub struct Wanted<'r> {
    pub index: usize,
    pub request: &'r Request,
    /// The request, without group members that do not exist.
    pub text: String,
    /// The kernel has these events, and they are written plainly: perf will not refuse their names.
    pub is_sure: bool,
}

/// Their texts on the command line.
pub fn texts<'w>(events: &'w [Wanted<'_>]) -> Vec<&'w str> {
    events.iter().map(|e| &*e.text).collect()
}

/// Whether the clock, which counts wherever anything counts, is not among them.
pub fn lacks_clock(events: &[&str]) -> bool {
    !events.iter().any(|e| Request::new(*e).members().iter().any(|member| member == CPU_CLOCK))
}

/// The answers of the kernel for each event.
#[derive(Default)]
pub struct Asked<'r> {
    pub wanted: Vec<Wanted<'r>>,
    /// This user may not count something, or no user may.
    pub denial: Option<i32>,
    /// The error numbers of events that were left out.
    pub refusals: Vec<i32>,
}

/// Asks the kernel for each event, because one name that perf does not accept ends perf with all its other events. A
/// denial is left to perf, whose file may have a capability that we lack; it is returned.
pub fn wanted<'r>(
    setup: &Setup,
    scope: &Scope,
    requests: &'r [Request],
    kernel: &Kernel,
    facts: &Facts,
    missing: &mut Reasons,
) -> Asked<'r> {
    let machine = Machine::from_roots(&setup.roots);
    let mut all = Asked::default();
    for (index, request) in requests.iter().enumerate() {
        let members = request.members();
        let (mut kept, mut is_sure) = (Vec::new(), true);
        for (n, member) in members.iter().enumerate() {
            // perf accepts fewer characters in a quoted name than we do: no blanks, for example.
            is_sure &= !member.contains(['\'', '"']);
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
            let answers: Vec<ProbeAnswer> = counters.iter().filter_map(|c| ask(c, scope, kernel)).collect();
            let denied = answers.iter().find_map(|a| if let ProbeAnswer::Denied(e) = a { Some(*e) } else { None });
            all.denial = denied.or(all.denial);
            let refusal = answers.iter().find_map(|a| if let ProbeAnswer::Missing(e) = a { Some(*e) } else { None });
            match refusal.filter(|e| !is_ours(*e) && answers.iter().all(|a| matches!(a, ProbeAnswer::Missing(_)))) {
                Some(errno) => {
                    all.denial = all.denial.or(Some(errno).filter(|e| *e == libc::ENOSYS));
                    all.refusals.push(errno);
                    missing.add(facts.explain(errno), member);
                }
                None => kept.push(n),
            }
        }
        if !kept.is_empty() {
            let text = if kept.len() == members.len() { request.text.clone() } else { request.only(&kept) };
            all.wanted.push(Wanted { index, request, text, is_sure });
        }
    }
    all
}

/// Whether this only means that we have no resources left, and says nothing about the event. perf may have them.
fn is_ours(errno: i32) -> bool {
    matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOMEM)
}

/// Whether a counter counts, tried on a CPU where it can.
fn ask(counter: &CounterSpec, scope: &Scope, kernel: &Kernel) -> Option<ProbeAnswer> {
    let source = counter.sources.first()?;
    let whose = match (scope.trial(), &source.cpus) {
        (Whose::Cpu(cpu), Some(own)) => Whose::Cpu(own.first().copied().unwrap_or(cpu)),
        (whose, _) => whose,
    };
    Some(probe_source(kernel, source, whose, counter.modifiers).0)
}
