//! Applies the rules of a session.

use std::time::Duration;

use super::rule::Rule;
use crate::linux::clock::Now;
use crate::table::TableDef;
use crate::table::rates::Rates;
use crate::table::sample::{Cell, Sample};

/// The bursts of a session: those that may begin, and those that last.
pub struct Bursts<'c> {
    /// That of the session.
    interval: Duration,
    watches: Vec<Watch<'c>>,
    /// The number of the session's interval in which the conditions were looked at last, counted from 1970.
    looked: Option<i64>,
}

struct Watch<'c> {
    rule: Rule,
    /// The table of its metric, and its place in the catalog; its column.
    table: &'c TableDef,
    place: usize,
    column: usize,
    /// Derives the values of the table from tick to tick.
    rates: Rates<'c>,
    /// When its burst ends; None if it has none.
    until_ns: Option<u64>,
}

impl<'c> Bursts<'c> {
    /// Rules whose metric is not in the catalog are never met.
    pub fn new(interval: Duration, rules: Vec<Rule>, catalog: &'c [TableDef]) -> Bursts<'c> {
        let watch = |rule: Rule| {
            let place = catalog.iter().position(|table| table.name == rule.metric.table)?;
            let table = catalog.get(place)?;
            let column = table.stored.iter().position(|column| column.name == rule.metric.column)?;
            Some(Watch { rule, table, place, column, rates: Rates::new(table), until_ns: None })
        };
        Bursts { interval, watches: rules.into_iter().filter_map(watch).collect(), looked: None }
    }

    /// The time between two ticks now: the finest of the bursts that last.
    pub fn interval(&self) -> Duration {
        let finer = self.lasting().map(|watch| watch.rule.interval);
        finer.min().map_or(self.interval, |finer| finer.min(self.interval))
    }

    /// Is a tick that is due at this time the first of an interval of the session? At the others of a burst, only its collectors are
    /// sampled. By the grid of the wall clock, so that a late tick does not move the next ones.
    pub fn is_regular(&self, wall_us: i64) -> bool {
        self.looked != Some(self.number(wall_us))
    }

    fn number(&self, wall_us: i64) -> i64 {
        let us = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX).max(1);
        // A tick may be a little early.
        wall_us.saturating_add(us(self.interval()) / 10).div_euclid(us(self.interval))
    }

    /// Does a burst last?
    pub fn are_lasting(&self) -> bool {
        self.lasting().next().is_some()
    }

    /// Is this collector sampled at each tick of a burst that lasts?
    pub fn samples(&self, collector: &str) -> bool {
        self.lasting().any(|watch| watch.rule.collectors.is_empty() || watch.rule.collectors.contains(&collector))
    }

    fn lasting(&self) -> impl Iterator<Item = &Watch<'c>> {
        self.watches.iter().filter(|watch| watch.until_ns.is_some())
    }

    /// Looks at the sample of a [regular](Bursts::is_regular) tick: a burst begins, or lasts longer, if its condition holds, and ends otherwise
    /// when its time is over. Returns what to say of each burst that begins.
    pub fn look(&mut self, now: Now, sample: &Sample) -> Vec<String> {
        self.looked = Some(self.number(now.wall_us));
        self.watches.iter_mut().filter_map(|watch| watch.look(now.mono_ns, sample)).collect()
    }
}

impl Watch<'_> {
    fn look(&mut self, mono_ns: u64, sample: &Sample) -> Option<String> {
        let met = self.met(mono_ns, sample);
        if met.is_none() {
            self.until_ns = self.until_ns.filter(|until| mono_ns < *until);
            return None;
        }
        let lasts_ns = u64::try_from(self.rule.lasts.as_nanos()).unwrap_or(u64::MAX);
        let before = self.until_ns.replace(mono_ns.saturating_add(lasts_ns));
        let value = met.filter(|_| before.is_none())?;
        Some(format!("burst: {} is {}", self.rule.text, (value * 1000.0).round() / 1000.0))
    }

    /// The first value that meets the condition.
    fn met(&mut self, mono_ns: u64, sample: &Sample) -> Option<f64> {
        let Watch { rule, table, place, column, rates, .. } = self;
        let mut met = None;
        for block in sample.blocks.iter().filter(|block| block.table == *place) {
            let own_elapsed_s = block.stamp.and_then(|stamp| stamp.elapsed_s);
            rates.block(mono_ns, own_elapsed_s, sample.cells_of(block), |_, stored| {
                let value = match stored.get(*column) {
                    Some(Cell::Float(value)) => *value,
                    Some(Cell::Int(value)) => *value as f64,
                    Some(Cell::Bool(value)) => f64::from(u8::from(*value)),
                    _ => return,
                };
                let holds = rule.is.holds(value, rule.threshold) && rule.metric.is_of(table, stored, &sample.texts);
                met = met.or_else(|| holds.then_some(value));
            });
        }
        met
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::rule;
    use super::*;
    use crate::table::Unit::{Microseconds, Percent};
    use crate::table::{Charts, Formula, Table, counter, derived, entity};

    struct Stalled {
        resource: &'static str,
        us: u64,
    }

    static TABLE: Table<Stalled> = Table {
        name: "stall",
        source: "-",
        doc: "-",
        charts: Charts::Unknown,
        columns: &[
            entity("resource", "-", |s: &Stalled| s.resource.into()),
            counter("us", Microseconds, "-", |s: &Stalled| s.us.into()),
            derived("percent", Percent, "-", Formula::rate(&["us"]).times(1e-4)),
        ],
    };

    fn catalog() -> &'static [TableDef] {
        Box::leak(Box::new([TABLE.def()]))
    }

    /// A regular tick at this tenth of a second; this much time was stalled until then.
    fn look(bursts: &mut Bursts<'static>, catalog: &'static [TableDef], tenth: u64, us: u64) -> Vec<String> {
        let mut sample = Sample::new(catalog);
        let other = Stalled { resource: "io", us: 900_000 * tenth };
        sample.push(&TABLE, &[other, Stalled { resource: "cpu", us }]);
        bursts.look(Now { mono_ns: tenth * 100_000_000, wall_us: 1_000_000_000 + tenth as i64 * 100_000 }, &sample)
    }

    #[test]
    fn a_burst_lasts_from_when_its_condition_held_last() {
        let catalog = catalog();
        let text = "cpu.percent>20: 100ms for 2s of cpu";
        let rule = rule(text, catalog).unwrap();
        let mut bursts = Bursts::new(Duration::from_secs(1), vec![rule], catalog);
        let is_regular = |bursts: &Bursts<'_>, after_us: i64| bursts.is_regular(1_000_000_000 + after_us);
        assert!(is_regular(&bursts, 0) && look(&mut bursts, catalog, 0, 0).is_empty());
        // 15 % of a second. The other resource has 90 %.
        assert!(look(&mut bursts, catalog, 10, 150_000).is_empty());
        assert_eq!((bursts.interval(), bursts.samples("cpu")), (Duration::from_secs(1), false));
        // 30 %.
        assert_eq!(look(&mut bursts, catalog, 20, 450_000), [format!("burst: {text} is 30")]);
        assert_eq!(bursts.interval(), Duration::from_millis(100));
        assert!(bursts.samples("cpu") && !bursts.samples("disk"));
        assert!(!is_regular(&bursts, 2_900_000) && is_regular(&bursts, 2_999_000));
        // It lasts longer, and is not said again.
        assert!(look(&mut bursts, catalog, 30, 700_000).is_empty());
        assert!(look(&mut bursts, catalog, 40, 700_000).is_empty() && bursts.samples("cpu"));
        assert!(look(&mut bursts, catalog, 50, 700_000).is_empty());
        assert!(!bursts.samples("cpu") && !bursts.are_lasting());
        // One that is a little early is regular, one in the middle of the interval is not.
        assert!(!is_regular(&bursts, 5_700_000) && is_regular(&bursts, 6_800_000));
        assert_eq!(bursts.interval(), Duration::from_secs(1));
    }

    #[test]
    fn any_entity_will_do_if_none_is_named() {
        let catalog = catalog();
        let rule = rule("stall.percent>=90: 50ms for 1s", catalog).unwrap();
        let mut bursts = Bursts::new(Duration::from_secs(1), vec![rule], catalog);
        assert!(look(&mut bursts, catalog, 0, 0).is_empty());
        assert_eq!(look(&mut bursts, catalog, 10, 0).len(), 1);
        assert!(bursts.samples("cpu") && bursts.samples("disk"));
    }
}
