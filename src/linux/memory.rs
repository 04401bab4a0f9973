//! The allocator of this process.

/// Gives back to the kernel what is free: the allocator would otherwise keep it.
#[allow(unsafe_code, reason = "malloc_trim(3) has no safe form")]
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only releases memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
}
