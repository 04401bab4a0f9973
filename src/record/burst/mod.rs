//! Bursts: while a condition holds, samples are taken at a finer interval.
//!
//! A [`Rule`] says when, how fine and for how long; `Bursts` applies the rules of a session at each tick. The condition
//! is always looked at over a whole interval of the session, also during a burst, so that it means the same at all times.

mod rule;
mod watch;

pub use rule::{Rule, Tables, rule};
pub(super) use watch::Bursts;
