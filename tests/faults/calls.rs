//! The system calls that can be made to fail, and which of them concern the recording.

use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Which argument shows the file that a call concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// A descriptor in this argument.
    File(usize),
    /// A folder's descriptor in the first argument, and a relative name in the second.
    Name,
    /// A path in the first argument.
    Path,
    /// The descriptor in the first argument, if the second has this value.
    Asks(u64),
}

/// A system call that is intercepted.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    number: i64,
    pub name: &'static str,
    about: About,
    /// Errors that it can return.
    errors: &'static [i32],
}

const LOOKS: &[i32] = &[libc::EIO];
const READS: &[i32] = &[libc::EIO, libc::EINTR];
const WRITES: &[i32] = &[libc::ENOSPC, libc::EDQUOT, libc::EIO, libc::EINTR];
const OPENS: &[i32] = &[libc::ENOSPC, libc::EDQUOT, libc::EIO, libc::EINTR, libc::EMFILE];
const NAMES: &[i32] = &[libc::ENOSPC, libc::EDQUOT, libc::EIO];
const COPIES: &[i32] = &[libc::EMFILE];
const LOCKS: &[i32] = &[libc::EIO, libc::EINTR];

const fn call(number: i64, name: &'static str, about: About, errors: &'static [i32]) -> Call {
    Call { number, name, about, errors }
}

pub const CALLS: [Call; 26] = [
    call(libc::SYS_openat, "openat", About::Name, OPENS),
    call(libc::SYS_write, "write", About::File(0), WRITES),
    call(libc::SYS_pwrite64, "pwrite64", About::File(0), WRITES),
    call(libc::SYS_writev, "writev", About::File(0), WRITES),
    call(libc::SYS_fallocate, "fallocate", About::File(0), WRITES),
    call(libc::SYS_ftruncate, "ftruncate", About::File(0), READS),
    call(libc::SYS_copy_file_range, "copy_file_range", About::File(2), WRITES),
    call(libc::SYS_fsync, "fsync", About::File(0), WRITES),
    call(libc::SYS_fdatasync, "fdatasync", About::File(0), WRITES),
    call(libc::SYS_syncfs, "syncfs", About::File(0), WRITES),
    call(libc::SYS_renameat, "renameat", About::Name, NAMES),
    call(libc::SYS_renameat2, "renameat2", About::Name, NAMES),
    call(libc::SYS_unlinkat, "unlinkat", About::Name, LOOKS),
    call(libc::SYS_mkdirat, "mkdirat", About::Name, NAMES),
    call(libc::SYS_read, "read", About::File(0), READS),
    call(libc::SYS_pread64, "pread64", About::File(0), READS),
    call(libc::SYS_getdents64, "getdents64", About::File(0), LOOKS),
    call(libc::SYS_lseek, "lseek", About::File(0), LOOKS),
    call(libc::SYS_fstat, "fstat", About::File(0), LOOKS),
    call(libc::SYS_newfstatat, "newfstatat", About::Name, LOOKS),
    call(libc::SYS_statx, "statx", About::Name, LOOKS),
    call(libc::SYS_statfs, "statfs", About::Path, LOOKS),
    call(libc::SYS_fstatfs, "fstatfs", About::File(0), LOOKS),
    call(libc::SYS_mmap, "mmap", About::File(4), COPIES),
    call(libc::SYS_fcntl, "fcntl", About::Asks(libc::F_DUPFD_CLOEXEC as u64), COPIES),
    call(libc::SYS_flock, "flock", About::File(0), LOCKS),
];

impl Call {
    pub fn of(number: i64) -> Option<&'static Call> {
        CALLS.iter().find(|call| call.number == number)
    }

    pub fn number(&self) -> u32 {
        self.number as u32
    }

    pub fn fails_with(&self, error: i32) -> bool {
        self.errors.contains(&error)
    }

    /// The file below this directory that the call concerns, relative to it.
    pub fn below(&self, dir: &Path, thread: i32, args: &[u64; 6]) -> Option<PathBuf> {
        let path = match self.about {
            About::Asks(what) if args[1] != what => return None,
            About::Asks(_) => opened(thread, args[0])?,
            About::File(at) => opened(thread, args[at])?,
            About::Path => text(thread, args[0])?,
            About::Name => {
                let name = text(thread, args[1])?;
                if name.is_absolute() { name } else { opened(thread, args[0])?.join(name) }
            }
        };
        path.strip_prefix(dir).ok().map(Path::to_path_buf)
    }
}

/// The file of a thread's descriptor.
fn opened(thread: i32, descriptor: u64) -> Option<PathBuf> {
    let link = match descriptor as i32 {
        libc::AT_FDCWD => format!("/proc/{thread}/cwd"),
        fd if fd < 0 => return None,
        fd => format!("/proc/{thread}/fd/{fd}"),
    };
    std::fs::read_link(link).ok()
}

fn text(thread: i32, at: u64) -> Option<PathBuf> {
    let bytes = memory(thread, at, 4096)?;
    let end = bytes.iter().position(|b| *b == 0)?;
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes[..end].to_vec())))
}

/// At most `most` bytes of a thread's memory.
pub fn memory(thread: i32, at: u64, most: usize) -> Option<Vec<u8>> {
    let memory = File::open(format!("/proc/{thread}/mem")).ok()?;
    let mut bytes = vec![0; most];
    let read = memory.read_at(&mut bytes, at).ok()?;
    bytes.truncate(read);
    Some(bytes)
}
