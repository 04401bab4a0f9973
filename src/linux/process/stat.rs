//! `/proc/PID/stat`: one process in one line.

use crate::linux::name::Name;
use crate::linux::scan::number;

/// The fields that are used. Times are in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: u32,
    pub comm: Name,
    /// `R`, `S`, `D`, `Z`, …
    pub state: u8,
    pub ppid: u32,
    pub pgrp: u32,
    /// Of all its threads, including ended ones.
    pub own: TicksUsed,
    /// Of the children that it waited for, and of their children.
    pub children: TicksUsed,
    pub threads: u64,
    /// Since boot.
    pub start_ticks: u64,
    pub rss_pages: u64,
    /// The address of its arguments, which is another one after an exec; zero if we may not know.
    pub arguments: u64,
    /// In which the thread (of a process: the first one) waited for storage; zero where the kernel does not count it.
    pub io_wait_ticks: u64,
}

/// What a process used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TicksUsed {
    pub user_ticks: u64,
    pub system_ticks: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
}

impl Stat {
    /// `None` if the text is not such a line.
    pub fn parse(text: &[u8]) -> Option<Stat> {
        let open = text.iter().position(|b| *b == b'(')?;
        // A process may have any name, even `a) S 1`: the last parenthesis is the kernel's.
        let close = text.iter().rposition(|b| *b == b')')?;
        let pid = number(text.get(..open)?.trim_ascii())?.try_into().ok()?;
        let comm = comm(text.get(open + 1..close)?);
        let mut fields = text.get(close + 1..)?.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
        // The field numbers are those of proc(5), from 3 on.
        let state = *fields.next()?.first()?;
        let ppid = number(fields.next()?)?.try_into().ok()?;
        let pgrp = fields.next().and_then(number).and_then(|n| n.try_into().ok()).unwrap_or(0);
        let mut next = |skip: usize| fields.nth(skip).and_then(number);
        let (minor, minor_children) = (next(4)?, next(0)?);
        let (major, major_children) = (next(0)?, next(0)?);
        let (user, system) = (next(0)?, next(0)?);
        // These two are signed in the kernel, and were negative on old kernels.
        let mut signed = || fields.next().map(|w| number(w).unwrap_or(0));
        let (user_children, system_children) = (signed()?, signed()?);
        let mut next = |skip: usize| fields.nth(skip).and_then(number);
        let threads = next(2)?;
        let start_ticks = next(1)?;
        // Negative on old kernels, and printed without a sign.
        let rss_pages = next(1).filter(|pages| *pages < 1 << 48).unwrap_or(0);
        // Field 42.
        let io_wait_ticks = next(17).unwrap_or(0);
        // Field 48, since Linux 3.5.
        let arguments = next(5).unwrap_or(0);
        let usage = |user_ticks, system_ticks, minor_faults, major_faults| TicksUsed {
            user_ticks,
            system_ticks,
            minor_faults,
            major_faults,
        };
        Some(Stat {
            pid,
            comm,
            state,
            ppid,
            pgrp,
            own: usage(user, system, minor, major),
            children: usage(user_children, system_children, minor_children, major_children),
            threads,
            start_ticks,
            rss_pages,
            arguments,
            io_wait_ticks,
        })
    }
}

/// The name of a process. A kernel worker shows its current work after its name (`kworker/0:1-events`): this is cut
/// off, because it would be another process at every tick.
fn comm(name: &[u8]) -> Name {
    let worker = name.starts_with(b"kworker/");
    let end = name.iter().position(|b| worker && matches!(b, b'-' | b'+')).unwrap_or(name.len());
    let mut shown = [b'?'; 64];
    let length = end.min(shown.len());
    for (to, from) in shown.iter_mut().zip(name.get(..length).unwrap_or_default()) {
        if !from.is_ascii_control() {
            *to = *from;
        }
    }
    Name::new(shown.get(..length).unwrap_or_default()).unwrap_or(Name::UNKNOWN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "4242 (cc1plus) R 4240 4200 4100 34816 4200 4194304 21042 77 3 1 152 31 12 5 30 10 2 0 8123456 \
                        301989888 51200 18446744073709551615 1 1 0 0 0 0 0 4096 1256 0 0 0 17 1 0 0 6 0 0 0 0 0 140721 0 0 0 0\n";

    #[test]
    fn fields_by_their_number_in_the_manual() {
        let stat = Stat::parse(LINE.as_bytes()).unwrap();
        assert_eq!((stat.pid, stat.comm.as_str(), stat.state), (4242, "cc1plus", b'R'));
        assert_eq!((stat.ppid, stat.pgrp), (4240, 4200));
        let usage = |user_ticks, system_ticks, minor_faults, major_faults| TicksUsed {
            user_ticks,
            system_ticks,
            minor_faults,
            major_faults,
        };
        assert_eq!(stat.own, usage(152, 31, 21_042, 3));
        assert_eq!(stat.children, usage(12, 5, 77, 1));
        assert_eq!((stat.threads, stat.start_ticks, stat.rss_pages), (2, 8_123_456, 51_200));
        assert_eq!((stat.io_wait_ticks, stat.arguments), (6, 140_721));
    }

    #[test]
    fn names_that_try_to_mislead() {
        for (name, shown) in [
            ("a b", "a b"),
            (") R 1 1 1", ") R 1 1 1"),
            ("((", "(("),
            ("", "?"),
            ("new\nline", "new?line"),
            ("kworker/u4:2-events_unbound", "kworker/u4:2"),
            ("kworker/0:1+mm_percpu_wq", "kworker/0:1"),
            ("my-program", "my-program"),
        ] {
            let stat = Stat::parse(LINE.replace("cc1plus", name).as_bytes()).unwrap();
            assert_eq!((stat.comm.as_str(), stat.ppid), (shown, 4240));
        }
    }

    #[test]
    fn a_real_process_is_what_it_is() {
        let stat = Stat::parse(&std::fs::read("/proc/self/stat").unwrap()).unwrap();
        assert_eq!(stat.pid, std::process::id());
        let (parent, group) = (rustix::process::getppid().unwrap(), rustix::process::getpgrp());
        assert_eq!((stat.ppid, stat.pgrp), (parent.as_raw_pid() as u32, group.as_raw_pid() as u32));
        let me = procfs::process::Process::myself().unwrap().stat().unwrap();
        assert_eq!((stat.comm.as_str(), stat.start_ticks), (&*me.comm, me.starttime));
        assert_eq!((Some(stat.io_wait_ticks), Some(stat.arguments)), (me.delayacct_blkio_ticks, me.arg_start));
        assert!(stat.own.minor_faults > 0 && stat.rss_pages > 0 && stat.threads > 0);
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>, cut in 0usize..300, at in 0usize..300, byte: u8) {
            Stat::parse(&bytes);
            let mut line = LINE.as_bytes().to_vec();
            if let Some(place) = line.get_mut(at) {
                *place = byte;
            }
            line.truncate(cut);
            Stat::parse(&line);
        }
    }
}
