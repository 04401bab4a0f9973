//! Where ticks go. The first outlet is the [`Sink`](super::Sink): what it has written is stored. Others (a live stream, an endpoint that is
//! asked for the latest values) get a tick once it is stored, through a [`Follower`](super::Follower), and never delay it.

use std::fmt::Display;

use crate::store::journal::codec::TickStamp;
use crate::table::sample::Sample;

/// One tick, as outlets get it.
#[derive(Clone, Copy)]
pub struct Tick<'t> {
    pub stamp: TickStamp,
    /// The phase that the tick's interval lies in: a text of the sample.
    pub phase: Option<u32>,
    pub sample: &'t Sample<'t>,
}

/// Takes ticks.
pub trait Outlet {
    type Error: Display;

    /// Takes one tick.
    ///
    /// # Errors
    /// When it could not be taken. The next tick is tried all the same.
    fn tick(&mut self, tick: Tick<'_>) -> Result<(), Self::Error>;
}
