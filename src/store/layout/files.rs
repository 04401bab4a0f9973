//! The one place where files of a recording are opened, made, renamed and removed.
//!
//! A recording may belong to another user, and root may work on it. So every name is looked up below one descriptor of the
//! recording's directory, step by step, and no symbolic link in it is followed. A file is only opened if it is a plain
//! file: never a FIFO or a device. A new file is made anew (`O_EXCL`), and its owner and mode are set on its descriptor.
//!
//! Paths are as [`Layout`] gives them: below [`Layout::root`], so that messages can name them. Links on the way to the
//! recording's directory itself are followed: whoever names it chose them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::Layout;

/// What may be read, written and executed; never set-id or sticky bits.
const PERMISSIONS: u32 = 0o777;
const NOT_EXECUTABLE: u32 = 0o666;
/// Of files that only their owner may open.
const PRIVATE: u32 = 0o600;

/// Text files are small; what is larger is none of ours.
pub const MOST_TEXT_BYTES: u64 = 64 << 20;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// A FIFO is opened without waiting for its other end, and refused then.
const PLAIN: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const NEW: OFlags =
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What lies in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub path: PathBuf,
    pub is_folder: bool,
}

impl Entry {
    /// None where it is not UTF-8: then it is not ours.
    pub fn name(&self) -> Option<&str> {
        self.path.file_name()?.to_str()
    }
}

/// A folder that was opened: the recording's directory, or one in it.
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
    /// When it is not there, not a plain file, or may not be read.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        let (folder, name) = self.folder_of(path)?;
        plain(rustix::fs::openat(&folder, name, PLAIN | OFlags::RDONLY, Mode::empty()))
    }

    /// Reads a plain file of text.
    ///
    /// # Errors
    /// The same, and when it is too large to be one of ours.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_text(&self.open(path)?)
    }

    /// Makes a new file, which belongs to the owner of the folder that it lies in.
    ///
    /// # Errors
    /// When there is anything of this name, or it cannot be made.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        let (folder, name) = self.folder_of(path)?;
        let file = rustix::fs::openat(&folder, name, NEW, Mode::from_raw_mode(NOT_EXECUTABLE))?;
        give(file.as_fd(), &rustix::fs::fstat(&folder)?, NOT_EXECUTABLE);
        Ok(file.into())
    }

    /// Makes a new file in the place of what an interrupted writer left there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_anew(&self, path: &Path) -> io::Result<File> {
        match self.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.create(path),
        }
    }

    /// Opens a file that only its owner may open, and makes it where it is missing.
    ///
    /// # Errors
    /// When it is there and may not be opened, or cannot be made.
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

    /// Makes a folder, unless it is there. It belongs to the owner of the folder around it.
    ///
    /// # Errors
    /// When it cannot be made, or something else has its name.
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
    /// When it is not there, is a folder, or may not be removed.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.folder_of(path)?;
        Ok(rustix::fs::unlinkat(&folder, name, AtFlags::empty())?)
    }

    /// # Errors
    /// When it is not there, not empty, or not a folder.
    pub fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.folder_of(path)?;
        Ok(rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR)?)
    }

    /// Renames a file, over one that has the new name.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (old, from) = self.folder_of(from)?;
        let (new, to) = self.folder_of(to)?;
        Ok(rustix::fs::renameat(&old, from, &new, to)?)
    }

    /// What lies in a folder, in no order; nothing where there is no folder.
    ///
    /// # Errors
    /// When it is there and cannot be listed, or is not a folder.
    pub fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
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
                // Some file systems do not say it here.
                FileType::Unknown => stat(folder.as_fd(), name).map_or(FileType::Unknown, |s| kind(&s)),
                kind => kind,
            };
            found.push(Entry { path: path.join(name), is_folder: kind == FileType::Directory });
        }
        Ok(found)
    }

    /// The bytes of a plain file; None where there is none.
    pub fn bytes_of(&self, path: &Path) -> Option<u64> {
        self.plain_stat(path).map(|stat| u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// Is the directory there?
    pub fn is_there(&self) -> bool {
        self.descriptor().is_ok()
    }

    /// Is a plain file of this name there?
    pub fn has_file(&self, path: &Path) -> bool {
        self.plain_stat(path).is_some()
    }

    /// Is a folder of this name there?
    pub fn has_folder(&self, path: &Path) -> bool {
        self.folder(path).is_ok()
    }

    /// Is this path inside, and no link on the way there? Whether anything is there does not matter.
    ///
    /// # Errors
    /// Those that say what leads elsewhere.
    pub fn stays_inside(&self, path: &Path) -> io::Result<()> {
        match self.folder(path) {
            // Ours, not the kernel's.
            Err(error) if error.raw_os_error().is_none() => Err(error),
            _ => Ok(()),
        }
    }

    fn plain_stat(&self, path: &Path) -> Option<Stat> {
        let (folder, name) = self.folder_of(path).ok()?;
        stat(folder.as_fd(), name).filter(|stat| kind(stat) == FileType::RegularFile)
    }

    /// Is this file still the one of this name? Another one may have taken its place.
    pub(super) fn is_at(&self, file: &File, path: &Path) -> bool {
        let same = |a: Stat, b: Stat| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino);
        self.plain_stat(path).is_some_and(|there| rustix::fs::fstat(file).is_ok_and(|open| same(open, there)))
    }

    /// Device and inode of a plain file.
    pub(super) fn identity(&self, path: &Path) -> Option<(u64, u64)> {
        self.plain_stat(path).map(|stat| (stat.st_dev, stat.st_ino))
    }

    /// Gives a new file that is to take the place of another one that file's owner and permissions.
    ///
    /// # Errors
    /// When the file cannot be looked at.
    pub fn make_like(&self, file: &File, before: &Path) -> io::Result<()> {
        // With a second name it may be anybody's.
        let Some(before) = self.plain_stat(before).filter(|before| before.st_nlink == 1) else { return Ok(()) };
        give(file.as_fd(), &before, PERMISSIONS);
        let own = rustix::fs::fstat(file)?;
        if own.st_uid == before.st_uid {
            let _ = rustix::fs::fchmod(file, Mode::from_raw_mode(before.st_mode & PERMISSIONS));
        }
        Ok(())
    }

    /// Makes a rename, a new file or a removed one in this folder last through a power cut.
    ///
    /// # Errors
    /// When the folder cannot be opened or synced.
    pub fn sync_folder(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.folder(path)?)?)
    }

    /// May others than the owner and the group change what lies in the directory?
    pub fn is_open_to_all(&self) -> bool {
        const OTHERS_WRITE: u32 = 0o002;
        self.descriptor().and_then(|fd| Ok(rustix::fs::fstat(fd)?)).is_ok_and(|s| s.st_mode & OTHERS_WRITE != 0)
    }

    /// The recording's directory, opened at the first use.
    pub(super) fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        if let Some(fd) = self.opened.get() {
            return Ok(fd.as_fd());
        }
        let fd = rustix::fs::open(&self.root, FOLDER, Mode::empty())?;
        Ok(self.opened.get_or_init(|| fd).as_fd())
    }

    /// A folder of the recording, or its directory itself.
    fn folder(&self, path: &Path) -> io::Result<Folder<'_>> {
        let mut folder = Folder::Root(self.descriptor()?);
        for component in self.below_root(path)?.components() {
            let Component::Normal(name) = component else { return Err(outside(path)) };
            folder = Folder::Inside(step(folder.as_fd(), name)?);
        }
        Ok(folder)
    }

    /// The folder that a file lies in, and its name there.
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
/// When it cannot be read, or is larger than any of ours.
pub fn read_text(file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(MOST_TEXT_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MOST_TEXT_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large to be a file of perfwatch"));
    }
    Ok(text)
}

/// Opens a plain file anywhere: a FIFO or a device of its name is an error, and nothing waits for it.
///
/// # Errors
/// When it is not there, not a plain file, or may not be read.
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
        // A FIFO that nobody reads, or a socket.
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

/// As for a file in a folder's place: it is not a folder of ours.
fn linked() -> io::Error {
    io::Error::new(io::ErrorKind::NotADirectory, "a symbolic link, which is not followed inside a recording")
}

fn not_plain() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a plain file")
}

fn outside(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not inside the recording", path.display()))
}

/// What root makes in the folder of another user, a service's for instance, is that user's as well: otherwise the recorder,
/// which is that user, could neither read nor write it any more. It lets others do what its model does. Nothing changes for
/// whoever is that user, and whoever may not give files away keeps them.
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
