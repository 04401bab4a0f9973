//! Raw values of one entity at two ticks → rates, percentages, latencies. The rules for "no value" live here alone:
//! a derived value is null on the entity's first sample, where a counter it needs is null at either end, and where one
//! went back (a reset, a re-plugged device, a wrapped 32-bit counter).

use std::collections::HashMap;

use crate::sample::Cell;
use crate::schema::{ResolvedFormula, StoredOrigin, TableDef, significant};

/// Entities not seen for a while are forgotten once there are this many more than rows in a block.
const SPARE_ENTITIES: usize = 1024;

/// Follows the entities of one table from block to block.
pub struct Rates<'t> {
    table: &'t TableDef,
    entity_columns: Vec<usize>,
    by_entity: HashMap<Vec<u64>, usize>,
    known: Vec<Known>,
    key: Vec<u64>,
    block: u64,
}

/// An entity's previous sample.
struct Known {
    mono_ns: u64,
    block: u64,
    cells: Vec<Cell>,
}

impl<'t> Rates<'t> {
    pub fn new(table: &'t TableDef) -> Self {
        let entity_columns = table.raw.iter().enumerate().filter(|(_, c)| c.entity).map(|(i, _)| i).collect();
        Rates { table, entity_columns, by_entity: HashMap::new(), known: Vec::new(), key: Vec::new(), block: 0 }
    }

    /// Derives the values of one block, row by row: `each` gets the row's elapsed seconds, its raw cells and its
    /// stored cells. `own_elapsed_s` is the interval of a source that keeps its own time.
    pub fn block(
        &mut self,
        mono_ns: u64,
        own_elapsed_s: Option<f64>,
        cells: &[Cell],
        mut each: impl FnMut(Option<f64>, &[Cell]),
    ) {
        let width = self.table.raw.len();
        self.block += 1;
        let mut stored = Vec::with_capacity(self.table.stored.len());
        for row in cells.chunks_exact(width) {
            let before = self.find(row);
            let previous = before.map(|i| &self.known[i]);
            // A journal that was damaged and cut, or a clock that stood still, gives no time to divide by.
            let passed = previous.and_then(|p| mono_ns.checked_sub(p.mono_ns)).filter(|ns| *ns > 0);
            let elapsed = own_elapsed_s.map(quantised).or(passed.map(seconds));
            stored.clear();
            stored.extend(self.table.stored.iter().map(|column| {
                match &column.origin {
                    StoredOrigin::Raw(i) => row[*i],
                    StoredOrigin::Derived(formula) => previous
                        .zip(elapsed)
                        .and_then(|(p, elapsed)| derive(self.table, formula, &p.cells, row, elapsed))
                        .map_or(Cell::Null, Cell::Float),
                }
            }));
            each(elapsed, &stored);
            match before {
                Some(i) => {
                    let known = &mut self.known[i];
                    known.mono_ns = mono_ns;
                    known.block = self.block;
                    known.cells.copy_from_slice(row);
                }
                None => {
                    self.by_entity.insert(self.key.clone(), self.known.len());
                    self.known.push(Known { mono_ns, block: self.block, cells: row.to_vec() });
                }
            }
        }
        if self.known.len() > 2 * (cells.len() / width.max(1)) + SPARE_ENTITIES {
            self.forget();
        }
    }

    fn find(&mut self, row: &[Cell]) -> Option<usize> {
        self.key.clear();
        self.key.extend(self.entity_columns.iter().map(|i| match row[*i] {
            Cell::Null => u64::MAX,
            Cell::Int(v) => v as u64,
            Cell::Bool(v) => v.into(),
            Cell::Text(id) => id.into(),
            Cell::Float(v) => v.to_bits(),
        }));
        self.by_entity.get(self.key.as_slice()).copied()
    }

    /// Keeps only the entities of the last block (processes come and go; devices hardly do).
    fn forget(&mut self) {
        let mut kept = Vec::new();
        let known = &mut self.known;
        self.by_entity.retain(|_, i| {
            let keep = known[*i].block == self.block;
            if keep {
                let old = &mut known[*i];
                kept.push(Known { mono_ns: old.mono_ns, block: old.block, cells: std::mem::take(&mut old.cells) });
                *i = kept.len() - 1;
            }
            keep
        });
        self.known = kept;
    }
}

/// To 2^-20 s, about a microsecond: what is finer is the clock's noise. A binary fraction, because the noise in the last
/// digits of a decimal one would take most of the room that a table with few columns takes on disk.
fn seconds(ns: u64) -> f64 {
    quantised(ns as f64 / 1e9)
}

fn quantised(seconds: f64) -> f64 {
    const STEPS_PER_S: f64 = (1 << 20) as f64;
    (seconds * STEPS_PER_S).round() / STEPS_PER_S
}

fn derive(table: &TableDef, formula: &ResolvedFormula, before: &[Cell], now: &[Cell], elapsed: f64) -> Option<f64> {
    let alone = formula.of.len() == 1 && formula.over.is_none();
    let growth = |columns: &[usize]| {
        columns.iter().try_fold(0.0, |sum, i| {
            let (Cell::Int(before), Cell::Int(now)) = (before[*i], now[*i]) else { return None };
            match now.checked_sub(before)? {
                step @ 0.. => Some(sum + step as f64),
                _ if table.raw[*i].wobbles && !alone => Some(sum),
                _ => None,
            }
        })
    };
    let of = growth(&formula.of)?;
    let over = match &formula.over {
        None => elapsed,
        Some(columns) => growth(columns)?,
    };
    if over <= 0.0 {
        return None;
    }
    let value = (formula.factor * of / over).min(formula.cap);
    Some(significant(value)).filter(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Formula, Table, Unit, counter, derived, entity, gauge};

    struct Row(&'static str, Option<i64>, i64, i64);

    static TABLE: Table<Row> = Table {
        name: "t",
        source: "",
        doc: "",
        columns: &[
            entity("name", "", |r: &Row| r.0.into()),
            counter("ops", Unit::Count, "", |r: &Row| r.1.into()).with_rate("ops_per_sec"),
            counter("ms", Unit::Milliseconds, "", |r: &Row| r.2.into()).hidden(),
            counter("idle", Unit::Milliseconds, "", |r: &Row| r.3.into()).hidden().wobbles(),
            gauge("level", Unit::Count, "", |r: &Row| r.2.into()),
            derived("latency_ms", Unit::Milliseconds, "", Formula::ratio(&["ms"], &["ops"])),
            derived("busy_percent", Unit::Percent, "", Formula::rate(&["ms"]).times(0.1).at_most(100.0)),
            derived("share_percent", Unit::Percent, "", Formula::share(&["ms"], &["ms", "idle"])),
        ],
    };

    /// Runs rows given as (seconds, rows) and returns per row: elapsed, then the stored cells but the name.
    fn run(blocks: &[(f64, &[Row])]) -> Vec<(Option<f64>, Vec<Option<f64>>)> {
        let def = TABLE.def();
        let catalog = [def.clone()];
        let mut rates = Rates::new(&def);
        let mut sample = crate::sample::Sample::new(&catalog);
        let mut out = Vec::new();
        for (at, rows) in blocks {
            sample.clear();
            sample.push(&TABLE, rows);
            rates.block((at * 1e9) as u64, None, &sample.cells, |elapsed, stored| {
                let number = |c: &Cell| match c {
                    Cell::Int(v) => Some(*v as f64),
                    Cell::Float(v) => Some(*v),
                    _ => None,
                };
                out.push((elapsed, stored[1..].iter().map(number).collect()));
            });
        }
        out
    }

    #[test]
    fn first_sample_has_levels_but_no_rates() {
        let out = run(&[(10.0, &[Row("a", Some(5), 100, 900)])]);
        assert_eq!(out, [(None, vec![Some(5.0), None, Some(100.0), None, None, None])]);
    }

    #[test]
    fn rates_use_the_time_that_really_passed() {
        let out = run(&[(10.0, &[Row("a", Some(5), 100, 900)]), (12.0, &[Row("a", Some(9), 200, 1200)])]);
        // 4 operations and 100 ms in 2 s; 100 of 400 ms.
        assert_eq!(out[1], (Some(2.0), vec![Some(9.0), Some(2.0), Some(200.0), Some(25.0), Some(5.0), Some(25.0)]));
    }

    #[test]
    fn a_counter_that_went_back_or_is_missing_has_no_rate() {
        let out = run(&[
            (0.0, &[Row("a", Some(5), 100, 900)]),
            (1.0, &[Row("a", Some(4), 200, 1900)]),
            (2.0, &[Row("a", None, 300, 2900)]),
            (3.0, &[Row("a", Some(7), 400, 3900)]),
            (4.0, &[Row("a", Some(8), 400, 4900)]),
        ]);
        let rates: Vec<_> = out.iter().map(|(_, v)| v[1]).collect();
        assert_eq!(rates, [None, None, None, None, Some(1.0)]);
        // The latency is null with its counter, and without operations; the busy share goes on.
        assert_eq!(out[1].1[3], None);
        assert_eq!(out[1].1[4], Some(10.0));
    }

    #[test]
    fn no_operations_no_latency_and_never_more_than_all() {
        let out = run(&[(0.0, &[Row("a", Some(5), 0, 0)]), (1.0, &[Row("a", Some(5), 1500, 0)])]);
        assert_eq!(out[1].1, [Some(5.0), Some(0.0), Some(1500.0), None, Some(100.0), Some(100.0)]);
    }

    #[test]
    fn idle_may_step_back_without_spoiling_the_share() {
        let out = run(&[(0.0, &[Row("a", Some(0), 0, 100)]), (1.0, &[Row("a", Some(0), 50, 98)])]);
        assert_eq!(out[1].1[5], Some(100.0));
    }

    #[test]
    fn entities_keep_their_own_time() {
        let out = run(&[
            (0.0, &[Row("a", Some(0), 0, 0), Row("b", Some(100), 0, 0)]),
            (1.0, &[Row("b", Some(110), 0, 0)]),
            (3.0, &[Row("a", Some(30), 0, 0), Row("c", Some(1), 0, 0)]),
        ]);
        assert_eq!((out[2].0, out[2].1[1]), (Some(1.0), Some(10.0)));
        assert_eq!((out[3].0, out[3].1[1]), (Some(3.0), Some(10.0)), "a was away for one tick");
        assert_eq!((out[4].0, out[4].1[1]), (None, None), "c is new");
    }

    #[test]
    fn those_long_gone_are_forgotten() {
        let def = TABLE.def();
        let mut rates = Rates::new(&def);
        for i in 0..5000u32 {
            let row = [Cell::Text(i), Cell::Int(1), Cell::Int(1), Cell::Int(1), Cell::Int(1)];
            rates.block(u64::from(i), None, &row, |_, _| {});
        }
        assert!(rates.known.len() <= SPARE_ENTITIES + 3);
        assert_eq!(rates.known.len(), rates.by_entity.len());
    }
}
