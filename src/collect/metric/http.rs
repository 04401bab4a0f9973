//! One request of HTTP/1.1 and its answer, as far as reading metrics needs it: no redirects, no compression, no encryption.

use std::io::{self, ErrorKind, Read, Write};

/// Maximum size of what is read from a program.
pub const MOST_BYTES: usize = 16 << 20;
/// Maximum size of the lines before the body.
const MOST_HEAD: usize = 64 << 10;
/// What is read at once.
const PIECE: usize = 64 << 10;

pub fn too_large() -> String {
    format!("the answer is larger than {} MiB", MOST_BYTES >> 20)
}

/// Asks for `path`, and reads the whole answer. `may_be_plain`: the program may also send text at once, without HTTP.
///
/// # Errors
/// Why there is no whole answer with status 200.
pub fn get(stream: &mut (impl Read + Write), host: &str, path: &str, may_be_plain: bool) -> Result<Vec<u8>, String> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: perfwatch\r\nConnection: close\r\n\
         Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.9\r\n\r\n"
    );
    if let Err(error) = stream.write_all(request.as_bytes()) {
        // A program that sends its text at once may not read, and may be gone.
        if !(may_be_plain && is_closed(&error)) {
            return Err(said(&error));
        }
    }
    let mut reader = Reader { stream, bytes: Vec::new(), is_over: false, may_be_plain };
    let mut searched: usize = 0;
    let end = loop {
        if may_be_plain && !could_be_http(&reader.bytes) {
            reader.all()?;
            return Ok(reader.bytes);
        }
        let rest = reader.bytes.get(searched..).unwrap_or_default();
        if let Some(at) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            break searched + at + 4;
        }
        searched = reader.bytes.len().saturating_sub(3);
        if reader.bytes.len() > MOST_HEAD {
            return Err("not an answer of HTTP".into());
        }
        if !reader.more()? {
            return match (reader.bytes.as_slice(), may_be_plain) {
                (b"", _) => Err("the connection was closed without an answer".into()),
                _ => Err("the answer ends before its text".into()),
            };
        }
    };
    let head = Head::parse(reader.bytes.get(..end).unwrap_or_default())?;
    reader.bytes.drain(..end);
    match head {
        Head { is_chunked: true, .. } => reader.chunks(),
        Head { length: Some(length), .. } => reader.exactly(length),
        Head { length: None, .. } => {
            reader.all()?;
            Ok(reader.bytes)
        }
    }
}

/// Does the beginning of an answer look like HTTP so far?
fn could_be_http(bytes: &[u8]) -> bool {
    const HTTP: &[u8] = b"HTTP/";
    bytes.iter().zip(HTTP).all(|(a, b)| a == b)
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

/// An error as a sentence.
pub fn said(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "no whole answer in time".into(),
        _ => error.to_string(),
    }
}

/// What the lines before the body say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    length: Option<usize>,
    is_chunked: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Head, String> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap_or_default();
        let (version, status) = status.split_once(' ').unwrap_or_default();
        if !version.starts_with("HTTP/1.") {
            return Err("not an answer of HTTP/1".into());
        }
        let code = status.split(' ').next().unwrap_or_default();
        if code != "200" {
            let shown: String = status.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(format!("the server answers {shown}"));
        }
        let mut head = Head::default();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "content-length" => {
                    head.length = Some(value.parse().map_err(|_| "the length of the answer is not a number")?);
                }
                "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => head.is_chunked = true,
                "transfer-encoding" | "content-encoding" if !value.eq_ignore_ascii_case("identity") => {
                    return Err("the answer has an encoding that was not asked for".into());
                }
                _ => {}
            }
        }
        Ok(head)
    }
}

/// Reads an answer piece by piece.
struct Reader<'s, S> {
    stream: &'s mut S,
    bytes: Vec<u8>,
    is_over: bool,
    may_be_plain: bool,
}

impl<S: Read> Reader<'_, S> {
    /// Reads more; false at the end.
    fn more(&mut self) -> Result<bool, String> {
        if self.is_over {
            return Ok(false);
        }
        if self.bytes.len() > MOST_BYTES {
            return Err(too_large());
        }
        let before = self.bytes.len();
        self.bytes.resize(before + PIECE, 0);
        let read = loop {
            match self.stream.read(self.bytes.get_mut(before..).unwrap_or_default()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A program that did not read the request closes its socket with an error, after its text.
                Err(error) if self.may_be_plain && is_closed(&error) => break Ok(0),
                other => break other,
            }
        };
        self.bytes.truncate(before + read.as_ref().copied().unwrap_or(0));
        let read = read.map_err(|error| said(&error))?;
        self.is_over = read == 0;
        Ok(read > 0)
    }

    fn all(&mut self) -> Result<(), String> {
        while self.more()? {}
        if self.bytes.len() > MOST_BYTES { Err(too_large()) } else { Ok(()) }
    }

    fn exactly(mut self, length: usize) -> Result<Vec<u8>, String> {
        if length > MOST_BYTES {
            return Err(too_large());
        }
        while self.bytes.len() < length {
            if !self.more()? {
                return Err(format!("the answer ends after {} of {length} bytes", self.bytes.len()));
            }
        }
        self.bytes.truncate(length);
        Ok(self.bytes)
    }

    /// A body in chunks: the length as a hexadecimal number and a line break before each, zero at the end.
    fn chunks(mut self) -> Result<Vec<u8>, String> {
        let cut = || "the answer ends in the middle".to_string();
        let wrong = || "the answer has chunks without a length".to_string();
        let mut body: Vec<u8> = Vec::new();
        let mut at = 0;
        loop {
            let line = loop {
                let rest = self.bytes.get(at..).unwrap_or_default();
                match rest.windows(2).position(|window| window == b"\r\n") {
                    Some(end) => break rest.get(..end).unwrap_or_default(),
                    None if rest.len() > 1024 => return Err(wrong()),
                    None if !self.more()? => return Err(cut()),
                    None => {}
                }
            };
            let text = std::str::from_utf8(line).map_err(|_| wrong())?;
            let length = text.split(';').next().unwrap_or_default().trim();
            let length =
                usize::from_str_radix(length, 16).ok().filter(|_| !length.starts_with('+')).ok_or_else(wrong)?;
            if length > MOST_BYTES || body.len() + length > MOST_BYTES {
                return Err(too_large());
            }
            if length == 0 {
                return Ok(body);
            }
            let from = at + line.len() + 2;
            while self.bytes.len() < from + length + 2 {
                if !self.more()? {
                    return Err(cut());
                }
            }
            body.extend_from_slice(self.bytes.get(from..from + length).unwrap_or_default());
            // What was taken makes room; a server may send one byte per chunk.
            at = from + length + 2;
            if at > PIECE {
                self.bytes.drain(..at);
                at = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection whose other end sends these pieces.
    struct Fake {
        sent: Vec<u8>,
        pieces: Vec<Vec<u8>>,
        at_the_end: Option<ErrorKind>,
        refuses: bool,
    }

    impl Read for Fake {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.pieces.first_mut() else {
                return self.at_the_end.map_or(Ok(0), |kind| Err(kind.into()));
            };
            let read = piece.len().min(into.len());
            into[..read].copy_from_slice(&piece[..read]);
            piece.drain(..read);
            if piece.is_empty() {
                self.pieces.remove(0);
            }
            Ok(read)
        }
    }

    impl Write for Fake {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.refuses {
                return Err(ErrorKind::BrokenPipe.into());
            }
            self.sent.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn fake(pieces: &[&[u8]]) -> Fake {
        let pieces = pieces.iter().map(|piece| piece.to_vec()).filter(|piece| !piece.is_empty()).collect();
        Fake { sent: Vec::new(), pieces, at_the_end: None, refuses: false }
    }

    /// The answer to a request, in pieces of any size.
    fn answer(text: &str) -> Result<String, String> {
        let got = |size: usize| {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            get(&mut fake(&pieces), "h:1", "/m", false).map(|body| String::from_utf8(body).unwrap())
        };
        let whole = got(usize::MAX);
        assert!([1, 2, 7].into_iter().all(|size| got(size) == whole), "{text}");
        whole
    }

    #[test]
    fn whole_answers() {
        let text = "a 1\nb 2\n";
        let body = || Ok(text.to_string());
        assert_eq!(answer(&format!("HTTP/1.1 200 OK\r\n\r\n{text}")), body());
        assert_eq!(answer(&format!("HTTP/1.0 200\r\nContent-Length: 8\r\n\r\n{text}more")), body());
        let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\na 1\r\n5;x=y\r\n\nb 2\n\r\n0\r\n\r\n";
        assert_eq!(answer(chunks), body());
        let mut stream = fake(&[b"HTTP/1.1 200 OK\r\n\r\n"]);
        assert_eq!(get(&mut stream, "h:1", "/m?a", false), Ok(Vec::new()));
        assert!(stream.sent.starts_with(b"GET /m?a HTTP/1.1\r\nHost: h:1\r\n") && stream.sent.ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn other_answers_are_refused() {
        for (text, why) in [
            ("", "the connection was closed without an answer"),
            ("HTTP/1.1 200 OK\r\n", "the answer ends before its text"),
            ("HTTP/1.1 404 Not Found\r\n\r\n", "the server answers 404 Not Found"),
            ("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "the server answers 302 Found"),
            ("SSH-2.0-OpenSSH\r\n\r\n", "not an answer of HTTP/1"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na 1\n", "the answer ends after 4 of 9 bytes"),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "the length of the answer is not a number"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "the answer is larger than 16 MiB"),
            ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "the answer has an encoding"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na 1", "the answer ends in the middle"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "the answer has chunks without a length"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "the answer is larger"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n", "the answer has chunks without"),
        ] {
            let said = answer(text).unwrap_err();
            assert!(said.starts_with(why), "{text}: {said}");
        }
    }

    #[test]
    fn an_endless_answer_is_refused() {
        let piece = vec![b'x'; 1 << 20];
        let head: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
        let pieces: Vec<&[u8]> = [head].into_iter().chain((0..20).map(|_| piece.as_slice())).collect();
        assert_eq!(get(&mut fake(&pieces), "h", "/", false), Err(too_large()));
        let pieces: Vec<&[u8]> = (0..20).map(|_| piece.as_slice()).collect();
        assert_eq!(get(&mut fake(&pieces), "h", "/", false), Err("not an answer of HTTP".into()));
        assert_eq!(get(&mut fake(&pieces), "h", "/", true), Err(too_large()));
    }

    #[test]
    fn text_without_http_ends_with_the_connection() {
        let plain = |stream: &mut Fake| get(stream, "h", "/", true).map(|body| String::from_utf8(body).unwrap());
        assert_eq!(plain(&mut fake(&[b"a", b" 1\n"])), Ok("a 1\n".into()));
        assert_eq!(plain(&mut fake(&[b"HT", b"ML 1\n"])), Ok("HTML 1\n".into()));
        assert_eq!(plain(&mut fake(&[b"HTTP/1.1 200 OK\r\n\r\na 1\n"])), Ok("a 1\n".into()));
        assert_eq!(plain(&mut fake(&[])), Err("the connection was closed without an answer".into()));
        // It was gone before it could be asked.
        let mut gone = Fake { refuses: true, at_the_end: Some(ErrorKind::ConnectionReset), ..fake(&[b"a 1\n"]) };
        assert_eq!(plain(&mut gone), Ok("a 1\n".into()));
        let mut slow = Fake { at_the_end: Some(ErrorKind::WouldBlock), ..fake(&[b"a 1\n"]) };
        assert_eq!(plain(&mut slow), Err("no whole answer in time".into()));
    }

    proptest::proptest! {
        #[test]
        fn any_answer(text in r#"(HTTP/1.1 200 OK\r\n)?((Content-Length: [0-9]{1,3}|Transfer-Encoding: chunked|\r\n|[0-9a-f]{1,2}|a 1\n){1,3}){0,12}"#) {
            let _ = get(&mut fake(&[text.as_bytes()]), "h", "/", false);
            let _ = get(&mut fake(&[text.as_bytes()]), "h", "/", true);
        }
    }
}
