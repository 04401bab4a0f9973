//! The one place that turns a root and a name into bytes: the path is in every error.
//!
//! Files of `/proc` and `/sys` stay open and are read again with `pread` into one reused buffer, which costs about half
//! of opening them each time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Where `/proc` and `/sys` are. Tests put captured trees here; a container mounts the host's.
#[derive(Clone, Debug)]
pub struct Roots {
    pub proc: PathBuf,
    pub sys: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Roots { proc: "/proc".into(), sys: "/sys".into() }
    }
}

impl Roots {
    pub fn proc(&self, name: &str) -> PathBuf {
        self.proc.join(name)
    }
    pub fn sys(&self, name: &str) -> PathBuf {
        self.sys.join(name)
    }
    /// A file of `/proc/net`, which is a link to the reader's own network. A root that was mounted from elsewhere is to
    /// tell of the network there: that of its first process, where we may look at it.
    pub fn net(&self, name: &str) -> PathBuf {
        let first = self.proc.join("1/net").join(name);
        if !self.are_live() && first.exists() { first } else { self.proc.join("net").join(name) }
    }
    /// Do both roots belong to the running kernel? System calls (sockets, perf, statvfs) tell of no other.
    pub fn are_live(&self) -> bool {
        self.proc == Path::new("/proc") && self.sys == Path::new("/sys")
    }
}

/// A file that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {error}", path.display())]
pub struct SourceError {
    pub path: PathBuf,
    pub error: io::Error,
}

impl SourceError {
    pub fn is_missing(&self) -> bool {
        self.error.kind() == io::ErrorKind::NotFound
    }
}

/// Reads a small file once, without the white space around its text.
pub fn read_once(path: &Path) -> Result<String, SourceError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim().to_string()),
        Err(error) => Err(SourceError { path: path.to_path_buf(), error }),
    }
}

/// The names in a directory, with their numbers in order: `hwmon2` before `hwmon10`.
///
/// # Errors
/// When the directory cannot be read.
pub fn names_in(dir: &Path) -> Result<Vec<String>, SourceError> {
    let entries = std::fs::read_dir(dir).map_err(|error| SourceError { path: dir.to_path_buf(), error })?;
    let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    Ok(names)
}

/// The last name of what a symbolic link points to: `nvme0` for `device -> ../../nvme0`.
pub fn link_name(path: &Path) -> Option<String> {
    Some(std::fs::read_link(path).ok()?.file_name()?.to_str()?.to_string())
}

/// A file that stays open and is read from its beginning at every tick.
#[derive(Debug)]
pub struct HeldFile {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
}

/// The kernel hands out files of many records a page at a time, and ends a page early where the next record does not
/// fit. No record of the files read here is longer than this, so a shorter read was the whole file.
const LONGEST_RECORD: usize = 1024;

impl HeldFile {
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SourceError> {
        HeldFile::with_buffer(path.into(), 4096)
    }

    /// The same for an attribute of one value, of which a machine may have hundreds (one a core): with a small buffer.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open_attribute(path: impl Into<PathBuf>) -> Result<Self, SourceError> {
        HeldFile::with_buffer(path.into(), 64)
    }

    fn with_buffer(path: PathBuf, size: usize) -> Result<Self, SourceError> {
        match File::open(&path) {
            Ok(file) => Ok(HeldFile { path, file, buffer: vec![0; size] }),
            Err(error) => Err(SourceError { path, error }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole file as it is now.
    ///
    /// # Errors
    /// When the kernel refuses: a device that went away answers `ENODEV`, for instance.
    pub fn read(&mut self) -> Result<&[u8], SourceError> {
        let mut length = 0;
        loop {
            if length == self.buffer.len() {
                self.buffer.resize(length * 2, 0);
            }
            match self.file.read_at(&mut self.buffer[length..], length as u64) {
                Ok(0) => break,
                Ok(n) => {
                    length += n;
                    if n < LONGEST_RECORD.min(self.buffer.len() - (length - n)) {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SourceError { path: self.path.clone(), error }),
            }
        }
        Ok(&self.buffer[..length])
    }
}

/// A [`HeldFile`] for several collectors (`/proc/stat` feeds `cpu` and `cpu_core`): read once a tick, whoever asks first.
#[derive(Clone, Debug)]
pub struct SharedFile(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    held: Option<HeldFile>,
    tick: Option<u64>,
    length: usize,
}

impl SharedFile {
    /// Nothing is opened before the first reading.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        SharedFile(Arc::new(Mutex::new(Shared { path: path.into(), held: None, tick: None, length: 0 })))
    }

    /// Gives `parse` the bytes that the file had at this tick.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub fn with<T>(&self, tick: u64, parse: impl FnOnce(&[u8]) -> T) -> Result<T, SourceError> {
        let mut shared = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let shared = &mut *shared;
        let held = match &mut shared.held {
            Some(held) => held,
            none => none.insert(HeldFile::open(&shared.path)?),
        };
        if shared.tick != Some(tick) {
            shared.tick = None;
            shared.length = held.read()?.len();
            shared.tick = Some(tick);
        }
        Ok(parse(&held.buffer[..shared.length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_file_follows_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stat");
        for size in [0, 1, 1023, 1024, 4095, 4096, 4097, 70_000, 5] {
            let text: Vec<u8> = (0..size).map(|i| b'a' + (i % 26) as u8).collect();
            std::fs::write(&path, &text).unwrap();
            let mut held = HeldFile::open(&path).unwrap();
            assert_eq!(held.read().unwrap(), text, "size {size}");
            std::fs::write(&path, b"shorter\n").unwrap();
            assert_eq!(held.read().unwrap(), b"shorter\n");
        }
    }

    #[test]
    fn names_come_in_the_order_of_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["hwmon10", "hwmon2", "hwmon0"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert_eq!(names_in(dir.path()).unwrap(), ["hwmon0", "hwmon2", "hwmon10"]);
        assert!(names_in(&dir.path().join("absent")).unwrap_err().is_missing());
    }

    #[test]
    fn a_shared_file_is_read_once_a_tick() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stat");
        std::fs::write(&path, "one").unwrap();
        let shared = SharedFile::new(&path);
        assert_eq!(shared.with(1, <[u8]>::len).unwrap(), 3);
        std::fs::write(&path, "three").unwrap();
        assert_eq!(shared.with(1, <[u8]>::len).unwrap(), 3, "same tick, same bytes");
        assert_eq!(shared.with(2, <[u8]>::len).unwrap(), 5);
    }

    #[test]
    fn a_mounted_root_tells_of_its_own_network() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().to_path_buf(), sys: dir.path().to_path_buf() };
        assert_eq!(roots.net("dev"), dir.path().join("net/dev"));
        std::fs::create_dir_all(dir.path().join("1/net")).unwrap();
        std::fs::write(dir.path().join("1/net/dev"), "").unwrap();
        assert_eq!(roots.net("dev"), dir.path().join("1/net/dev"));
        assert_eq!(Roots::default().net("dev"), Path::new("/proc/net/dev"));
    }

    #[test]
    fn the_path_is_in_the_error() {
        let error = HeldFile::open("/nonexistent/stat").unwrap_err();
        assert!(error.is_missing());
        assert!(error.to_string().starts_with("cannot read /nonexistent/stat: "));
    }
}
