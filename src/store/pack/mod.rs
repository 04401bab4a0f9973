//! One file with everything of a recording, or of a folder of runs: a ZIP archive, so that any program can open it.
//!
//! Large Parquet files are stored in it as they are, and read in place. Small files are deflated, and inflated into memory.
//! A pack is only read: nothing in it changes.

mod directory;
mod writer;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use flate2::read::DeflateDecoder;

use crate::linux::descriptors;
pub use directory::Entry;
use directory::{LOCAL_BYTES, MAX_DIRECTORY_BYTES, MAX_END_BYTES, Method};
pub use writer::{Content, PackWriter};

/// The extension of new packs.
pub const EXTENSION: &str = "perfwatch";

/// How archives begin: with a file, or empty.
const MAGICS: [&[u8; 4]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// What to do in place of changing a pack.
pub const READ_ONLY: &str = "a packed recording is only read: unpack it (`unzip FILE -d DIR`), or use the directory";

/// An archive that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("is damaged: {0}")]
    Damaged(String),
    #[error("is not a packed recording, or is cut short: it has no end of a ZIP archive")]
    Cut,
    #[error("is refused: `{name}` in it {what}")]
    Entry { name: String, what: String },
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl PackError {
    fn damaged(what: &str) -> PackError {
        PackError::Damaged(what.into())
    }
    fn cut() -> PackError {
        PackError::Cut
    }
    fn entry(name: &str, what: &str) -> PackError {
        PackError::Entry { name: name.escape_debug().to_string(), what: what.into() }
    }
}

impl From<PackError> for io::Error {
    fn from(error: PackError) -> io::Error {
        match error {
            PackError::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
        }
    }
}

/// What distinguishes a file from another one with the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Identity {
    fn of(file: &File) -> io::Result<Identity> {
        let meta = file.metadata()?;
        let changed = (meta.mtime(), meta.mtime_nsec());
        Ok(Identity { device: meta.dev(), inode: meta.ino(), bytes: meta.len(), changed })
    }
}

/// An open archive with a checked directory.
#[derive(Debug)]
pub struct Pack {
    path: PathBuf,
    identity: Identity,
    /// Closed, and opened again for each read, if too many files are open.
    file: Option<File>,
    files: BTreeMap<String, Entry>,
}

/// An entry of a folder in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    pub is_folder: bool,
}

impl Pack {
    /// Opens the archive, or returns it if it is open already. `None` if the file is not meant as one: it neither begins
    /// like an archive nor has the extension of packs.
    ///
    /// # Errors
    /// When it cannot be read, or is not a pack.
    pub fn open(path: &Path) -> Result<Option<Arc<Pack>>, PackError> {
        static OPEN: Mutex<Vec<Weak<Pack>>> = Mutex::new(Vec::new());
        let file = crate::store::layout::files::open_plain(path)?;
        let identity = Identity::of(&file)?;
        let mut begin = [0; 4];
        let is_meant = path.extension().is_some_and(|extension| extension == EXTENSION);
        if !(is_meant || file.read_exact_at(&mut begin, 0).is_ok() && MAGICS.contains(&&begin)) {
            return Ok(None);
        }
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|pack| pack.strong_count() > 0);
        let same = |pack: &Arc<Pack>| pack.identity == identity && pack.path == path;
        if let Some(pack) = open.iter().filter_map(Weak::upgrade).find(same) {
            return Ok(Some(pack));
        }
        let pack = Arc::new(Pack::read(path, file, identity)?);
        open.push(Arc::downgrade(&pack));
        Ok(Some(pack))
    }

    fn read(path: &Path, file: File, identity: Identity) -> Result<Pack, PackError> {
        let length = identity.bytes;
        let bytes = |start: u64, length: u64| -> Result<Vec<u8>, PackError> {
            if length > MAX_DIRECTORY_BYTES {
                return Err(PackError::damaged("its directory is too large"));
            }
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            file.read_exact_at(&mut bytes, start).map_err(|_| PackError::cut())?;
            Ok(bytes)
        };
        let end = length.min(MAX_END_BYTES);
        let place = directory::find(&bytes(length - end, end)?, length, bytes)?;
        let files = directory::parse(&bytes(place.start, place.length)?, place)?;
        let file = descriptors::is_low(file.as_raw_fd()).then_some(file);
        Ok(Pack { path: path.to_path_buf(), identity, file, files })
    }

    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.files.get(name)
    }

    /// Is there a file in this folder? The empty name is the archive itself.
    pub fn has_folder(&self, folder: &str) -> bool {
        folder.is_empty() || self.below(folder).next().is_some()
    }

    /// The files below a folder.
    pub fn below(&self, folder: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let files = self.files.range(prefix.clone()..).map(|(name, entry)| (name.as_str(), entry));
        files.take_while(move |(name, _)| name.starts_with(&prefix))
    }

    /// The number of files below a folder, and their bytes in the archive.
    pub fn size(&self, folder: &str) -> (u64, u64) {
        self.below(folder).fold((0, 0), |(files, bytes), (_, entry)| (files + 1, bytes + entry.packed))
    }

    /// What is in a folder; `None` if it does not exist.
    pub fn list(&self, folder: &str) -> Option<Vec<Listed>> {
        let skip = if folder.is_empty() { 0 } else { folder.len() + 1 };
        let mut found: Vec<Listed> = Vec::new();
        for (name, _) in self.below(folder) {
            let rest = name.get(skip..).unwrap_or_default();
            let (first, is_folder) = rest.split_once('/').map_or((rest, false), |(first, _)| (first, true));
            // Names that begin alike are together.
            if found.last().is_none_or(|last| last.name != first) {
                found.push(Listed { name: first.to_string(), is_folder });
            }
        }
        (folder.is_empty() || !found.is_empty()).then_some(found)
    }

    /// Reads bytes of the archive.
    ///
    /// # Errors
    /// When they cannot be read, or the archive was replaced by another.
    pub fn read_at(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        match &self.file {
            Some(file) => file.read_exact_at(&mut bytes, start)?,
            None => {
                let file = crate::store::layout::files::open_plain(&self.path)?;
                if Identity::of(&file)? != self.identity {
                    return Err(io::Error::other("the packed recording was replaced while it was read"));
                }
                file.read_exact_at(&mut bytes, start)?;
            }
        }
        Ok(bytes.into())
    }

    /// Where the content of a stored file begins; `None` if it is deflated.
    ///
    /// # Errors
    /// When its header cannot be read, or contradicts the directory.
    pub fn place(&self, name: &str, entry: &Entry) -> Result<Option<u64>, PackError> {
        let start = self.content_at(name, entry)?;
        Ok((entry.method == Method::Stored).then_some(start))
    }

    fn content_at(&self, name: &str, entry: &Entry) -> Result<u64, PackError> {
        let header = self.read_at(entry.header_at, LOCAL_BYTES as usize + name.len())?;
        directory::content_at(&header, name, entry)
    }

    /// The content of a file, verified. For files that fit into memory.
    ///
    /// # Errors
    /// When it cannot be read, or does not have its checksum.
    pub fn content(&self, name: &str, entry: &Entry) -> Result<Bytes, PackError> {
        let damaged = || PackError::entry(name, "does not have the checksum with which it was packed");
        let start = self.content_at(name, entry)?;
        let length = |bytes: u64| usize::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory));
        let packed = self.read_at(start, length(entry.packed)?)?;
        let bytes = match entry.method {
            Method::Stored => packed,
            Method::Deflated => {
                let mut bytes = Vec::with_capacity(length(entry.bytes)?);
                // One more than it may have.
                let most = entry.bytes + 1;
                DeflateDecoder::new(&*packed).take(most).read_to_end(&mut bytes).map_err(|_| damaged())?;
                bytes.into()
            }
        };
        if bytes.len() as u64 != entry.bytes || crc32fast::hash(&bytes) != entry.crc {
            return Err(damaged());
        }
        Ok(bytes)
    }

    /// Verifies the checksum of a file of any size.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn check(&self, name: &str, entry: &Entry) -> Result<(), PackError> {
        const PIECE: u64 = 1 << 20;
        if entry.method == Method::Deflated {
            return self.content(name, entry).map(drop);
        }
        let start = self.content_at(name, entry)?;
        let mut sum = crc32fast::Hasher::new();
        let mut done = 0;
        while done < entry.bytes {
            let bytes = self.read_at(start + done, (entry.bytes - done).min(PIECE) as usize)?;
            sum.update(&bytes);
            done += bytes.len() as u64;
        }
        match sum.finalize() == entry.crc {
            true => Ok(()),
            false => Err(PackError::entry(name, "does not have the checksum with which it was packed")),
        }
    }
}

/// A directory in a pack: the archive itself, or a folder in it.
#[derive(Clone, Debug)]
pub struct Inside {
    pub pack: Arc<Pack>,
    /// Its name in the archive; empty for the archive itself.
    pub folder: String,
}

impl Inside {
    /// Finds the pack in a path: the path itself, or one of the directories above it.
    ///
    /// # Errors
    /// When a file in the path is meant as a pack and cannot be read as one.
    pub fn find(path: &Path) -> Result<Option<Inside>, PackError> {
        for above in path.ancestors() {
            let Ok(meta) = above.metadata() else { continue };
            if !meta.is_file() {
                return Ok(None);
            }
            let Some(pack) = Pack::open(above)? else { return Ok(None) };
            let folder = path.strip_prefix(above).ok().and_then(name_of);
            return Ok(folder.map(|folder| Inside { pack, folder }));
        }
        Ok(None)
    }

    /// The name in the archive of a path below this folder; `None` for one that leads out of it.
    pub fn name(&self, below: &Path) -> Option<String> {
        let below = name_of(below)?;
        Some(match (self.folder.is_empty(), below.is_empty()) {
            (true, _) => below,
            (false, true) => self.folder.clone(),
            (false, false) => format!("{}/{below}", self.folder),
        })
    }
}

/// A relative path as in the archive.
fn name_of(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path
        .components()
        .filter(|part| *part != std::path::Component::CurDir)
        .map(|part| match part {
            std::path::Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    Some(parts?.join("/"))
}

/// The pack in which a directory is, looked up once.
pub type Found = OnceLock<Option<Inside>>;

#[cfg(test)]
mod tests;
