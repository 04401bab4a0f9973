//! The different values of a column that has few of them. Their percentiles are found by counting.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::number::Number;

/// The keys of a column in order, and the rank of each key of every list.
#[derive(Debug, Default)]
pub struct Distinct {
    pub keys: Vec<i64>,
    /// The number of each key.
    pub numbers: Vec<f64>,
    pub ranks: Vec<Vec<u16>>,
}

impl Distinct {
    /// `None` if there are too many for a `u16`.
    pub fn new(lists: &[&[i64]], is_float: bool) -> Option<Distinct> {
        let mut ranks: HashMap<i64, u16, BuildHasherDefault<Mix>> = HashMap::default();
        for key in lists.iter().copied().flatten() {
            ranks.insert(*key, 0);
            if ranks.len() > usize::from(u16::MAX) {
                return None;
            }
        }
        let mut keys: Vec<i64> = ranks.keys().copied().collect();
        keys.sort_unstable();
        for (rank, key) in (0..).zip(&keys) {
            ranks.insert(*key, rank);
        }
        let ranks = lists.iter().map(|list| list.iter().map(|key| ranks.get(key).copied().unwrap_or(0)).collect());
        let numbers = keys.iter().map(|key| Number::from_key(*key, is_float).as_f64()).collect();
        Some(Distinct { ranks: ranks.collect(), numbers, keys })
    }
}

/// A simple hash is enough: the number of keys is limited, so hostile keys cannot make this slow.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, n: u64) {
        let product = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }

    fn write_i64(&mut self, n: i64) {
        self.write_u64(n.cast_unsigned());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_and_each_once() {
        let distinct = Distinct::new(&[&[5, -3, 9], &[], &[9, 4096, 5, i64::MIN]], false).unwrap();
        assert_eq!(distinct.keys, [i64::MIN, -3, 5, 9, 4096]);
        assert_eq!(distinct.ranks, [vec![2, 1, 3], vec![], vec![3, 4, 2, 0]]);
        let many: Vec<i64> = (0..70_000).collect();
        assert!(Distinct::new(&[&many], false).is_none());
    }
}
