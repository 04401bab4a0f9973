//! Encodes a tick: each value as its difference from the same position in the previous block of its table.
//!
//! Most values do not change from one second to the next, and an unchanged value takes one byte. Payload:
//!
//! ```text
//! restart                                    1: a full frame; discard all earlier state
//! tick, Δts_us, Δmono_ns, phase             variable-length integers; Δ against the previous frame, zigzag
//! texts: count, then length and bytes       texts that are new in this journal; ids count up from 0
//! blocks: count, then for each block
//!   table, flags [Δts_us against the tick] [elapsed_s as f64]
//!   rows, length of the cells in bytes, cells row by row
//! ```
//!
//! A cell is 0 for null, otherwise 1 + zigzag(word − previous word at that position). A word is the integer, the id of
//! the text, or 0 or 1; for a float, its bits XOR the previous bits in reversed byte order, so that an unchanged value
//! is 0 and a value with few digits is small.
//!
//! A damaged frame makes the following frames unreadable, up to the next full one. So the encoder writes a full frame
//! whenever the journal has grown by `FULL_EVERY` times the size of the last full frame: this costs less than 1 % of
//! the bytes.

mod decoder;
mod encoder;
mod header;
mod numbers;

#[cfg(test)]
mod tests;

pub use decoder::{Decoded, Decoder, Malformed};
pub use encoder::Encoder;
pub use header::{repeat_header, repeated_header};

/// Number and time of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickStamp {
    pub number: u64,
    /// Wall clock at the start of the tick, microseconds since the epoch.
    pub ts_us: i64,
    /// `CLOCK_MONOTONIC` at the start of the tick.
    pub mono_ns: u64,
}

/// Can this payload be read without the frames before it?
pub fn is_full(payload: &[u8]) -> bool {
    payload.first() == Some(&1)
}

/// Flags of a block: it has its own `ts_us`, and its own `elapsed_s`.
const OWN_TS: u8 = 1;
const OWN_ELAPSED: u8 = 2;

/// The words of the previous block of the table. A missing position counts as 0.
#[derive(Clone, Default)]
struct Previous(Vec<u64>);

impl Previous {
    fn at(&mut self, i: usize) -> &mut u64 {
        if i >= self.0.len() {
            self.0.resize(i + 1, 0);
        }
        &mut self.0[i]
    }
}
