//! Parses `/proc/net/softnet_stat`: a line per online CPU, with numbers in base 16.
//!
//! Fields of a line, from 0: 0 packets processed, 1 dropped, 2 times squeezed, 9 received for RPS (since 2.6.35), 10
//! limited flows (since 3.11), 11 length of the backlog and 12 number of the CPU (both since 5.10). Before, the lines
//! only follow the order of the CPUs.

use super::rows::{CpuRow, Packets};
use crate::linux::possible::count;
use crate::linux::scan::{lines, words};

/// The number of the field with the number of the CPU.
const CPU: usize = 12;
const FIELDS: usize = CPU + 1;

/// Fills the packets of the rows, which are sorted by CPU.
pub fn parse(text: &[u8], rows: &mut [CpuRow]) {
    // A CPU may have come or gone since the list of CPUs was read: then it is unknown whose lines these are.
    let is_one_per_row = lines(text).count() == rows.len();
    for (i, line) in lines(text).enumerate() {
        let mut fields = [None; FIELDS];
        fields.iter_mut().zip(words(line)).for_each(|(field, word)| *field = hexadecimal(word));
        let [processed, dropped, squeezed, _, _, _, _, _, _, received_rps, flow_limited, backlog, cpu] = fields;
        let row = match cpu {
            Some(cpu) => {
                rows.binary_search_by_key(&cpu, |row| row.cpu.into()).ok().and_then(|place| rows.get_mut(place))
            }
            None if is_one_per_row => rows.get_mut(i),
            None => None,
        };
        if let Some(row) = row {
            row.packets = Packets { processed, dropped, squeezed, received_rps, flow_limited, backlog: count(backlog) };
        }
    }
}

/// A number in base 16 that fills the word, of at most 16 digits.
fn hexadecimal(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 16 {
        return None;
    }
    word.iter().try_fold(0, |sum, digit| Some(sum << 4 | u64::from(char::from(*digit).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_base_16() {
        assert_eq!(hexadecimal(b"0001deee"), Some(122_606));
        assert_eq!(hexadecimal(b"ffffffff"), Some(4_294_967_295));
        assert_eq!(hexadecimal(b"ffffffffffffffff"), Some(u64::MAX));
        for bad in ["", "g", "-1", "+1", "0x1", "10000000000000000", "\u{e4}"] {
            assert_eq!(hexadecimal(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
