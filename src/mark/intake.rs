//! What the thread that samples does with marks: it keeps the phases, and makes rows of them.
//!
//! Marks are taken in groups, each of which goes to the journal with one tick. A group ends with the mark that changes the
//! phase, so that the phase of its rows is the one before, and the next group's the one after.

use std::sync::mpsc::Receiver;

use super::phases::{Phases, Refused};
use super::queue::Mark;
use super::request::Kind;
use super::table::{Row, TABLE};
use crate::sample::{Sample, Stamp};

/// The marks of one recording, at the end of their way.
#[derive(Debug)]
pub struct Intake {
    queue: Receiver<Mark>,
    phases: Phases,
    group: Group,
    /// When the last mark that was stored came in.
    last_ns: Option<u64>,
}

/// Marks that are stored together.
#[derive(Debug, Default)]
struct Group {
    marks: Vec<Taken>,
    /// The phases after it, if it changes them.
    after: Option<Phases>,
}

#[derive(Debug)]
struct Taken {
    mark: Mark,
    /// What there is to say about it.
    note: Option<String>,
}

impl Intake {
    pub fn new(queue: Receiver<Mark>) -> Intake {
        Intake { queue, phases: Phases::default(), group: Group::default(), last_ns: None }
    }

    /// Takes what has come in, up to a mark that changes the phase. Says whether there is something to store.
    pub fn gather(&mut self) -> bool {
        while self.group.after.is_none() {
            let Ok(mark) = self.queue.try_recv() else { break };
            let mut phases = self.phases.clone();
            match change(&mut phases, &mark) {
                Ok(note) => {
                    if mark.request.kind() != Kind::Event {
                        self.group.after = Some(phases);
                    }
                    self.group.marks.push(Taken { mark, note });
                }
                Err(why) => mark.answer(Err(why.to_string())),
            }
        }
        !self.group.marks.is_empty()
    }

    /// Does what was gathered start or end a phase?
    pub fn changes_phase(&self) -> bool {
        self.group.after.is_some()
    }

    /// The phase in which the interval lay that ends now: the one before what was gathered.
    pub fn phase(&self) -> Option<&str> {
        self.phases.path()
    }

    /// Adds the rows of what was gathered.
    pub fn push(&self, sample: &mut Sample) {
        let mut last_ns = self.last_ns;
        for Mark { request, at, .. } in self.group.marks.iter().map(|taken| &taken.mark) {
            let elapsed_s = last_ns.map(|last| at.mono_ns.saturating_sub(last) as f64 / 1e9);
            last_ns = Some(at.mono_ns);
            let row = Row::new(request.clone(), at.mono_ns);
            sample.push_at(&TABLE, Stamp { ts_us: at.wall_us, elapsed_s }, &[row]);
        }
    }

    /// Answers what was gathered. What could not be written did not happen: the phases stay as they were. Returns how many
    /// marks were stored.
    pub fn close(&mut self, written: Result<(), String>) -> u64 {
        let Group { marks, after } = std::mem::take(&mut self.group);
        let stored = if written.is_ok() { marks.len() as u64 } else { 0 };
        if written.is_ok() {
            if let Some(after) = after {
                self.phases = after;
            }
            self.last_ns = marks.last().map(|taken| taken.mark.at.mono_ns).or(self.last_ns);
        }
        for Taken { mark, note } in marks {
            mark.answer(written.clone().map(|()| note));
        }
        stored
    }
}

/// What a mark does to the phases, and what there is to say about it.
fn change(phases: &mut Phases, mark: &Mark) -> Result<Option<String>, Refused> {
    let name = mark.request.said();
    match mark.request.kind() {
        Kind::Event => Ok(None),
        Kind::Start => phases.start(name).map(|()| None),
        Kind::End => {
            let inside = phases.end(name)?;
            Ok((!inside.is_empty()).then(|| format!("{} inside it ended too", inside.join(", "))))
        }
    }
}
