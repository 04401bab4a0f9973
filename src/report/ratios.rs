//! Ratios of two `perf` events: instructions per cycle, miss ratios, misses per thousand instructions.
//!
//! They are computed from sums over the intervals in which both events were counted. A mean of ratios would give an
//! idle second the same weight as a busy one. Only events of the same PMU and mode (`:u`) are combined.

use std::collections::HashMap;

use super::model::Ratio;
use crate::events::generic::usual_name;
use crate::events::name;
use crate::query::entities::Label;
use crate::query::index::{Part, RowIndex};
use crate::query::read::{BadPiece, floats, timestamps};
use crate::store::read::piece::Piece;

/// The column with the count of an event in the interval.
pub const VALUE: &str = "value";
/// The entity column that names the event.
pub const EVENT: &str = "event";

/// The count of an event that shared its counter with others is an estimate. Below this percentage of the time on a
/// counter it is only a guess: more than twenty times what was counted.
pub const LEAST_RUNNING_PERCENT: f64 = 5.0;

/// How a ratio is computed: numerator × `factor` ÷ denominator.
struct Definition {
    name: &'static str,
    above: &'static str,
    /// The possible denominators, the best one first.
    below: &'static [&'static str],
    factor: f64,
    unit: &'static str,
}

/// The unit of percentages.
pub const PERCENT: &str = "percent";

const fn percent(name: &'static str, above: &'static str, below: &'static [&'static str]) -> Definition {
    Definition { name, above, below, factor: 100.0, unit: PERCENT }
}

const fn per_thousand(name: &'static str, above: &'static str) -> Definition {
    Definition { name, above, below: &["instructions"], factor: 1000.0, unit: "per 1000 instructions" }
}

static RATIOS: [Definition; 16] = [
    Definition { name: "instructions_per_cycle", above: "instructions", below: &["cycles"], factor: 1.0, unit: "" },
    // Cycles per millisecond; one cycle per nanosecond is one gigahertz.
    Definition { name: "cycles_ghz", above: "cycles", below: &["cpu-clock", "task-clock"], factor: 1e-6, unit: "GHz" },
    percent("branch_miss_percent", "branch-misses", &["branches"]),
    percent("cache_miss_percent", "cache-misses", &["cache-references"]),
    percent("l1d_miss_percent", "L1-dcache-load-misses", &["L1-dcache-loads"]),
    percent("l1i_miss_percent", "L1-icache-load-misses", &["L1-icache-loads"]),
    percent("llc_miss_percent", "LLC-load-misses", &["LLC-loads"]),
    percent("dtlb_miss_percent", "dTLB-load-misses", &["dTLB-loads"]),
    percent("itlb_miss_percent", "iTLB-load-misses", &["iTLB-loads"]),
    per_thousand("branch_mpki", "branch-misses"),
    per_thousand("cache_mpki", "cache-misses"),
    per_thousand("l1d_mpki", "L1-dcache-load-misses"),
    per_thousand("l1i_mpki", "L1-icache-load-misses"),
    per_thousand("llc_mpki", "LLC-load-misses"),
    per_thousand("dtlb_mpki", "dTLB-load-misses"),
    per_thousand("itlb_mpki", "iTLB-load-misses"),
];

/// Events that are counted under the same conditions: on the same PMU, in the same mode, on the same CPU or target.
#[derive(PartialEq)]
struct EventGroup {
    /// `cpu_core u`; empty for plain events.
    kind: String,
    labels: Vec<Label>,
}

/// The part of one entity.
struct Role {
    group: usize,
    /// The ratios with this event as numerator.
    above: Vec<usize>,
    /// The ratios with this event as denominator, and its rank among the possible ones.
    below: Vec<(usize, usize)>,
}

/// The count of an event in an interval, and the percentage of the time in which it was on a counter.
type Count = (f64, Option<f64>);

/// One ratio of one group: the counts in the current interval, and the sums so far.
#[derive(Clone, Copy, Default)]
struct Sums {
    above_now: Option<Count>,
    below_now: Option<(usize, Count)>,
    above: f64,
    below: f64,
    intervals: usize,
    /// The sum of the smaller running percentage of the two events.
    running: f64,
    /// The number of intervals in which it is known.
    running_known: usize,
}

impl Sums {
    /// The sums of both, of the same intervals.
    fn with(&self, other: &Sums) -> Sums {
        Sums {
            above: self.above + other.above,
            below: self.below + other.below,
            intervals: self.intervals.max(other.intervals),
            running: self.running + other.running,
            running_known: self.running_known + other.running_known,
            ..*self
        }
    }

    fn close(&mut self) {
        let (above, below) = (self.above_now.take(), self.below_now.take());
        let (Some((above, above_running)), Some((_, (below, below_running)))) = (above, below) else { return };
        self.above += above;
        self.below += below;
        self.intervals += 1;
        if let Some(running) = [above_running, below_running].into_iter().flatten().reduce(f64::min) {
            self.running += running;
            self.running_known += 1;
        }
    }
}

/// The names of all ratios.
pub fn names() -> impl Iterator<Item = &'static str> {
    RATIOS.iter().map(|definition| definition.name)
}

/// The ratio that a user means: its name, `ipc` or `ghz`.
pub fn named(word: &str) -> Option<&'static str> {
    let word = match word {
        "ipc" => "instructions_per_cycle",
        "ghz" => "cycles_ghz",
        word => word,
    };
    names().find(|name| *name == word)
}

/// The ratios of every CPU and target. If there are several, the ratio of all of them comes first.
///
/// # Errors
/// When a piece cannot be read.
pub fn ratios(index: &RowIndex, pieces: &[Box<dyn Piece + '_>]) -> Result<Vec<Ratio>, BadPiece> {
    Ok(counts(index, pieces)?.ratios(|_| true))
}

/// The sums of counts, for each part of the rows.
pub struct Counts {
    groups: Vec<EventGroup>,
    parts: Vec<(Part, RatioSums)>,
}

impl Counts {
    /// The ratios of these parts together.
    pub fn ratios(&self, is_chosen: impl Fn(&Part) -> bool) -> Vec<Ratio> {
        let mut all = vec![[Sums::default(); RATIOS.len()]; self.groups.len()];
        for (_, sums) in self.parts.iter().filter(|(part, _)| is_chosen(part)) {
            for (all, own) in all.iter_mut().flatten().zip(sums.0.iter().flatten()) {
                *all = Sums { intervals: all.intervals + own.intervals, ..all.with(own) };
            }
        }
        results(&self.groups, &all)
    }
}

/// Sums the counts of all chosen rows.
///
/// # Errors
/// When a piece cannot be read.
pub fn counts(index: &RowIndex, pieces: &[Box<dyn Piece + '_>]) -> Result<Counts, BadPiece> {
    let roles = Roles::new(&index.entities);
    let mut parts: Vec<(Part, RatioSums)> = Vec::new();
    // The entity and the part of each group of rows.
    let mut places: Vec<(usize, usize)> = Vec::new();
    let mut known: HashMap<&Part, usize> = HashMap::new();
    for group in &index.groups {
        let part = *known.entry(&group.part).or_insert_with(|| {
            parts.push((group.part.clone(), roles.sums()));
            parts.len() - 1
        });
        places.push((group.entity, part));
    }
    let mut rows = index.chosen_rows();
    let mut now = None;
    // The parts with rows in the current interval: usually one.
    let mut open: Vec<usize> = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        let bad = |error| BadPiece { piece: n, error };
        let stamps = timestamps(piece.as_ref()).map_err(bad)?;
        let values = floats(piece.as_ref(), VALUE).map_err(bad)?;
        let running = floats(piece.as_ref(), "running_percent").map_err(bad)?;
        for ((ts, value), running) in stamps.into_iter().zip(values).zip(running) {
            let place = rows.next().flatten().and_then(|group| places.get(group));
            if now != Some(ts) {
                close(&mut parts, &mut open);
                now = Some(ts);
            }
            let (Some(value), Some((entity, part))) = (value, place) else { continue };
            let Some((_, sums)) = parts.get_mut(*part) else { continue };
            roles.count(*entity, value, running, sums);
            if !open.contains(part) {
                open.push(*part);
            }
        }
    }
    close(&mut parts, &mut open);
    Ok(Counts { groups: roles.groups, parts })
}

fn close(parts: &mut [(Part, RatioSums)], open: &mut Vec<usize>) {
    for part in open.drain(..) {
        if let Some((_, sums)) = parts.get_mut(part) {
            sums.close();
        }
    }
}

/// The parts of entities of table `perf` in the ratios.
pub struct Roles {
    groups: Vec<EventGroup>,
    /// One per entity.
    roles: Vec<Role>,
}

/// The sums of every group and ratio.
#[derive(Clone)]
pub struct RatioSums(Vec<[Sums; RATIOS.len()]>);

impl RatioSums {
    /// Ends an interval.
    pub fn close(&mut self) {
        self.0.iter_mut().flatten().for_each(Sums::close);
    }
}

/// A ratio of some events.
pub struct NamedRatio {
    group: usize,
    ratio: usize,
    pub name: &'static str,
    pub unit: &'static str,
    /// The PMU and mode if they are not the usual ones, then the values of the other labels of the events.
    pub of: Vec<String>,
}

impl Roles {
    pub fn new(entities: &[Vec<Label>]) -> Roles {
        let mut groups = Vec::new();
        let roles = entities.iter().map(|labels| role(labels, &mut groups)).collect();
        Roles { groups, roles }
    }

    pub fn sums(&self) -> RatioSums {
        RatioSums(vec![[Sums::default(); RATIOS.len()]; self.groups.len()])
    }

    /// Adds the count of an event in the current interval. A count that is only a guess is left out.
    pub fn count(&self, entity: usize, value: f64, running: Option<f64>, sums: &mut RatioSums) {
        if running.is_some_and(|percent| percent < LEAST_RUNNING_PERCENT) {
            return;
        }
        let role = self.roles.get(entity);
        let Some((role, group)) = role.and_then(|role| Some((role, sums.0.get_mut(role.group)?))) else { return };
        for r in &role.above {
            group[*r].above_now = Some((value, running));
        }
        for (r, rank) in &role.below {
            let slot = &mut group[*r].below_now;
            if slot.is_none_or(|(other, _)| *rank <= other) {
                *slot = Some((*rank, (value, running)));
            }
        }
    }

    /// The ratios for which both events are there.
    pub fn named(&self) -> Vec<NamedRatio> {
        let has = |group: usize, ratio: usize| {
            let roles = || self.roles.iter().filter(|role| role.group == group);
            roles().any(|role| role.above.contains(&ratio))
                && roles().any(|role| role.below.iter().any(|(r, _)| *r == ratio))
        };
        let pairs = RATIOS.iter().enumerate().flat_map(|(r, definition)| {
            self.groups.iter().enumerate().map(move |(g, group)| (r, definition, g, group))
        });
        let named = pairs.filter(|(r, _, g, _)| has(*g, *r)).map(|(ratio, definition, number, group)| NamedRatio {
            group: number,
            ratio,
            name: definition.name,
            unit: definition.unit,
            of: [group.kind.clone()]
                .into_iter()
                .filter(|kind| !kind.is_empty())
                .chain(group.labels.iter().filter_map(|label| label.value.clone()))
                .collect(),
        });
        named.collect()
    }
}

impl NamedRatio {
    /// `None` if its divisor is zero, or the events were not counted in the same interval.
    pub fn value(&self, sums: &RatioSums) -> Option<f64> {
        let (sum, definition) = (sums.0.get(self.group)?.get(self.ratio)?, RATIOS.get(self.ratio)?);
        (sum.below > 0.0).then(|| definition.factor * sum.above / sum.below)
    }
}

fn role(labels: &[Label], groups: &mut Vec<EventGroup>) -> Role {
    let event = labels.iter().find(|l| l.name == EVENT).and_then(|l| l.value.as_deref()).unwrap_or("");
    let parts = name::parts(event);
    let kind = [parts.pmu, parts.modifiers].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let own =
        EventGroup { kind, labels: labels.iter().filter(|l| l.name != EVENT && l.value.is_some()).cloned().collect() };
    let group = groups.iter().position(|g| *g == own).unwrap_or_else(|| {
        groups.push(own);
        groups.len() - 1
    });
    let name = usual_name(parts.base);
    let above = RATIOS.iter().enumerate().filter(|(_, d)| d.above == name).map(|(r, _)| r).collect();
    let rank = |d: &Definition| d.below.iter().position(|b| *b == name);
    let below = RATIOS.iter().enumerate().filter_map(|(r, d)| Some((r, rank(d)?))).collect();
    Role { group, above, below }
}

fn results(groups: &[EventGroup], sums: &[[Sums; RATIOS.len()]]) -> Vec<Ratio> {
    let mut kinds: Vec<&str> = Vec::new();
    for group in groups {
        if !kinds.contains(&group.kind.as_str()) {
            kinds.push(&group.kind);
        }
    }
    let mut found = Vec::new();
    for (r, definition) in RATIOS.iter().enumerate() {
        for kind in &kinds {
            let own: Vec<(&EventGroup, &Sums)> = groups
                .iter()
                .zip(sums)
                .filter(|(group, _)| group.kind == *kind)
                .filter_map(|(group, sums)| Some((group, sums.get(r)?)))
                .filter(|(_, sum)| sum.below > 0.0)
                .collect();
            let mut push = |sum: &Sums, labels: &[Label]| {
                let kind = (!kind.is_empty()).then(|| Label { name: "pmu", value: Some(kind.to_string()) });
                found.push(Ratio {
                    ratio: definition.name,
                    labels: kind.into_iter().chain(labels.iter().cloned()).collect(),
                    value: definition.factor * sum.above / sum.below,
                    unit: definition.unit,
                    intervals: sum.intervals,
                    running_percent: (sum.running_known > 0).then(|| sum.running / sum.running_known as f64),
                });
            };
            if own.len() > 1 {
                let all = own.iter().fold(Sums::default(), |all, (_, sum)| all.with(sum));
                push(&all, &[]);
            }
            own.iter().for_each(|(group, sum)| push(sum, &group.labels));
        }
    }
    found
}
