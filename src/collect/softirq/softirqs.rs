//! Parses `/proc/softirqs`: a line of CPUs, then a line per kind of softirq.
//!
//! The columns are all CPUs that the machine could have, also those that are offline or were never there.

use super::rows::{CpuRow, Kinds};
use crate::linux::scan::{cut_line, lines, number, words};

/// Fills the kinds of the rows, which are sorted by CPU.
pub fn parse(text: &[u8], rows: &mut [CpuRow]) {
    let (header, rest) = cut_line(text);
    let place_of = |cpu: u32| rows.binary_search_by_key(&cpu, |row| row.cpu).ok();
    let places: Vec<Option<usize>> = words(header).map(|word| place_of(cpu(word)?)).collect();
    for line in lines(rest) {
        let mut words = words(line);
        let Some(kind) = words.next().and_then(|name| name.strip_suffix(b":")).and_then(Kinds::place) else { continue };
        for (place, count) in places.iter().zip(words) {
            if let Some(row) = place.and_then(|place| rows.get_mut(place)) {
                *kind(&mut row.kinds) = number(count);
            }
        }
    }
}

/// `CPU17`
fn cpu(word: &[u8]) -> Option<u32> {
    number(word.strip_prefix(b"CPU")?)?.try_into().ok()
}
