//! The directory of a ZIP archive, checked before anything in it is used.
//!
//! Only what packs need is read: files that are stored or deflated. Everything else that the format allows is refused:
//! encryption, several disks, names that lead out of the archive, two files with one name, files that share bytes.

use std::collections::BTreeMap;

use super::PackError;

/// The end of the directory, without a comment, and the longest comment.
pub const END_BYTES: u64 = 22;
pub const MAX_END_BYTES: u64 = END_BYTES + 0xffff + ZIP64_LOCATOR_BYTES;
const ZIP64_LOCATOR_BYTES: u64 = 20;
const ZIP64_END_BYTES: u64 = 56;
pub const LOCAL_BYTES: u64 = 30;

const END: u32 = 0x0605_4b50;
const ZIP64_LOCATOR: u32 = 0x0706_4b50;
const ZIP64_END: u32 = 0x0606_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
const CENTRAL_BYTES: usize = 46;

/// A year of hourly files of a fleet has fewer.
pub const MAX_DIRECTORY_BYTES: u64 = 256 << 20;
const MAX_DEPTH: usize = 16;
const MAX_NAME_BYTES: usize = 4096;

/// Deflate cannot shrink anything to less than 1/1032; an entry that claims so is crafted.
const MAX_RATIO: u64 = 1032;
/// Small files are inflated into memory.
pub const MAX_INFLATED_BYTES: u64 = 64 << 20;

/// How an entry is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Stored,
    Deflated,
}

/// A file of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub method: Method,
    /// CRC-32 of the content.
    pub crc: u32,
    /// Bytes in the archive, and of the content.
    pub packed: u64,
    pub bytes: u64,
    /// Of its own header, before the content.
    pub header_at: u64,
    /// Where the next entry or the directory begins.
    pub ends_before: u64,
}

/// Where the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub start: u64,
    pub length: u64,
    pub entries: u64,
}

fn short() -> PackError {
    PackError::damaged("its directory is cut short")
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, PackError> {
    let two = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>).ok_or_else(short)?;
    Ok(u16::from_le_bytes(*two))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Result<u32, PackError> {
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or_else(short)?;
    Ok(u32::from_le_bytes(*four))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, PackError> {
    let eight = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>).ok_or_else(short)?;
    Ok(u64::from_le_bytes(*eight))
}

/// Finds the directory. `end`: the last bytes of an archive of `length` bytes, [`MAX_END_BYTES`] if it has so many.
///
/// # Errors
/// When it has no end, or one that contradicts itself.
pub fn find(
    end: &[u8],
    length: u64,
    read: impl Fn(u64, u64) -> Result<Vec<u8>, PackError>,
) -> Result<Place, PackError> {
    let last = end.len().checked_sub(END_BYTES as usize).ok_or_else(PackError::cut)?;
    let is_end = |at: &usize| {
        let comment = u16_at(end, at + 20).map(usize::from);
        u32_at(end, *at).is_ok_and(|magic| magic == END)
            && comment.is_ok_and(|n| at + END_BYTES as usize + n == end.len())
    };
    let at = (0..=last).rev().find(is_end).ok_or_else(PackError::cut)?;
    let place = Place {
        start: u64::from(u32_at(end, at + 16)?),
        length: u64::from(u32_at(end, at + 12)?),
        entries: u64::from(u16_at(end, at + 10)?),
    };
    if u32_at(end, at + 4)? != 0 {
        return Err(PackError::damaged("it is one of several parts"));
    }
    let end_at = length - (end.len() - at) as u64;
    let is_large = place.start == u64::from(u32::MAX) || place.length == u64::from(u32::MAX) || place.entries == 0xffff;
    let (place, ends_at) = if is_large { large(end, at, end_at, read)? } else { (place, end_at) };
    match place.start.checked_add(place.length) {
        Some(sum) if sum == ends_at && place.length <= MAX_DIRECTORY_BYTES => Ok(place),
        _ => Err(PackError::damaged("its directory is not where its end says")),
    }
}

/// The end of an archive with more than 65,535 files or 4 GiB. Returns also where the directory must end.
fn large(
    end: &[u8],
    at: usize,
    end_at: u64,
    read: impl Fn(u64, u64) -> Result<Vec<u8>, PackError>,
) -> Result<(Place, u64), PackError> {
    let locator = at.checked_sub(ZIP64_LOCATOR_BYTES as usize).ok_or_else(short)?;
    if u32_at(end, locator)? != ZIP64_LOCATOR {
        return Err(short());
    }
    let zip64_at = u64_at(end, locator + 8)?;
    if zip64_at.checked_add(ZIP64_END_BYTES + ZIP64_LOCATOR_BYTES) != Some(end_at) {
        return Err(PackError::damaged("its directory is not where its end says"));
    }
    let zip64 = read(zip64_at, ZIP64_END_BYTES)?;
    if u32_at(&zip64, 0)? != ZIP64_END || u32_at(&zip64, 16)? != 0 || u32_at(&zip64, 20)? != 0 {
        return Err(short());
    }
    let place = Place { start: u64_at(&zip64, 48)?, length: u64_at(&zip64, 40)?, entries: u64_at(&zip64, 32)? };
    Ok((place, zip64_at))
}

/// The files of the archive by name, and the names of its folders. `bytes`: the directory.
///
/// # Errors
/// What is wrong with it, with the name of the entry.
pub fn parse(bytes: &[u8], place: Place) -> Result<BTreeMap<String, Entry>, PackError> {
    let mut files = BTreeMap::new();
    let mut starts = Vec::new();
    let mut at = 0;
    for _ in 0..place.entries {
        let (name, entry, next) = one(bytes, at)?;
        at = next;
        starts.push((entry.header_at, name.len() as u64 + LOCAL_BYTES + entry.packed));
        // An entry of a folder has no content, and readers do not need it.
        if let Some(folder) = name.strip_suffix('/') {
            check_name(folder)?;
            continue;
        }
        check_name(&name)?;
        if files.insert(name.clone(), entry).is_some() {
            return Err(PackError::entry(&name, "is in it twice"));
        }
    }
    if at != bytes.len() {
        return Err(PackError::damaged("its directory has other entries than its end says"));
    }
    starts.sort_unstable();
    for (n, (start, bytes)) in starts.iter().enumerate() {
        let next = starts.get(n + 1).map_or(place.start, |(next, _)| *next);
        if start.checked_add(*bytes).is_none_or(|end| end > next) {
            return Err(PackError::damaged("two of its files share bytes"));
        }
    }
    let all: Vec<u64> = starts.iter().map(|(start, _)| *start).collect();
    for entry in files.values_mut() {
        let next = all.partition_point(|start| *start <= entry.header_at);
        entry.ends_before = all.get(next).copied().unwrap_or(place.start);
    }
    // A name cannot be a file and a folder.
    let mut last: Option<&str> = None;
    for name in files.keys() {
        if last.is_some_and(|last| name.strip_prefix(last).is_some_and(|rest| rest.starts_with('/'))) {
            return Err(PackError::entry(name, "is in a folder that is also a file"));
        }
        last = Some(name);
    }
    Ok(files)
}

/// An entry at this offset of the directory, and the offset of the next.
fn one(bytes: &[u8], at: usize) -> Result<(String, Entry, usize), PackError> {
    if u32_at(bytes, at)? != CENTRAL {
        return Err(short());
    }
    let lengths = [u16_at(bytes, at + 28)?, u16_at(bytes, at + 30)?, u16_at(bytes, at + 32)?].map(usize::from);
    let [name_bytes, extra_bytes, comment_bytes] = lengths;
    let name_at = at + CENTRAL_BYTES;
    let name = bytes.get(name_at..name_at + name_bytes).ok_or_else(short)?;
    let extra = bytes.get(name_at + name_bytes..name_at + name_bytes + extra_bytes).ok_or_else(short)?;
    let name = match std::str::from_utf8(name) {
        Ok(name) if !name.is_empty() && name.len() <= MAX_NAME_BYTES => name.to_string(),
        _ => return Err(PackError::entry(&String::from_utf8_lossy(name), "has no name that can be used")),
    };
    let fail = |what: &str| PackError::entry(&name, what);
    if u16_at(bytes, at + 8)? & 0x41 != 0 {
        return Err(fail("is encrypted"));
    }
    // The kind of file, if it was packed on a Unix.
    let (system, mode) = (u16_at(bytes, at + 4)? >> 8, u32_at(bytes, at + 38)? >> 16);
    let is_plain = [0, 0o100_000, 0o040_000].contains(&(mode & 0o170_000));
    if system == 3 && !is_plain {
        return Err(fail("is a link or a device"));
    }
    let method = match u16_at(bytes, at + 10)? {
        0 => Method::Stored,
        8 => Method::Deflated,
        other => {
            return Err(fail(&format!("is compressed by method {other}; only stored and deflated files are read")));
        }
    };
    let mut large = Large::of(extra)?;
    let bytes_of = large.or(u32_at(bytes, at + 24)?)?;
    let packed = large.or(u32_at(bytes, at + 20)?)?;
    let header_at = large.or(u32_at(bytes, at + 42)?)?;
    let is_possible = match method {
        Method::Stored => packed == bytes_of,
        Method::Deflated => bytes_of <= MAX_INFLATED_BYTES && bytes_of <= packed.saturating_mul(MAX_RATIO),
    };
    if !is_possible || name.ends_with('/') && bytes_of > 0 {
        return Err(fail(&format!("claims to have {bytes_of} bytes, which it cannot have")));
    }
    let crc = u32_at(bytes, at + 16)?;
    let entry = Entry { method, crc, packed, bytes: bytes_of, header_at, ends_before: 0 };
    Ok((name, entry, name_at + name_bytes + extra_bytes + comment_bytes))
}

/// The numbers of an entry that do not fit into 32 bits, in order.
struct Large<'e>(&'e [u8]);

impl<'e> Large<'e> {
    fn of(mut extra: &'e [u8]) -> Result<Large<'e>, PackError> {
        const ZIP64: u16 = 1;
        while extra.len() >= 4 {
            let (id, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
            let field = extra.get(4..4 + length).ok_or_else(short)?;
            if id == ZIP64 {
                return Ok(Large(field));
            }
            extra = extra.get(4 + length..).unwrap_or_default();
        }
        Ok(Large(&[]))
    }

    /// The number, or the next of the large ones if it says so.
    fn or(&mut self, number: u32) -> Result<u64, PackError> {
        if number != u32::MAX {
            return Ok(u64::from(number));
        }
        let large = u64_at(self.0, 0)?;
        self.0 = self.0.get(8..).unwrap_or_default();
        Ok(large)
    }
}

/// Only names inside the archive: no absolute paths, no `..`.
fn check_name(name: &str) -> Result<(), PackError> {
    let parts = || name.split('/');
    let is_good = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !parts().all(is_good) || name.contains(['\\', '\0']) || parts().count() > MAX_DEPTH {
        return Err(PackError::entry(name, "has a name that leads out of the archive, or is not a path"));
    }
    Ok(())
}

/// The offset of an entry's content, from its own header: the first bytes at [`Entry::header_at`], with the name.
///
/// # Errors
/// When the header does not agree with the directory.
pub fn content_at(header: &[u8], name: &str, entry: &Entry) -> Result<u64, PackError> {
    let differs = || PackError::entry(name, "has a header that contradicts the directory");
    let method = match entry.method {
        Method::Stored => 0,
        Method::Deflated => 8,
    };
    let own = header.get(LOCAL_BYTES as usize..).and_then(|rest| rest.get(..name.len()));
    let lengths = (u16_at(header, 26)?, u16_at(header, 28)?);
    if u32_at(header, 0)? != LOCAL
        || u16_at(header, 8)? != method
        || usize::from(lengths.0) != name.len()
        || own != Some(name.as_bytes())
    {
        return Err(differs());
    }
    let start = entry.header_at + LOCAL_BYTES + u64::from(lengths.0) + u64::from(lengths.1);
    match start.checked_add(entry.packed) {
        Some(end) if end <= entry.ends_before => Ok(start),
        _ => Err(differs()),
    }
}
