//! The recorded command: its process is created first, executes the command after the first sample, and is watched
//! until its end.
//!
//! The command should not notice the recorder. It has our standard streams, and our environment with one additional
//! variable. Inherited settings that we changed are restored before it begins: ignored and blocked signals, and the
//! limit of open files.
//!
//! **Signals.** On a terminal the command shares our process group, so that keys (Ctrl-C, Ctrl-Z) reach it as they
//! would without us, and a pipeline remains one job; they just do not end us. Without a terminal it has a process group
//! of its own, to which we forward the signals that we receive.
//!
//! **Control group.** If permitted, the command has a control group of its own ([`Scope`]), so that memory and CPU time
//! are accounted for separately. It is inside our own group, whose limits apply. It is removed at the end; processes
//! that are still in it are moved back to ours.
//!
//! **Orphans.** We are the "subreaper" of all descendants of the command: a process that loses its parent becomes our
//! child instead of that of the first process, still counts, and is waited for.

pub mod command;
pub mod cost;
pub mod files;
mod find;
mod group;
mod orphans;
mod scope;
mod start;

pub use find::{NotFound, find};
pub use group::ProcessGroup;
pub use orphans::{adopt, disown_all, reap};
pub use scope::Scope;
pub use start::{End, Event, Held, Running, Streams};
