//! Ratios of `perf` events: instructions per cycle, miss ratios, misses per thousand instructions, memory bandwidth.
//!
//! They are computed from sums over the intervals in which both events were counted. A mean of ratios would give an
//! idle second the same weight as a busy one. Only events of the same PMU and mode (`:u`) are combined.

use std::collections::HashMap;

pub use definition::{BYTES_PER_SEC, PERCENT, named, names, ratio_value};
use definition::{Below, Definition, RATIOS};

use super::model::Ratio;
use crate::events::name;
use crate::query::entities::Label;
use crate::query::index::{Part, RowIndex};
use crate::query::read::{BadPiece, floats, timestamps};
use crate::store::read::piece::Piece;
use crate::table::ELAPSED_S;

mod definition;

/// The column with the count of an event in the interval.
pub const VALUE: &str = "value";
/// The entity column that names the event.
pub const EVENT: &str = "event";

/// The count of an event that shared its counter with others is an estimate. Below this percentage of the time on a
/// counter it is only a guess: more than twenty times what was counted.
pub const LEAST_RUNNING_PERCENT: f64 = 5.0;

/// Events that are counted under the same conditions: on the same PMU, in the same mode, on the same CPU or target.
#[derive(PartialEq)]
struct EventGroup {
    /// `cpu_core u`; empty for plain events.
    kind: String,
    labels: Vec<Label>,
}

/// The part of one entity.
struct Role {
    event: String,
    group: usize,
    /// The ratios with this event in the numerator, and its factor there.
    above: Vec<(usize, f64)>,
    /// The ratios with this event as denominator, and its rank among the possible ones.
    below: Vec<(usize, usize)>,
}

/// The count of events in an interval, and the percentage of the time in which it was on a counter.
type Count = (f64, Option<f64>);

/// One ratio of one group: the counts in the current interval, and the sums so far.
#[derive(Clone, Copy, Default)]
struct Sums {
    above_now: Option<Count>,
    /// Events that are in `above_now`, and those that must be.
    counted: u32,
    expected: u32,
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
        if std::mem::take(&mut self.counted) != self.expected {
            return;
        }
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
        let elapsed = floats(piece.as_ref(), ELAPSED_S).map_err(bad)?;
        for (((ts, value), running), elapsed_s) in stamps.into_iter().zip(values).zip(running).zip(elapsed) {
            let place = rows.next().flatten().and_then(|group| places.get(group));
            if now != Some(ts) {
                close(&mut parts, &mut open);
                now = Some(ts);
            }
            let (Some(value), Some((entity, part))) = (value, place) else { continue };
            let Some((_, sums)) = parts.get_mut(*part) else { continue };
            roles.count(*entity, Counting { value, running, elapsed_s }, sums);
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

/// A row of table `perf`.
#[derive(Clone, Copy, Debug)]
pub struct Counting {
    pub value: f64,
    /// The percentage of the interval in which the event was on a counter.
    pub running: Option<f64>,
    pub elapsed_s: Option<f64>,
}

/// The parts of entities of table `perf` in the ratios.
pub struct Roles {
    groups: Vec<EventGroup>,
    /// One per entity.
    roles: Vec<Role>,
    /// Before the first interval.
    empty: RatioSums,
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
        let roles: Vec<Role> = entities.iter().map(|labels| role(labels, &mut groups)).collect();
        let sums =
            |group| std::array::from_fn(|ratio| Sums { expected: expected(&roles, group, ratio), ..Sums::default() });
        let empty = RatioSums((0..groups.len()).map(sums).collect());
        Roles { groups, roles, empty }
    }

    pub fn sums(&self) -> RatioSums {
        self.empty.clone()
    }

    /// Adds the count of an event in the current interval. A count that is only a guess is left out.
    pub fn count(&self, entity: usize, counting: Counting, sums: &mut RatioSums) {
        let Counting { value, running, elapsed_s } = counting;
        if running.is_some_and(|percent| percent < LEAST_RUNNING_PERCENT) {
            return;
        }
        let role = self.roles.get(entity);
        let Some((role, group)) = role.and_then(|role| Some((role, sums.0.get_mut(role.group)?))) else { return };
        for (r, factor) in &role.above {
            let sum = &mut group[*r];
            if RATIOS.get(*r).is_some_and(|d| d.below == Below::Seconds) {
                let (before, least) = sum.above_now.unwrap_or((0.0, running));
                sum.above_now =
                    Some((before + factor * value, [least, running].into_iter().flatten().reduce(f64::min)));
                sum.below_now = elapsed_s.map(|seconds| (0, (seconds, None)));
                sum.counted += 1;
            } else {
                sum.above_now = Some((factor * value, running));
                sum.counted = 1;
            }
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
            let mut roles = self.roles.iter().filter(|role| role.group == group);
            self.empty.0.get(group).and_then(|sums| sums.get(ratio)).is_some_and(|sums| sums.expected > 0)
                && (RATIOS.get(ratio).is_some_and(|definition| definition.below == Below::Seconds)
                    || roles.any(|role| role.below.iter().any(|(r, _)| *r == ratio)))
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

/// The number of events in a numerator; zero if some are missing, because their sum would be too small.
fn expected(roles: &[Role], group: usize, ratio: usize) -> u32 {
    let is_above = |role: &&Role| role.group == group && role.above.iter().any(|(r, _)| *r == ratio);
    let events: Vec<&str> = roles.iter().filter(is_above).map(|role| role.event.as_str()).collect();
    RATIOS.get(ratio).map_or(0, |definition| definition.expected(&events))
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
    let above = RATIOS.iter().enumerate().filter_map(|(r, d)| Some((r, d.above(event)?))).collect();
    let below = RATIOS.iter().enumerate().filter_map(|(r, d)| Some((r, d.below(event)?))).collect();
    Role { event: event.to_string(), group, above, below }
}

/// The ratio of several parts of the machine. What two sockets read per second is the sum of both: their seconds are
/// the same seconds.
fn value_of_all(definition: &Definition, own: &[(&EventGroup, &Sums)], all: &Sums) -> f64 {
    match definition.below {
        Below::Events(_) => definition.factor * all.above / all.below,
        Below::Seconds => own.iter().map(|(_, sum)| definition.factor * sum.above / sum.below).sum(),
    }
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
            let mut push = |sum: &Sums, value: f64, labels: &[Label]| {
                let kind = (!kind.is_empty()).then(|| Label { name: "pmu", value: Some(kind.to_string()) });
                found.push(Ratio {
                    ratio: definition.name,
                    labels: kind.into_iter().chain(labels.iter().cloned()).collect(),
                    value,
                    unit: definition.unit,
                    intervals: sum.intervals,
                    running_percent: (sum.running_known > 0).then(|| sum.running / sum.running_known as f64),
                });
            };
            if own.len() > 1 {
                let all = own.iter().fold(Sums::default(), |all, (_, sum)| all.with(sum));
                push(&all, value_of_all(definition, &own, &all), &[]);
            }
            let quotient = |sum: &Sums| definition.factor * sum.above / sum.below;
            own.iter().for_each(|(group, sum)| push(sum, quotient(sum), &group.labels));
        }
    }
    found
}
