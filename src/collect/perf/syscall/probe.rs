//! Asks the kernel for each event whether it can be counted here.
//!
//! One name that perf does not accept ends perf with all its other events; and up to version 6.17 it then counts
//! nothing at all without saying so. So before perf is started, every event is opened and immediately closed once. This
//! proves that an event exists, not that it counts: some virtual machines offer counters that stay at zero.

use std::os::fd::OwnedFd;

use super::open::{Ask, Kernel, Whose};
use crate::events::machine::CounterSource;
use crate::events::modifier::Modifiers;
use crate::events::{EventId, tracepoint};

/// Whether an event can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    Counts,
    /// Only in user mode.
    UserOnly,
    /// The event may exist, but this user may not count it this way.
    Denied(i32),
    /// It does not exist here, or something prevents it: the `errno`.
    Missing(i32),
}

/// Whether this event can be counted this way, including the kernel's share.
pub fn probe(kernel: &Kernel, id: EventId, whose: Whose, modifiers: Modifiers) -> ProbeAnswer {
    let close = |fd: OwnedFd| if id.kind == tracepoint::KIND { aside(fd) } else { drop(fd) };
    let ask = |whose, modifiers| kernel(&Ask::single(id, whose, modifiers)).map(close);
    let denied = |errno| matches!(errno, libc::EACCES | libc::EPERM);
    let absent = |errno| matches!(errno, libc::ENOENT | libc::ENXIO | libc::ENODEV | libc::ENOSYS);
    let mut first = match ask(whose, modifiers) {
        Ok(()) => return ProbeAnswer::Counts,
        Err(errno) => errno,
    };
    // For events in the kernel only (`:k`) nothing would be left.
    if denied(first) && !modifiers.no_kernel && !modifiers.no_user {
        match ask(whose, modifiers.user_only()) {
            Ok(()) => return ProbeAnswer::UserOnly,
            // Some counters cannot exclude the kernel: this says nothing about whether they exist.
            Err(errno) if absent(errno) => first = errno,
            Err(_) => {}
        }
    }
    // Permission is checked before existence. Counting oneself needs the least permission, and tells the two apart.
    // Other answers are about counting oneself, which is impossible for the counters of a socket.
    match denied(first).then(|| ask(Whose::Thread(0), Modifiers::NONE.user_only())) {
        Some(Err(errno)) if absent(errno) => ProbeAnswer::Missing(errno),
        Some(_) => ProbeAnswer::Denied(first),
        None => ProbeAnswer::Missing(first),
    }
}

/// The same for one source of a counter, or for its alternative number on older kernels. Also returns the number that
/// was right.
pub fn probe_source(
    kernel: &Kernel,
    source: &CounterSource,
    whose: Whose,
    modifiers: Modifiers,
) -> (ProbeAnswer, EventId) {
    let answer = probe(kernel, source.id, whose, modifiers);
    if let (ProbeAnswer::Missing(_), Some(older)) = (answer, source.older) {
        let second = probe(kernel, older, whose, modifiers);
        if !matches!(second, ProbeAnswer::Missing(_)) {
            return (second, older);
        }
    }
    (answer, source.id)
}

/// Drops something on another thread: closing a tracepoint takes the kernel about 40 ms.
pub fn aside<T: Send + 'static>(thing: T) {
    // If no thread can be started, it is dropped here, with the closure.
    let _ = std::thread::Builder::new().name("close".into()).spawn(move || drop(thing));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::collect::perf::testing::counts;

    const CYCLES: EventId = EventId::new(0, 0);

    #[test]
    fn answers() {
        let kernel = |system: i32, system_user: i32, own: i32| -> Kernel {
            Arc::new(move |ask: &Ask| {
                let errno = match (ask.whose, ask.modifiers.no_kernel) {
                    (Whose::Thread(_), _) => own,
                    (_, true) => system_user,
                    (_, false) => system,
                };
                if errno == 0 { counts() } else { Err(errno) }
            })
        };
        let answer =
            |system, system_user, own| probe(&kernel(system, system_user, own), CYCLES, Whose::Cpu(0), Modifiers::NONE);
        use libc::{EACCES, ENOENT, ENOSYS, EPERM};
        assert_eq!(answer(0, 0, 0), ProbeAnswer::Counts);
        assert_eq!(answer(EACCES, 0, 0), ProbeAnswer::UserOnly);
        assert_eq!(answer(EACCES, EACCES, 0), ProbeAnswer::Denied(EACCES));
        assert_eq!(
            answer(EACCES, EACCES, ENOENT),
            ProbeAnswer::Missing(ENOENT),
            "denied first, but it does not exist either"
        );
        assert_eq!(answer(EACCES, ENOENT, 0), ProbeAnswer::Missing(ENOENT));
        assert_eq!(answer(ENOENT, ENOENT, ENOENT), ProbeAnswer::Missing(ENOENT));
        assert_eq!(
            answer(EACCES, libc::EINVAL, libc::EINVAL),
            ProbeAnswer::Denied(EACCES),
            "it cannot exclude the kernel"
        );
        assert_eq!(answer(EACCES, EACCES, libc::EINVAL), ProbeAnswer::Denied(EACCES), "it counts for a whole socket");
        assert_eq!(answer(EPERM, EPERM, EPERM), ProbeAnswer::Denied(EPERM), "a seccomp profile refuses everything");
        assert_eq!(answer(ENOSYS, ENOSYS, ENOSYS), ProbeAnswer::Missing(ENOSYS));
        // `:k` without permission is not `:ku`, which counts nothing.
        let only_kernel = Modifiers::parse("k").unwrap();
        let answer = probe(&kernel(EACCES, 0, 0), CYCLES, Whose::Cpu(0), only_kernel);
        assert_eq!(answer, ProbeAnswer::Denied(EACCES));
    }
}
