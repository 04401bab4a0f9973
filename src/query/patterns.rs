//! The group of every row of a table, as blocks in which the same groups repeat.
//!
//! At most ticks the rows are the same as at the tick before, in the same order. If a table is sorted by entity, many consecutive
//! rows have the same entity. So a day of 64 cores is one block of 64 groups, and turning its columns is like transposing a matrix.

/// Whether the rows of a block are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    Chosen,
    /// In another phase. Counters of the next row still grew from this one.
    OutOfPhase,
    /// Outside the window.
    Skipped,
}

/// Rows whose groups repeat: the pattern, in which each group occurs once, repeated `times` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    start: usize,
    length: usize,
    pub times: usize,
    pub selection: Selection,
}

impl Block {
    pub fn rows(&self) -> usize {
        self.length * self.times
    }
}

#[derive(Debug, Default)]
pub struct Patterns {
    groups: Vec<u32>,
    pub blocks: Vec<Block>,
    /// The block that is being built.
    open: Option<Open>,
    /// The last block that contains each group, as the number of blocks begun by then.
    met: Vec<u32>,
    begun: u32,
}

/// A block to which rows are added.
#[derive(Clone, Copy, Debug)]
struct Open {
    block: Block,
    /// The number of rows in the current repetition; `None` while the pattern is still growing.
    at: Option<usize>,
}

impl Patterns {
    /// The groups of a block's pattern.
    pub fn pattern(&self, block: &Block) -> &[u32] {
        self.groups.get(block.start..block.start + block.length).unwrap_or_default()
    }

    /// Adds a row.
    #[inline]
    pub fn push(&mut self, group: u32, selection: Selection) {
        if let Some(Open { block, at: Some(at) }) = &mut self.open
            && block.selection == selection
            && self.groups.get(block.start + *at) == Some(&group)
        {
            *at += 1;
            if *at == block.length {
                block.times += 1;
                *at = 0;
            }
            return;
        }
        self.change(group, selection);
    }

    fn change(&mut self, group: u32, selection: Selection) {
        if let Some(Open { block, at: at @ None }) = &mut self.open
            && block.selection == selection
        {
            if self.groups.get(block.start) == Some(&group) {
                // The pattern is complete and repeats from here on.
                (block.times, *at) = if block.length == 1 { (2, Some(0)) } else { (1, Some(1)) };
                return;
            }
            if self.met.get(group as usize) != Some(&self.begun) {
                block.length += 1;
                self.add(group);
                return;
            }
        }
        self.close();
        self.begun += 1;
        let start = self.groups.len();
        self.open = Some(Open { block: Block { start, length: 1, times: 1, selection }, at: None });
        self.add(group);
    }

    fn add(&mut self, group: u32) {
        self.groups.push(group);
        let met = group as usize;
        if met >= self.met.len() {
            self.met.resize(met + 1, 0);
        }
        if let Some(met) = self.met.get_mut(met) {
            *met = self.begun;
        }
    }

    /// Ends the block; the next row begins a new one.
    pub fn close(&mut self) {
        let Some(Open { block, at }) = self.open.take() else { return };
        self.blocks.push(block);
        if let Some(length) = at.filter(|at| *at > 0) {
            self.blocks.push(Block { length, times: 1, ..block });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(rows: &[(u32, Selection)]) -> Patterns {
        let mut patterns = Patterns::default();
        rows.iter().for_each(|(group, selection)| patterns.push(*group, *selection));
        patterns.close();
        patterns
    }

    fn unfolded(patterns: &Patterns) -> Vec<(u32, Selection)> {
        let of = |block: &Block| {
            let once = patterns.pattern(block).iter().map(|group| (*group, block.selection));
            once.collect::<Vec<_>>().repeat(block.times)
        };
        patterns.blocks.iter().flat_map(of).collect()
    }

    #[test]
    fn equal_ticks_are_one_block() {
        let rows = [0, 1, 2].repeat(1000).into_iter().map(|group| (group, Selection::Chosen)).collect::<Vec<_>>();
        let patterns = built(&rows);
        assert_eq!(patterns.blocks.len(), 1);
        assert_eq!((patterns.pattern(&patterns.blocks[0]), patterns.blocks[0].times), (&[0, 1, 2][..], 1000));
        // Sorted by the entity.
        let sorted = [0, 0, 0, 1, 1, 1, 1].map(|group| (group, Selection::Chosen));
        assert_eq!(built(&sorted).blocks.iter().map(|block| block.times).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn a_change_of_the_selection_begins_a_block() {
        let selections = [Selection::Skipped, Selection::Chosen, Selection::Chosen, Selection::OutOfPhase];
        let rows: Vec<(u32, Selection)> =
            selections.into_iter().flat_map(|selection| [(0, selection), (1, selection)]).collect();
        let patterns = built(&rows);
        assert_eq!(patterns.blocks.iter().map(Block::rows).collect::<Vec<_>>(), [2, 4, 2]);
        assert_eq!(unfolded(&patterns), rows);
    }

    proptest::proptest! {
        /// Whatever the order of the groups, no row is lost and no pattern has a group twice.
        #[test]
        fn any_order(groups in proptest::collection::vec((0u32..5, 0u8..12), 0..200)) {
            let selection = |n: u8| match n { 0 => Selection::Skipped, 1 => Selection::OutOfPhase, _ => Selection::Chosen };
            let rows: Vec<(u32, Selection)> = groups.into_iter().map(|(group, n)| (group, selection(n))).collect();
            let patterns = built(&rows);
            proptest::prop_assert_eq!(unfolded(&patterns), rows);
            for block in &patterns.blocks {
                let mut groups = patterns.pattern(block).to_vec();
                groups.sort_unstable();
                groups.dedup();
                proptest::prop_assert_eq!(groups.len(), patterns.pattern(block).len());
            }
        }
    }
}
