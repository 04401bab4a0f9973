//! A device's name, stored inline: rows are built at every tick, and a `String` would be an allocation per row.

use std::fmt;

/// Enough bytes for every name: an interface has at most 15, a disk 31 and its partition a few digits more.
const CAPACITY: usize = 47;

/// The name of an interface, a block device or a process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name {
    length: u8,
    bytes: [u8; CAPACITY],
}

impl Name {
    /// `None` if the word is empty or longer than any name. Bytes that are not UTF-8 become `?`.
    pub fn new(word: &[u8]) -> Option<Name> {
        let mut bytes = [0; CAPACITY];
        if word.is_empty() {
            return None;
        }
        bytes.get_mut(..word.len())?.copy_from_slice(word);
        if std::str::from_utf8(word).is_err() {
            bytes.iter_mut().filter(|b| !b.is_ascii()).for_each(|b| *b = b'?');
        }
        Some(Name { length: word.len() as u8, bytes })
    }

    /// The value for no name.
    pub const UNKNOWN: Name = {
        let mut bytes = [0; CAPACITY];
        bytes[0] = b'?';
        Name { length: 1, bytes }
    };

    pub fn as_str(&self) -> &str {
        // Both fallbacks are unreachable: `new` is the only way to create a name.
        self.bytes.get(..self.length.into()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("?")
    }
}

impl Default for Name {
    fn default() -> Self {
        Name::UNKNOWN
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(Name::new(b"eth0").unwrap().as_str(), "eth0");
        assert_eq!(Name::new("wlän0".as_bytes()).unwrap().as_str(), "wlän0");
        assert_eq!(Name::new(b"et\xffh").unwrap().as_str(), "et?h");
        assert_eq!(Name::new(b""), None);
        assert_eq!(Name::new(&[b'a'; 47]).unwrap().as_str().len(), 47);
        assert_eq!(Name::new(&[b'a'; 48]), None);
    }
}
