//! A terminal for the program.

use std::fs::File;
use std::os::fd::FromRawFd;
use std::ptr::{null, null_mut};

/// The two ends of a pseudo-terminal: that of the test, and that of the program. The first is inherited too.
pub fn terminal() -> (File, File) {
    let (mut ours, mut theirs) = (0, 0);
    let size = libc::winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointers are valid or null, as openpty requires.
    let done = unsafe { libc::openpty(&raw mut ours, &raw mut theirs, null_mut(), null(), &raw const size) };
    assert_eq!(done, 0);
    // SAFETY: both were just opened and have no other owner.
    unsafe { (File::from_raw_fd(ours), File::from_raw_fd(theirs)) }
}
