//! The only place where files of a recording are opened, created, renamed and removed.
//!
//! A recording may belong to another user, and root may work on it. So every name is looked up from one descriptor of
//! the recording's directory, step by step, and no symbolic link inside is followed. A file is only opened if it is a
//! plain file: never a FIFO or a device. A new file must not exist before (`O_EXCL`); its owner and mode are set on its
//! descriptor.
//!
//! Paths are as [`Layout`] returns them: below [`Layout::root`], so that messages can name them. Links in the path of
//! the recording's directory itself are followed: the user who named it chose them.
//!
//! A recording can also be in a [pack](crate::store::pack), and its root a path that leads into that file. Then it can be
//! listed and read in the same way; everything else fails, because its descriptor cannot be had.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::{Layout, Stored};
use crate::store::pack::{Inside, PackError, READ_ONLY};

/// Read, write and execute permissions; never set-id or sticky bits.
const PERMISSIONS: u32 = 0o777;
const NOT_EXECUTABLE: u32 = 0o666;
/// Mode of files that only their owner may open.
const PRIVATE: u32 = 0o600;

/// Text files are small. A larger file is not one of ours.
pub const MAX_TEXT_BYTES: u64 = 64 << 20;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Opening a FIFO does not wait for its other end; it is refused afterwards.
const PLAIN: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const NEW: OFlags =
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub path: PathBuf,
    pub is_folder: bool,
}

impl Entry {
    /// None if the name is not UTF-8; then the file is not ours.
    pub fn name(&self) -> Option<&str> {
        self.path.file_name()?.to_str()
    }
}

/// An open folder: the recording's directory, or a folder in it.
enum Folder<'l> {
    Root(BorrowedFd<'l>),
    Inside(OwnedFd),
}

impl AsFd for Folder<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Folder::Root(fd) => *fd,
            Folder::Inside(fd) => fd.as_fd(),
        }
    }
}

impl Layout {
    /// Opens a plain file for reading.
    ///
    /// # Errors
    /// When it does not exist, is not a plain file, or may not be read.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        let (folder, name) = self.folder_of(path)?;
        plain(rustix::fs::openat(&folder, name, PLAIN | OFlags::RDONLY, Mode::empty()))
    }

    /// Opens a plain file for reading, also in a pack.
    ///
    /// # Errors
    /// As for [`Layout::open`].
    pub fn stored(&self, path: &Path) -> io::Result<Stored> {
        let Some(inside) = self.inside()? else { return Stored::file(self.open(path)?) };
        let name = self.name_in(inside, path)?;
        let Some(entry) = inside.pack.entry(&name) else {
            let is_folder = inside.pack.has_folder(&name);
            return Err(if is_folder { io::ErrorKind::IsADirectory } else { io::ErrorKind::NotFound }.into());
        };
        Ok(match inside.pack.place(&name, entry)? {
            Some(start) => Stored::part(inside.pack.clone(), start, entry.bytes),
            None => Stored::memory(inside.pack.content(&name, entry)?),
        })
    }

    /// Reads a plain text file.
    ///
    /// # Errors
    /// As for [`Layout::open`], and when it is larger than [`MAX_TEXT_BYTES`].
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.inside()? {
            None => read_text(&self.open(path)?),
            Some(inside) => {
                let name = self.name_in(inside, path)?;
                let entry = inside.pack.entry(&name).ok_or(io::ErrorKind::NotFound)?;
                if entry.bytes > MAX_TEXT_BYTES {
                    return Err(too_large());
                }
                Ok(inside.pack.content(&name, entry)?.into())
            }
        }
    }

    /// The pack in which the recording is; `None` if it is a directory.
    ///
    /// # Errors
    /// When there is a file in the path that is meant as a pack and cannot be read as one.
    pub fn pack(&self) -> Result<Option<&Inside>, PackError> {
        if let Some(found) = self.found.get() {
            return Ok(found.as_ref());
        }
        // Nearly always a directory, which does not need to be looked for in the path.
        let inside = if self.descriptor_of_directory().is_ok() { None } else { Inside::find(&self.root)? };
        Ok(self.found.get_or_init(|| inside).as_ref())
    }

    /// Is it in a pack, which nobody changes?
    pub fn is_packed(&self) -> bool {
        matches!(self.pack(), Ok(Some(_)))
    }

    fn inside(&self) -> io::Result<Option<&Inside>> {
        Ok(self.pack()?)
    }

    fn name_in(&self, inside: &Inside, path: &Path) -> io::Result<String> {
        inside.name(self.below_root(path)?).ok_or_else(|| outside(path))
    }

    /// Creates a new file that belongs to the owner of its folder.
    ///
    /// # Errors
    /// When the name exists, or the file cannot be created.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        let (folder, name) = self.folder_of(path)?;
        let file = rustix::fs::openat(&folder, name, NEW, Mode::from_raw_mode(NOT_EXECUTABLE))?;
        give(file.as_fd(), &rustix::fs::fstat(&folder)?, NOT_EXECUTABLE);
        Ok(file.into())
    }

    /// Creates a new file, and replaces one that an interrupted writer left.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create_anew(&self, path: &Path) -> io::Result<File> {
        match self.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.create(path),
        }
    }

    /// Opens a file that only its owner may open; creates it if it is missing.
    ///
    /// # Errors
    /// When it exists and may not be opened, or cannot be created.
    pub fn open_private(&self, path: &Path) -> io::Result<File> {
        let (folder, name) = self.folder_of(path)?;
        match rustix::fs::openat(&folder, name, NEW, Mode::from_raw_mode(PRIVATE)) {
            Ok(file) => {
                give(file.as_fd(), &rustix::fs::fstat(&folder)?, PRIVATE);
                Ok(file.into())
            }
            Err(Errno::EXIST) => plain(rustix::fs::openat(&folder, name, PLAIN | OFlags::RDWR, Mode::empty())),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a folder unless it exists. It belongs to the owner of its parent folder.
    ///
    /// # Errors
    /// When it cannot be created, or the name is not a folder.
    pub fn make_folder(&self, path: &Path) -> io::Result<()> {
        let (around, name) = self.folder_of(path)?;
        match rustix::fs::mkdirat(&around, name, Mode::from_raw_mode(PERMISSIONS)) {
            Ok(()) => {
                give(step(around.as_fd(), name)?.as_fd(), &rustix::fs::fstat(&around)?, PERMISSIONS);
                Ok(())
            }
            Err(Errno::EXIST) => step(around.as_fd(), name).map(drop),
            Err(error) => Err(error.into()),
        }
    }

    /// # Errors
    /// When it does not exist, is a folder, or may not be removed.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.folder_of(path)?;
        Ok(rustix::fs::unlinkat(&folder, name, AtFlags::empty())?)
    }

    /// # Errors
    /// When it does not exist, is not empty, or is not a folder.
    pub fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.folder_of(path)?;
        Ok(rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR)?)
    }

    /// Renames a file, and replaces a file that has the new name.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (old, from) = self.folder_of(from)?;
        let (new, to) = self.folder_of(to)?;
        Ok(rustix::fs::renameat(&old, from, &new, to)?)
    }

    /// The entries of a folder, in no particular order; empty if there is no folder.
    ///
    /// # Errors
    /// When it exists and cannot be listed, or is not a folder.
    pub fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        if let Some(inside) = self.inside()? {
            let name = self.name_in(inside, path)?;
            if inside.pack.entry(&name).is_some() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            let listed = inside.pack.list(&name).unwrap_or_default().into_iter();
            let entry =
                |entry: crate::store::pack::Listed| Entry { path: path.join(entry.name), is_folder: entry.is_folder };
            return Ok(listed.map(entry).collect());
        }
        let folder = match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            folder => folder?,
        };
        let mut found = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not return the type here.
                FileType::Unknown => stat(folder.as_fd(), name).map_or(FileType::Unknown, |s| kind(&s)),
                kind => kind,
            };
            found.push(Entry { path: path.join(name), is_folder: kind == FileType::Directory });
        }
        Ok(found)
    }

    /// Size of a plain file in bytes; None if there is none.
    pub fn bytes_of(&self, path: &Path) -> Option<u64> {
        if let Ok(Some(inside)) = self.inside() {
            return inside.pack.entry(&self.name_in(inside, path).ok()?).map(|entry| entry.bytes);
        }
        self.plain_stat(path).map(|stat| u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// Does the directory exist?
    pub fn is_there(&self) -> bool {
        match self.inside() {
            Ok(Some(inside)) => inside.pack.has_folder(&inside.folder),
            _ => self.descriptor().is_ok(),
        }
    }

    /// Is there a plain file with this name?
    pub fn has_file(&self, path: &Path) -> bool {
        self.bytes_of(path).is_some()
    }

    /// Is there a folder with this name?
    pub fn has_folder(&self, path: &Path) -> bool {
        match self.inside() {
            Ok(Some(inside)) => self.name_in(inside, path).is_ok_and(|name| inside.pack.has_folder(&name)),
            _ => self.folder(path).is_ok(),
        }
    }

    /// Is this path inside the recording, without links on the way? It does not need to exist.
    ///
    /// # Errors
    /// Only errors about paths that lead elsewhere.
    pub fn stays_inside(&self, path: &Path) -> io::Result<()> {
        if let Some(inside) = self.inside()? {
            return self.name_in(inside, path).map(drop);
        }
        match self.folder(path) {
            // Errors of this module have no number of the kernel.
            Err(error) if error.raw_os_error().is_none() => Err(error),
            _ => Ok(()),
        }
    }

    fn plain_stat(&self, path: &Path) -> Option<Stat> {
        let (folder, name) = self.folder_of(path).ok()?;
        stat(folder.as_fd(), name).filter(|stat| kind(stat) == FileType::RegularFile)
    }

    /// Is this open file still the one with this name? Another may have replaced it.
    pub(super) fn is_at(&self, file: &File, path: &Path) -> bool {
        let same = |a: Stat, b: Stat| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino);
        self.plain_stat(path).is_some_and(|there| rustix::fs::fstat(file).is_ok_and(|open| same(open, there)))
    }

    /// Device and inode of a plain file.
    pub(super) fn identity(&self, path: &Path) -> Option<(u64, u64)> {
        self.plain_stat(path).map(|stat| (stat.st_dev, stat.st_ino))
    }

    /// Gives a new file, which is to replace another, the owner and permissions of that file.
    ///
    /// # Errors
    /// When the metadata of the file cannot be read.
    pub fn make_like(&self, file: &File, before: &Path) -> io::Result<()> {
        // A file with a second name may belong to anyone.
        let Some(before) = self.plain_stat(before).filter(|before| before.st_nlink == 1) else { return Ok(()) };
        give(file.as_fd(), &before, PERMISSIONS);
        let own = rustix::fs::fstat(file)?;
        if own.st_uid == before.st_uid {
            let _ = rustix::fs::fchmod(file, Mode::from_raw_mode(before.st_mode & PERMISSIONS));
        }
        Ok(())
    }

    /// Makes a renamed, new or removed file in this folder survive a power failure.
    ///
    /// # Errors
    /// When the folder cannot be opened or synced.
    pub fn sync_folder(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.folder(path)?)?)
    }

    /// May users other than the owner and the group change the contents of the directory?
    pub fn is_open_to_all(&self) -> bool {
        const OTHERS_WRITE: u32 = 0o002;
        self.descriptor().and_then(|fd| Ok(rustix::fs::fstat(fd)?)).is_ok_and(|s| s.st_mode & OTHERS_WRITE != 0)
    }

    /// The recording's directory, opened at first use.
    ///
    /// # Errors
    /// When it is not a directory, or cannot be opened.
    pub(super) fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        let error = match self.descriptor_of_directory() {
            Ok(fd) => return Ok(fd),
            Err(error) => error,
        };
        match self.inside() {
            Ok(Some(_)) => Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, READ_ONLY)),
            Ok(None) => Err(error),
            Err(error) => Err(error),
        }
    }

    fn descriptor_of_directory(&self) -> io::Result<BorrowedFd<'_>> {
        if let Some(fd) = self.opened.get() {
            return Ok(fd.as_fd());
        }
        let fd = rustix::fs::open(&self.root, FOLDER, Mode::empty())?;
        Ok(self.opened.get_or_init(|| fd).as_fd())
    }

    /// A folder of the recording, or the directory itself.
    fn folder(&self, path: &Path) -> io::Result<Folder<'_>> {
        let mut folder = Folder::Root(self.descriptor()?);
        for component in self.below_root(path)?.components() {
            let Component::Normal(name) = component else { return Err(outside(path)) };
            folder = Folder::Inside(step(folder.as_fd(), name)?);
        }
        Ok(folder)
    }

    /// The folder of a file, and its name there.
    fn folder_of<'p>(&self, path: &'p Path) -> io::Result<(Folder<'_>, &'p OsStr)> {
        let (Some(around), Some(name)) = (path.parent(), path.file_name()) else { return Err(outside(path)) };
        Ok((self.folder(around)?, name))
    }

    fn below_root<'p>(&self, path: &'p Path) -> io::Result<&'p Path> {
        path.strip_prefix(&self.root).map_err(|_| outside(path))
    }
}

/// Reads a file that should be a small text.
///
/// # Errors
/// When it cannot be read, or is larger than [`MAX_TEXT_BYTES`].
pub fn read_text(file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        return Err(too_large());
    }
    Ok(text)
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "too large to be a file of perfwatch")
}

/// Opens a plain file anywhere. A FIFO or device with this name is an error, and is not waited for.
///
/// # Errors
/// When it does not exist, is not a plain file, or may not be read.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let followed = PLAIN.difference(OFlags::NOFOLLOW) | OFlags::RDONLY;
    plain(rustix::fs::open(path, followed, Mode::empty()))
}

fn step(folder: BorrowedFd, name: &OsStr) -> io::Result<OwnedFd> {
    rustix::fs::openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()).map_err(|error| {
        match stat(folder, name).map(|stat| kind(&stat)) {
            Some(FileType::Symlink) => linked(),
            _ => error.into(),
        }
    })
}

fn plain(opened: Result<OwnedFd, Errno>) -> io::Result<File> {
    match opened {
        Err(Errno::LOOP) => Err(linked()),
        // A FIFO without a reader, or a socket.
        Err(Errno::NXIO) => Err(not_plain()),
        Err(error) => Err(error.into()),
        Ok(file) => match kind(&rustix::fs::fstat(&file)?) {
            FileType::RegularFile => Ok(file.into()),
            FileType::Directory => Err(io::ErrorKind::IsADirectory.into()),
            _ => Err(not_plain()),
        },
    }
}

fn stat(folder: BorrowedFd, name: &OsStr) -> Option<Stat> {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// As for a file where a folder should be: it is not our folder.
fn linked() -> io::Error {
    io::Error::new(io::ErrorKind::NotADirectory, "a symbolic link, which is not followed inside a recording")
}

fn not_plain() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a plain file")
}

fn outside(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not inside the recording", path.display()))
}

/// A file that root creates in the folder of another user, for instance of a service, must belong to that user too:
/// otherwise the recorder, which runs as that user, could not read or write it. It gets the permissions of its model.
/// Nothing changes if that user creates the file, and a user who may not change owners keeps it.
fn give(file: BorrowedFd, model: &Stat, mask: u32) {
    let Ok(own) = rustix::fs::fstat(file) else { return };
    if (own.st_uid, own.st_gid) == (model.st_uid, model.st_gid) {
        return;
    }
    let (owner, group) = (Uid::from_raw(model.st_uid), Gid::from_raw(model.st_gid));
    if rustix::fs::fchown(file, Some(owner), Some(group)).is_ok() && own.st_uid != model.st_uid {
        let _ = rustix::fs::fchmod(file, Mode::from_raw_mode(model.st_mode & mask));
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
