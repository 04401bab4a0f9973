//! Parses `/proc/net/sockstat` and `sockstat6`.

use crate::linux::possible::count as possible;
use crate::linux::scan::{lines, number, words};

/// The values needed from `sockstat` and `sockstat6`.
#[derive(Debug, Default, PartialEq)]
pub struct Sockstat {
    pub tw: Option<u64>,
    pub mem_pages: Option<u64>,
    pub udp: Option<u64>,
    pub udp6: Option<u64>,
}

impl Sockstat {
    /// Lines such as `TCP: inuse 5 orphan 0 tw 2 alloc 7 mem 1`.
    pub fn parse(text: &[u8]) -> Sockstat {
        let mut found = Sockstat::default();
        for line in lines(text) {
            let mut words = words(line);
            match words.next() {
                Some(b"TCP:") => {
                    while let (Some(key), Some(value)) = (words.next(), words.next()) {
                        match key {
                            b"tw" => found.tw = possible(number(value)),
                            b"mem" => found.mem_pages = possible(number(value)),
                            _ => {}
                        }
                    }
                }
                Some(b"UDP:") => found.udp = inuse(words),
                Some(b"UDP6:") => found.udp6 = inuse(words),
                _ => {}
            }
        }
        found
    }
}

fn inuse<'t>(mut words: impl Iterator<Item = &'t [u8]>) -> Option<u64> {
    words.find(|key| *key == b"inuse")?;
    possible(number(words.next()?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SOCKSTAT, SOCKSTAT6};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sockstat_of_both_families() {
        let v4 = Sockstat::parse(SOCKSTAT.as_bytes());
        assert_eq!(v4, Sockstat { tw: Some(52), mem_pages: Some(5), udp: Some(9), udp6: None });
        assert_eq!(Sockstat::parse(SOCKSTAT6.as_bytes()), Sockstat { udp6: Some(4), ..Sockstat::default() });
        assert_eq!(Sockstat::parse(b"TCP: inuse 1 tw\nUDP:\n"), Sockstat::default());
        // Below zero, and wrapped.
        let wrapped =
            b"TCP: inuse 1 orphan 0 tw 4294967295 alloc 1 mem 18446744073709551615\nUDP: inuse 4294967294 mem 3\n";
        assert_eq!(Sockstat::parse(wrapped), Sockstat::default());
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>, text in "((TCP|UDP|UDP6): |inuse |tw |mem |[0-9]|\n| ){0,20}") {
            Sockstat::parse(&bytes);
            Sockstat::parse(text.as_bytes());
        }
    }
}
