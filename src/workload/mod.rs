//! A command that is recorded: it is started held back, let go after the first sample, watched, and its end told.
//!
//! It should not notice us. It has our standard streams, and our environment with one variable more. Whatever we changed
//! of what a process inherits is given back before it begins: the signals that are ignored or blocked, and the number of
//! files that may be open.
//!
//! **Signals.** On a terminal it shares our process group, so that keys (Ctrl-C, Ctrl-Z) reach it as they would without us,
//! and a pipeline stays one job; we only see to it that they do not end us. Without a terminal it has a process group of
//! its own, to which we pass on what we are sent.
//!
//! **Control group.** Where that is permitted it has one of its own ([`Scope`]), whose accounts are its alone. Limits are those of
//! our own group, which is around it. It is gone when we are; who stays in it is put back into ours.
//!
//! **Orphans.** We are the "subreaper" of all that comes of it: who loses its parent becomes our child rather than that of
//! the first process, is counted on, and waited for.

pub mod command;
pub mod cost;
mod find;
mod group;
mod orphans;
mod scope;
mod start;

pub use find::{NotFound, find};
pub use group::Group;
pub use orphans::{adopt, disown_all, reap};
pub use scope::Scope;
pub use start::{End, Event, Held, Running, Streams};
