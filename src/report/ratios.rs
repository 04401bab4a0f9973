//! Instructions per cycle and miss ratios of `perf`'s events.
//!
//! From sums over the intervals in which both events were counted, never as a mean of ratios: an idle second would weigh
//! as much as a busy one. What did not count gives no ratio.

use super::index::{BadPiece, RowIndex, timestamps, wrong};
use super::model::{Label, Ratio};
use crate::reader::piece::Piece;
use crate::schema::Unit;
use arrow::array::AsArray;
use arrow::datatypes::Float64Type;

/// A ratio, the event above and the event below the line, and what it is multiplied with.
struct Definition {
    name: &'static str,
    above: &'static str,
    below: &'static str,
    factor: f64,
    unit: Unit,
}

const fn percent(name: &'static str, above: &'static str, below: &'static str) -> Definition {
    Definition { name, above, below, factor: 100.0, unit: Unit::Percent }
}

static RATIOS: [Definition; 6] = [
    Definition {
        name: "instructions_per_cycle",
        above: "instructions",
        below: "cycles",
        factor: 1.0,
        unit: Unit::None,
    },
    percent("branch_miss_percent", "branch-misses", "branches"),
    percent("l1d_miss_percent", "L1-dcache-load-misses", "L1-dcache-loads"),
    percent("llc_miss_percent", "LLC-load-misses", "LLC-loads"),
    percent("dtlb_miss_percent", "dTLB-load-misses", "dTLB-loads"),
    percent("itlb_miss_percent", "iTLB-load-misses", "iTLB-loads"),
];

/// The event's own name and what surrounds it: `cpu_core/cycles/u` is `cycles` of `cpu_core`, in user mode.
fn parts(event: &str) -> (&str, String) {
    let (pmu, rest) = event.split_once('/').unwrap_or(("", event));
    let (name, modifiers) = rest.split_once(['/', ':']).unwrap_or((rest, ""));
    let name = match name {
        "cpu-cycles" => "cycles",
        "branch-instructions" => "branches",
        name => name,
    };
    (name, format!("{pmu}/{modifiers}"))
}

/// What an entity of table `perf` is to the ratios.
struct Place {
    group: usize,
    /// The ratios in which it stands above and below the line.
    above: Vec<usize>,
    below: Vec<usize>,
}

/// One ratio of one group: the two values of the interval at hand, and the sums so far.
#[derive(Clone, Copy, Default)]
struct Sums {
    now: (Option<f64>, Option<f64>),
    above: f64,
    below: f64,
    intervals: usize,
}

impl Sums {
    fn close(&mut self) {
        if let (Some(above), Some(below)) = std::mem::take(&mut self.now) {
            self.above += above;
            self.below += below;
            self.intervals += 1;
        }
    }
}

/// The ratios of every CPU and target, and where there are several, first of all together.
///
/// # Errors
/// When a piece cannot be read.
pub fn ratios(index: &RowIndex, pieces: &[Box<dyn Piece + '_>]) -> Result<Vec<Ratio>, BadPiece> {
    let mut groups: Vec<(String, Vec<Label>)> = Vec::new();
    let places: Vec<Place> = index.entities.iter().map(|labels| place(labels, &mut groups)).collect();
    let mut sums = vec![[Sums::default(); RATIOS.len()]; groups.len()];
    let mut row = 0;
    let mut now = None;
    for (n, piece) in pieces.iter().enumerate() {
        let bad = |error| BadPiece { piece: n, error };
        let stamps = timestamps(piece.as_ref()).map_err(bad)?;
        let mut stamps = stamps.into_iter();
        for chunk in piece.column("value").map_err(bad)? {
            let values = chunk.as_primitive_opt::<Float64Type>().ok_or_else(|| bad(wrong(piece.as_ref(), "value")))?;
            for value in values {
                let ts = stamps.next();
                let entity = index.rows.get(row).and_then(|e| places.get(*e as usize));
                row += 1;
                if ts != now {
                    sums.iter_mut().flatten().for_each(Sums::close);
                    now = ts;
                }
                let Some((place, group)) = entity.and_then(|p| Some((p, sums.get_mut(p.group)?))) else { continue };
                for (r, sum) in group.iter_mut().enumerate() {
                    if place.above.contains(&r) {
                        sum.now.0 = value;
                    }
                    if place.below.contains(&r) {
                        sum.now.1 = value;
                    }
                }
            }
        }
    }
    sums.iter_mut().flatten().for_each(Sums::close);
    Ok(results(&groups, &sums))
}

fn place(labels: &[Label], groups: &mut Vec<(String, Vec<Label>)>) -> Place {
    let event = labels.iter().find(|l| l.name == "event").and_then(|l| l.value.as_deref()).unwrap_or("");
    let (name, around) = parts(event);
    let others: Vec<Label> = labels.iter().filter(|l| l.name != "event" && l.value.is_some()).cloned().collect();
    let group = groups.iter().position(|(a, o)| *a == around && *o == others).unwrap_or_else(|| {
        groups.push((around, others));
        groups.len() - 1
    });
    let which = |is: fn(&Definition) -> &str| {
        RATIOS.iter().enumerate().filter(|(_, d)| is(d) == name).map(|(r, _)| r).collect()
    };
    Place { group, above: which(|d| d.above), below: which(|d| d.below) }
}

fn results(groups: &[(String, Vec<Label>)], sums: &[[Sums; RATIOS.len()]]) -> Vec<Ratio> {
    let mut found = Vec::new();
    let several = sums.iter().filter(|g| g.iter().any(|s| s.below > 0.0)).count() > 1;
    for (r, definition) in RATIOS.iter().enumerate() {
        let mut push = |above: f64, below: f64, intervals, labels: Vec<Label>| {
            if below > 0.0 {
                let value = definition.factor * above / below;
                found.push(Ratio { ratio: definition.name, labels, value, unit: definition.unit, intervals });
            }
        };
        let of = || sums.iter().filter_map(|g| g.get(r));
        if several {
            let intervals = of().map(|s| s.intervals).max().unwrap_or(0);
            push(of().map(|s| s.above).sum(), of().map(|s| s.below).sum(), intervals, Vec::new());
        }
        for ((around, labels), sum) in groups.iter().zip(of()) {
            let mut labels = labels.clone();
            if around != "/" {
                let kind = around.trim_matches('/').to_string();
                labels.insert(0, Label { name: "pmu", value: Some(kind) });
            }
            push(sum.above, sum.below, sum.intervals, labels);
        }
    }
    found
}
