//! What the values of a column weigh: each as much as the others, as long as its interval was, or as much as happened in it.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};

use super::growth::grow;
use super::index::{BadPiece, OUT_OF_PHASE, RowIndex, wrong};
use super::lives::Lives;
use super::walk::Walk;
use crate::store::read::piece::{Piece, ReadError};
use crate::table::{ResolvedFormula, StoredColumn, StoredOrigin, TableDef, Weight};

/// The weights of the rows of every entity, in the order of its rows.
pub enum Weights<'i> {
    /// All the same.
    Rows,
    Intervals(&'i Intervals),
    Own(Own),
}

/// Weights of rows, one entity behind the other.
pub struct Own {
    pub weights: Vec<f64>,
    /// Value times weight, where that is known better than by multiplying: what grew above the line of a quotient. The sums of
    /// both make an exact mean, while the quotients in the files are rounded.
    pub products: Option<Vec<f64>>,
}

impl Own {
    /// Value times weight, and the weight, of the row at this place.
    pub fn at(&self, place: usize, value: f64) -> (f64, f64) {
        let weight = self.weights.get(place).copied().unwrap_or(0.0);
        let product = self.products.as_ref().and_then(|products| products.get(place)).copied();
        (product.unwrap_or(value * weight), weight)
    }
}

impl<'i> Weights<'i> {
    /// # Errors
    /// When a piece cannot be read.
    pub fn read(
        table: &TableDef,
        column: &StoredColumn,
        index: &'i RowIndex,
        lives: &Lives,
        pieces: &[Box<dyn Piece + '_>],
    ) -> Result<Weights<'i>, BadPiece> {
        let growth = |names: &[&str]| {
            let mut places = Places::new(index);
            for name in names {
                places.rewind(index);
                // What is not known to have grown weighs nothing, as it adds nothing to the sums.
                grow(table, index, lives, pieces, name, |entity, grown| places.add(entity, grown.unwrap_or(0) as f64))?;
            }
            Ok(places.sums)
        };
        Ok(match &column.weight {
            Weight::Row => Weights::Rows,
            Weight::Elapsed => Weights::Intervals(index.intervals()),
            Weight::Growth(names) => {
                let weights = growth(names)?;
                let products = match above(table, column) {
                    Some((names, f)) => {
                        let above = growth(&names)?;
                        let product = |(above, weight): (f64, &f64)| (f.factor * above).min(f.cap * weight);
                        Some(above.into_iter().zip(&weights).map(product).collect())
                    }
                    None => None,
                };
                Weights::Own(Own { weights, products })
            }
            Weight::Count(name) => {
                let mut places = Places::new(index);
                let mut walk = Walk::new(index);
                for (n, piece) in pieces.iter().enumerate() {
                    counts(piece.as_ref(), name, &mut walk, &mut places)
                        .map_err(|error| BadPiece { piece: n, error })?;
                }
                Weights::Own(Own { weights: places.sums, products: None })
            }
        })
    }

    /// Of an entity, whose rows begin at `start`.
    pub fn of(&self, entity: usize, start: usize) -> Option<&[f64]> {
        match self {
            Weights::Rows => None,
            Weights::Intervals(intervals) => Some(intervals.of(entity)),
            Weights::Own(own) => Some(own.weights.get(start..).unwrap_or_default()),
        }
    }
}

/// The counters above the line of a column's formula, if all of them are stored.
fn above<'t>(table: &'t TableDef, column: &'t StoredColumn) -> Option<(Vec<&'static str>, &'t ResolvedFormula)> {
    let StoredOrigin::Derived(formula) = &column.origin else { return None };
    let stored = |raw: &usize| {
        let mut columns = table.stored.iter();
        columns.find(|c| matches!(c.origin, StoredOrigin::Raw(own) if own == *raw)).map(|c| c.name)
    };
    Some((formula.of.iter().map(stored).collect::<Option<_>>()?, formula))
}

fn counts(piece: &dyn Piece, name: &str, walk: &mut Walk<'_>, places: &mut Places) -> Result<(), ReadError> {
    for chunk in piece.column(name)? {
        let counts = numbers(&chunk).ok_or_else(|| wrong(piece, name))?;
        walk.rows(counts.len(), |stretch| {
            for (i, entity) in stretch.entities.iter().enumerate().filter(|(_, e)| **e & OUT_OF_PHASE == 0) {
                places.add(*entity as usize, counts.get(stretch.at + i).map_or(0.0, |count| count.max(0.0)));
            }
        });
    }
    Ok(())
}

/// Numbers of any type, null as zero; nothing for a column that does not hold numbers.
fn numbers(chunk: &ArrayRef) -> Option<Vec<f64>> {
    if let Some(floats) = chunk.as_primitive_opt::<Float64Type>() {
        return Some(floats.iter().map(Option::unwrap_or_default).collect());
    }
    if let Some(ints) = chunk.as_primitive_opt::<Int64Type>() {
        return Some(ints.iter().map(|v| v.unwrap_or_default() as f64).collect());
    }
    let ints = chunk.as_primitive_opt::<Int32Type>()?;
    Some(ints.iter().map(|v| f64::from(v.unwrap_or_default())).collect())
}

/// A number for each row of each entity, in the making.
struct Places {
    sums: Vec<f64>,
    /// Where the next of each entity goes.
    next: Vec<usize>,
}

impl Places {
    fn new(index: &RowIndex) -> Self {
        Places { sums: vec![0.0; index.selected()], next: index.starts().collect() }
    }

    fn rewind(&mut self, index: &RowIndex) {
        self.next = index.starts().collect();
    }

    fn add(&mut self, entity: usize, number: f64) {
        let Some(next) = self.next.get_mut(entity) else { return };
        if let Some(sum) = self.sums.get_mut(*next) {
            *sum += number;
        }
        *next += 1;
    }
}

/// The lengths of the intervals of every entity's rows. The entities of a table are mostly read together, and then one list
/// serves them all.
#[derive(Debug, Default)]
pub struct Intervals {
    lists: Vec<Vec<f64>>,
    /// Of each entity its list, and how many of that it has.
    of: Vec<(usize, usize)>,
}

impl Intervals {
    pub fn new(index: &RowIndex) -> Self {
        let mut intervals = Intervals { lists: vec![Vec::new()], of: vec![(0, 0); index.entities.len()] };
        Walk::new(index).rows(index.rows.len(), |stretch| {
            let seconds = weight(stretch.elapsed_s);
            for entity in stretch.entities.iter().filter(|e| **e & OUT_OF_PHASE == 0) {
                intervals.push(*entity as usize, seconds);
            }
        });
        intervals
    }

    #[inline]
    fn push(&mut self, entity: usize, seconds: f64) {
        let Some((list, rows)) = self.of.get_mut(entity) else { return };
        let Some(known) = self.lists.get_mut(*list) else { return };
        match known.get(*rows) {
            Some(same) if *same == seconds => {}
            Some(_) => {
                // From here on it has its own.
                let mut own = known.get(..*rows).unwrap_or_default().to_vec();
                own.push(seconds);
                *list = self.lists.len();
                self.lists.push(own);
            }
            None => known.push(seconds),
        }
        *rows += 1;
    }

    pub fn of(&self, entity: usize) -> &[f64] {
        let list = self.of.get(entity).and_then(|(list, rows)| self.lists.get(*list)?.get(..*rows));
        list.unwrap_or_default()
    }
}

/// As elapsed times are stored, to 2^-20 s, so that sums of them are exact. A first sample has no interval, and no weight.
fn weight(elapsed_s: f64) -> f64 {
    const STEPS_PER_S: f64 = (1 << 20) as f64;
    (elapsed_s.max(0.0) * STEPS_PER_S).round() / STEPS_PER_S
}
