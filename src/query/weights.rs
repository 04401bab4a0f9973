//! The weights of the values of a column: all the same, the length of the interval, or how much happened in it.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};

use super::growth::grow;
use super::index::RowIndex;
use super::intervals::Interval;
use super::lives::Lives;
use super::patterns::Selection;
use super::read::{BadPiece, wrong};
use super::walk::Walk;
use crate::store::read::piece::{Piece, ReadError};
use crate::table::{ResolvedFormula, StoredColumn, StoredOrigin, TableDef, Weight};

/// The weights of the rows of every group, in the order of its rows.
pub enum Weights {
    /// All the same.
    Rows,
    /// The lengths of their intervals.
    Intervals,
    Own(Own),
}

/// Weights of rows, ordered by group.
pub struct Own {
    pub weights: Vec<f64>,
    /// Value × weight, if it is known more precisely than by multiplication: the growth of a quotient's numerator. With
    /// the sums of both the mean is exact, although the quotients in the files are rounded.
    pub products: Option<Vec<f64>>,
}

impl Own {
    /// Value × weight, and the weight, of the row at this index.
    pub fn at(&self, place: usize, value: f64) -> (f64, f64) {
        let weight = self.weights.get(place).copied().unwrap_or(0.0);
        let product = self.products.as_ref().and_then(|products| products.get(place)).copied();
        (product.unwrap_or(value * weight), weight)
    }
}

impl Weights {
    /// `held_s`: if samples were taken more often at times, the usual interval. A level then counts for the time since
    /// the row before, and the first of an entity for one interval.
    ///
    /// # Errors
    /// When a piece cannot be read.
    pub fn read(
        held_s: Option<f64>,
        table: &TableDef,
        column: &StoredColumn,
        index: &RowIndex,
        lives: &Lives,
        pieces: &[Box<dyn Piece + '_>],
    ) -> Result<Weights, BadPiece> {
        let growth = |names: &[&str]| {
            let mut places = Places::new(index);
            for name in names {
                places.rewind(index);
                // Unknown growth has no weight, since it adds nothing to the sums.
                grow(table, index, lives, pieces, name, |group, grown| places.add(group, grown.unwrap_or(0) as f64))?;
            }
            Ok(places.sums)
        };
        Ok(match &column.weight {
            Weight::Row => held_s.map_or(Weights::Rows, |usual_s| Weights::Own(held(index, usual_s))),
            Weight::Elapsed => Weights::Intervals,
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
                let mut walk = index.walk();
                for (n, piece) in pieces.iter().enumerate() {
                    counts(piece.as_ref(), name, &mut walk, &mut places)
                        .map_err(|error| BadPiece { piece: n, error })?;
                }
                Weights::Own(Own { weights: places.sums, products: None })
            }
        })
    }
}

/// The time that each level was held: since the row before.
fn held(index: &RowIndex, usual_s: f64) -> Own {
    let rows = (0..index.groups.len()).flat_map(|group| index.intervals().group(group));
    let held = |interval: &Interval| if interval.elapsed_s > 0.0 { interval.elapsed_s } else { usual_s };
    Own { weights: rows.map(held).collect(), products: None }
}

/// The counters in the numerator of a column's formula, if all of them are stored.
pub fn above<'t>(table: &'t TableDef, column: &'t StoredColumn) -> Option<(Vec<&'static str>, &'t ResolvedFormula)> {
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
            for (i, group) in stretch.groups.iter().enumerate().filter(|_| stretch.selection == Selection::Chosen) {
                let at = stretch.at + i;
                places.add(*group as usize, counts.get(at).map_or(0.0, |count| count.max(0.0)));
            }
        });
    }
    Ok(())
}

/// Numbers of any type, with zero for null; `None` if the column has no numbers.
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

/// Sums of numbers per row, ordered by group.
struct Places {
    sums: Vec<f64>,
    /// The index of each group's next row.
    next: Vec<usize>,
}

impl Places {
    fn new(index: &RowIndex) -> Self {
        Places { sums: vec![0.0; index.chosen()], next: index.starts().collect() }
    }

    fn rewind(&mut self, index: &RowIndex) {
        self.next = index.starts().collect();
    }

    fn add(&mut self, group: usize, number: f64) {
        let Some(next) = self.next.get_mut(group) else { return };
        if let Some(sum) = self.sums.get_mut(*next) {
            *sum += number;
        }
        *next += 1;
    }
}
