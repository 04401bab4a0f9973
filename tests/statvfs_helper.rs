//! The process that queries file systems which may hang: no other process may have to wait for it.
#![allow(unsafe_code, reason = "signals, descriptors, and statvfs asked directly")]

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// An answer: its number, the error, which sizes are present, five numbers.
type Answer = [u8; 56];

fn start(other: Option<OwnedFd>) -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_perfwatch"));
    command.arg("statvfs-helper").stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(other) = other {
        // SAFETY: only system calls. The descriptor is passed as 9, as scripts do.
        unsafe {
            command.pre_exec(move || {
                use std::os::fd::AsRawFd;
                if libc::dup2(other.as_raw_fd(), 9) == 9 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
            });
        }
    }
    let child = command.spawn().unwrap();
    let mut hello: Answer = [1; 56];
    (&ours).read_exact(&mut hello).unwrap();
    assert_eq!(hello[..8], [0; 8]);
    (child, ours)
}

fn ask(connection: &mut UnixStream, number: u64, path: &str) -> Answer {
    let mut request = number.to_ne_bytes().to_vec();
    request.extend((path.len() as u32).to_ne_bytes());
    request.extend(path.as_bytes());
    connection.write_all(&request).unwrap();
    let mut answer = [0; 56];
    connection.read_exact(&mut answer).unwrap();
    answer
}

#[test]
fn it_answers_until_the_recorder_is_gone() {
    let (mut child, mut connection) = start(None);
    let number = |answer: &Answer, at: usize| u64::from_ne_bytes(answer[at..at + 8].try_into().unwrap());
    let root = ask(&mut connection, 7, "/");
    let (size, inodes) = size_of_root("/");
    assert_eq!((number(&root, 0), &root[8..12], number(&root, 16), number(&root, 40)), (7, &[0; 4][..], size, inodes));
    let nowhere = ask(&mut connection, 8, "/no/such");
    assert_eq!((number(&nowhere, 0), i32::from_ne_bytes(nowhere[8..12].try_into().unwrap())), (8, libc::ENOENT));
    // A service that is being stopped still takes a last sample.
    // SAFETY: our own child, not yet waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    assert_eq!(number(&ask(&mut connection, 9, "/"), 0), 9);
    drop(connection);
    assert!(child.wait().unwrap().success());
}

/// Bytes and inodes from the system call made here.
fn size_of_root(path: &str) -> (u64, u64) {
    let path = std::ffi::CString::new(path).unwrap();
    // SAFETY: the kernel fills in the structure, which may be zero.
    unsafe {
        let mut answer: libc::statvfs = std::mem::zeroed();
        assert_eq!(libc::statvfs(path.as_ptr(), &raw mut answer), 0);
        (answer.f_blocks * answer.f_frsize, answer.f_files)
    }
}

/// The reader of a pipe that the recorder inherited from a script waits for the end of that pipe.
#[test]
fn it_holds_nothing_open() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let (mut child, connection) = start(Some(writer.into()));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(child.try_wait().unwrap().is_none(), "it lives, and the pipe has ended");
    assert_eq!(std::fs::read_link(format!("/proc/{}/cwd", child.id())).unwrap().to_str(), Some("/"));
    drop(connection);
    child.wait().unwrap();
}

#[test]
fn it_is_not_a_command_for_users() {
    let out =
        Command::new(env!("CARGO_BIN_EXE_perfwatch")).arg("statvfs-helper").stdin(Stdio::null()).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
}
