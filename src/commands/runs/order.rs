//! The order of the runs. Each block has one run of every side, so that a machine that changes affects all sides. Within
//! a block the order is random: with a fixed one, what a run leaves behind (caches, heat, memory) would always affect the
//! same side.

use chrono::Utc;

use super::side::Side;
use crate::cli::record::Order;
use crate::stats::random::Random;

/// Decides the order of each block.
pub struct Blocks {
    /// None: as given.
    random: Option<Random>,
    pub seed: Option<u64>,
}

impl Blocks {
    /// Without `seed`, another one each time.
    pub fn new(order: Order, seed: Option<u64>) -> Blocks {
        let seed = (order == Order::Random).then(|| seed.unwrap_or_else(new_seed));
        Blocks { random: seed.map(Random::new), seed }
    }

    /// The sides in the order of the next block.
    pub fn next<'s>(&mut self, sides: &'s [Side]) -> Vec<&'s Side> {
        let mut block: Vec<&Side> = sides.iter().collect();
        self.random.iter_mut().for_each(|random| random.shuffle(&mut block));
        block
    }
}

/// Short enough to type.
fn new_seed() -> u64 {
    let now = Utc::now().timestamp_micros().cast_unsigned();
    Random::new(now ^ u64::from(std::process::id()).rotate_left(32)).bits() >> 32
}
