//! Asks the kernel, event by event, whether it can be counted here.
//!
//! One name that perf does not like ends it with all its other events; and up to version 6.17 it counts nothing at all
//! without saying so. So every event is opened once, and closed at once, before perf is started. That proves that an
//! event exists, not that it counts: some virtual machines offer counters that stay at zero.

use std::os::fd::OwnedFd;

use super::open::{Ask, Kernel, Whose};
use crate::events::machine::CounterSource;
use crate::events::modifier::Modifiers;
use crate::events::{EventId, tracepoint};

/// Whether an event can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Counts,
    /// Only what programs do in user mode.
    UserOnly,
    /// The event may exist, but this user may not count it so.
    Denied(i32),
    /// It does not exist here, or something is in the way: the `errno`.
    Missing(i32),
}

/// Can this event be counted so, and with the kernel's share?
pub fn probe(kernel: &Kernel, id: EventId, whose: Whose, modifiers: Modifiers) -> Answer {
    let close = |fd: OwnedFd| if id.kind == tracepoint::KIND { aside(fd) } else { drop(fd) };
    let ask = |whose, modifiers| kernel(&Ask::single(id, whose, modifiers)).map(close);
    let denied = |errno| matches!(errno, libc::EACCES | libc::EPERM);
    let absent = |errno| matches!(errno, libc::ENOENT | libc::ENXIO | libc::ENODEV | libc::ENOSYS);
    let mut first = match ask(whose, modifiers) {
        Ok(()) => return Answer::Counts,
        Err(errno) => errno,
    };
    // Of what happens in the kernel alone (`:k`) nothing would be left.
    if denied(first) && !modifiers.no_kernel && !modifiers.no_user {
        match ask(whose, modifiers.user_only()) {
            Ok(()) => return Answer::UserOnly,
            // Some counters cannot leave the kernel out: that says nothing of their existence.
            Err(errno) if absent(errno) => first = errno,
            Err(_) => {}
        }
    }
    // Permission is asked for before existence: counting oneself needs the least of it, and tells the two apart. Other
    // answers are about counting oneself, which the counters of a socket cannot.
    match denied(first).then(|| ask(Whose::Thread(0), Modifiers::NONE.user_only())) {
        Some(Err(errno)) if absent(errno) => Answer::Missing(errno),
        Some(_) => Answer::Denied(first),
        None => Answer::Missing(first),
    }
}

/// The same for one number of a counter, or where an older kernel knows it by another, for that; with the one that was right.
pub fn probe_source(kernel: &Kernel, source: &CounterSource, whose: Whose, modifiers: Modifiers) -> (Answer, EventId) {
    let answer = probe(kernel, source.id, whose, modifiers);
    if let (Answer::Missing(_), Some(older)) = (answer, source.older) {
        let second = probe(kernel, older, whose, modifiers);
        if !matches!(second, Answer::Missing(_)) {
            return (second, older);
        }
    }
    (answer, source.id)
}

/// Drops something on a thread of its own: closing a tracepoint takes the kernel some 40 ms.
pub fn aside<T: Send + 'static>(thing: T) {
    // Without a thread it is dropped here, with the closure.
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
        assert_eq!(answer(0, 0, 0), Answer::Counts);
        assert_eq!(answer(EACCES, 0, 0), Answer::UserOnly);
        assert_eq!(answer(EACCES, EACCES, 0), Answer::Denied(EACCES));
        assert_eq!(answer(EACCES, EACCES, ENOENT), Answer::Missing(ENOENT), "denied first, but not there either");
        assert_eq!(answer(EACCES, ENOENT, 0), Answer::Missing(ENOENT));
        assert_eq!(answer(ENOENT, ENOENT, ENOENT), Answer::Missing(ENOENT));
        assert_eq!(
            answer(EACCES, libc::EINVAL, libc::EINVAL),
            Answer::Denied(EACCES),
            "it cannot leave the kernel out"
        );
        assert_eq!(answer(EACCES, EACCES, libc::EINVAL), Answer::Denied(EACCES), "it counts for a whole socket");
        assert_eq!(answer(EPERM, EPERM, EPERM), Answer::Denied(EPERM), "a seccomp profile refuses everything");
        assert_eq!(answer(ENOSYS, ENOSYS, ENOSYS), Answer::Missing(ENOSYS));
        // `:k` without rights is not `:ku`, which counts nothing.
        let only_kernel = Modifiers::parse("k").unwrap();
        let answer = probe(&kernel(EACCES, 0, 0), CYCLES, Whose::Cpu(0), only_kernel);
        assert_eq!(answer, Answer::Denied(EACCES));
    }
}
