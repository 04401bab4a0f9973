//! The values of a batch as text, column by column: for CSV (RFC 4180) and JSON. A timestamp is in RFC 3339 with
//! microseconds, in UTC. Null is nothing in CSV.

use std::io::{self, Write};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use chrono::DateTime;
use serde::Serialize;

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    Csv,
    Json,
}

/// The columns of a batch.
///
/// # Errors
/// When a column has a type that no table has.
pub fn columns(batch: &RecordBatch, notation: Notation) -> io::Result<Vec<Cells<'_>>> {
    let schema = batch.schema();
    let fields = schema.fields().iter().zip(batch.columns());
    let cells = fields.map(|(field, column)| {
        let wrong = || io::Error::other(format!("column `{}` has type {}", field.name(), field.data_type()));
        let column = Column::new(column, notation).ok_or_else(wrong)?;
        Ok(Cells { column, notation })
    });
    cells.collect()
}

/// A column whose values can be written.
pub struct Cells<'a> {
    column: Column<'a>,
    notation: Notation,
}

/// A column of one of the types that tables have.
enum Column<'a> {
    Stamps(&'a TimestampMicrosecondArray, Second),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Floats(&'a Float64Array),
    Bools(&'a BooleanArray),
    Texts(&'a StringArray),
    /// Keys of a dictionary, and its texts as fields.
    Words(&'a Int32Array, Vec<Vec<u8>>),
}

impl<'a> Column<'a> {
    fn new(column: &'a ArrayRef, notation: Notation) -> Option<Column<'a>> {
        if let Some(stamps) = column.as_primitive_opt::<TimestampMicrosecondType>() {
            return Some(Column::Stamps(stamps, Second::default()));
        }
        if let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() {
            let texts = dictionary.values().as_string_opt::<i32>()?;
            let field = |value: Option<&str>| {
                let mut field = Vec::new();
                match value {
                    Some(value) => notation.text(value, &mut field)?,
                    None => field.extend_from_slice(notation.null()),
                }
                Ok(field)
            };
            let fields: io::Result<Vec<_>> = texts.iter().map(field).collect();
            return Some(Column::Words(dictionary.keys(), fields.ok()?));
        }
        let ints = || column.as_primitive_opt::<Int64Type>().map(Column::Int64);
        let floats = || column.as_primitive_opt::<Float64Type>().map(Column::Floats);
        let int32s = || column.as_primitive_opt::<Int32Type>().map(Column::Int32);
        let bools = || column.as_boolean_opt().map(Column::Bools);
        let texts = || column.as_string_opt::<i32>().map(Column::Texts);
        ints().or_else(floats).or_else(int32s).or_else(bools).or_else(texts)
    }
}

impl Cells<'_> {
    /// Appends the value of a row to its line.
    ///
    /// # Errors
    /// When it is a time that cannot be written.
    pub fn write(&mut self, row: usize, line: &mut Vec<u8>) -> io::Result<()> {
        let notation = self.notation;
        match &mut self.column {
            Column::Stamps(stamps, second) if stamps.is_valid(row) => {
                let quote = if notation == Notation::Json { &b"\""[..] } else { b"" };
                line.extend_from_slice(quote);
                second.write(stamps.value(row), line)?;
                line.extend_from_slice(quote);
            }
            Column::Int32(ints) if ints.is_valid(row) => number(ints.value(row), line)?,
            Column::Int64(ints) if ints.is_valid(row) => number(ints.value(row), line)?,
            Column::Floats(floats) if floats.is_valid(row) => notation.float(floats.value(row), line)?,
            Column::Bools(bools) if bools.is_valid(row) => {
                line.extend_from_slice(if bools.value(row) { b"true" } else { b"false" });
            }
            Column::Texts(texts) if texts.is_valid(row) => notation.text(texts.value(row), line)?,
            Column::Words(keys, fields) if keys.is_valid(row) => {
                let field = usize::try_from(keys.value(row)).ok().and_then(|key| fields.get(key));
                line.extend_from_slice(field.map_or(notation.null(), Vec::as_slice));
            }
            _ => line.extend_from_slice(notation.null()),
        }
        Ok(())
    }
}

impl Notation {
    fn null(self) -> &'static [u8] {
        match self {
            Notation::Csv => b"",
            Notation::Json => b"null",
        }
    }

    /// JSON has no NaN and no infinities.
    fn float(self, value: f64, line: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Notation::Json if !value.is_finite() => line.write_all(self.null()),
            _ => float(value, line),
        }
    }

    fn text(self, value: &str, line: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Notation::Csv => text(value, line),
            Notation::Json => serde_json::to_writer(line, value)?,
        }
        Ok(())
    }
}

/// The second of the last timestamp as text, kept because the rows of a tick come one after another.
#[derive(Default)]
pub struct Second {
    since_epoch: Option<i64>,
    text: String,
}

impl Second {
    /// # Errors
    /// When it is not a time that has a name.
    pub fn write(&mut self, ts_us: i64, line: &mut Vec<u8>) -> io::Result<()> {
        let (s, us) = (ts_us.div_euclid(1_000_000), ts_us.rem_euclid(1_000_000));
        if self.since_epoch != Some(s) {
            let instant = DateTime::from_timestamp(s, 0);
            let instant = instant.ok_or_else(|| io::Error::other(format!("{ts_us} us is not an instant")))?;
            self.text = instant.format("%Y-%m-%dT%H:%M:%S").to_string();
            self.since_epoch = Some(s);
        }
        write!(line, "{}.{us:06}Z", self.text)
    }
}

/// JSON and CSV write numbers alike, and `serde_json` is faster than `std::fmt`.
fn number(value: impl Serialize, line: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(line, &value).map_err(io::Error::from)
}

/// The shortest text that reads back as the same number and shows that it is not an integer: `1.0`, `1e16`.
///
/// # Errors
/// Does not happen: a line in memory can be written.
pub fn float(value: f64, line: &mut Vec<u8>) -> io::Result<()> {
    let size = value.abs();
    if (1e-5..1e16).contains(&size) || size == 0.0 {
        number(value, line)
    } else if value.is_nan() {
        line.write_all(b"NaN")
    } else {
        // "1e300", "inf"
        write!(line, "{value:e}")
    }
}

/// A field of CSV, quoted if it would otherwise not be read back as one.
pub fn text(value: &str, line: &mut Vec<u8>) {
    if !value.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r')) {
        line.extend_from_slice(value.as_bytes());
        return;
    }
    line.push(b'"');
    for byte in value.bytes() {
        line.extend(std::iter::repeat_n(byte, if byte == b'"' { 2 } else { 1 }));
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{DictionaryArray, UInt8Array};

    use super::super::csv::write_rows;
    use super::*;

    fn lines(columns: Vec<ArrayRef>) -> String {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let mut out = Vec::new();
        write_rows(&RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// One field per line. The second column is there because a line with one empty field would be an empty line.
    fn column(values: ArrayRef) -> Vec<String> {
        let rows = values.len();
        let text = lines(vec![values, Arc::new(BooleanArray::from(vec![true; rows]))]);
        text.split_terminator(",true\n").map(str::to_string).collect()
    }

    #[test]
    fn one_row_per_line_and_nothing_for_null() {
        let ts = TimestampMicrosecondArray::from(vec![1_795_158_000_000_000, 1_795_158_000_999_999]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(ts.with_timezone("UTC")),
            Arc::new(Float64Array::from(vec![None, Some(1.0)])),
            Arc::new(DictionaryArray::<Int32Type>::from_iter([None, Some("load/warmup")])),
            Arc::new(StringArray::from(vec![Some("sda"), None])),
            Arc::new(Int32Array::from(vec![None, Some(i32::MIN)])),
            Arc::new(Int64Array::from(vec![Some(i64::MAX), None])),
            Arc::new(BooleanArray::from(vec![Some(false), None])),
        ];
        assert_eq!(
            lines(columns),
            "2026-11-20T07:00:00.000000Z,,,sda,,9223372036854775807,false\n\
             2026-11-20T07:00:00.999999Z,1.0,load/warmup,,-2147483648,,\n"
        );
    }

    #[test]
    fn stamps() {
        let stamps = vec![-1, 0, 951_782_400_000_001, 253_402_300_800_000_000];
        assert_eq!(
            column(Arc::new(TimestampMicrosecondArray::from(stamps))),
            [
                "1969-12-31T23:59:59.999999Z",
                "1970-01-01T00:00:00.000000Z",
                "2000-02-29T00:00:00.000001Z",
                "+10000-01-01T00:00:00.000000Z"
            ]
        );
    }

    /// As version 0.1.0 wrote them.
    #[test]
    fn floats_are_the_shortest_that_read_back_the_same() {
        let floats = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-100.0, "-100.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1.0 / 3.0, "0.3333333333333333"),
            (123_456_789.125, "123456789.125"),
            (0.00001, "0.00001"),
            (0.000_009_999_999_999_999_999, "9.999999999999999e-6"),
            (-1.5e-7, "-1.5e-7"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e16"),
            (18_446_744_073_709_551_616.0, "1.8446744073709552e19"),
            (-1e300, "-1e300"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        let written = column(Arc::new(Float64Array::from_iter_values(floats.iter().map(|f| f.0))));
        assert_eq!(written, floats.map(|f| f.1));
    }

    #[test]
    fn text_is_quoted_only_where_it_must_be() {
        let texts = [
            ("", ""),
            (" a b ", " a b "),
            ("sda, old", "\"sda, old\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("\"", "\"\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("old\rmac", "\"old\rmac\""),
            ("tab\t; #'\\", "tab\t; #'\\"),
            ("größer µ", "größer µ"),
        ];
        let (values, fields) = (texts.map(|t| t.0), texts.map(|t| t.1));
        assert_eq!(column(Arc::new(StringArray::from_iter_values(values))), fields);
        assert_eq!(column(Arc::new(DictionaryArray::<Int32Type>::from_iter(values))), fields);
    }

    #[test]
    fn a_text_of_a_dictionary_may_be_null() {
        let texts = Arc::new(StringArray::from(vec![Some("a,b"), None]));
        let keys = Int32Array::from(vec![Some(1), Some(0), None, Some(0)]);
        let words = DictionaryArray::try_new(keys, texts).unwrap();
        assert_eq!(column(Arc::new(words)), ["", "\"a,b\"", "", "\"a,b\""]);
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let fails = |values: ArrayRef| {
            let batch = RecordBatch::try_from_iter([("a", values)]).unwrap();
            write_rows(&batch, &mut Vec::new()).unwrap_err().to_string()
        };
        assert_eq!(fails(Arc::new(UInt8Array::from(vec![1]))), "column `a` has type UInt8");
        let never = TimestampMicrosecondArray::from(vec![i64::MAX]);
        assert_eq!(fails(Arc::new(never)), "9223372036854775807 us is not an instant");
    }
}
