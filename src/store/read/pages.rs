//! The pages of column chunks, decompressed.
//!
//! The Parquet crate creates a compressor and a decompressor for each chunk, which takes as long as decompressing several
//! pages, and on a virtual machine as long as everything else in a small file: zstd asks for the features of the CPU,
//! which the hypervisor answers. Its reader finds the pages here, but is told that they are not compressed.
//!
//! This is only done for chunks with a checksum, which are known to be as perfwatch wrote them: v1 pages, zstd or not
//! compressed.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use zstd::bulk::Decompressor;

/// Our pages are shorter.
const MOST_PAGE_BYTES: usize = 64 << 20;

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The chunks to decode, presented as if they were the whole file.
pub struct Chunks {
    pub length: u64,
    /// The offset and the bytes of each.
    pub chunks: Vec<(u64, Bytes)>,
}

impl Chunks {
    fn from(&self, at: u64) -> Result<Bytes, ParquetError> {
        let inside = |(start, bytes): &(u64, Bytes)| {
            let skip = usize::try_from(at.checked_sub(*start)?).ok()?;
            (skip <= bytes.len()).then(|| bytes.slice(skip..))
        };
        // Search from the last, because the previous chunk may end where this one starts.
        let found = self.chunks.iter().rev().find_map(inside);
        found.ok_or_else(|| ParquetError::EOF(format!("byte {at} is in none of the columns that are read")))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Chunks {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        self.from(start).map(Buf::reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.from(start)?;
        let short = || ParquetError::EOF(format!("a page of {length} bytes at byte {start} that is not whole"));
        if length <= bytes.len() { Ok(bytes.slice(..length)) } else { Err(short()) }
    }
}

/// The pages of a column chunk.
pub struct Pages {
    found: SerializedPageReader<Chunks>,
    is_compressed: bool,
}

impl Pages {
    /// None if the chunk is compressed in another way.
    pub fn of(source: Arc<Chunks>, chunk: &ColumnChunkMetaData, rows: usize) -> Option<Result<Pages, ParquetError>> {
        let is_compressed = match chunk.compression() {
            Compression::UNCOMPRESSED => false,
            Compression::ZSTD(_) => true,
            _ => return None,
        };
        let plain = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build();
        let found = plain.and_then(|plain| SerializedPageReader::new(source, &plain, rows, None));
        Some(found.map(|found| Pages { found, is_compressed }))
    }

    fn plain(&self, bytes: Bytes) -> Result<Bytes, ParquetError> {
        let plain = if self.is_compressed { decompressed(&bytes) } else { Some(bytes) };
        plain.ok_or_else(|| ParquetError::General("a page that cannot be decompressed".into()))
    }

    fn decompress(&self, page: Page) -> Result<Page, ParquetError> {
        Ok(match page {
            Page::DictionaryPage { buf, num_values, encoding, is_sorted } => {
                Page::DictionaryPage { buf: self.plain(buf)?, num_values, encoding, is_sorted }
            }
            Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, statistics } => {
                let buf = self.plain(buf)?;
                Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, statistics }
            }
            Page::DataPageV2 { .. } => return Err(ParquetError::General("a page of version 2".into())),
        })
    }
}

fn decompressed(bytes: &[u8]) -> Option<Bytes> {
    let length = Decompressor::upper_bound(bytes).filter(|length| *length <= MOST_PAGE_BYTES)?;
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let mut decompressor = kept.take().or_else(|| Decompressor::new().ok())?;
        let plain = decompressor.decompress(bytes, length).ok();
        *kept = Some(decompressor);
        plain.map(Bytes::from)
    })
}

impl Iterator for Pages {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        self.found.get_next_page()?.map(|page| self.decompress(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.found.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.found.skip_next_page()
    }
}

/// A row group of which all chunks that are read have [`Pages`].
pub struct GroupPages<'m> {
    pub metadata: &'m ParquetMetaData,
    pub group: &'m RowGroupMetaData,
    pub source: Arc<Chunks>,
}

impl RowGroups for GroupPages<'_> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.group.num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, i: usize) -> Result<Box<dyn PageIterator>, ParquetError> {
        let pages = Pages::of(self.source.clone(), self.group.column(i), self.num_rows());
        let pages = pages.unwrap_or_else(|| Err(ParquetError::General("another compression than zstd".into())))?;
        Ok(Box::new(OneChunk(Some(pages))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

struct OneChunk(Option<Pages>);

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|pages| Ok(Box::new(pages) as Box<dyn PageReader>))
    }
}

impl PageIterator for OneChunk {}
