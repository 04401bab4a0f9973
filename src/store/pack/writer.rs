//! Writes a ZIP archive whose bytes only depend on its files: they are in the order in which they are given, with one
//! fixed time and no other attributes.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// 1980-01-01, the first day that a ZIP archive can have.
const DATE: u16 = 1 << 5 | 1;
/// Made on a Unix (3), by version 2.0 or, for large files, 4.5 of the format.
const MADE_BY: u16 = 3 << 8;
const VERSION: u16 = 20;
const VERSION_LARGE: u16 = 45;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
/// A plain file that everyone may read.
const MODE: u32 = 0o100_644 << 16;

/// The bytes of a file.
pub enum Content<'c> {
    /// Deflated, if that makes it smaller.
    Small(&'c [u8]),
    /// Stored as it is: its length, and pieces of it from an offset on.
    Large { bytes: u64, read: &'c dyn Fn(u64) -> io::Result<bytes::Bytes> },
}

/// An archive being written.
pub struct PackWriter<'w> {
    out: &'w mut dyn Write,
    written: u64,
    directory: Vec<u8>,
    entries: u64,
}

struct Written<'n> {
    name: &'n str,
    method: u16,
    crc: u32,
    packed: u64,
    bytes: u64,
}

impl Written<'_> {
    fn is_large(&self) -> bool {
        self.packed >= u64::from(u32::MAX) || self.bytes >= u64::from(u32::MAX)
    }

    /// What the header before the content and the directory have in common.
    fn common(&self, is_large: bool) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        put16(&mut out, if is_large { VERSION_LARGE } else { VERSION });
        put16(&mut out, FLAGS);
        put16(&mut out, self.method);
        put16(&mut out, 0);
        put16(&mut out, DATE);
        put32(&mut out, self.crc);
        let is_own_large = self.is_large();
        put32(&mut out, if is_own_large { u32::MAX } else { self.packed as u32 });
        put32(&mut out, if is_own_large { u32::MAX } else { self.bytes as u32 });
        let name = u16::try_from(self.name.len()).map_err(|_| io::Error::other("a name is too long"))?;
        put16(&mut out, name);
        Ok(out)
    }
}

fn put16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}
fn put32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}
fn put64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// The field with numbers that do not fit into 32 bits.
fn extra(numbers: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    if !numbers.is_empty() {
        put16(&mut out, 1);
        put16(&mut out, 8 * numbers.len() as u16);
        numbers.iter().for_each(|number| put64(&mut out, *number));
    }
    out
}

impl<'w> PackWriter<'w> {
    pub fn new(out: &'w mut dyn Write) -> Self {
        PackWriter { out, written: 0, directory: Vec::new(), entries: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Adds a file.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn add(&mut self, name: &str, content: &Content<'_>) -> io::Result<()> {
        match content {
            Content::Small(bytes) => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(bytes)?;
                let deflated = encoder.finish()?;
                let is_smaller = deflated.len() < bytes.len();
                let packed = if is_smaller { &deflated[..] } else { bytes };
                let written = Written {
                    name,
                    method: if is_smaller { 8 } else { 0 },
                    crc: crc32fast::hash(bytes),
                    packed: packed.len() as u64,
                    bytes: bytes.len() as u64,
                };
                self.header(&written)?;
                self.put(packed)
            }
            Content::Large { bytes, read } => {
                // The checksum comes first, so the file is read twice.
                let mut sum = crc32fast::Hasher::new();
                each(*bytes, read, &mut |piece| {
                    sum.update(piece);
                    Ok(())
                })?;
                let crc = sum.finalize();
                self.header(&Written { name, method: 0, crc, packed: *bytes, bytes: *bytes })?;
                let mut again = crc32fast::Hasher::new();
                each(*bytes, read, &mut |piece| {
                    again.update(piece);
                    self.put(piece)
                })?;
                match again.finalize() == crc {
                    true => Ok(()),
                    false => Err(io::Error::other(format!("{name} changed while it was packed"))),
                }
            }
        }
    }

    /// Writes the header of a file, and adds it to the directory.
    fn header(&mut self, written: &Written<'_>) -> io::Result<()> {
        let start = self.written;
        let own_extra = if written.is_large() { extra(&[written.bytes, written.packed]) } else { Vec::new() };
        let mut header = b"PK\x03\x04".to_vec();
        header.extend(written.common(written.is_large())?);
        put16(&mut header, own_extra.len() as u16);
        header.extend_from_slice(written.name.as_bytes());
        header.extend(own_extra);
        self.put(&header)?;

        let is_far = start >= u64::from(u32::MAX);
        let mut large = if written.is_large() { vec![written.bytes, written.packed] } else { Vec::new() };
        large.extend(is_far.then_some(start));
        let extra = extra(&large);
        self.directory.extend_from_slice(b"PK\x01\x02");
        put16(&mut self.directory, MADE_BY | VERSION);
        self.directory.extend(written.common(!large.is_empty())?);
        put16(&mut self.directory, extra.len() as u16);
        // No comment, disk 0, no internal attributes.
        self.directory.extend_from_slice(&[0; 6]);
        put32(&mut self.directory, MODE);
        put32(&mut self.directory, if is_far { u32::MAX } else { start as u32 });
        self.directory.extend_from_slice(written.name.as_bytes());
        self.directory.extend(extra);
        self.entries += 1;
        Ok(())
    }

    /// Writes the directory; returns the length of the archive.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<u64> {
        let (start, length, entries) = (self.written, self.directory.len() as u64, self.entries);
        let directory = std::mem::take(&mut self.directory);
        self.put(&directory)?;
        let is_large = start >= u64::from(u32::MAX) || length >= u64::from(u32::MAX) || entries >= 0xffff;
        let mut end = Vec::new();
        if is_large {
            let end_at = self.written;
            end.extend_from_slice(b"PK\x06\x06");
            put64(&mut end, 44);
            put16(&mut end, MADE_BY | VERSION_LARGE);
            put16(&mut end, VERSION_LARGE);
            put64(&mut end, 0);
            put64(&mut end, entries);
            put64(&mut end, entries);
            put64(&mut end, length);
            put64(&mut end, start);
            end.extend_from_slice(b"PK\x06\x07");
            put32(&mut end, 0);
            put64(&mut end, end_at);
            put32(&mut end, 1);
        }
        end.extend_from_slice(b"PK\x05\x06");
        put32(&mut end, 0);
        let few = u16::try_from(entries).unwrap_or(u16::MAX);
        put16(&mut end, if is_large { u16::MAX } else { few });
        put16(&mut end, if is_large { u16::MAX } else { few });
        put32(&mut end, if is_large { u32::MAX } else { length as u32 });
        put32(&mut end, if is_large { u32::MAX } else { start as u32 });
        put16(&mut end, 0);
        self.put(&end)?;
        self.out.flush()?;
        Ok(self.written)
    }
}

/// Calls `take` with the pieces of a large file.
fn each(
    bytes: u64,
    read: &dyn Fn(u64) -> io::Result<bytes::Bytes>,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut at = 0;
    while at < bytes {
        let piece = read(at)?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at += piece.len() as u64;
        take(&piece)?;
    }
    Ok(())
}
