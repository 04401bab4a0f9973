//! The lengths of the intervals of every group's rows.

use super::patterns::Selection;
use super::walk::Walk;

/// The interval of a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interval {
    /// NaN if it has no length, as for a first sample.
    pub elapsed_s: f64,
    /// The same as a weight: rounded to 2^-20 s, as elapsed times are stored, so that sums are exact; 0 without a length.
    pub weight: f64,
}

impl Interval {
    fn new(elapsed_s: f64) -> Interval {
        const STEPS_PER_S: f64 = (1 << 20) as f64;
        Interval { elapsed_s, weight: (elapsed_s.max(0.0) * STEPS_PER_S).round() / STEPS_PER_S }
    }
}

/// The intervals of every group's rows. The entities of a table are usually sampled together and then share one list.
#[derive(Debug, Default)]
pub struct Intervals {
    lists: Vec<Vec<Interval>>,
    /// The list of each group, and the number of intervals that it uses.
    by_group: Vec<(usize, usize)>,
}

impl Intervals {
    /// The intervals of all rows, for this number of groups.
    pub fn new(mut walk: Walk<'_>, groups: usize) -> Self {
        let mut intervals = Intervals { lists: vec![Vec::new()], by_group: vec![(0, 0); groups] };
        walk.rest(|stretch| {
            if stretch.selection == Selection::Chosen {
                intervals.push_all(stretch.groups, Interval::new(stretch.elapsed_s));
            }
        });
        intervals
    }

    /// Adds an interval to each of these groups, which usually have the same list and length.
    fn push_all(&mut self, groups: &[u32], interval: Interval) {
        let at = |group: &u32| self.by_group.get(*group as usize).copied();
        let Some(first) = groups.first().and_then(at) else { return };
        let (list, rows) = first;
        let is_end = self.lists.get(list).is_some_and(|list| list.len() == rows);
        if !is_end || !groups.iter().all(|group| at(group) == Some(first)) {
            groups.iter().for_each(|group| self.push(*group as usize, interval));
            return;
        }
        if let Some(list) = self.lists.get_mut(list) {
            list.push(interval);
        }
        for group in groups {
            if let Some((_, rows)) = self.by_group.get_mut(*group as usize) {
                *rows += 1;
            }
        }
    }

    #[inline]
    fn push(&mut self, group: usize, interval: Interval) {
        let Some((list, rows)) = self.by_group.get_mut(group) else { return };
        let Some(known) = self.lists.get_mut(*list) else { return };
        match known.get(*rows) {
            Some(same) if same.elapsed_s.to_bits() == interval.elapsed_s.to_bits() => {}
            Some(_) => {
                // From here on the group has its own list.
                let mut own = known.get(..*rows).unwrap_or_default().to_vec();
                own.push(interval);
                *list = self.lists.len();
                self.lists.push(own);
            }
            None => known.push(interval),
        }
        *rows += 1;
    }

    pub fn group(&self, group: usize) -> &[Interval] {
        let list = self.by_group.get(group).and_then(|(list, rows)| self.lists.get(*list)?.get(..*rows));
        list.unwrap_or_default()
    }
}
