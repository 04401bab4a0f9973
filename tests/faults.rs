//! System calls that fail, one at a time, while the program works on a recording: nothing that was acknowledged is
//! lost, nothing is duplicated, and the message names a path and a reason.
//!
//! `PERFWATCH_FAULTS=n` tries n faults per piece of work instead of the default; trying all takes hours.
//! `PERFWATCH_FAULTS_OF=recover` tries only this piece of work: see `ALL` in `faults/work.rs`.

mod common;
mod program;
#[cfg(target_arch = "x86_64")]
mod faults {
    pub mod calls;
    pub mod rows;
    pub mod trace;
    pub mod work;
}

#[cfg(not(target_arch = "x86_64"))]
#[test]
fn calls_that_fail() {
    eprintln!("skipped: calls are made to fail on x86_64 only");
}

#[cfg(target_arch = "x86_64")]
mod tests {
    use std::path::Path;

    use perfwatch::store::layout::Layout;

    use crate::faults::calls::CALLS;
    use crate::faults::rows::{Rows, added, are_ticks, rows};
    use crate::faults::trace::{self, Fault, Ran};
    use crate::faults::work::{ALL, Work};
    use crate::program::{copy, new, run};

    const ERRORS: [(i32, &str); 5] = [
        (libc::ENOSPC, "No space left on device"),
        (libc::EIO, "Input/output error"),
        (libc::EMFILE, "Too many open files"),
        (libc::EINTR, "Interrupted system call"),
        (libc::EDQUOT, "Disk quota exceeded"),
    ];

    fn text_of(error: i32) -> &'static str {
        ERRORS.iter().find(|(number, _)| *number == error).unwrap().1
    }

    /// Chooses the faults: each call with each error, once and permanently, early and late. `turn`: index of the first.
    fn chosen(ran: &Ran, most: usize, turn: usize) -> Vec<Fault> {
        let mut kinds: Vec<Vec<Fault>> = Vec::new();
        for call in &CALLS {
            let count = ran.calls.iter().filter(|(made, _)| made.name == call.name).count();
            for (error, _) in ERRORS.into_iter().filter(|(error, _)| count > 0 && call.fails_with(*error)) {
                let of = |on| (0..count).map(move |at| Fault { error, call: call.name, at, on }).collect();
                kinds.extend([false, true].map(of));
            }
        }
        let all: usize = kinds.iter().map(Vec::len).sum();
        if most >= all {
            return kinds.concat();
        }
        // Steps by the golden ratio cover the range evenly.
        let place = |n: usize, of: usize| ((n as f64 * 0.618_033_988_749_895).fract() * of as f64) as usize;
        let one = |n: usize| {
            let kind = &kinds[n * STEP % kinds.len()];
            kind[place(n, kind.len())]
        };
        (turn..turn + most).map(one).collect()
    }

    /// A prime larger than the number of kinds: successive steps choose different calls, and all kinds are reached.
    const STEP: usize = 997;

    /// Number of faults per piece of work.
    fn wanted() -> usize {
        std::env::var("PERFWATCH_FAULTS").ok().and_then(|n| n.parse().ok()).unwrap_or(5)
    }

    /// Checks what must hold after every fault; returns the first violation.
    fn look(work: &Work, dir: &Path, before: &Rows, ran: &Ran, error: i32) -> Result<(), String> {
        if ran.timed_out {
            return Err("it did not end".into());
        }
        let status = ran.status.ok_or("a signal ended it")?;
        if ran.err.contains("panicked") {
            return Err("it panicked".into());
        }
        let names = |line: &str| line.contains(&dir.display().to_string());
        if status != 0 && !ran.err.lines().any(names) {
            return Err("the message names no path".into());
        }
        if status != 0 && !ran.err.contains(text_of(error)) {
            return Err("the message names no reason".into());
        }
        has_all(dir, before, ran).map_err(|why| format!("right after: {why}"))?;
        if status == 0 && !work.is_done(dir) {
            return Err("the status is 0, and it is not done".into());
        }
        if !Layout::new(dir).manifest().exists() {
            return begins_again(work, dir);
        }
        let recovered = run([Path::new("recover"), dir]);
        if recovered.status != 0 {
            return Err(format!("it cannot be recovered: {recovered:?}"));
        }
        has_all(dir, before, ran).map_err(|why| format!("once recovered: {why}"))?;
        let left = Layout::new(dir).journals().map_err(|error| error.to_string())?;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?} is left")) }
    }

    fn has_all(dir: &Path, before: &Rows, ran: &Ran) -> Result<(), String> {
        are_ticks(&added(before, &rows(dir)?)?, ran.ticks)
    }

    /// A recording that could not start must not prevent the next start.
    fn begins_again(work: &Work, dir: &Path) -> Result<(), String> {
        let again = work.command(dir).output().unwrap();
        let said = String::from_utf8_lossy(&again.stderr);
        if again.status.success() { Ok(()) } else { Err(format!("it cannot begin again: {said}")) }
    }

    /// Tries faults, and returns the violations.
    fn try_faults(work: &Work, turn: usize) -> Vec<String> {
        let (_folder, of) = new();
        work.make(&of);
        let before = rows(&of).unwrap();
        let run_with = |fault| {
            let (folder, dir) = new();
            let dir = dir.parent().unwrap().canonicalize().unwrap().join("run");
            if of.exists() {
                copy(&of, &dir);
            }
            trace::run(work.command(&dir), &dir, fault).map(|ran| (folder, dir, ran))
        };
        let (_folder, dir, ran) = match run_with(None) {
            Ok(ran) => ran,
            Err(error) => {
                eprintln!("skipped: a program cannot be traced here: {error}");
                return Vec::new();
            }
        };
        assert_eq!(ran.status, Some(0), "{}: {}", work.name, ran.err);
        assert!(ran.calls.len() > 20, "{}: few calls are seen: {:?}", work.name, ran.calls);
        look(work, &dir, &before, &ran, libc::EIO).unwrap_or_else(|why| panic!("{} without a fault: {why}", work.name));
        let faults = chosen(&ran, wanted(), turn);
        eprintln!("{}: {} calls, {} faults", work.name, ran.calls.len(), faults.len());
        let mut wrong = Vec::new();
        for fault in faults {
            let (_folder, dir, ran) = run_with(Some(fault)).unwrap();
            if let Err(why) = look(work, &dir, &before, &ran, fault.error) {
                let Fault { error, call, at, on } = fault;
                let which = if on { "from there on" } else { "once" };
                let first: Vec<_> = ran.failed.iter().take(3).collect();
                wrong.push(format!(
                    "{}: {why}\n  {} at {call} {at} {which}: {first:?}\n  status {:?}, it said: {}",
                    work.name,
                    text_of(error),
                    ran.status,
                    ran.err.trim_end(),
                ));
            }
        }
        wrong
    }

    #[test]
    fn calls_that_fail() {
        let only = std::env::var("PERFWATCH_FAULTS_OF").ok();
        let is_meant = |work: &&Work| only.as_deref().is_none_or(|only| only == work.name);
        let works: Vec<&Work> = ALL.iter().filter(is_meant).collect();
        assert!(!works.is_empty(), "PERFWATCH_FAULTS_OF={only:?} is none of {:?}", ALL.map(|work| work.name));
        let wrong: Vec<String> = works.iter().zip(1..).flat_map(|(work, n)| try_faults(work, n * wanted())).collect();
        assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n"));
    }
}
