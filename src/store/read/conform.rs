//! Converts rows of another build to the columns of a schema.

use arrow::array::{RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

/// The columns of a schema, by name and in its order. Missing columns are null.
///
/// # Errors
/// When a column cannot be converted to the type in the schema.
pub fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let found = batch.schema();
    let mut next = 0;
    let columns = schema.fields().iter().map(|field| {
        // Usually the next column.
        let is_next = found.fields().get(next).is_some_and(|have| have.name() == field.name());
        let index = if is_next { Some(next) } else { found.index_of(field.name()).ok() };
        let Some(index) = index else { return Ok(new_null_array(field.data_type(), batch.num_rows())) };
        next = index + 1;
        let column = batch.column(index);
        if column.data_type() == field.data_type() { Ok(column.clone()) } else { cast(column, field.data_type()) }
    });
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)
}
