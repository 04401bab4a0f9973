//! Decodes columns of numbers without Arrow, which is faster and keeps dictionaries.
//!
//! This is only done for chunks with a checksum, which are known to be as perfwatch wrote them, and for the encodings
//! that it uses: v1 pages; PLAIN, DELTA_BINARY_PACKED or dictionary encoding; 64-bit numbers. Everything else is decoded
//! by the Parquet crate.

use std::sync::Arc;

use arrow_array::ArrayRef;
use parquet::basic::{Encoding, Type};
use parquet::column::page::Page;
use parquet::file::metadata::ColumnChunkMetaData;

use super::delta;
use super::hybrid::decode;
use super::pages::{Chunks, Pages};

/// Some rows of a column.
pub enum Numbers<'a> {
    /// Of any type.
    Array(&'a ArrayRef),
    /// The bits of 64-bit numbers.
    Plain { bits: &'a [i64], valid: Option<&'a [bool]>, is_float: bool },
    /// The index of each in the dictionary; [`NO_CODE`] if there is no value.
    Coded { codes: &'a [u32], dictionary: &'a [i64], is_float: bool },
}

/// The code of a row without a value.
pub const NO_CODE: u32 = u32::MAX;

/// The pages of a column chunk; `None` if it cannot be decoded here.
pub fn pages(source: Arc<Chunks>, chunk: &ColumnChunkMetaData, rows: usize) -> Option<Vec<Page>> {
    let is_number = matches!(chunk.column_type(), Type::INT64 | Type::DOUBLE);
    let column = chunk.column_descr();
    if !is_number || column.max_def_level() > 1 || column.max_rep_level() > 0 {
        return None;
    }
    let pages = Pages::of(source, chunk, rows)?.ok()?;
    pages.map(|page| page.ok().filter(is_known)).collect()
}

/// Can a page be decoded here?
fn is_known(page: &Page) -> bool {
    match page {
        Page::DictionaryPage { encoding, .. } => matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY),
        Page::DataPage { encoding, def_level_encoding, .. } => {
            let is_coded = matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
            (is_direct(*encoding) || is_coded) && *def_level_encoding == Encoding::RLE
        }
        Page::DataPageV2 { .. } => false,
    }
}

/// Does a page have values, and not indices in a dictionary?
fn is_direct(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::PLAIN | Encoding::DELTA_BINARY_PACKED)
}

/// Decodes pages one by one.
pub struct Decoder {
    pub is_float: bool,
    /// Can values be null?
    pub is_optional: bool,
    dictionary: Vec<i64>,
    levels: Vec<u32>,
    valid: Vec<bool>,
    codes: Vec<u32>,
    bits: Vec<i64>,
}

impl Decoder {
    pub fn new(chunk: &ColumnChunkMetaData) -> Decoder {
        Decoder {
            is_float: chunk.column_type() == Type::DOUBLE,
            is_optional: chunk.column_descr().max_def_level() == 1,
            dictionary: Vec::new(),
            levels: Vec::new(),
            valid: Vec::new(),
            codes: Vec::new(),
            bits: Vec::new(),
        }
    }

    /// Decodes a page. Returns its number of rows; `None` if it is inconsistent.
    pub fn page(&mut self, page: &Page, take: &mut dyn FnMut(Numbers<'_>)) -> Option<usize> {
        match page {
            Page::DictionaryPage { buf, num_values, .. } => {
                let (values, _) = buf.as_chunks::<8>();
                self.dictionary.clear();
                self.dictionary.extend(values.iter().map(|bytes| i64::from_le_bytes(*bytes)));
                (self.dictionary.len() == *num_values as usize).then_some(0)
            }
            Page::DataPage { buf, num_values, encoding, .. } => {
                let rows = *num_values as usize;
                let (values, bytes) = self.levels(buf, rows)?;
                match *encoding {
                    Encoding::PLAIN => self.plain(bytes, values),
                    Encoding::DELTA_BINARY_PACKED => self.delta(bytes, values),
                    _ => self.coded(bytes, values),
                }?;
                self.spread(is_direct(*encoding), rows);
                let valid = (values < rows).then_some(self.valid.as_slice());
                let (codes, dictionary, bits, is_float) = (&self.codes, &self.dictionary, &self.bits, self.is_float);
                take(match is_direct(*encoding) {
                    true => Numbers::Plain { bits, valid, is_float },
                    false => Numbers::Coded { codes, dictionary, is_float },
                });
                Some(rows)
            }
            Page::DataPageV2 { .. } => None,
        }
    }

    /// Decodes which rows have a value. Returns their number, and the bytes after the levels.
    fn levels<'p>(&mut self, page: &'p [u8], rows: usize) -> Option<(usize, &'p [u8])> {
        if !self.is_optional {
            return Some((rows, page));
        }
        let (length, rest) = page.split_first_chunk::<4>()?;
        let (levels, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.levels.clear();
        decode(levels, 1, rows, &mut self.levels)?;
        let values = self.levels.iter().sum::<u32>() as usize;
        if values < rows {
            self.valid.clear();
            self.valid.extend(self.levels.iter().map(|level| *level == 1));
        }
        Some((values, rest))
    }

    fn plain(&mut self, bytes: &[u8], values: usize) -> Option<()> {
        let (all, _) = bytes.as_chunks::<8>();
        self.bits.clear();
        self.bits.extend(all.get(..values)?.iter().map(|bytes| i64::from_le_bytes(*bytes)));
        Some(())
    }

    fn delta(&mut self, bytes: &[u8], values: usize) -> Option<()> {
        self.bits.clear();
        if values == 0 { Some(()) } else { delta::decode(bytes, values, &mut self.bits) }
    }

    fn coded(&mut self, bytes: &[u8], values: usize) -> Option<()> {
        self.codes.clear();
        if values == 0 {
            return Some(());
        }
        let (width, bytes) = bytes.split_first()?;
        decode(bytes, u32::from(*width), values, &mut self.codes)?;
        let most = self.codes.iter().copied().max().unwrap_or(0);
        ((most as usize) < self.dictionary.len()).then_some(())
    }

    /// Pages contain only values, no nulls: moves each value to its row.
    fn spread(&mut self, is_direct: bool, rows: usize) {
        if is_direct {
            spread(&mut self.bits, &self.valid, rows, 0);
        } else {
            spread(&mut self.codes, &self.valid, rows, NO_CODE);
        }
    }
}

/// Moves each value to its row, starting with the last.
fn spread<T: Copy>(values: &mut Vec<T>, valid: &[bool], rows: usize, none: T) {
    let mut from = values.len();
    if from == rows {
        return;
    }
    values.resize(rows, none);
    for (row, is_valid) in valid.iter().enumerate().take(rows).rev() {
        let value = if *is_valid {
            from = from.saturating_sub(1);
            values.get(from).copied().unwrap_or(none)
        } else {
            none
        };
        if let Some(slot) = values.get_mut(row) {
            *slot = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};

    use super::super::parquet::ParquetPiece;
    use super::super::piece::Piece;
    use super::*;
    use crate::report::testing::{column, floats, ints, rows, table};
    use crate::store::layout::Layout;
    use crate::store::write::output::Output;
    use crate::table::{Kind, Type as ColumnType, Unit};

    /// The bits of every row, as the Parquet crate decodes them.
    fn by_the_crate(array: &ArrayRef) -> Vec<Option<i64>> {
        match array.as_primitive_opt::<Float64Type>() {
            Some(floats) => floats.iter().map(|v| v.map(|v| v.to_bits().cast_signed())).collect(),
            None => array.as_primitive::<Int64Type>().iter().collect(),
        }
    }

    /// The same as decoded here, and whether there were plain and dictionary pages.
    fn by_us(piece: &dyn Piece, name: &str) -> (Vec<Option<i64>>, bool, bool) {
        let (mut found, mut plain, mut coded) = (Vec::new(), false, false);
        let take = &mut |numbers: Numbers<'_>| match numbers {
            Numbers::Array(_) => panic!("{name} was decoded by the crate"),
            Numbers::Plain { bits, valid, .. } => {
                plain = true;
                let is_valid = |row: usize| valid.is_none_or(|valid| valid[row]);
                found.extend(bits.iter().enumerate().map(|(row, bits)| is_valid(row).then_some(*bits)));
            }
            Numbers::Coded { codes, dictionary, .. } => {
                coded = true;
                found.extend(codes.iter().map(|code| dictionary.get(*code as usize).copied()));
            }
        };
        piece.numbers(name, take).unwrap();
        (found, plain, coded)
    }

    #[test]
    fn as_the_parquet_crate_decodes_them() {
        let float = |name| column(name, ColumnType::Float64, Kind::Interval, Unit::None);
        let int = |name| column(name, ColumnType::Int64, Kind::Gauge, Unit::None);
        let names = ["few", "few_with_nulls", "many", "many_with_nulls", "ints", "constant", "nulls"];
        let stored = names.map(|name| if matches!(name, "ints" | "constant") { int(name) } else { float(name) });
        let t = table("t", stored.to_vec());
        // More than a row group and than a page.
        let n = 150_000i64;
        let mixed = |i: i64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed());
        let few = |i: i64| [0.0, -0.0, 1.5, -7.25, f64::NAN][mixed(i).unsigned_abs() as usize % 5];
        let many = |i: i64| f64::from_bits(mixed(i).cast_unsigned());
        let seconds: Vec<i64> = (0..n).collect();
        let batch = rows(
            t,
            &seconds,
            &vec![Some(1.0); seconds.len()],
            vec![
                floats((0..n).map(few)),
                floats((0..n).map(|i| (i % 7 > 2).then(|| few(i)))),
                floats((0..n).map(many)),
                floats((0..n).map(|i| (i % 3 > 0 || i > 100_000).then(|| many(i)))),
                ints((0..n).map(mixed)),
                ints((0..n).map(|_| 42)),
                floats((0..n).map(|_| None::<f64>)),
            ],
        );
        let folder = tempfile::tempdir().unwrap();
        let (path, layout) = (folder.path().join("file.parquet"), Layout::new(folder.path()));
        let facts = Vec::new();
        let mut output = Output::new(&layout, &path, t, "20261120T0700Z", &facts);
        output.write(&batch).unwrap();
        output.close().unwrap();
        let piece = ParquetPiece::open(&layout, &path, t).unwrap();
        for name in names {
            let (found, plain, coded) = by_us(&piece, name);
            let want: Vec<_> = piece.column(name).unwrap().iter().flat_map(by_the_crate).collect();
            assert_eq!(found.len(), seconds.len(), "{name}");
            assert!(found == want, "{name}");
            match name {
                "few" | "few_with_nulls" | "constant" => assert!(coded && !plain, "{name}"),
                "many" | "many_with_nulls" | "ints" => assert!(plain && !coded, "{name}"),
                _ => {}
            }
        }
    }

    #[test]
    fn values_are_moved_to_their_rows() {
        let mut values = vec![7, 8, 9];
        spread(&mut values, &[false, true, true, false, true, false], 6, 0);
        assert_eq!(values, [0, 7, 8, 0, 9, 0]);
        let mut none: Vec<i64> = Vec::new();
        spread(&mut none, &[false, false], 2, -1);
        assert_eq!(none, [-1, -1]);
    }
}
