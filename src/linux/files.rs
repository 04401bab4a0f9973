//! The one place that turns a root and a name into bytes, so that every error has the path.
//!
//! Files of `/proc` and `/sys` stay open and are read again with `pread` into one reused buffer, which costs about half
//! of opening them each time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Where `/proc` and `/sys` are. Tests use captured trees; a container mounts the host's.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
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
    /// The root of the file system of the machine. From a container, it is reached through the first process.
    pub fn host(&self) -> PathBuf {
        if self.proc == Path::new("/proc") { "/".into() } else { self.proc("1/root") }
    }

    pub fn sys(&self, name: &str) -> PathBuf {
        self.sys.join(name)
    }
    /// A file of `/proc/net`, which is a link to the reader's own network. In a root that was mounted from elsewhere,
    /// the network of its first process is meant, if we may read it.
    pub fn net(&self, name: &str) -> PathBuf {
        let first = self.proc.join("1/net").join(name);
        if !self.are_live() && first.exists() { first } else { self.proc.join("net").join(name) }
    }
    /// Whether both roots belong to the running kernel. System calls (sockets, perf, statvfs) know no other.
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

/// Opens a file or folder of the kernel.
///
/// # Errors
/// If the kernel refuses.
#[allow(clippy::disallowed_methods, reason = "this is where the kernel's files are opened")]
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    File::open(path)
}

/// Reads a whole file of the kernel once.
///
/// # Errors
/// If the kernel refuses.
#[allow(clippy::disallowed_methods, reason = "this is where the kernel's files are read")]
pub fn read_bytes(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// Reads a small file once, without the white space around its text.
///
/// # Errors
/// If the kernel refuses.
pub fn read_once(path: &Path) -> Result<String, SourceError> {
    match read_bytes(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim().to_string()),
        Err(error) => Err(SourceError { path: path.to_path_buf(), error }),
    }
}

/// The names in a directory, sorted with numbers in their order: `hwmon2` before `hwmon10`.
///
/// # Errors
/// If the directory cannot be read.
pub fn names_in(dir: &Path) -> Result<Vec<String>, SourceError> {
    let entries = std::fs::read_dir(dir).map_err(|error| SourceError { path: dir.to_path_buf(), error })?;
    let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    Ok(names)
}

/// The last name in the target of a symbolic link: `nvme0` for `device -> ../../nvme0`.
pub fn link_name(path: &Path) -> Option<String> {
    Some(std::fs::read_link(path).ok()?.file_name()?.to_str()?.to_string())
}

/// A path from a list of mounts, in which the kernel writes blanks, tabs, line ends, `#` and backslashes as a backslash
/// and three octal digits.
pub fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        match (first, behind) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = behind;
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}

/// Something that can be read at an offset: a file, or a test.
pub trait ReadAt {
    /// # Errors
    /// Those of `pread`.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

/// No file that is read here is larger: `/proc/cpuinfo` of 4,096 CPUs has 6 MB.
const LONGEST_FILE: usize = 64 << 20;

/// Reads a file of records (mostly lines) to its end into `buffer`, which grows if needed; returns the length.
///
/// The kernel returns such a file in pieces of whole records, and ends a piece before a record that does not fit: after
/// 159 bytes if a disk with 75 partitions follows, which are one record. So a short read is not the end of the file;
/// only a read of 0 bytes is. This takes less than a microsecond.
///
/// # Errors
/// If the file cannot be read, or is larger than 64 MiB.
pub fn read_records(from: &impl ReadAt, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut length = 0;
    loop {
        if length == buffer.len() {
            if length >= LONGEST_FILE {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 64 MiB"));
            }
            buffer.resize((2 * length).max(FIRST_BUFFER), 0);
        }
        match read_some(from, buffer.get_mut(length..).unwrap_or_default(), length)? {
            0 => return Ok(length),
            n => length += n,
        }
    }
}

/// Reads an attribute: one value, of at most a page. Every file of sysfs is an attribute, and every file of a control
/// group that contains one number. The kernel prints the whole value before it returns the first byte, so a read that
/// does not fill the remaining room is the end.
///
/// # Errors
/// If the file cannot be read, or is larger than 64 MiB.
pub fn read_attribute(from: &impl ReadAt, buffer: &mut Vec<u8>) -> io::Result<usize> {
    buffer.resize(buffer.len().max(ATTRIBUTE_BUFFER), 0);
    match read_some(from, buffer, 0)? {
        n if n < buffer.len() => Ok(n),
        _ => read_records(from, buffer),
    }
}

/// Reads a file of records to its end, or until `buffer` is full; returns the length.
///
/// # Errors
/// If the file cannot be read.
pub fn read_beginning(from: &impl ReadAt, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match read_some(from, buffer.get_mut(length..).unwrap_or_default(), length)? {
            0 => break,
            n => length += n,
        }
    }
    Ok(length)
}

/// One read; returns how much of the room it filled.
fn read_some(from: &impl ReadAt, room: &mut [u8], offset: usize) -> io::Result<usize> {
    loop {
        match from.read_at(room, offset as u64) {
            Ok(n) => return Ok(n.min(room.len())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A file that stays open and is read from its beginning at every tick.
#[derive(Debug)]
pub struct HeldFile {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    extent: Extent,
}

/// The kind of file, which decides how its end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// [`read_records`]
    Records,
    /// [`read_attribute`]
    Attribute,
}

/// Most files of `/proc` fit into a page or two.
const FIRST_BUFFER: usize = 1024;
const ATTRIBUTE_BUFFER: usize = 64;

impl HeldFile {
    /// Opens a file of `/proc`, or any other file that may not be an attribute.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SourceError> {
        HeldFile::open_as(path.into(), Extent::Records)
    }

    /// Opens an attribute with one value ([`read_attribute`]), of which a machine may have hundreds (one per core).
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open_attribute(path: impl Into<PathBuf>) -> Result<Self, SourceError> {
        HeldFile::open_as(path.into(), Extent::Attribute)
    }

    fn open_as(path: PathBuf, extent: Extent) -> Result<Self, SourceError> {
        match open(&path) {
            Ok(file) => Ok(HeldFile { path, file, buffer: Vec::new(), extent }),
            Err(error) => Err(SourceError { path, error }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole current content of the file.
    ///
    /// # Errors
    /// If the kernel refuses: for example, a device that is gone answers `ENODEV`.
    pub fn read(&mut self) -> Result<&[u8], SourceError> {
        let read = match self.extent {
            Extent::Records => read_records(&self.file, &mut self.buffer),
            Extent::Attribute => read_attribute(&self.file, &mut self.buffer),
        };
        match read {
            Ok(length) => Ok(self.buffer.get(..length).unwrap_or_default()),
            Err(error) => Err(SourceError { path: self.path.clone(), error }),
        }
    }
}

/// A [`HeldFile`] for several collectors (`/proc/stat` is used by `cpu` and `cpu_core`, `/proc/net/snmp` by five): read
/// once per tick, by the first that asks.
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

    /// Opens the file, if it is not open.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(&self) -> Result<(), SourceError> {
        let mut shared = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if shared.held.is_none() {
            shared.held = Some(HeldFile::open(&shared.path)?);
        }
        Ok(())
    }

    /// Gives `parse` the content of the file at this tick.
    ///
    /// # Errors
    /// If the file cannot be opened or read.
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
        Ok(parse(held.buffer.get(..shared.length).unwrap_or_default()))
    }
}

#[cfg(test)]
pub mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A file that the kernel returns in pieces of these lengths, regardless of the room.
    pub struct Pieces<'t> {
        text: &'t [u8],
        lengths: Vec<usize>,
        pub reads: RefCell<Vec<usize>>,
    }

    impl<'t> Pieces<'t> {
        pub fn new(text: &'t [u8], lengths: &[usize]) -> Self {
            Pieces { text, lengths: lengths.to_vec(), reads: RefCell::default() }
        }
    }

    impl ReadAt for Pieces<'_> {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let offset = offset as usize;
            let mut ends = self.lengths.iter().scan(0, |end, n| {
                *end += n;
                Some(*end)
            });
            let end = ends.find(|end| *end > offset).unwrap_or(self.text.len());
            let n = (end - offset).min(buffer.len());
            buffer[..n].copy_from_slice(&self.text[offset..offset + n]);
            self.reads.borrow_mut().push(n);
            Ok(n)
        }
    }

    fn text(size: usize) -> Vec<u8> {
        (0..size).map(|i| b'a' + (i % 26) as u8).collect()
    }

    #[test]
    fn only_nothing_more_ends_a_file_of_records() {
        let mut buffer = Vec::new();
        for lengths in [&[159, 4096, 535][..], &[1], &[1, 1, 1], &[4096, 4096], &[1023, 1], &[1024], &[64], &[]] {
            let whole = text(lengths.iter().sum());
            let pieces = Pieces::new(&whole, lengths);
            let length = read_records(&pieces, &mut buffer).unwrap();
            assert_eq!(buffer[..length], whole, "{lengths:?}");
            assert_eq!(pieces.reads.borrow().last(), Some(&0), "{lengths:?}");
            // A read into a buffer that does not grow ends in the same way, or when the buffer is full.
            let mut room = [0; 5000];
            let length = read_beginning(&pieces, &mut room).unwrap();
            assert_eq!(room[..length], whole[..whole.len().min(5000)], "{lengths:?}");
        }
    }

    #[test]
    fn an_attribute_is_one_read_where_it_fits() {
        for size in [0, 1, 63, 64, 65, 4096] {
            let mut buffer = Vec::new();
            let whole = text(size);
            let attribute = Pieces::new(&whole, &[]);
            let length = read_attribute(&attribute, &mut buffer).unwrap();
            assert_eq!(buffer[..length], whole, "{size}");
            assert_eq!(attribute.reads.borrow().len() == 1, size < 64, "{size}");
        }
    }

    #[test]
    fn a_file_without_an_end_is_an_error() {
        struct Endless;
        impl ReadAt for Endless {
            fn read_at(&self, buffer: &mut [u8], _: u64) -> io::Result<usize> {
                Ok(buffer.len())
            }
        }
        let error = read_records(&Endless, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "more than 64 MiB");
    }

    #[test]
    fn a_call_that_was_interrupted_is_made_again() {
        struct Interrupted(RefCell<u32>);
        impl ReadAt for Interrupted {
            fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
                *self.0.borrow_mut() += 1;
                if *self.0.borrow() % 2 == 1 {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                buffer[0] = b'x';
                Ok(usize::from(offset < 3))
            }
        }
        let mut buffer = Vec::new();
        let length = read_records(&Interrupted(RefCell::new(0)), &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"xxx");
    }

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
        shared.open().unwrap();
        assert!(SharedFile::new(dir.path().join("none")).open().unwrap_err().is_missing());
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
