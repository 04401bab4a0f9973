//! Receivers of ticks. The first outlet is the [`Sink`](super::Sink): what it has written is stored. Others (a live stream, an endpoint
//! with the latest values) get a tick after it is stored, through a [`Follower`](super::Follower), and never delay it.

use std::fmt::Display;

use crate::store::journal::codec::TickStamp;
use crate::table::sample::Sample;

/// One tick.
#[derive(Clone, Copy)]
pub struct Tick<'t> {
    pub stamp: TickStamp,
    /// The phase of the tick's interval, as an index into the texts of the sample.
    pub phase: Option<u32>,
    pub sample: &'t Sample<'t>,
}

/// A receiver of ticks.
pub trait Outlet {
    type Error: Display;

    /// Handles one tick.
    ///
    /// # Errors
    /// When this tick could not be handled. The next one is tried nevertheless.
    fn tick(&mut self, tick: Tick<'_>) -> Result<(), Self::Error>;
}
