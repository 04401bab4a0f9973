//! Pairs of lines, names above and values below, as in `/proc/net/snmp` and `/proc/net/netstat`.
//!
//! ```text
//! Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens
//! Tcp: 1 200 120000 -1 60
//! ```
//! The names differ between kernels but not between ticks. So the positions of the wanted names are looked up once and
//! kept as long as the line of names stays the same.

use crate::linux::scan::{number, words};

/// `N` wanted values from one pair of lines.
pub struct Pairs<const N: usize> {
    /// What both lines begin with, for example `Tcp:`.
    prefix: &'static [u8],
    names: [&'static [u8]; N],
    /// The last line of names, its position, and for each wanted name in it: its place in the line and in `names`,
    /// sorted.
    header: Vec<u8>,
    header_at: usize,
    places: Vec<(usize, usize)>,
}

impl<const N: usize> Pairs<N> {
    pub fn new(prefix: &'static [u8], names: [&'static [u8]; N]) -> Self {
        Pairs { prefix, names, header: Vec::new(), header_at: 0, places: Vec::new() }
    }

    /// The wanted values in the order of the names; a value is `None` if this kernel does not have the name. Returns
    /// `None` if the text has no such pair of lines.
    pub fn read(&mut self, text: &[u8]) -> Option<[Option<u64>; N]> {
        let same = text.get(self.header_at..).is_some_and(|t| t.starts_with(&self.header)) && !self.header.is_empty();
        if !same {
            self.learn(text)?;
        }
        let values = text.get(self.header_at + self.header.len()..)?.strip_prefix(self.prefix)?;
        let mut found = [None; N];
        let mut places = self.places.iter();
        let mut next = places.next();
        for (place, word) in words(first_line(values)).enumerate() {
            let Some((wanted, name)) = next else { break };
            if place == *wanted {
                if let Some(value) = found.get_mut(*name) {
                    *value = number(word);
                }
                next = places.next();
            }
        }
        Some(found)
    }

    fn learn(&mut self, text: &[u8]) -> Option<()> {
        let mut at = 0;
        let line = loop {
            let line = text.get(at..)?.split_inclusive(|b| *b == b'\n').next()?;
            if line.starts_with(self.prefix) {
                break line;
            }
            at += line.len();
        };
        // Kept with its line end; otherwise half a line would match the whole one later.
        if !line.ends_with(b"\n") {
            return None;
        }
        self.header_at = at;
        // The line of names may be at another position now and be the same.
        if line != self.header {
            self.header.clear();
            self.header.extend_from_slice(line);
            let names = first_line(line).get(self.prefix.len()..)?;
            let place = |wanted: &[u8]| words(names).position(|name| name == wanted);
            self.places.clear();
            self.places.extend(self.names.iter().enumerate().filter_map(|(i, wanted)| Some((place(wanted)?, i))));
            self.places.sort_unstable();
        }
        Some(())
    }
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|b| *b == b'\n').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SNMP: &str = "\
Ip: Forwarding DefaultTTL
Ip: 2 64
TcpLike: ActiveOpens
TcpLike: 1
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens CurrEstab
Tcp: 1 200 120000 -1 60 2 47
Udp: ActiveOpens
Udp: 99
";

    fn pairs() -> Pairs<3> {
        Pairs::new(b"Tcp:", [b"CurrEstab", b"ActiveOpens", b"OutRsts"])
    }

    #[test]
    fn values_are_below_their_names() {
        let mut pairs = pairs();
        assert_eq!(pairs.read(SNMP.as_bytes()), Some([Some(47), Some(60), None]));
        assert_eq!(pairs.read(SNMP.as_bytes()), Some([Some(47), Some(60), None]), "from the cache");
    }

    #[test]
    fn preceding_lines_may_grow_and_names_may_change() {
        let mut pairs = pairs();
        pairs.read(SNMP.as_bytes()).unwrap();
        let moved = SNMP.replace("2 64", "2 255").replace(" 47\n", " 48\n");
        assert_eq!(pairs.read(moved.as_bytes()), Some([Some(48), Some(60), None]));
        let other = "Tcp: OutRsts ActiveOpens\nTcp: 7 8\n";
        assert_eq!(pairs.read(other.as_bytes()), Some([None, Some(8), Some(7)]));
        assert_eq!(pairs.read(SNMP.as_bytes()), Some([Some(47), Some(60), None]));
    }

    #[test]
    fn names_with_a_common_prefix_are_different_names() {
        let text = "Tcp: ActiveOpensX XActiveOpens ActiveOpens\nTcp: 1 2 3\n";
        assert_eq!(pairs().read(text.as_bytes()), Some([None, Some(3), None]));
    }

    #[test]
    fn damage_gives_no_values() {
        for text in ["", "\n", "Tcp:", "Tcp: ActiveOpens\n", "Tcp: ActiveOpens\nUdp: 1\n", "Ip: 1\nIp: 2\n"] {
            assert_eq!(pairs().read(text.as_bytes()), None, "{text:?}");
        }
        // What was learned from damaged text is not kept.
        let mut pairs = pairs();
        assert_eq!(pairs.read(b"Tcp: Curr"), None);
        assert_eq!(pairs.read(SNMP.as_bytes()), Some([Some(47), Some(60), None]));
        let mut pairs = self::pairs();
        // Torn in the middle of the values, or a value that is not a number.
        assert_eq!(pairs.read(b"Tcp: CurrEstab ActiveOpens\nTcp: 5"), Some([Some(5), None, None]));
        assert_eq!(pairs.read(b"Tcp: CurrEstab ActiveOpens\nTcp: -5 6\n"), Some([None, Some(6), None]));
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(texts: Vec<Vec<u8>>, lines in "(Tcp: [A-Za-z0-9 ]{0,20}\n?|ActiveOpens|[ -~]|\n){0,12}") {
            let mut pairs = pairs();
            for text in &texts {
                pairs.read(text);
            }
            pairs.read(lines.as_bytes());
            pairs.read(SNMP.as_bytes());
            pairs.read(lines.as_bytes());
        }
    }
}
