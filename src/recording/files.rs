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
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    /// A recording, and a file outside of it that nobody may touch.
    fn recording() -> (tempfile::TempDir, Layout, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path().join("run"));
        fs::create_dir(&layout.root).unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        fs::set_permissions(&victim, PermissionsExt::from_mode(0o640)).unwrap();
        (dir, layout, victim)
    }

    #[track_caller]
    fn is_untouched(victim: &Path) {
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
        assert_eq!(fs::metadata(victim).unwrap().mode() & 0o7777, 0o640);
    }

    #[test]
    fn links_in_a_files_place_are_not_followed() {
        let (_dir, layout, victim) = recording();
        let path = layout.manifest_in_the_making();
        symlink(&victim, &path).unwrap();
        assert_eq!(layout.create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let said = layout.open(&path).unwrap_err().to_string();
        assert_eq!(said, "a symbolic link, which is not followed inside a recording");
        assert!(layout.open_private(&path).is_err() && layout.read(&path).is_err());
        assert!(!layout.has_file(&path) && layout.bytes_of(&path).is_none());
        // What is in the way goes: the link, not what it leads to.
        layout.create_anew(&path).unwrap().write_all(b"ours").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "ours");
        is_untouched(&victim);
        // A link that leads nowhere does not make a file elsewhere.
        let nowhere = layout.root.with_file_name("nowhere");
        symlink(&nowhere, layout.reserve().with_file_name("x")).unwrap_err();
        symlink(&nowhere, layout.root.join("x")).unwrap();
        assert!(layout.create(&layout.root.join("x")).is_err() && layout.open_private(&layout.root.join("x")).is_err());
        assert!(!nowhere.exists());
    }

    #[test]
    fn links_in_a_folders_place_are_not_followed() {
        let (dir, layout, _) = recording();
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("20261120T0700Z-0001.parquet"), "").unwrap();
        fs::write(elsewhere.join("left.tmp"), "").unwrap();
        symlink(&elsewhere, layout.table_folder("cpu")).unwrap();
        symlink(&elsewhere, layout.journal_folder()).unwrap();
        layout.sealed_files("cpu").unwrap_err();
        layout.journals().unwrap_err();
        layout.sweep();
        let inside = layout.sealed("cpu", "20261120T0700Z", 1);
        assert!(layout.open(&inside).is_err() && layout.remove(&inside).is_err() && layout.create(&inside).is_err());
        assert!(layout.rename(&inside, &layout.root.join("x")).is_err());
        assert!(
            layout.make_folder(&layout.journal_folder()).is_err()
                && layout.sync_folder(&layout.journal_folder()).is_err()
        );
        assert!(!layout.has_folder(&layout.journal_folder()));
        assert!(super::super::Lock::take(&layout).is_err());
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 2);
    }

    #[test]
    fn the_directory_itself_may_be_behind_a_link() {
        let (dir, layout, _) = recording();
        fs::write(layout.manifest(), "{}").unwrap();
        symlink(&layout.root, dir.path().join("alias")).unwrap();
        let alias = Layout::new(dir.path().join("alias"));
        assert_eq!(alias.read(&alias.manifest()).unwrap(), b"{}");
    }

    #[test]
    fn only_plain_files_are_opened() {
        let (_dir, layout, _) = recording();
        let fifo = layout.root.join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let socket = layout.root.join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&socket);
        fs::create_dir(layout.root.join("folder")).unwrap();
        for name in ["fifo", "folder", "s"] {
            assert!(layout.open(&layout.root.join(name)).is_err(), "{name}");
        }
        assert_eq!(layout.open(&fifo).unwrap_err().to_string(), "not a plain file");
        assert_eq!(open_plain(&fifo).unwrap_err().to_string(), "not a plain file");
        assert_eq!(open_plain(Path::new("/dev/zero")).unwrap_err().to_string(), "not a plain file");
        // None of these is a file of the recording.
        for path in [Path::new("/etc/passwd").to_path_buf(), layout.root.join("../victim"), layout.root.clone()] {
            assert!(layout.open(&path).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn texts_are_bounded() {
        let (_dir, layout, _) = recording();
        let file = fs::File::create(layout.manifest()).unwrap();
        file.set_len(MOST_TEXT_BYTES + 1).unwrap();
        assert_eq!(layout.read(&layout.manifest()).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn set_id_bits_are_not_passed_on() {
        let (_dir, layout, victim) = recording();
        fs::write(layout.manifest(), "old").unwrap();
        for (mode, after) in [(0o4755, 0o755), (0o2664, 0o664), (0o1600, 0o600)] {
            fs::set_permissions(layout.manifest(), PermissionsExt::from_mode(mode)).unwrap();
            let file = layout.create_anew(&layout.manifest_in_the_making()).unwrap();
            layout.make_like(&file, &layout.manifest()).unwrap();
            assert_eq!(file.metadata().unwrap().mode() & 0o7777, after);
        }
        // A second name of another file says nothing of who may read ours.
        fs::remove_file(layout.manifest()).unwrap();
        fs::hard_link(&victim, layout.manifest()).unwrap();
        let file = layout.create_anew(&layout.manifest_in_the_making()).unwrap();
        let mode = file.metadata().unwrap().mode();
        layout.make_like(&file, &layout.manifest()).unwrap();
        assert_eq!(file.metadata().unwrap().mode(), mode);
        is_untouched(&victim);
    }

    #[test]
    fn what_root_makes_in_the_folder_of_another_is_the_others() {
        let (_dir, layout, _) = recording();
        fs::set_permissions(&layout.root, PermissionsExt::from_mode(0o2750)).unwrap();
        if std::os::unix::fs::chown(&layout.root, Some(65534), Some(65533)).is_err() {
            eprintln!("skipped: this user cannot give files away");
            return;
        }
        layout.make_folder(&layout.journal_folder()).unwrap();
        layout.make_folder(&layout.journal_folder()).unwrap();
        layout.create(&layout.journal(1)).unwrap();
        drop(layout.open_private(&layout.recorder_lock()).unwrap());
        let of = |path: PathBuf| {
            let m = fs::metadata(path).unwrap();
            (m.uid(), m.gid(), m.mode() & 0o7777)
        };
        let (uid, gid, mode) = of(layout.journal_folder());
        assert_eq!((uid, gid, mode & 0o777), (65534, 65533, 0o750));
        assert_eq!(of(layout.journal(1)), (65534, 65533, 0o640));
        assert_eq!(of(layout.recorder_lock()), (65534, 65533, 0o600));
        let file = layout.create(&layout.manifest_in_the_making()).unwrap();
        layout.make_like(&file, &layout.journal(1)).unwrap();
        assert_eq!(of(layout.manifest_in_the_making()), (65534, 65533, 0o640));
    }
}
