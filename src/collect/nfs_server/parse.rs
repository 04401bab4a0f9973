//! Parses `/proc/net/rpc/nfsd`: lines that begin with a word. Kernels differ in the lines and in how many numbers they
//! have.

use super::operations::LINES;
use crate::linux::scan::{lines, number, words};

/// What the server has done since it was loaded.
#[derive(Debug, Default, PartialEq)]
pub struct Server {
    pub cache_hits: Option<u64>,
    pub cache_misses: Option<u64>,
    pub cache_uncached: Option<u64>,
    pub stale_handles: Option<u64>,
    pub read_bytes: Option<u64>,
    pub write_bytes: Option<u64>,
    pub threads: Option<u64>,
    pub tcp_connections: Option<u64>,
    pub calls: Option<u64>,
    pub bad_calls: Option<u64>,
    pub operations: Vec<Operation>,
}

/// How often an operation occurred.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operation {
    pub version: &'static str,
    pub number: u32,
    pub count: u64,
}

/// Lines such as `rc 0 4711 815`, or `proc3 22 2 300 …`, which begins with the number of its operations.
pub fn parse(text: &[u8]) -> Server {
    let mut server = Server::default();
    for line in lines(text) {
        let mut words = words(line);
        let Some(name) = words.next() else { continue };
        let mut next = || words.next().and_then(number);
        match name {
            b"rc" => [server.cache_hits, server.cache_misses, server.cache_uncached] = [next(), next(), next()],
            b"fh" => server.stale_handles = next(),
            b"io" => [server.read_bytes, server.write_bytes] = [next(), next()],
            b"th" => server.threads = next(),
            // Packets, of them by UDP and by TCP, connections.
            b"net" => [_, _, _, server.tcp_connections] = [next(), next(), next(), next()],
            b"rpc" => [server.calls, server.bad_calls] = [next(), next()],
            name => {
                let Some((_, version)) = LINES.iter().find(|(prefix, _)| *prefix == name) else { continue };
                let Some(length) = next() else { continue };
                let counts = (0..).zip(words.map(number)).take(usize::try_from(length).unwrap_or(0));
                let operations =
                    counts.filter_map(|(number, count)| Some(Operation { version, number, count: count? }));
                server.operations.extend(operations);
            }
        }
    }
    server
}
