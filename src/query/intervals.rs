//! How long the intervals of every group's rows were.

use super::patterns::Mark;
use super::walk::Walk;

/// The interval of a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interval {
    /// NaN: it has no length, which a first sample has not.
    pub elapsed_s: f64,
    /// The same as a weight: to 2^-20 s, as elapsed times are stored, so that sums are exact; 0 where it has no length.
    pub weight: f64,
}

impl Interval {
    fn new(elapsed_s: f64) -> Interval {
        const STEPS_PER_S: f64 = (1 << 20) as f64;
        Interval { elapsed_s, weight: (elapsed_s.max(0.0) * STEPS_PER_S).round() / STEPS_PER_S }
    }
}

/// The intervals of every group's rows. The entities of a table are mostly read together, and then one list serves them all.
#[derive(Debug, Default)]
pub struct Intervals {
    lists: Vec<Vec<Interval>>,
    /// Of each group its list, and how many of that it has.
    of: Vec<(usize, usize)>,
}

impl Intervals {
    /// Of all rows, in so many groups.
    pub fn new(mut walk: Walk<'_>, groups: usize) -> Self {
        let mut intervals = Intervals { lists: vec![Vec::new()], of: vec![(0, 0); groups] };
        walk.rest(|stretch| {
            if stretch.mark == Mark::Chosen {
                intervals.push_all(stretch.groups, Interval::new(stretch.elapsed_s));
            }
        });
        intervals
    }

    /// Adds an interval to each of these groups, which mostly have the same list and are equally far.
    fn push_all(&mut self, groups: &[u32], interval: Interval) {
        let at = |group: &u32| self.of.get(*group as usize).copied();
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
            if let Some((_, rows)) = self.of.get_mut(*group as usize) {
                *rows += 1;
            }
        }
    }

    #[inline]
    fn push(&mut self, group: usize, interval: Interval) {
        let Some((list, rows)) = self.of.get_mut(group) else { return };
        let Some(known) = self.lists.get_mut(*list) else { return };
        match known.get(*rows) {
            Some(same) if same.elapsed_s.to_bits() == interval.elapsed_s.to_bits() => {}
            Some(_) => {
                // From here on it has its own.
                let mut own = known.get(..*rows).unwrap_or_default().to_vec();
                own.push(interval);
                *list = self.lists.len();
                self.lists.push(own);
            }
            None => known.push(interval),
        }
        *rows += 1;
    }

    pub fn of(&self, group: usize) -> &[Interval] {
        let list = self.of.get(group).and_then(|(list, rows)| self.lists.get(*list)?.get(..*rows));
        list.unwrap_or_default()
    }
}
