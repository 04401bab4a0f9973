//! `perf_event_open(2)`: a counter of the kernel as a descriptor.
#![allow(unsafe_code, reason = "neither perf_event_open(2) nor its ioctl(2) has a safe form")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_ulong};

/// The second published form of `struct perf_event_attr`, 72 bytes. Every kernel accepts it as long as fields that it
/// does not know are zero.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub struct Attr {
    pub kind: u32,
    pub size: u32,
    pub config: u64,
    pub sample_period: u64,
    pub sample_type: u64,
    pub read_format: u64,
    pub flags: u64,
    pub wakeup_events: u32,
    pub bp_type: u32,
    pub config1: u64,
    pub config2: u64,
}

impl Attr {
    /// For its field `size`.
    pub const SIZE: u32 = size_of::<Attr>() as u32;
}

/// Opens a counter. The arguments are those of the call.
///
/// # Errors
/// The `errno`.
pub fn open(attr: &Attr, pid: libc::pid_t, cpu: c_int, leader: RawFd, flags: c_ulong) -> Result<OwnedFd, i32> {
    if attr.size != Attr::SIZE {
        return Err(libc::E2BIG);
    }
    // SAFETY: `attr` is a complete structure of the size in its field, and outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const *attr, pid, cpu, leader, flags) };
    match i32::try_from(fd) {
        // SAFETY: the kernel has just handed this descriptor to us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)),
    }
}

/// Starts a counter, and the group that it leads. A descriptor that is not a counter refuses.
pub fn enable(counter: impl AsFd) {
    // `_IO('$', 0)`; "no data" is a separate bit on some machines.
    const IOC_NONE: c_ulong = if cfg!(any(
        target_arch = "mips",
        target_arch = "mips64",
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "sparc",
        target_arch = "sparc64"
    )) {
        0x2000_0000
    } else {
        0
    };
    const IOC_ENABLE: c_ulong = IOC_NONE | 0x2400;
    // SAFETY: no memory is involved.
    unsafe { libc::ioctl(counter.as_fd().as_raw_fd(), IOC_ENABLE as _, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_has_the_kernels_size() {
        assert_eq!(Attr::SIZE, 72);
    }

    #[test]
    fn a_size_that_is_not_the_structures_is_not_passed_on() {
        assert_eq!(open(&Attr { size: 4096, ..Attr::default() }, 0, -1, -1, 0).unwrap_err(), libc::E2BIG);
    }
}
