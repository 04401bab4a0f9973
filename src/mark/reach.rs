//! Sockets with a path that is too long for the kernel's socket address, which has space for 107 bytes.
//!
//! Such a socket is reached through its folder: the folder is opened, and `/proc/self/fd/N/NAME` is short regardless of
//! the length of the folder's path.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Maximum number of bytes of a socket's path, without the terminating zero.
const LONGEST: usize = 107;

/// Whether this path fits into an address.
pub fn is_short(path: &Path) -> bool {
    path.as_os_str().len() <= LONGEST
}

/// Listens at a path of any length.
///
/// # Errors
/// If the socket cannot be created.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    with_short(path, |path| UnixListener::bind(path))
}

/// Connects to a socket at a path of any length.
///
/// # Errors
/// If nothing listens there.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    with_short(path, |path| UnixStream::connect(path))
}

/// Calls `act` with the path, or with a short path to the same file that is valid during the call.
///
/// # Errors
/// If there is no such folder, or the error of `act`.
pub fn with_short<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (false, Some(folder), Some(name)) = (is_short(path), path.parent(), path.file_name()) else { return act(path) };
    let folder: File = fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(folder)?;
    act(&PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn paths_of_any_length_are_reached() {
        let dir = tempfile::tempdir().unwrap();
        for length in [1, 60, 200] {
            let folder = dir.path().join("x".repeat(length)).join("y".repeat(length));
            fs::create_dir_all(&folder).unwrap();
            let socket = folder.join("control");
            assert_eq!(connect(&socket).unwrap_err().kind(), io::ErrorKind::NotFound);
            let listener = bind(&socket).unwrap();
            assert!(socket.exists());
            connect(&socket).unwrap().write_all(b"word").unwrap();
            let mut said = String::new();
            listener.accept().unwrap().0.read_to_string(&mut said).unwrap();
            assert_eq!(said, "word");
            drop(listener);
            assert_eq!(connect(&socket).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        }
        assert_eq!(connect(&dir.path().join("z".repeat(200)).join("no")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_longest_address_is_one_hundred_and_seven_bytes() {
        assert!(is_short(Path::new(&"x".repeat(107))) && !is_short(Path::new(&"x".repeat(108))));
    }
}
