//! Recording: one session from its settings to its end.
//!
//! A session is one start of the recorder. Follow it through the files:
//!
//! 1. [`settings`]: what is asked for, plain data.
//! 2. [`start`]: signals are blocked, the command's process is made and waits, the [`collectors`] are opened, the
//!    [`directory`] is taken, the manifest of the [`recording`] says that a session began.
//! 3. [`session`]: one thread samples ([`recorder`]), with a sink behind it (`writing`). The session's own thread watches (`watch`) for
//!    [`signals`], free [`space`], the `workload` with its `steps`, and what there is to say.
//! 4. What there is to say goes out as a [`notice::Notice`] to a [`notice::Listener`]. This module knows neither the command line
//!    nor a terminal.
//! 5. [`ended`]: what the session came to; of a command, its [`result`].

mod active;
pub mod collectors;
pub mod directory;
pub mod ended;
pub mod event;
pub mod notice;
mod noting;
mod problems;
pub mod progress;
pub mod recorder;
pub mod recording;
mod reins;
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
