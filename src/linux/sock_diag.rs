//! TCP sockets counted by state, from a dump over netlink. Source: `NETLINK_SOCK_DIAG`, described in `sock_diag(7)`.
//!
//! `/proc/net/tcp` and `tcp6` report the same at twenty times the cost: for each, the kernel walks the whole table of
//! sockets and prints them all. Here the kernel filters by state, and the old form of the request (`TCPDIAG_GETSOCK`)
//! returns IPv4 and IPv6 in one walk. The messages are counted in the buffer.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

/// A TCP state as the kernel numbers it (`include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpState {
    SynSent = 2,
    SynRecv = 3,
    FinWait1 = 4,
    FinWait2 = 5,
    CloseWait = 8,
    LastAck = 9,
    Listen = 10,
    Closing = 11,
}

/// All states that are requested: not ESTABLISHED and TIME_WAIT, which are numerous and counted elsewhere. Handshakes
/// that are still requests (NEW_SYN_RECV) belong to SYN_RECV here, as in the answers.
const ASKED: [TcpState; 8] = [
    TcpState::SynSent,
    TcpState::SynRecv,
    TcpState::FinWait1,
    TcpState::FinWait2,
    TcpState::CloseWait,
    TcpState::LastAck,
    TcpState::Listen,
    TcpState::Closing,
];

/// The number of sockets in each state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpStates {
    by_state: [u64; 16],
    /// Sockets in FIN_WAIT2 that no process holds any more. The kernel stores them like TIME_WAIT, and counts them
    /// there in `/proc/net/sockstat`.
    pub fin_wait2_orphans: u64,
}

impl TcpStates {
    pub fn of(&self, state: TcpState) -> u64 {
        self.by_state.get(state as usize).copied().unwrap_or(0)
    }

    #[cfg(test)]
    pub fn for_test(counts: &[(TcpState, u64)], fin_wait2_orphans: u64) -> TcpStates {
        let mut states = TcpStates { fin_wait2_orphans, ..TcpStates::default() };
        for (state, count) in counts {
            states.by_state[*state as usize] = *count;
        }
        states
    }
}

/// Why there is no count.
#[derive(Debug, thiserror::Error)]
pub enum DiagError {
    #[error("no sock_diag socket: {0}")]
    Socket(io::Error),
    #[error("sock_diag refused: {0}")]
    Refused(io::Error),
    #[error("sock_diag sent a truncated answer")]
    Truncated,
    #[error("the sockets changed while sock_diag listed them")]
    Interrupted,
    #[error("sock_diag ended its answer early")]
    Ended,
}

/// Where requests go and messages come from: the kernel, or a test.
pub trait Channel: Send {
    /// # Errors
    /// If the request cannot be sent.
    fn send(&mut self, request: &[u8]) -> io::Result<()>;
    /// The next datagram and its true length, which is larger than the buffer if it did not fit.
    ///
    /// # Errors
    /// If there is none.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
}

/// The kernel fills one datagram up to this size, regardless of the buffer.
const BUFFER: usize = 32 * 1024;

/// A channel for repeated requests.
pub struct SockDiag<C> {
    channel: C,
    buffer: Vec<u8>,
    sequence: u32,
}

impl<C: Channel> SockDiag<C> {
    pub fn new(channel: C) -> Self {
        SockDiag { channel, buffer: vec![0; BUFFER], sequence: 0 }
    }

    /// Counts the sockets of both families.
    ///
    /// # Errors
    /// After any error the channel may contain the rest of an answer: open a new one.
    pub fn count(&mut self) -> Result<TcpStates, DiagError> {
        self.sequence = self.sequence.wrapping_add(1);
        self.channel.send(&request(self.sequence)).map_err(DiagError::Socket)?;
        let mut states = TcpStates::default();
        loop {
            let length = self.channel.receive(&mut self.buffer).map_err(DiagError::Socket)?;
            let datagram = self.buffer.get(..length).ok_or(DiagError::Truncated)?;
            if datagram.is_empty() {
                return Err(DiagError::Ended);
            }
            if count_messages(datagram, self.sequence, &mut states)? {
                return Ok(states);
            }
        }
    }
}

/// Lengths and numbers of `linux/netlink.h` and `linux/inet_diag.h`.
mod abi {
    pub const HEADER: usize = 16;
    /// `struct inet_diag_req`, the old request.
    pub const REQUEST: usize = 60;
    /// Offset of its mask of states.
    pub const REQUEST_STATES: usize = 52;
    /// `struct inet_diag_msg`: family, state, timer, then fields that are not used here.
    pub const ANSWER: usize = 72;
    pub const ANSWER_STATE: usize = 1;
    pub const ANSWER_TIMER: usize = 2;
    /// The timer of a socket that waits for its end without an owner.
    pub const TIMER_TIME_WAIT: u8 = 3;

    pub const NLMSG_ERROR: u16 = 2;
    pub const NLMSG_DONE: u16 = 3;
    pub const NLMSG_OVERRUN: u16 = 4;
    pub const TCPDIAG_GETSOCK: u16 = 18;
    pub const NLM_F_REQUEST: u16 = 0x1;
    pub const NLM_F_DUMP_INTR: u16 = 0x10;
    pub const NLM_F_DUMP: u16 = 0x300;
}

#[cfg_attr(not(test), allow(clippy::indexing_slicing, reason = "offsets and lengths are constants"))]
fn request(sequence: u32) -> [u8; abi::HEADER + abi::REQUEST] {
    let mut bytes = [0; abi::HEADER + abi::REQUEST];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    let mask = ASKED.iter().fold(0u32, |mask, state| mask | 1 << *state as u32);
    put(0, &((abi::HEADER + abi::REQUEST) as u32).to_ne_bytes());
    put(4, &abi::TCPDIAG_GETSOCK.to_ne_bytes());
    put(6, &(abi::NLM_F_REQUEST | abi::NLM_F_DUMP).to_ne_bytes());
    put(8, &sequence.to_ne_bytes());
    put(abi::HEADER, &[libc::AF_INET as u8]);
    put(abi::HEADER + abi::REQUEST_STATES, &mask.to_ne_bytes());
    bytes
}

/// Counts the messages of one datagram; true after the last message of the answer.
fn count_messages(mut rest: &[u8], sequence: u32, states: &mut TcpStates) -> Result<bool, DiagError> {
    while !rest.is_empty() {
        let header = Header::read(rest).ok_or(DiagError::Truncated)?;
        let message = rest.get(..header.length).filter(|m| m.len() >= abi::HEADER).ok_or(DiagError::Truncated)?;
        let body = message.get(abi::HEADER..).unwrap_or_default();
        // Messages are padded to four bytes, except sometimes the last one of a datagram.
        rest = rest.get(header.length.next_multiple_of(4)..).unwrap_or(&[]);
        if header.sequence != sequence {
            continue;
        }
        if header.flags & abi::NLM_F_DUMP_INTR != 0 {
            return Err(DiagError::Interrupted);
        }
        match header.kind {
            abi::NLMSG_DONE => return refusal(body).map_or(Ok(true), Err),
            abi::NLMSG_ERROR => return Err(refusal(body).unwrap_or(DiagError::Ended)),
            abi::NLMSG_OVERRUN => return Err(DiagError::Truncated),
            abi::TCPDIAG_GETSOCK => {
                let (Some(state), Some(timer), true) =
                    (body.get(abi::ANSWER_STATE), body.get(abi::ANSWER_TIMER), body.len() >= abi::ANSWER)
                else {
                    return Err(DiagError::Truncated);
                };
                if let Some(count) = states.by_state.get_mut(usize::from(*state)) {
                    *count += 1;
                }
                if *state == TcpState::FinWait2 as u8 && *timer == abi::TIMER_TIME_WAIT {
                    states.fin_wait2_orphans += 1;
                }
            }
            _ => {}
        }
    }
    Ok(false)
}

/// The error at the end of a message: a negative errno, or zero for none.
fn refusal(body: &[u8]) -> Option<DiagError> {
    let code = i32::from_ne_bytes(body.get(..4)?.try_into().ok()?);
    (code != 0).then(|| DiagError::Refused(io::Error::from_raw_os_error(code.saturating_neg())))
}

/// `struct nlmsghdr`.
struct Header {
    length: usize,
    kind: u16,
    flags: u16,
    sequence: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Header> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (sequence, _) = rest.split_first_chunk()?;
        Some(Header {
            length: u32::from_ne_bytes(*length) as usize,
            kind: u16::from_ne_bytes(*kind),
            flags: u16::from_ne_bytes(*flags),
            sequence: u32::from_ne_bytes(*sequence),
        })
    }
}

/// The kernel's end, in the network namespace in which it is opened.
pub struct Netlink(OwnedFd);

impl Netlink {
    /// # Errors
    /// If the kernel, or the sandbox around this process, does not have this protocol.
    pub fn open() -> Result<Netlink, DiagError> {
        // The kernel builds an answer while it is requested, so there is never anything to wait for.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG));
        socket.map(Netlink).map_err(|error| DiagError::Socket(error.into()))
    }
}

impl Channel for Netlink {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        send(&self.0, request, SendFlags::empty())?;
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (_, length) = recv(&self.0, buffer, RecvFlags::TRUNC)?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// Answers with prepared datagrams, and stores the requests.
    #[derive(Default)]
    struct Script {
        datagrams: VecDeque<Vec<u8>>,
        sent: Vec<Vec<u8>>,
    }

    impl Channel for Script {
        fn send(&mut self, request: &[u8]) -> io::Result<()> {
            self.sent.push(request.to_vec());
            Ok(())
        }
        fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let datagram = self.datagrams.pop_front().ok_or(io::Error::from(io::ErrorKind::WouldBlock))?;
            let fits = datagram.len().min(buffer.len());
            buffer[..fits].copy_from_slice(&datagram[..fits]);
            Ok(datagram.len())
        }
    }

    fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((16 + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(4242u32.to_ne_bytes());
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// A socket: `inet_diag_msg` of 72 bytes, then an attribute of 5 as newer kernels add (INET_DIAG_SHUTDOWN).
    fn socket(state: u8, timer: u8) -> Vec<u8> {
        let mut body = vec![0u8; 72];
        body[0] = if state.is_multiple_of(2) { 2 } else { 10 };
        body[1] = state;
        body[2] = timer;
        body.extend([5, 0, 8, 0, 3]);
        message(18, 2, 1, &body)
    }

    fn done() -> Vec<u8> {
        message(3, 2, 1, &0i32.to_ne_bytes())
    }

    fn answer(datagrams: &[Vec<u8>]) -> Result<TcpStates, DiagError> {
        SockDiag::new(Script { datagrams: datagrams.to_vec().into(), ..Script::default() }).count()
    }

    #[test]
    fn the_request_asks_for_all_but_established_and_time_wait() {
        let mut diag = SockDiag::new(Script { datagrams: [done()].into(), ..Script::default() });
        diag.count().unwrap();
        let sent = &diag.channel.sent[0];
        assert_eq!(sent.len(), 76);
        assert_eq!(sent[..4], 76u32.to_ne_bytes());
        assert_eq!(sent[4..6], 18u16.to_ne_bytes());
        assert_eq!(sent[6..8], 0x301u16.to_ne_bytes());
        // LISTEN 10, CLOSING 11, LAST_ACK 9, CLOSE_WAIT 8, FIN_WAIT 4 and 5, SYN_SENT 2, SYN_RECV 3; not 1, 6 and 7.
        assert_eq!(sent[68..72], 0b1111_0011_1100u32.to_ne_bytes());
    }

    #[test]
    fn sockets_are_counted_over_several_datagrams() {
        let first = [socket(10, 0), socket(10, 0), socket(2, 1)].concat();
        let second = [socket(8, 0), socket(5, 3), socket(5, 2), socket(3, 1)].concat();
        let third = [socket(4, 1), socket(9, 1), socket(11, 0), done()].concat();
        let states = answer(&[first, second, third]).unwrap();
        let counts = ASKED.map(|s| (s, states.of(s)));
        assert_eq!(
            counts,
            [
                (TcpState::SynSent, 1),
                (TcpState::SynRecv, 1),
                (TcpState::FinWait1, 1),
                (TcpState::FinWait2, 2),
                (TcpState::CloseWait, 1),
                (TcpState::LastAck, 1),
                (TcpState::Listen, 2),
                (TcpState::Closing, 1)
            ]
        );
        assert_eq!(states.fin_wait2_orphans, 1);
    }

    #[test]
    fn the_second_answer_starts_from_zero() {
        let again = message(18, 2, 2, &[&[2u8, 10], &[0u8; 70][..]].concat());
        let stale = socket(10, 0);
        let datagrams = [[socket(10, 0), done()].concat(), stale, [again, message(3, 2, 2, &[0; 4])].concat()];
        let mut diag = SockDiag::new(Script { datagrams: datagrams.into(), ..Script::default() });
        assert_eq!(diag.count().unwrap().of(TcpState::Listen), 1);
        assert_eq!(diag.count().unwrap().of(TcpState::Listen), 1, "an answer to another request does not count");
    }

    #[test]
    fn a_refusal_carries_the_kernels_word() {
        let refused = message(2, 0, 1, &[&(-libc::ENOENT).to_ne_bytes()[..], &[0; 16]].concat());
        let error = answer(&[refused]).unwrap_err();
        assert_eq!(error.to_string(), "sock_diag refused: No such file or directory (os error 2)");
        let late = [socket(10, 0), message(3, 2, 1, &(-libc::ENOMEM).to_ne_bytes())].concat();
        assert!(matches!(answer(&[late]), Err(DiagError::Refused(e)) if e.raw_os_error() == Some(libc::ENOMEM)));
        // An acknowledgement instead of an answer.
        assert!(matches!(answer(&[message(2, 0, 1, &[0; 20])]), Err(DiagError::Ended)));
    }

    #[test]
    fn an_answer_that_is_not_whole_is_no_answer() {
        let whole = [socket(10, 0), done()].concat();
        // `socket` has 16 + 77 bytes and 3 of padding; the end begins at 96 and has 16 + 4.
        for cut in 1..whole.len() {
            let result = answer(&[whole[..cut].to_vec()]);
            match cut {
                93..=96 => assert!(matches!(result, Err(DiagError::Socket(_))), "cut at {cut}: the end is missing"),
                _ => assert!(matches!(result, Err(DiagError::Truncated)), "cut at {cut}: {result:?}"),
            }
        }
        assert!(matches!(answer(&[vec![]]), Err(DiagError::Ended)));
        assert!(matches!(answer(&[]), Err(DiagError::Socket(_))));
        assert!(matches!(answer(&[vec![0; BUFFER + 1]]), Err(DiagError::Truncated)));
        assert!(matches!(answer(&[message(18, 2, 1, &[2, 10, 0, 0])]), Err(DiagError::Truncated)));
    }

    #[test]
    fn an_interrupted_dump_is_no_answer() {
        let interrupted = [socket(10, 0), message(3, 2 | 0x10, 1, &[0; 4])].concat();
        assert!(matches!(answer(&[interrupted]), Err(DiagError::Interrupted)));
    }

    #[test]
    fn this_kernel_knows_a_listening_socket() {
        let Ok(netlink) = Netlink::open() else { return };
        let mut diag = SockDiag::new(netlink);
        // Refused in some containers.
        if diag.count().is_err() {
            return;
        }
        let listeners: Vec<_> = (0..20).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let counted = diag.count().unwrap().of(TcpState::Listen);
        assert!(counted >= listeners.len() as u64, "{counted}");
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>, sockets in proptest::collection::vec(any::<(u8, u8)>(), 0..5), at: usize, byte: u8) {
            let _ = answer(std::slice::from_ref(&bytes));
            let mut damaged: Vec<u8> = sockets.iter().flat_map(|(state, timer)| socket(*state, *timer)).chain(done()).collect();
            let at = at % damaged.len();
            damaged[at] = byte;
            let _ = answer(&[damaged]);
        }
    }
}
