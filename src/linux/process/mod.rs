//! Processes, as the kernel reports them.

pub mod clock;
pub mod fork;
pub mod held;
pub mod kernel;
pub mod schedstat;
pub mod setup;
pub mod stat;
pub mod wait;
