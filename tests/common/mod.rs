//! A machine made of files, a recorder that reads it with a scripted clock, and the resulting rows.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

pub mod files;
mod machine;
mod recording;
mod rows;

pub use machine::{Machine, NET_DEV_HEAD, net_dev};
pub use recording::{Recorded, Recording, START_NS};
pub use rows::{column, everything, rows};
