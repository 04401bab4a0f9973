//! The allocator of this process.

/// Returns free memory to the kernel, which the allocator would otherwise keep.
#[allow(unsafe_code, reason = "malloc_trim(3) has no safe form")]
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only releases memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
}
