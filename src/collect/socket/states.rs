//! The TCP states from `sock_diag`, counted only when they may have changed.

use crate::linux::scan::lines;
use crate::linux::sock_diag::{DiagError, Netlink, SockDiag, TcpStates};

/// While TCP is idle, the states of its sockets are those of the last count.
///
/// No socket changes its state unless a segment is sent or received, or the number of sockets, orphans or established
/// connections changes. All of these are in the TCP lines of snmp and sockstat. So while these lines are the same as
/// before the last count, the dump, by far the most expensive reading, is skipped. (The exception is a handshake that
/// is given up without a last segment, hence [`LONGEST_AGE_NS`].)
#[derive(Default)]
pub struct StateCache {
    lines: Vec<u8>,
    lines_before: Vec<u8>,
    counted: Option<(u64, TcpStates)>,
}

/// After this time the sockets are counted again in any case.
const LONGEST_AGE_NS: u64 = 30_000_000_000;

impl StateCache {
    pub fn begin(&mut self) {
        std::mem::swap(&mut self.lines, &mut self.lines_before);
        self.lines.clear();
    }

    /// Remembers the lines of a text that begin with `prefix`.
    pub fn note(&mut self, text: &[u8], prefix: &[u8]) {
        for line in lines(text).filter(|line| line.starts_with(prefix)) {
            self.lines.extend_from_slice(line);
        }
    }

    pub fn states<E>(&mut self, now_ns: u64, count: impl FnOnce() -> Result<TcpStates, E>) -> Result<TcpStates, E> {
        if let Some((at_ns, states)) = &self.counted
            && self.lines == self.lines_before
            && !self.lines.is_empty()
            && now_ns.saturating_sub(*at_ns) < LONGEST_AGE_NS
        {
            return Ok(states.clone());
        }
        self.counted = None;
        let states = count()?;
        self.counted = Some((now_ns, states.clone()));
        Ok(states)
    }
}

/// A channel that has answered once.
pub fn open_diag() -> Result<SockDiag<Netlink>, DiagError> {
    let mut diag = SockDiag::new(Netlink::open()?);
    diag.count()?;
    Ok(diag)
}

/// Counts over the channel, or over a new one if it failed the last time: the old one may contain half an answer.
pub fn count(diag: &mut Result<SockDiag<Netlink>, ()>) -> Result<TcpStates, DiagError> {
    let mut open = match std::mem::replace(diag, Err(())) {
        Ok(open) => open,
        Err(()) => SockDiag::new(Netlink::open()?),
    };
    let states = open.count()?;
    *diag = Ok(open);
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SNMP, SOCKSTAT};
    use super::*;
    use crate::linux::sock_diag::TcpState;

    #[test]
    fn states_are_counted_again_only_if_something_changed() {
        let mut cache = StateCache::default();
        let mut counts = 0;
        let mut tick = |snmp: &str, sockstat: &str, second: u64| {
            cache.begin();
            cache.note(snmp.as_bytes(), b"Tcp:");
            cache.note(sockstat.as_bytes(), b"TCP:");
            cache
                .states(second * 1_000_000_000, || {
                    counts += 1;
                    Ok::<_, ()>(TcpStates::for_test(&[(TcpState::Listen, counts)], 0))
                })
                .unwrap()
                .of(TcpState::Listen)
        };
        assert_eq!(tick(SNMP, SOCKSTAT, 0), 1);
        assert_eq!(tick(SNMP, SOCKSTAT, 1), 1);
        // One segment was sent or received.
        let moved = SNMP.replace(" 6734 ", " 6735 ");
        assert_eq!(tick(&moved, SOCKSTAT, 2), 2);
        // Other protocols change all the time.
        assert_eq!(
            tick(&moved.replace("Ip: 1 64 100", "Ip: 1 64 101"), &SOCKSTAT.replace("UDP: inuse 9", "UDP: inuse 8"), 3),
            2
        );
        // One socket fewer.
        assert_eq!(tick(&moved, &SOCKSTAT.replace("inuse 38", "inuse 37"), 4), 3);
        assert_eq!(tick(&moved, &SOCKSTAT.replace("inuse 38", "inuse 37"), 33), 3);
        assert_eq!(tick(&moved, &SOCKSTAT.replace("inuse 38", "inuse 37"), 34), 4, "counted again after 30 s");
        // Without the lines it is unknown whether anything changed.
        assert_eq!((tick("", "", 35), tick("", "", 36)), (5, 6));
    }
}
