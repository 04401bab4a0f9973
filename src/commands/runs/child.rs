//! Each run has a separate process, so that all runs start from the same state, with the same memory size.

use anyhow::{Context, Result};

use crate::cli::OUR_FAILURE;
use crate::commands::Outcome;
use crate::linux::process::fork::{Forked, fork};
use crate::linux::process::wait::has_ended;
use crate::linux::signal::send;
use crate::record::signals::{Blocked, Received};
use crate::ui;
use crate::workload::ProcessGroup;

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub status: u8,
    /// The signal that ended the recorder itself, which then could not write any results.
    pub killed_by: Option<libc::c_int>,
    /// A signal that we received during the run; no more runs are started.
    pub signal: Option<libc::c_int>,
    /// The signal came from a key of the terminal.
    pub by_key: bool,
}

/// Forks, calls `work` in the child, and waits for the child. Must be called while there is only one thread.
///
/// # Errors
/// When no more processes can be created.
#[allow(clippy::exit, reason = "the child ends here, and must not continue as the parent")]
pub fn in_child(work: impl FnOnce() -> Result<Outcome>) -> Result<Ended> {
    let signals = Blocked::block_for_children()?;
    match fork().context("cannot start a process")? {
        Forked::Child => {
            signals.release();
            let status = match work() {
                Ok(Outcome::Done) => 0,
                Ok(Outcome::Incomplete) => 1,
                Ok(Outcome::Status(status)) => status,
                Ok(Outcome::Key(signal)) => 128u8.wrapping_add(signal as u8),
                Err(error) => {
                    ui::message(&format!("{error:#}"));
                    OUR_FAILURE
                }
            };
            std::process::exit(status.into())
        }
        Forked::Parent(child) => Ok(follow(child, &signals)),
    }
}

/// Passes signals on until the child has ended.
fn follow(child: u32, signals: &Blocked) -> Ended {
    let group = ProcessGroup::here();
    let (mut signal, mut by_key) = (None, false);
    loop {
        match has_ended(child) {
            Ok(None) => {}
            Ok(Some(how)) => {
                let killed_by = how.signal();
                let exited = || how.code().unwrap_or(0) as u8;
                let status = killed_by.map_or_else(exited, |by| 128u8.wrapping_add(by as u8));
                return Ended { status, killed_by, signal, by_key };
            }
            Err(_) => return Ended { status: OUR_FAILURE, killed_by: None, signal, by_key },
        }
        let received = signals.wait();
        if received.signal == libc::SIGCHLD {
            continue;
        }
        let heard = received.by_kernel && group.hears(received.signal);
        if !heard {
            // The child is not reaped yet, so its PID cannot belong to another process.
            let _ = send(child, received.signal);
        }
        if signal.is_none() && Received::ends(received) {
            (signal, by_key) = (Some(received.signal), heard);
        }
    }
}
