//! How the sampling thread handles marks: it keeps the phases, and makes rows of the marks.
//!
//! Marks are taken in batches, each of which is written to the journal with one tick. A batch ends with the mark that
//! changes the phase, so that the rows of this batch have the phase before, and those of the next batch the phase
//! after.
//!
//! Numbers become rows of table `metric`. They are no marks: they are neither counted nor listed among them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::mpsc::Receiver;

use super::queue::Mark;
use super::request::{MarkKind, Request};
use super::table::{Row, TABLE};
use crate::linux::clock::Now;
use crate::metric::{self, MOST_SERIES, Series};
use crate::table::phase::{Phases, Refused};
use crate::table::sample::{Sample, Stamp};

/// Receives the marks of one recording.
#[derive(Debug)]
pub struct Intake {
    queue: Receiver<Mark>,
    phases: Phases,
    batch: Batch,
    /// The time of the last stored mark.
    last_ns: Option<u64>,
    /// The time of the last stored number of each series.
    series: HashMap<Series, u64>,
}

/// Marks that are stored together.
#[derive(Debug, Default)]
struct Batch {
    marks: Vec<Accepted>,
    /// The phases after it, if it changes them.
    after: Option<Phases>,
}

#[derive(Debug)]
struct Accepted {
    mark: Mark,
    /// A note about it, if any.
    note: Option<String>,
}

impl Intake {
    pub fn new(queue: Receiver<Mark>) -> Intake {
        Intake { queue, phases: Phases::default(), batch: Batch::default(), last_ns: None, series: HashMap::new() }
    }

    /// Takes the waiting marks, up to one that changes the phase. Returns whether there is something to store.
    pub fn gather(&mut self) -> bool {
        while self.batch.after.is_none() {
            let Ok(mark) = self.queue.try_recv() else { break };
            if !self.has_room(&mark) {
                mark.answer(Err(format!(
                    "the recording has {MOST_SERIES} different names and labels; no more are stored"
                )));
                continue;
            }
            let mut phases = self.phases.clone();
            match change(&mut phases, &mark) {
                Ok(note) => {
                    if mark.request.kind().changes_phase() {
                        self.batch.after = Some(phases);
                    }
                    self.batch.marks.push(Accepted { mark, note });
                }
                Err(why) => mark.answer(Err(why.to_string())),
            }
        }
        !self.batch.marks.is_empty()
    }

    /// Adds an event of the recorder itself, for which nobody waits. A text that cannot be stored is left out.
    pub fn note(&mut self, text: &str, at: Now) {
        if let Ok(request) = Request::new(MarkKind::Event, text, BTreeMap::new()) {
            self.batch.marks.push(Accepted { mark: Mark::unasked(request, at), note: None });
        }
    }

    /// Whether the numbers of a mark are of series that are known, or can be.
    fn has_room(&self, mark: &Mark) -> bool {
        let of_batch = self.batch.marks.iter().flat_map(|accepted| accepted.mark.request.values());
        let all = of_batch.chain(mark.request.values()).map(|one| &one.series);
        mark.request.values().is_empty()
            || all.filter(|series| !self.series.contains_key(series)).collect::<HashSet<_>>().len()
                <= MOST_SERIES.saturating_sub(self.series.len())
    }

    /// Whether the gathered marks start or end a phase.
    pub fn changes_phase(&self) -> bool {
        self.batch.after.is_some()
    }

    /// The phase of the interval that ends now: the one before the gathered marks.
    pub fn phase(&self) -> Option<&str> {
        self.phases.path()
    }

    /// Adds the rows of the gathered marks.
    pub fn push(&self, sample: &mut Sample) {
        let mut last_ns = self.last_ns;
        let mut of_batch: HashMap<&Series, u64> = HashMap::new();
        let since = |at_ns: u64, last_ns: u64| at_ns.saturating_sub(last_ns) as f64 / 1e9;
        for Mark { request, at, .. } in self.batch.marks.iter().map(|accepted| &accepted.mark) {
            for one in request.values() {
                let last = of_batch.insert(&one.series, at.mono_ns).or_else(|| self.series.get(&one.series).copied());
                let stamp = Stamp { ts_us: at.wall_us, elapsed_s: last.map(|last| since(at.mono_ns, last)) };
                let row = metric::table::Row::of_mark(one.series.clone(), one.value);
                sample.push_at(&metric::table::TABLE, stamp, &[row]);
            }
            if request.kind() == MarkKind::Value {
                continue;
            }
            let elapsed_s = last_ns.map(|last| since(at.mono_ns, last));
            last_ns = Some(at.mono_ns);
            let row = Row::new(request.clone(), at.mono_ns);
            sample.push_at(&TABLE, Stamp { ts_us: at.wall_us, elapsed_s }, &[row]);
        }
    }

    /// Answers the gathered marks. Marks that could not be written have no effect: the phases stay the same. Returns
    /// how many marks were stored, without those with numbers.
    pub fn close(&mut self, written: Result<(), String>) -> u64 {
        let Batch { marks, after } = std::mem::take(&mut self.batch);
        let is_mark = |accepted: &&Accepted| accepted.mark.request.kind() != MarkKind::Value;
        let stored = if written.is_ok() { marks.iter().filter(is_mark).count() as u64 } else { 0 };
        if written.is_ok() {
            for Accepted { mark, .. } in &marks {
                let known = mark.request.values().iter().map(|one| (one.series.clone(), mark.at.mono_ns));
                self.series.extend(known);
            }
            if let Some(after) = after {
                self.phases = after;
            }
            self.last_ns = marks.iter().rfind(is_mark).map(|accepted| accepted.mark.at.mono_ns).or(self.last_ns);
        }
        for Accepted { mark, note } in marks {
            mark.answer(written.clone().map(|()| note));
        }
        stored
    }
}

/// How a mark changes the phases, and the note about it.
fn change(phases: &mut Phases, mark: &Mark) -> Result<Option<String>, Refused> {
    let name = mark.request.text();
    match mark.request.kind() {
        MarkKind::Event | MarkKind::Value => Ok(None),
        MarkKind::Start => phases.start(name).map(|()| None),
        MarkKind::End => {
            let inside = phases.end(name)?;
            Ok((!inside.is_empty()).then(|| format!("{} inside it ended too", inside.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::queue::{Marks, Pending, queue};
    use super::super::request::Request;
    use super::*;
    use crate::linux::clock::{Now, Stop};
    use crate::table::sample::Cell;

    fn pair() -> (Marks, Intake) {
        let (marks, queue) = queue(Stop::default());
        (marks, Intake::new(queue))
    }

    fn send(marks: &Marks, line: &str) -> Pending {
        marks.send_at(Request::parse(line.as_bytes()).unwrap(), || Now { mono_ns: 5_000_000_000, wall_us: 7 })
    }

    #[test]
    fn a_batch_ends_where_the_phase_changes() {
        let (marks, mut intake) = pair();
        let lines = ["event a", "end no", "event b", "start load", "event c", "end load"];
        let answers = lines.map(|line| send(&marks, line));
        assert!(intake.gather() && intake.changes_phase());
        assert_eq!((intake.phase(), intake.batch.marks.len()), (None, 3));
        // No more marks are taken before this batch is stored.
        assert!(intake.gather());
        assert_eq!(intake.batch.marks.len(), 3);
        assert_eq!(intake.close(Ok(())), 3);
        assert_eq!(intake.phase(), Some("load"));
        assert!(intake.gather() && intake.changes_phase());
        assert_eq!(intake.phase(), Some("load"));
        assert_eq!(intake.close(Ok(())), 2);
        assert!(!intake.gather() && !intake.changes_phase() && intake.phase().is_none());
        let mut answers = answers.into_iter().map(Pending::wait);
        assert_eq!(answers.next(), Some(Ok(None)));
        assert_eq!(answers.next(), Some(Err("no phase `no` is open".into())));
        assert!(answers.all(|answer| answer == Ok(None)));
    }

    #[test]
    fn marks_that_could_not_be_written_have_no_effect() {
        let (marks, mut intake) = pair();
        let start = send(&marks, "start load");
        assert!(intake.gather());
        assert_eq!(intake.close(Err("disk full".into())), 0);
        assert_eq!((start.wait(), intake.phase()), (Err("disk full".into()), None));
        let end = send(&marks, "end load");
        assert!(!intake.gather());
        assert_eq!(end.wait(), Err("no phase `load` is open".into()));
    }

    #[test]
    fn inner_phases_are_named() {
        let (marks, mut intake) = pair();
        let answers = ["start a", "start b", "start c", "end a"].map(|line| send(&marks, line));
        while intake.gather() {
            intake.close(Ok(()));
        }
        let [.., last] = answers.map(Pending::wait);
        assert_eq!(last, Ok(Some("b, c inside it ended too".into())));
    }

    #[test]
    fn the_end_of_the_recording_answers_all_marks() {
        let (marks, intake) = pair();
        let before = send(&marks, "event x");
        drop(intake);
        let after = send(&marks, "event y");
        let ended = Err("the recording has ended".to_string());
        assert_eq!((before.wait(), after.wait()), (ended.clone(), ended));
    }

    #[test]
    fn numbers_are_rows_of_their_own_table() {
        let catalog = [TABLE.def(), metric::table::TABLE.def()];
        let (marks, mut intake) = pair();
        let send_at = |line: &str, mono_ns| {
            marks
                .send_at(Request::parse(line.as_bytes()).unwrap(), || Now { mono_ns, wall_us: (mono_ns / 1000) as i64 })
        };
        send_at("value qps=5 p99=1.5", 1_000_000_000);
        send_at("event x", 1_100_000_000);
        send_at(r#"value qps=6 qps{a="b"}=7"#, 1_500_000_000);
        assert!(intake.gather() && !intake.changes_phase());
        let mut sample = Sample::new(&catalog);
        intake.push(&mut sample);
        assert_eq!(intake.close(Ok(())), 1, "numbers are not counted as marks");
        send_at("value qps=8", 3_500_000_000);
        assert!(intake.gather());
        intake.push(&mut sample);
        let rows: Vec<_> = (sample.blocks.iter().filter(|block| block.table == 1))
            .map(|block| {
                let Stamp { ts_us, elapsed_s } = block.stamp.unwrap();
                let cells = sample.cells_of(block);
                let text = |at: usize| match cells[at] {
                    Cell::Text(id) => sample.texts.get(id).unwrap(),
                    _ => "",
                };
                (ts_us, elapsed_s, format!("{}{}", text(0), text(1)), cells[2..].to_vec())
            })
            .collect();
        let row = |ts_us, elapsed_s, series: &str, value| {
            (ts_us, elapsed_s, series.to_string(), vec![Cell::Null, Cell::Float(value), Cell::Null, Cell::Null])
        };
        let expected = [
            row(1_000_000, None, "qps", 5.0),
            row(1_000_000, None, "p99", 1.5),
            row(1_500_000, Some(0.5), "qps", 6.0),
            row(1_500_000, None, r#"qps{a="b"}"#, 7.0),
            row(3_500_000, Some(2.0), "qps", 8.0),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn the_number_of_series_is_limited() {
        let (marks, mut intake) = pair();
        for n in 0..MOST_SERIES / 100 {
            let line: String = (0..100).map(|k| format!(" n{n}_{k}=1")).collect();
            send(&marks, &format!("value{line}"));
            intake.gather();
            intake.close(Ok(()));
        }
        let (more, known, event) =
            (send(&marks, "value other=1"), send(&marks, "value n0_0=2"), send(&marks, "event x"));
        intake.gather();
        intake.close(Ok(()));
        assert!(more.wait().unwrap_err().starts_with("the recording has 10000 different names"));
        assert_eq!((known.wait(), event.wait()), (Ok(None), Ok(None)));
    }

    #[test]
    fn rows_have_their_own_times() {
        let catalog = [TABLE.def()];
        let (marks, mut intake) = pair();
        let at = |mono_ns, wall_us| move || Now { mono_ns, wall_us };
        let tags = BTreeMap::from([("k".to_string(), "v".to_string())]);
        marks.send_at(Request::new(MarkKind::Event, "x", tags).unwrap(), at(1_000_000_999, 10));
        marks.send_at(Request::new(MarkKind::Start, "p", BTreeMap::new()).unwrap(), at(1_250_000_999, 250_010));
        assert!(intake.gather());
        let mut sample = Sample::new(&catalog);
        intake.push(&mut sample);
        let stamps: Vec<_> = sample.blocks.iter().map(|b| b.stamp.unwrap()).collect();
        assert_eq!(stamps[0], Stamp { ts_us: 10, elapsed_s: None });
        assert_eq!(stamps[1], Stamp { ts_us: 250_010, elapsed_s: Some(0.25) });
        let text = |cell: &Cell| match cell {
            Cell::Text(id) => sample.texts.get(*id).unwrap().to_string(),
            other => format!("{other:?}"),
        };
        let cells: Vec<String> = sample.cells.iter().map(text).collect();
        let event = ["event", "Null", "x", r#"{"k":"v"}"#, "Int(1000000000)"];
        let start = ["start", "p", "Null", "Null", "Int(1250000000)"];
        assert_eq!(cells, [event, start].concat());
    }
}
