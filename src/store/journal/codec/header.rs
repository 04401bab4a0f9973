//! Repeated headers.

use super::numbers::{Bytes, put, put_text};

/// Appends the payload of a frame that repeats the journal's header: a full frame without rows and with one text, the
/// header. A reader that does not know about repeated headers ignores it.
pub fn repeat_header(header: &str, out: &mut Vec<u8>) {
    // Full, tick 0, no time, no phase, one text.
    out.extend_from_slice(&[1, 0, 0, 0, 0, 1]);
    put_text(out, header);
    put(out, 0);
}

/// The header, if this payload repeats it.
pub fn repeated_header(payload: &[u8]) -> Option<&str> {
    let mut bytes = Bytes(payload);
    // Full, tick, time, phase, texts.
    let [full, _, _, _, _, texts] = std::array::from_fn(|_| bytes.number().ok());
    let length = bytes.count().ok().filter(|_| full == Some(1) && texts > Some(0))?;
    let text = std::str::from_utf8(bytes.take(length).ok()?).ok()?;
    text.starts_with("{\"version\":").then_some(text)
}
