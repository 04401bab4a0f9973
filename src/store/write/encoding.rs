//! How the values of a column are encoded.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, FieldRef, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use zstd::bulk::Compressor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    Plain,
    Dictionary,
    Delta,
}

impl Encoded {
    /// The smallest encoding of these values, found by trying. Text has a dictionary. A dictionary of numbers that
    /// rarely repeat is a second copy of them (if used for all columns, files are 45 % larger); one of few numbers
    /// saves half of a column or more. The differences of counters and times are smaller than their values.
    ///
    /// The values are written without compression and then compressed, so that all columns share a compressor: the
    /// Parquet crate would create one for each trial.
    pub fn smallest(
        field: &FieldRef,
        column: &ArrayRef,
        compressor: &mut Compressor<'_>,
    ) -> Result<Encoded, ParquetError> {
        let others: &[Encoded] = match column.data_type() {
            DataType::Dictionary(..) => return Ok(Encoded::Dictionary),
            _ if Differences::default().add(column) => &[Encoded::Dictionary, Encoded::Delta],
            _ => &[Encoded::Dictionary],
        };
        let schema = Arc::new(Schema::new(vec![field.clone()]));
        let mut size = |encoded: Encoded| {
            let properties = WriterProperties::builder()
                .set_dictionary_enabled(false)
                .set_statistics_enabled(EnabledStatistics::None);
            let properties = encoded.set(properties, ColumnPath::from(field.name().as_str())).build();
            let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
            writer.write(&RecordBatch::try_new(schema.clone(), vec![column.clone()])?)?;
            Ok::<_, ParquetError>(compressor.compress(&writer.into_inner()?)?.len())
        };
        let mut best = (Encoded::Plain, size(Encoded::Plain)?);
        for other in others {
            let bytes = size(*other)?;
            if bytes < best.1 {
                best = (*other, bytes);
            }
        }
        Ok(best.0)
    }

    pub fn set(self, properties: WriterPropertiesBuilder, path: ColumnPath) -> WriterPropertiesBuilder {
        match self {
            Encoded::Plain => properties,
            Encoded::Dictionary => properties.set_column_dictionary_enabled(path, true),
            Encoded::Delta => properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        }
    }
}

/// Differences in a block are stored as what they exceed the smallest by. fastparquet returns other values, without an
/// error, if that needs more than 28 bits.
const MOST_BITS: u32 = 28;

/// The differences from one value of a column to the next.
#[derive(Debug, Default)]
pub struct Differences {
    last: Option<i64>,
    /// The smallest and the largest one.
    range: Option<(i64, i64)>,
}

impl Differences {
    /// Adds the next values of the column. Can all values until now be delta encoded?
    pub fn add(&mut self, column: &ArrayRef) -> bool {
        let values = match column.data_type() {
            DataType::Int64 => column.as_primitive_opt::<Int64Type>().cloned(),
            DataType::Timestamp(..) => {
                column.as_primitive_opt::<TimestampMicrosecondType>().map(PrimitiveArray::reinterpret_cast)
            }
            _ => None,
        };
        let Some(values) = values else { return false };
        values.iter().flatten().all(|value| self.next(value).is_some())
    }

    /// None if the differences have become too different.
    fn next(&mut self, value: i64) -> Option<()> {
        if let Some(last) = self.last.replace(value) {
            let difference = value.checked_sub(last)?;
            let (least, most) = self.range.unwrap_or((difference, difference));
            let (least, most) = (least.min(difference), most.max(difference));
            self.range = Some((least, most));
            (most.checked_sub(least)? < 1 << MOST_BITS).then_some(())?;
        }
        Some(())
    }
}
