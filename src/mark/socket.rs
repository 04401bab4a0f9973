//! The control socket: where it is, and how it is found from the recording's directory.
//!
//! The socket is in a private folder below the temporary directory and not in the recording, because the path of a
//! socket can have at most 107 bytes, not every file system supports sockets, and programs that copy a recording fail
//! on them. The file `.journal/control`, an ordinary file, contains its path.

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

/// Maximum number of folder names to try: other recordings of this process, or other users, may have created some.
const TRIES: u32 = 100;

/// A younger socket is not removed, because its owner may not listen yet.
const JUST_NOW: Duration = Duration::from_secs(60);

const FOLDER: &str = "perfwatch-";
const SOCKET: &str = "control";

/// A control socket, which is removed when this is dropped. A client that connects before connections are accepted
/// waits.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    /// The recording whose file contains its path.
    pointer: Option<Layout>,
    pub listener: Arc<UnixListener>,
}

impl ControlSocket {
    /// Creates the socket.
    ///
    /// # Errors
    /// When it cannot be created in any of the possible folders.
    pub fn create() -> io::Result<ControlSocket> {
        ControlSocket::create_below(&bases())
    }

    /// Prefers a short path, because only `perfwatch mark` itself can connect to a long one.
    fn create_below(bases: &[PathBuf]) -> io::Result<ControlSocket> {
        let (short, long): (Vec<&PathBuf>, Vec<&PathBuf>) = bases.iter().partition(|base| has_short_paths(base));
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for base in short.into_iter().chain(long) {
            match listen_below(base) {
                Ok((folder, listener)) => {
                    return Ok(ControlSocket {
                        path: folder.join(SOCKET),
                        pointer: None,
                        listener: Arc::new(listener),
                    });
                }
                Err(error) => failed = io::Error::new(error.kind(), format!("{}: {error}", base.display())),
            }
        }
        Err(failed)
    }

    /// Writes the path to the recording. The caller must hold the recording's lock.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce_in(&mut self, layout: &Layout) -> io::Result<()> {
        sweep(layout);
        layout.make_folder(&layout.journal_folder())?;
        let temporary = layout.temporary(SOCKET);
        let mut line = self.path.as_os_str().to_os_string();
        line.push("\n");
        let write = || {
            layout.create_anew(&temporary)?.write_all(line.as_encoded_bytes())?;
            layout.rename(&temporary, &layout.control())
        };
        write().inspect_err(|_| drop(layout.remove(&temporary)))?;
        self.pointer = Some(layout.clone());
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.pointer.iter().for_each(|layout| drop(layout.remove(&layout.control())));
        remove(&self.path);
    }
}

/// The folders to try: the one that systemd creates for a service, which is visible even if the service has a private
/// temporary directory; then the temporary directory; last the folder of the user's session, which is removed when the
/// session ends, while a recorder may continue.
fn bases() -> Vec<PathBuf> {
    // systemd may list several, separated by colons.
    let of =
        |name| std::env::var_os(name).into_iter().flat_map(|list| std::env::split_paths(&list).collect::<Vec<_>>());
    let of_user = PathBuf::from(format!("/run/user/{}", geteuid().as_raw()));
    let tmp = [std::env::temp_dir(), PathBuf::from("/tmp")];
    let all = of("RUNTIME_DIRECTORY").chain(tmp).chain(of("XDG_RUNTIME_DIR")).chain([of_user]);
    all.filter(|base| base.is_absolute()).collect()
}

/// Does the path of a socket below this folder fit into a socket address?
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

/// The socket of the recorder that is writing to this directory.
///
/// # Errors
/// When there is no recorder, or it has no control socket.
pub fn find(layout: &Layout) -> io::Result<PathBuf> {
    // In a copy of a recording, the file contains the socket of the original.
    if !Lock::is_held_at(layout)? {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no recorder is writing to it"));
    }
    // Other users who can write to the recording could enter any socket.
    let ours = named(layout).filter(|socket| socket.ends_with(SOCKET) && socket.parent().is_some_and(is_ours));
    ours.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its recorder does not accept marks"))
}

fn named(layout: &Layout) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = layout.read(&layout.control()).ok()?;
    bytes.truncate(bytes.trim_ascii_end().len());
    let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
    path.is_absolute().then_some(path)
}

/// Removes the control socket that a killed recorder left. The caller must hold the recording's lock.
pub fn sweep(layout: &Layout) {
    let Some(socket) = named(layout) else { return };
    let _ = layout.remove(&layout.control());
    // The file may be a copy or forged, so only remove a socket of ours, and only if nothing listens there.
    if socket.parent().is_some_and(is_ours) && is_left(&socket) {
        remove(&socket);
    }
}

/// Removes the sockets of recorders that were killed and not started again.
fn sweep_below(base: &Path) {
    let old = |folder: &Path| {
        // A link could lead anywhere, so it is not followed.
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

/// Decided by the name, because folders of other users may be unreadable.
fn is_ours(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(FOLDER.as_bytes()))
}

/// Is it a socket of this user at which nothing listens? Sockets of other users may block us, and are not ours to
/// remove.
fn is_left(socket: &Path) -> bool {
    let me = geteuid().as_raw();
    fs::symlink_metadata(socket).is_ok_and(|m| m.file_type().is_socket() && m.uid() == me) && is_refused(socket)
}

/// Does not wait: the queue of a stopped listener may be full.
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
        // Longer than the path of a socket can be.
        let layout = Layout::new(dir.path().join("a-long-name-".repeat(10)).join("run"));
        fs::create_dir_all(&layout.root).unwrap();
        (dir, layout)
    }

    fn created(layout: &Layout) -> io::Result<ControlSocket> {
        let mut control = ControlSocket::create()?;
        control.announce_in(layout)?;
        Ok(control)
    }

    #[test]
    fn it_is_found_while_it_exists() {
        let (_dir, layout) = recording();
        let _lock = Lock::take(&layout).unwrap();
        assert_eq!(find(&layout).unwrap_err().to_string(), "its recorder does not accept marks");
        let control = created(&layout).unwrap();
        assert_eq!(find(&layout).unwrap(), control.path());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(control.path()), mode(control.path().parent().unwrap())), (0o600, 0o700));
        reach::connect(control.path()).unwrap();
        let socket = control.path().to_path_buf();
        drop(control);
        assert!(!layout.control().exists());
        // Another test may have used the same name immediately, and removes it soon.
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
        let control = ControlSocket::create_below(&[long.clone(), short.clone()]).unwrap();
        // If the path of the temporary directory is long, both are long.
        let expected = if has_short_paths(&short) { &short } else { &long };
        assert!(control.path().starts_with(expected), "{control:?}");
        drop(control);
        // If there is no short one, the long one is used, and removed in the same way.
        let control = ControlSocket::create_below(&[dir.path().join("gone"), long.clone()]).unwrap();
        let socket = control.path().to_path_buf();
        assert!(socket.starts_with(&long) && !reach::is_short(&socket));
        reach::connect(&socket).unwrap();
        assert!(!is_left(&socket));
        drop(control);
        assert_eq!(fs::read_dir(&long).unwrap().count(), 0);
        drop(reach::bind(&long.join(SOCKET)).unwrap());
        assert!(is_left(&long.join(SOCKET)));
    }

    #[test]
    fn what_a_killed_recorder_left_is_replaced() {
        let (dir, layout) = recording();
        let mut control = created(&layout).unwrap();
        let old = control.path().to_path_buf();
        // A kill closes the descriptor but removes nothing.
        let another = reach::bind(&dir.path().join("another")).unwrap();
        drop(std::mem::replace(&mut control.listener, Arc::new(another)));
        std::mem::forget(control);
        let control = created(&layout).unwrap();
        assert!(!old.exists() || control.path() == old);
        assert_eq!(named(&layout).unwrap(), control.path());
    }

    #[test]
    fn the_file_with_its_path_must_be_writable() {
        let (_dir, layout) = recording();
        fs::write(layout.journal_folder(), "no folder").unwrap();
        assert_eq!(created(&layout).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn old_sockets_of_killed_recorders_are_removed() {
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
    fn a_listener_that_does_not_answer_is_not_waited_for() {
        let base = tempfile::tempdir().unwrap();
        let socket = base.path().join(SOCKET);
        let listener = reach::bind(&socket).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        // The queue has room for one connection only.
        let _first = reach::connect(&socket).unwrap();
        assert!(!is_left(&socket) && !is_left(&socket));
        drop(listener);
        assert!(is_left(&socket));
    }

    #[test]
    fn nothing_else_is_removed() {
        let (dir, layout) = recording();
        let control = created(&layout).unwrap();
        // A copy of a recording that continues.
        let copy = Layout::new(dir.path().join("copy"));
        fs::create_dir_all(copy.journal_folder()).unwrap();
        fs::copy(layout.control(), copy.control()).unwrap();
        assert_eq!(find(&copy).unwrap_err().to_string(), "no recorder is writing to it");
        sweep(&copy);
        assert!(!copy.control().exists() && control.path().exists());
        // Other files.
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
