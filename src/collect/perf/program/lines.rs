//! Assembles lines from the chunks of a pipe, which may be cut anywhere.

/// Longer lines are garbage: a row of perf has about a hundred characters, including a thread's name and the terms of a
/// raw event.
const LONGEST: usize = 16 * 1024;

/// Keeps only the unfinished line between two chunks.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
    /// The unfinished line has exceeded the limit: the rest of it is discarded.
    overlong: bool,
}

impl Lines {
    /// Calls `each` with every line that this chunk completes, without its line end; with `None` for an overlong line.
    ///
    /// A last line without an end stays here and is never handed over: perf was killed while writing it.
    pub fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(Option<&[u8]>)) {
        let mut pieces = chunk.split(|b| *b == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let complete = pieces.peek().is_some();
            if self.overlong || self.partial.len() + piece.len() > LONGEST {
                self.overlong = !complete;
                self.partial.clear();
                if complete {
                    each(None);
                }
            } else if !complete {
                self.partial.extend_from_slice(piece);
            } else if self.partial.is_empty() {
                each(Some(piece));
            } else {
                self.partial.extend_from_slice(piece);
                each(Some(&self.partial));
                self.partial.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(chunks: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.feed(chunk, |line| found.push(line.map(<[u8]>::to_vec)));
            assert!(lines.partial.len() <= LONGEST);
        }
        found
    }

    #[test]
    fn lines_cut_anywhere() {
        let expected = [Some(b"one".to_vec()), Some(Vec::new()), Some(b"two".to_vec())];
        assert_eq!(all(&[b"one\n\ntwo\nthr"]), expected);
        assert_eq!(all(&[b"o", b"", b"ne", b"\n", b"\nt", b"wo\nth", b"r"]), expected);
    }

    #[test]
    fn an_endless_line_uses_no_memory() {
        let mib = vec![b'x'; 1 << 20];
        assert_eq!(all(&[&mib, &mib, b"tail\nnext\n"]), [None, Some(b"next".to_vec())]);
        let just = vec![b'y'; LONGEST];
        assert_eq!(all(&[&just, b"\n"]), [Some(just.clone())]);
        assert_eq!(all(&[&just, b"y\nz\n"]), [None, Some(b"z".to_vec())]);
    }

    proptest! {
        #[test]
        fn chunk_borders_change_nothing(text in prop::collection::vec(prop::sample::select(vec![b'a', b'\n', 0xff]), 0..200),
                                   sizes in prop::collection::vec(1usize..20, 1..20)) {
            let (mut chunks, mut rest, mut size) = (Vec::new(), &text[..], sizes.iter().cycle());
            while !rest.is_empty() {
                let (chunk, left) = rest.split_at((*size.next().unwrap()).min(rest.len()));
                chunks.push(chunk);
                rest = left;
            }
            prop_assert_eq!(all(&chunks), all(&[&text]));
        }
    }
}
