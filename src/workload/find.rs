//! Finds the file of a command by its name, before anything is recorded.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// What shells search if there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why a command cannot be started, with the exit status that a shell would return.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    #[error("{0}: no such command")]
    Nowhere(String),
    #[error("{0}: no such file")]
    NoFile(String),
    #[error("{0}: not executable")]
    NotExecutable(String),
    /// It is not even known whether it exists.
    #[error("{0}: permission denied")]
    NotPermitted(String),
}

impl NotFound {
    pub fn status(&self) -> u8 {
        match self {
            NotFound::Nowhere(_) | NotFound::NoFile(_) => 127,
            NotFound::NotExecutable(_) | NotFound::NotPermitted(_) => 126,
        }
    }
}

/// Finds a command as `execvp` would.
///
/// # Errors
/// When it does not exist, or may not be executed.
pub fn find(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, NotFound> {
    let shown = || name.to_string_lossy().into_owned();
    if name.as_bytes().contains(&b'/') {
        let file = PathBuf::from(name);
        return match file.metadata() {
            Ok(_) if is_executable(&file) => Ok(file),
            Ok(_) => Err(NotFound::NotExecutable(shown())),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(NotFound::NotPermitted(shown())),
            Err(_) => Err(NotFound::NoFile(shown())),
        };
    }
    let mut denied = None;
    for folder in std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))).filter(|_| !name.is_empty()) {
        let file = folder.join(name);
        if is_executable(&file) {
            return Ok(file);
        }
        if file.is_file() {
            denied = denied.or(Some(file));
        }
    }
    Err(denied.map_or_else(|| NotFound::Nowhere(shown()), |file| NotFound::NotExecutable(file.display().to_string())))
}

fn is_executable(file: &Path) -> bool {
    file.is_file() && access(file, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn as_a_shell_would() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        for (file, mode) in [(first.join("tool"), 0o644), (second.join("tool"), 0o755), (first.join("text"), 0o644)] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(second.join("folder")).unwrap();
        let path = std::env::join_paths([&first, &second]).unwrap();
        let status = |name: &OsStr| find(name, Some(&path)).map_err(|e| e.status());
        assert_eq!(status(OsStr::new("tool")), Ok(second.join("tool")), "a file that cannot be executed is skipped");
        assert_eq!(status(OsStr::new("text")), Err(126));
        assert_eq!(status(OsStr::new("folder")), Err(127));
        assert_eq!(status(OsStr::new("nowhere")), Err(127));
        assert_eq!(status(OsStr::new("")), Err(127));
        assert_eq!(status(first.join("text").as_os_str()), Err(126));
        assert_eq!(status(dir.path().as_os_str()), Err(126), "a folder");
        assert_eq!(status(first.join("nothing").as_os_str()), Err(127));
        assert_eq!(status(second.join("tool").as_os_str()), Ok(second.join("tool")));
        assert_eq!(find(OsStr::new("sh"), None).unwrap(), Path::new("/bin/sh"));
    }
}
