//! The order of rows in a file. Rows are written in order of arrival, except for tables with many short-lived entities:
//! there the rows of an entity are grouped, which makes the file 20 % smaller.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow_schema::ArrowError;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;

use crate::table::TS;

/// Rows that are sorted together: a few minutes of a hundred processes, some MB.
const ROWS: usize = 64 * 1024;

/// Collects rows, and returns them sorted by `entity` and time.
pub struct Order {
    entity: &'static str,
    waiting: Vec<RecordBatch>,
    rows: usize,
}

impl Order {
    /// Sorts by this column first.
    pub fn by(entity: &'static str) -> Order {
        Order { entity, waiting: Vec::new(), rows: 0 }
    }

    /// Adds rows; returns sorted rows when there are enough.
    ///
    /// # Errors
    /// When the rows lack one of the columns.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>, ArrowError> {
        self.rows += batch.num_rows();
        self.waiting.push(batch.clone());
        if self.rows < ROWS { Ok(None) } else { self.rest() }
    }

    /// The remaining rows, sorted.
    ///
    /// # Errors
    /// When the rows lack one of the columns.
    pub fn rest(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.rows = 0;
        let Some(first) = waiting.first() else { return Ok(None) };
        let all = concat_batches(&first.schema(), &waiting)?;
        let column = |name: &str| {
            let values = all.column_by_name(name);
            values.ok_or_else(|| ArrowError::SchemaError(format!("no column {name} to order by")))
        };
        take_record_batch(&all, &order(column(self.entity)?, column(TS)?)?).map(Some)
    }
}

/// The order of the rows: by entity, then by time, then by arrival. Null comes first.
fn order(entity: &ArrayRef, ts: &ArrayRef) -> Result<UInt32Array, ArrowError> {
    let wrong = |values: &ArrayRef| ArrowError::SchemaError(format!("cannot order by {}", values.data_type()));
    let ts = ts.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| wrong(ts))?;
    let entities = numbers(entity).ok_or_else(|| wrong(entity))?;
    // The keys are copied next to each other; comparing them in place takes twice as long.
    let mut rows: Vec<(Option<i64>, i64, u32)> =
        entities.into_iter().zip(ts.values()).zip(0..).map(|((entity, ts), row)| (entity, *ts, row)).collect();
    rows.sort_unstable();
    Ok(UInt32Array::from_iter_values(rows.into_iter().map(|(_, _, row)| row)))
}

/// Numbers with the same order as the values of a column; `None` for a type that entities do not have.
fn numbers(column: &ArrayRef) -> Option<Vec<Option<i64>>> {
    if let Some(ints) = column.as_primitive_opt::<Int32Type>() {
        return Some(ints.iter().map(|v| v.map(i64::from)).collect());
    }
    if let Some(ints) = column.as_primitive_opt::<Int64Type>() {
        return Some(ints.iter().collect());
    }
    let dictionary = column.as_dictionary_opt::<Int32Type>()?;
    let ranks = ranks(dictionary.values().as_string_opt::<i32>()?);
    let rank = |key: i32| ranks.get(usize::try_from(key).ok()?).copied().flatten();
    Some(dictionary.keys().iter().map(|key| rank(key?)).collect())
}

/// The rank of each text among all of them.
fn ranks(texts: &StringArray) -> Vec<Option<i64>> {
    let mut sorted: Vec<&str> = texts.iter().flatten().collect();
    sorted.sort_unstable();
    sorted.dedup();
    texts.iter().map(|text| sorted.binary_search(&text?).ok().map(|rank| rank as i64)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    use arrow_array::{DictionaryArray, Float64Array, Int32Array, Int64Array, TimestampMicrosecondArray};

    use super::*;

    fn batch(rows: &[(i64, i32)]) -> RecordBatch {
        let ts = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.0));
        let pid = Int32Array::from_iter_values(rows.iter().map(|r| r.1));
        RecordBatch::try_from_iter([(TS, Arc::new(ts) as _), ("pid", Arc::new(pid) as _)]).unwrap()
    }

    #[test]
    fn rows_of_an_entity_are_grouped_in_time_order() {
        let mut order = Order::by("pid");
        assert_eq!(order.add(&batch(&[(1, 7), (1, 9), (2, 7)])).unwrap(), None);
        assert_eq!(order.add(&batch(&[(2, 8), (3, 9), (3, 7)])).unwrap(), None);
        assert_eq!(order.rest().unwrap(), Some(batch(&[(1, 7), (2, 7), (3, 7), (2, 8), (1, 9), (3, 9)])));
        assert_eq!(order.rest().unwrap(), None);
    }

    #[test]
    fn enough_rows_are_returned_at_once() {
        let many: Vec<(i64, i32)> = (0..ROWS as i64).map(|i| (i, (i % 3) as i32)).collect();
        let mut order = Order::by("pid");
        let given = order.add(&batch(&many)).unwrap().unwrap();
        assert_eq!(given.num_rows(), ROWS);
        assert!(given.column(1).as_primitive::<Int32Type>().values().is_sorted());
        assert_eq!(order.rest().unwrap(), None);
        assert!(Order::by("comm").add(&batch(&many)).is_err());
    }

    #[test]
    fn every_type_that_an_entity_can_have() {
        let ts: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![5, 4, 3, 2, 1]));
        let rows = |entity: ArrayRef| order(&entity, &ts).unwrap().values().to_vec();
        // Null first, then ascending; rows of one entity by time.
        assert_eq!(rows(Arc::new(Int32Array::from(vec![Some(2), Some(-7), None, Some(2), None]))), [4, 2, 1, 3, 0]);
        assert_eq!(
            rows(Arc::new(Int64Array::from(vec![Some(1 << 40), Some(-7), None, Some(i64::MIN), Some(0)]))),
            [2, 3, 1, 4, 0]
        );
        let texts: DictionaryArray<Int32Type> =
            [Some("b"), Some("a"), None, Some("B"), Some("a")].into_iter().collect();
        assert_eq!(rows(Arc::new(texts)), [2, 3, 4, 1, 0]);
        assert!(order(&(Arc::new(Float64Array::from(vec![0.0; 5])) as ArrayRef), &ts).is_err());
    }

    #[test]
    fn rows_of_the_same_entity_and_time_keep_their_order() {
        let many = batch(&vec![(1, 7); 1000]);
        let sorted = order(many.column(1), many.column(0)).unwrap();
        assert!(sorted.values().is_sorted());
    }
}
