//! Where the control socket lies, and how it is found from the recording's directory.
//!
//! The socket has a private folder below the temporary directory: a path of a socket has 107 bytes at most, not every file
//! system that can be recorded into can hold one, and programs that copy a recording choke on it. The file
//! `.journal/control` names it, and is an ordinary file.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::geteuid;

use super::reach;
use crate::store::layout::{Layout, Lock};

/// The folders that other recordings of this process may have, or that somebody put there to be in our way.
const TRIES: u32 = 100;

/// Nobody listens yet at a socket that was just made.
const JUST_NOW: Duration = Duration::from_secs(60);

const FOLDER: &str = "perfwatch-";
const SOCKET: &str = "control";

/// A control socket and its place, given up when dropped. Who connects before anybody listens to it waits.
#[derive(Debug)]
pub struct Place {
    socket: PathBuf,
    /// The recording with a file that names it.
    pointer: Option<Layout>,
    pub listener: Arc<UnixListener>,
}

impl Place {
    /// Makes the socket.
    ///
    /// # Errors
    /// When it can be made nowhere.
    pub fn take() -> io::Result<Place> {
        Place::take_below(&bases())
    }

    /// A short path first: only `perfwatch mark` itself reaches a long one.
    fn take_below(bases: &[PathBuf]) -> io::Result<Place> {
        let (short, long): (Vec<&PathBuf>, Vec<&PathBuf>) = bases.iter().partition(|base| has_short_paths(base));
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for base in short.into_iter().chain(long) {
            match listen_below(base) {
                Ok((folder, listener)) => {
                    return Ok(Place { socket: folder.join(SOCKET), pointer: None, listener: Arc::new(listener) });
                }
                Err(error) => failed = io::Error::new(error.kind(), format!("{}: {error}", base.display())),
            }
        }
        Err(failed)
    }

    /// Makes the file that names it. For those who hold the recording's lock.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn point_from(&mut self, layout: &Layout) -> io::Result<()> {
        sweep(layout);
        layout.make_folder(&layout.journal_folder())?;
        let temporary = layout.temporary(SOCKET);
        let mut line = self.socket.as_os_str().to_os_string();
        line.push("\n");
        let write = || {
            layout.create_anew(&temporary)?.write_all(line.as_encoded_bytes())?;
            layout.rename(&temporary, &layout.control())
        };
        write().inspect_err(|_| drop(layout.remove(&temporary)))?;
        self.pointer = Some(layout.clone());
        Ok(())
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pointer.iter().for_each(|layout| drop(layout.remove(&layout.control())));
        remove(&self.socket);
    }
}

/// The folder that systemd makes for a service, which others can see even if its temporary directory is private; else the
/// temporary directory. That of the user's session comes last: it is gone with the session, where a recorder may go on.
fn bases() -> Vec<PathBuf> {
    // systemd lists several with colons between them.
    let of =
        |name| std::env::var_os(name).into_iter().flat_map(|list| std::env::split_paths(&list).collect::<Vec<_>>());
    let of_user = PathBuf::from(format!("/run/user/{}", geteuid().as_raw()));
    let tmp = [std::env::temp_dir(), PathBuf::from("/tmp")];
    let all = of("RUNTIME_DIRECTORY").chain(tmp).chain(of("XDG_RUNTIME_DIR")).chain([of_user]);
    all.filter(|base| base.is_absolute()).collect()
}

/// Does a socket's path below this folder fit into its address?
fn has_short_paths(base: &Path) -> bool {
    reach::is_short(&base.join(format!("{FOLDER}{}-{TRIES}", u32::MAX)).join(SOCKET))
}

fn listen_below(base: &Path) -> io::Result<(PathBuf, UnixListener)> {
    sweep_below(base);
    let mut tried = 0;
    let folder = loop {
        let folder = base.join(format!("{FOLDER}{}-{tried}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => break folder,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < TRIES => tried += 1,
            Err(error) => return Err(error),
        }
    };
    let socket = folder.join(SOCKET);
    let listen = || {
        let listener = reach::bind(&socket)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    match listen() {
        Ok(listener) => Ok((folder, listener)),
        Err(error) => {
            remove(&socket);
            Err(error)
        }
    }
}

/// The socket of whoever records into this directory.
///
/// # Errors
/// When nobody does, or without a control socket.
pub fn find(layout: &Layout) -> io::Result<PathBuf> {
    // In a copy the file names the socket of the original.
    if !Lock::is_held_at(layout)? {
        return Err(io::Error::new(io::ErrorKind::NotFound, "nobody records into it"));
    }
    // Whoever can write into the recording may name any socket there.
    let ours = named(layout).filter(|socket| socket.ends_with(SOCKET) && socket.parent().is_some_and(is_ours));
    ours.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its recorder takes no marks"))
}

fn named(layout: &Layout) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = layout.read(&layout.control()).ok()?;
    bytes.truncate(bytes.trim_ascii_end().len());
    let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
    path.is_absolute().then_some(path)
}

/// Takes away what a killed recorder left of its control socket. For those who hold the recording's lock.
pub fn sweep(layout: &Layout) {
    let Some(socket) = named(layout) else { return };
    let _ = layout.remove(&layout.control());
    // Whatever the file says: only a socket of ours goes, and only one at which nobody listens. The file may be a copy.
    if socket.parent().is_some_and(is_ours) && is_left(&socket) {
        remove(&socket);
    }
}

/// Takes away what recorders left here that were killed and never started again.
fn sweep_below(base: &Path) {
    let old = |folder: &Path| {
        // A link may lead anywhere.
        let Ok(found) = fs::symlink_metadata(folder) else { return false };
        found.is_dir() && found.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > JUST_NOW))
    };
    let folders = fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in folders.filter(|folder| is_ours(folder) && old(folder)) {
        let socket = folder.join(SOCKET);
        if is_left(&socket) {
            remove(&socket);
        }
    }
}

/// By its name; others' folders we may not look into.
fn is_ours(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(FOLDER.as_bytes()))
}

/// Is it a socket of this user's at which nobody listens? Others' may keep us waiting, and are not ours to remove.
fn is_left(socket: &Path) -> bool {
    let me = geteuid().as_raw();
    fs::symlink_metadata(socket).is_ok_and(|m| m.file_type().is_socket() && m.uid() == me) && is_refused(socket)
}

/// Without waiting: one whose listener was stopped has a queue that may be full.
fn is_refused(socket: &Path) -> bool {
    reach::with_short(socket, |path| Ok(refuses(path))).unwrap_or(false)
}

fn refuses(socket: &Path) -> bool {
    let Ok(address) = SocketAddrUnix::new(socket) else { return false };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let Ok(client) = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None) else { return false };
    connect(&client, &address) == Err(Errno::CONNREFUSED)
}

/// Removes a socket and the folder around it.
fn remove(socket: &Path) {
    let _ = fs::remove_file(socket);
    if let Some(folder) = socket.parent() {
        let _ = fs::remove_dir(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        // Longer than any path of a socket.
        let layout = Layout::new(dir.path().join("a-long-name-".repeat(10)).join("run"));
        fs::create_dir_all(&layout.root).unwrap();
        (dir, layout)
    }

    fn taken(layout: &Layout) -> io::Result<Place> {
        let mut place = Place::take()?;
        place.point_from(layout)?;
        Ok(place)
    }

    #[test]
    fn it_is_found_while_it_is_there() {
        let (_dir, layout) = recording();
        let _lock = Lock::take(&layout).unwrap();
        assert_eq!(find(&layout).unwrap_err().to_string(), "its recorder takes no marks");
        let place = taken(&layout).unwrap();
        assert_eq!(find(&layout).unwrap(), place.socket());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(place.socket()), mode(place.socket().parent().unwrap())), (0o600, 0o700));
        reach::connect(place.socket()).unwrap();
        let socket = place.socket().to_path_buf();
        drop(place);
        assert!(!layout.control().exists());
        // Another test may have taken its name at once, and gives it up soon.
        let began = std::time::Instant::now();
        while socket.parent().unwrap().exists() {
            assert!(began.elapsed() < Duration::from_secs(20), "{} is left", socket.display());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_short_path_is_taken_before_a_long_one() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(90));
        let short = dir.path().join("s");
        fs::create_dir(&long).unwrap();
        fs::create_dir(&short).unwrap();
        let place = Place::take_below(&[long.clone(), short.clone()]).unwrap();
        // Below a temporary directory that is long itself both are.
        let expected = if has_short_paths(&short) { &short } else { &long };
        assert!(place.socket().starts_with(expected), "{place:?}");
        drop(place);
        // Where there is none it serves all the same, and is swept like others.
        let place = Place::take_below(&[dir.path().join("gone"), long.clone()]).unwrap();
        let socket = place.socket().to_path_buf();
        assert!(socket.starts_with(&long) && !reach::is_short(&socket));
        reach::connect(&socket).unwrap();
        assert!(!is_left(&socket));
        drop(place);
        assert_eq!(fs::read_dir(&long).unwrap().count(), 0);
        drop(reach::bind(&long.join(SOCKET)).unwrap());
        assert!(is_left(&long.join(SOCKET)));
    }

    #[test]
    fn what_a_killed_recorder_left_is_replaced() {
        let (dir, layout) = recording();
        let mut place = taken(&layout).unwrap();
        let old = place.socket().to_path_buf();
        // A kill closes the descriptor, and removes nothing.
        let another = reach::bind(&dir.path().join("another")).unwrap();
        drop(std::mem::replace(&mut place.listener, Arc::new(another)));
        std::mem::forget(place);
        let place = taken(&layout).unwrap();
        assert!(!old.exists() || place.socket() == old);
        assert_eq!(named(&layout).unwrap(), place.socket());
    }

    #[test]
    fn the_file_that_names_it_must_be_written() {
        let (_dir, layout) = recording();
        fs::write(layout.journal_folder(), "no folder").unwrap();
        assert_eq!(taken(&layout).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn what_was_left_long_ago_goes() {
        let base = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let folder = base.path().join(name);
            fs::create_dir(&folder).unwrap();
            (folder.clone(), reach::bind(&folder.join(SOCKET)).unwrap())
        };
        let long_ago = std::time::SystemTime::now() - 2 * JUST_NOW;
        let age = |folder: &Path| fs::File::open(folder).unwrap().set_modified(long_ago).unwrap();
        let (left, listener) = make("perfwatch-1-0");
        drop(listener);
        let (live, _listener) = make("perfwatch-2-0");
        let (other, listener) = make("perfwatcher");
        drop(listener);
        let (new, listener) = make("perfwatch-3-0");
        drop(listener);
        [&left, &live, &other].into_iter().for_each(|folder| age(folder));
        sweep_below(base.path());
        assert!(!left.exists() && live.exists() && other.exists() && new.exists());
    }

    #[test]
    fn one_that_does_not_answer_keeps_nobody_waiting() {
        let base = tempfile::tempdir().unwrap();
        let socket = base.path().join(SOCKET);
        let listener = reach::bind(&socket).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        // One fits; for more there is no room.
        let _first = reach::connect(&socket).unwrap();
        assert!(!is_left(&socket) && !is_left(&socket));
        drop(listener);
        assert!(is_left(&socket));
    }

    #[test]
    fn nothing_else_is_taken_away() {
        let (dir, layout) = recording();
        let place = taken(&layout).unwrap();
        // A copy of a recording that goes on.
        let copy = Layout::new(dir.path().join("copy"));
        fs::create_dir_all(copy.journal_folder()).unwrap();
        fs::copy(layout.control(), copy.control()).unwrap();
        assert_eq!(find(&copy).unwrap_err().to_string(), "nobody records into it");
        sweep(&copy);
        assert!(!copy.control().exists() && place.socket().exists());
        // Files of others.
        let precious = dir.path().join("perfwatch-1-0").join("control");
        fs::create_dir(precious.parent().unwrap()).unwrap();
        fs::write(&precious, "precious").unwrap();
        for text in [precious.to_str().unwrap(), "", "relative/control", "/", "\0"] {
            fs::write(copy.control(), text).unwrap();
            sweep(&copy);
        }
        assert!(precious.exists());
    }
}
