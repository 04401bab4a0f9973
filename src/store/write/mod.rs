//! Writes ticks: immediately to the journal of the current hour, and to Parquet when the hour is over.
//!
//! The [`Sink`] is the first [`Outlet`]: what it has written is stored. A [`Syncer`] syncs it to the disk, and a
//! [`Sealer`] converts closed journals to Parquet. Other outlets get each tick through a [`Follower`].

mod describe;
mod encoding;
mod error;
mod follower;
mod group;
mod lean;
mod news;
mod opening;
mod outlet;
pub mod output;
mod profile;
pub mod retain;
pub mod seal;
mod sealed;
mod sealer;
mod sink;
pub mod sorter;
mod syncer;
pub mod uniform;
mod widen;

pub use error::WriteError;
pub use follower::{Follower, OutletCounts};
pub use news::News;
pub use opening::SinkOptions;
pub use outlet::{Outlet, Tick};
pub use sealed::{OnSealed, Sealed};
pub use sealer::Sealer;
pub use sink::Sink;
pub use syncer::Syncer;
