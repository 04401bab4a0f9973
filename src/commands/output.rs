//! What goes to standard output.

use std::io::{self, Write};

use crate::printable;

/// A page or JSON for whoever reads. What is left in it of characters that a terminal would act on is written out, in the way of
/// JSON, so that JSON keeps its values.
pub fn write_all(out: &mut dyn Write, text: &str) -> anyhow::Result<()> {
    write_as_it_is(out, &printable::json(text))
}

/// Data for programs. A reader that has seen enough (`| head`) is no error.
pub fn write_as_it_is(out: &mut dyn Write, text: &str) -> anyhow::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|e| anyhow::Error::new(e).context("cannot write to standard output")),
    }
}
