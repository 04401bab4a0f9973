//! The order of rows in a file. Rows are written in order of arrival, except for tables with many short-lived entities:
//! there the rows of an entity are grouped, which makes the file 20 % smaller.

use arrow::array::RecordBatch;
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::error::ArrowError;

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
            let values = all.column_by_name(name).cloned();
            values.ok_or_else(|| ArrowError::SchemaError(format!("no column {name} to order by")))
        };
        let by = [column(self.entity)?, column(TS)?].map(|values| SortColumn { values, options: None });
        take_record_batch(&all, &lexsort_to_indices(&by, None)?).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int32Array, TimestampMicrosecondArray};
    use arrow::datatypes::Int32Type;

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
}
