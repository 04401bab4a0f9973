//! Recording: one session from its settings to its end.
//!
//! A session is one start of the recorder. It goes through these files:
//!
//! 1. [`settings`]: what to do, as plain data.
//! 2. [`start`]: signals are blocked, the command's process is created and waits, the [`collectors`] are opened, the
//!    [`directory`] is locked, and the start of the session is written to the manifest of the [`recording`].
//! 3. [`session`]: one thread samples ([`recorder`], more often in a [`burst`]) and passes the samples to a sink (`writing`). The session's own
//!    thread waits (`watch`) for [`signals`] and notices, checks the free [`space`], and follows the `workload` with
//!    its `steps`.
//! 4. Messages are sent as [`notice::Notice`]s to a [`notice::Listener`]. This module knows neither the command line
//!    nor a terminal.
//! 5. [`ended`]: the result of the session, with the [`result`] of the command.

mod active;
pub mod burst;
pub mod collectors;
pub mod directory;
pub mod ended;
pub mod event;
mod manifest_writer;
pub mod notice;
mod orders;
mod problems;
pub mod progress;
pub mod recorder;
pub mod recording;
pub mod result;
pub mod session;
pub mod settings;
pub mod signals;
pub mod space;
pub mod start;
mod steps;
mod waiting;
mod watch;
mod workload;
mod writing;
