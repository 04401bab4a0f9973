//! Sockets in use and fragments in memory, from `/proc/net/sockstat` or `sockstat6`.

use crate::linux::possible::count;
use crate::linux::scan::{lines, number, words};

/// The values of one of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InUse {
    pub tcp: Option<u64>,
    pub udp: Option<u64>,
    pub raw: Option<u64>,
    pub fragments: Option<u64>,
    pub fragment_bytes: Option<u64>,
}

impl InUse {
    /// Lines such as `TCP: inuse 5 orphan 0 tw 2 alloc 7 mem 1`, or `TCP6: inuse 5`.
    pub fn parse(text: &[u8]) -> InUse {
        let mut found = InUse::default();
        for line in lines(text) {
            let mut words = words(line);
            let Some(name) = words.next() else { continue };
            let (place, mut other) = match name {
                b"TCP:" | b"TCP6:" => (&mut found.tcp, None),
                b"UDP:" | b"UDP6:" => (&mut found.udp, None),
                b"RAW:" | b"RAW6:" => (&mut found.raw, None),
                b"FRAG:" | b"FRAG6:" => (&mut found.fragments, Some(&mut found.fragment_bytes)),
                _ => continue,
            };
            while let (Some(key), Some(value)) = (words.next(), words.next()) {
                match (key, &mut other) {
                    (b"inuse", _) => *place = count(number(value)),
                    (b"memory", Some(bytes)) => **bytes = number(value),
                    _ => {}
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files() {
        let v4 = "\
sockets: used 294
TCP: inuse 38 orphan 1 tw 52 alloc 40 mem 5
UDP: inuse 9 mem 3
UDPLITE: inuse 7
RAW: inuse 1
FRAG: inuse 3 memory 9216
";
        let expected =
            InUse { tcp: Some(38), udp: Some(9), raw: Some(1), fragments: Some(3), fragment_bytes: Some(9216) };
        assert_eq!(InUse::parse(v4.as_bytes()), expected);
        let v6 = "TCP6: inuse 5\nUDP6: inuse 4\nUDPLITE6: inuse 7\nRAW6: inuse 2\nFRAG6: inuse 0 memory 0\n";
        let expected = InUse { tcp: Some(5), udp: Some(4), raw: Some(2), fragments: Some(0), fragment_bytes: Some(0) };
        assert_eq!(InUse::parse(v6.as_bytes()), expected);
    }

    #[test]
    fn damage_gives_no_values() {
        for text in ["", "TCP", "TCP: inuse", "TCP: inuse -1", "UDP: memory 5", "FRAG:"] {
            assert_eq!(InUse::parse(text.as_bytes()), InUse::default(), "{text:?}");
        }
    }
}
