//! Standard output.

use std::io::{self, Write};

use crate::text::printable::{self, is_hidden};

/// Writes a page or JSON. Terminal control characters that are still in it are escaped as in JSON, so JSON values stay
/// the same.
pub fn write_all(out: &mut dyn Write, text: &str) -> anyhow::Result<()> {
    write_as_it_is(out, &printable::json(text))
}

/// Writes data for programs. If the reader ends early (`| head`), this is not an error.
pub fn write_as_it_is(out: &mut dyn Write, text: &str) -> anyhow::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|e| anyhow::Error::new(e).context("cannot write to standard output")),
    }
}

/// Text for a terminal: control characters are escaped, in CSV line breaks inside quotes too.
pub struct ForTerminal<'w> {
    out: &'w mut dyn Write,
    is_csv: bool,
    is_quoted: bool,
    /// The incomplete UTF-8 sequence at the end of what was written.
    begun: Vec<u8>,
}

impl<'w> ForTerminal<'w> {
    pub fn csv(out: &'w mut dyn Write) -> Self {
        ForTerminal { out, is_csv: true, is_quoted: false, begun: Vec::new() }
    }

    /// Lines of JSON or of another text without line breaks in values. The values of JSON stay the same.
    pub fn lines(out: &'w mut dyn Write) -> Self {
        ForTerminal { is_csv: false, ..ForTerminal::csv(out) }
    }
}

impl Write for ForTerminal<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.begun) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&self.begun[..error.valid_up_to()]).unwrap_or_default(),
        };
        let mut shown = String::with_capacity(whole.len());
        if !self.is_csv {
            shown.push_str(&printable::json(whole));
        }
        for c in whole.chars().filter(|_| self.is_csv) {
            self.is_quoted ^= c == '"';
            if is_hidden(c) && (c != '\n' || self.is_quoted) {
                shown.extend(c.escape_default());
            } else {
                shown.push(c);
            }
        }
        let length = whole.len();
        self.out.write_all(shown.as_bytes())?;
        self.begun.drain(..length);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_for_a_terminal_has_no_control_characters() {
        let csv = "ts,mountpoint\n1,\"/a\u{1b}[2J\nFORGED \"\"x\"\"\"\n2,/\u{e4}\u{9b}\u{202e}z\n";
        let shown = "ts,mountpoint\n1,\"/a\\u{1b}[2J\\nFORGED \"\"x\"\"\"\n2,/\u{e4}\\u{9b}\\u{202e}z\n";
        // For any split of the input.
        for size in [1, 2, 3, 100] {
            let mut out = Vec::new();
            let mut writer = ForTerminal::csv(&mut out);
            csv.as_bytes().chunks(size).for_each(|part| writer.write_all(part).unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), shown, "{size}");
        }
    }
}
