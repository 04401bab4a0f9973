//! Converts rows of another build to the columns of a schema.

use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{ArrowError, DataType, SchemaRef};

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
        if column.data_type() == field.data_type() { Ok(column.clone()) } else { converted(column, field.data_type()) }
    });
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)
}

/// A column in the type that its table declares. Other tools leave text plain and name another time zone; more is not
/// converted, because a column never changes its type. Not by arrow-cast, which converts every type to every other, and
/// takes minutes to compile.
fn converted(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if let (Some(texts), DataType::Dictionary(_, of)) = (column.as_string_opt::<i32>(), to)
        && **of == DataType::Utf8
    {
        let mut builder = StringDictionaryBuilder::<Int32Type>::new();
        for text in texts {
            match text {
                Some(text) => builder.append(text).map(drop)?,
                None => builder.append_null(),
            }
        }
        return Ok(Arc::new(builder.finish()));
    }
    match (column.as_primitive_opt::<TimestampMicrosecondType>(), to) {
        (Some(stamps), DataType::Timestamp(_, zone)) => Ok(Arc::new(stamps.clone().with_timezone_opt(zone.clone()))),
        _ => Err(ArrowError::CastError(format!("a column has type {} instead of {to}", column.data_type()))),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow_schema::{Field, Schema, TimeUnit};

    use super::*;

    fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
        Arc::new(Schema::new(fields.iter().map(|(name, ty)| Field::new(*name, ty.clone(), true)).collect::<Vec<_>>()))
    }

    #[test]
    fn plain_text_and_other_zones_are_converted() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let wanted = schema(&[("ts", utc), ("name", dictionary), ("new", DataType::Int64)]);
        let ts = TimestampMicrosecondArray::from(vec![1, 2, 3]).with_timezone("+00:00");
        let name = StringArray::from(vec![Some("sda"), None, Some("sda")]);
        let batch = RecordBatch::try_from_iter([("ts", Arc::new(ts) as ArrayRef), ("name", Arc::new(name))]).unwrap();
        let made = conform(&batch, &wanted).unwrap();
        assert_eq!(made.schema(), wanted);
        assert_eq!(made.column(0).as_primitive::<TimestampMicrosecondType>().values(), &[1, 2, 3]);
        let name = made.column(1).as_dictionary::<Int32Type>();
        assert_eq!(name.keys().iter().collect::<Vec<_>>(), [Some(0), None, Some(0)]);
        assert_eq!(name.values().as_string::<i32>().iter().collect::<Vec<_>>(), [Some("sda")]);
        assert_eq!(made.column(2).null_count(), 3);
    }

    #[test]
    fn another_type_is_an_error() {
        let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        for ty in [DataType::Float64, DataType::Utf8, DataType::Timestamp(TimeUnit::Microsecond, None)] {
            assert!(conform(&batch, &schema(&[("n", ty)])).is_err());
        }
    }
}
