//! A series: one run after the other, and the index that lists them.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::Utc;

use super::child::{Ended, in_child};
use super::input::Input;
use super::side::Side;
use super::unnamed::reserve;
use crate::cli::OUR_FAILURE;
use crate::cli::record::RecordArgs;
use crate::commands::{Outcome, Usage, record};
use crate::compare::gate::Gate;
use crate::compare::sides::undecided;
use crate::linux::signal::name;
use crate::store::layout::INDEX;
use crate::store::manifest::SeriesRun;
use crate::store::runs::{Index, Run, Runs};
use crate::ui;

/// Runs that belong together.
pub struct Series<'a> {
    args: &'a RecordArgs,
    gate: Option<&'a Gate>,
    messages: ui::Messages,
    pub root: PathBuf,
    pub index: Index,
    input: Input,
    /// Reserves disk space for the index, in case the disk is full later.
    reserve: Option<File>,
    /// Whether the user was warned that the index cannot be written.
    is_warned: bool,
}

/// Why no more runs are started, and the resulting outcome.
pub struct Cut {
    pub why: String,
    pub outcome: Outcome,
}

const OURS: Outcome = Outcome::Status(OUR_FAILURE);

impl<'a> Series<'a> {
    /// `gate`: the metrics that decide; None for the usual ones.
    pub fn new(
        args: &'a RecordArgs,
        gate: Option<&'a Gate>,
        messages: ui::Messages,
        root: PathBuf,
        input: Input,
    ) -> Series<'a> {
        let name = format!("{}-{}", Utc::now().format("%Y%m%dT%H%M%S%6fZ"), std::process::id());
        Series { args, gate, messages, root, index: Index::new(Some(name)), input, reserve: None, is_warned: false }
    }

    /// Records one run. Returns why the series must stop, if it must.
    pub fn run(&mut self, side: &Side, warmup: bool, number: u32) -> Result<Option<Cut>> {
        let directory = side.directory(warmup, number);
        let (name, parameters) = (side.name.clone(), side.parameters.clone());
        let run = Run {
            directory: directory.clone(),
            number,
            warmup,
            side: name.clone(),
            parameters: parameters.clone(),
            ..Run::default()
        };
        self.index.runs.push(run);
        self.note();
        let series = self.index.series.clone().unwrap_or_default();
        let looks = self.index.looks.as_ref().map(|looks| looks.planned.len() as u32);
        let one = RecordArgs {
            output: Some(self.root.join(&directory)),
            run: Some(SeriesRun { series, side: name, parameters, seed: self.index.seed, looks, number, warmup }),
            ..side.args(self.args)
        };
        let (given, kept) = (self.input.next().context("standard input")?, self.input.kept_bytes());
        let ended = in_child(|| {
            given.take().context("standard input")?;
            record::run(&one)
        })?;
        let is_fed = given.finish();
        if self.input.kept_bytes() > kept {
            let shown = directory.display();
            self.messages.warn(&format!(
                "{shown}: standard input arrived during the run, which may have waited for it; later runs do not wait"
            ));
        }
        let mut by = ended.signal;
        if let Some(run) = self.index.runs.last_mut() {
            let interrupted = ended.signal.is_some() || ended.killed_by.is_some();
            // A signal may have been sent only to the recorder of the run.
            by = by.or(run.ended(&self.root, ended.status.into(), interrupted));
            run.interrupted |= !is_fed;
        }
        self.note();
        let cut = self.cut(&directory, ended, by);
        let unfed =
            || Cut { why: format!("{}: its input was cut off; no more runs", directory.display()), outcome: OURS };
        Ok(cut.or((!is_fed).then(unfed)))
    }

    /// Looks at the runs, if it is time, and says whether all metrics that decide are decided. `number`: of the block
    /// that has ended.
    ///
    /// # Errors
    /// If a rule of the gate does not fit its metric.
    pub fn is_decided(&mut self, number: u32) -> Result<bool> {
        let Some(mut looks) = self.index.looks.clone().filter(|looks| looks.planned.contains(&number)) else {
            return Ok(false);
        };
        let runs = Runs { path: self.root.clone(), index: self.index.clone(), problem: None };
        let undecided = undecided(&runs, self.gate).map_err(Usage)?;
        looks.made += 1;
        looks.is_decided = undecided.as_ref().is_some_and(Vec::is_empty);
        let state = match &undecided {
            Some(names) if names.is_empty() => "all metrics are decided".into(),
            Some(names) => format!("not decided: {}", names.join(", ")),
            None => "no runs that count".to_string(),
        };
        let next = looks.planned.iter().find(|planned| **planned > number).filter(|_| !looks.is_decided);
        let next = next.map_or_else(String::new, |next| format!("; next look after {next}"));
        let is_decided = looks.is_decided;
        let (made, most) = (looks.made, looks.planned.len());
        self.index.looks = Some(looks);
        self.messages.result(&format!("after {number} runs per side (look {made} of {most} at most): {state}{next}"));
        self.note();
        Ok(is_decided)
    }

    /// Should the series stop after this run?
    fn cut(&self, directory: &Path, ended: Ended, by: Option<libc::c_int>) -> Option<Cut> {
        let Ended { status, killed_by, signal: _, by_key } = ended;
        let shown = directory.display();
        let of = |signal: libc::c_int| Outcome::Status(128u8.wrapping_add(signal as u8));
        if let Some(signal) = by {
            let outcome = if by_key { Outcome::Key(signal) } else { of(signal) };
            return Some(Cut { why: format!("{shown}: received {}; no more runs", name(signal)), outcome });
        }
        if let Some(signal) = killed_by {
            let why = format!("{shown}: {} ended its recorder; no more runs", name(signal));
            return Some(Cut { why, outcome: of(signal) });
        }
        // A failure of ours is not a failure of the command, and would occur again in the next run.
        let continues = self.args.ignore_failure && status != OUR_FAILURE;
        (status != 0 && !continues).then(|| {
            let advice = if status == OUR_FAILURE { "" } else { " (see --ignore-failure)" };
            Cut {
                why: format!("{shown}: exit status {status}; no more runs{advice}"),
                outcome: Outcome::Status(status),
            }
        })
    }

    /// Writes the index. A failure does not stop the series, because the manifests of the runs contain the same facts.
    pub fn note(&mut self) {
        let mut written = self.index.write(&self.root);
        // Dropping the file frees its space.
        if written.is_err() && self.reserve.take().is_some() {
            written = self.index.write(&self.root);
        }
        if self.reserve.is_none() {
            self.reserve = reserve(&self.root, self.index.runs.len()).ok();
        }
        if let Err(error) = written
            && !std::mem::replace(&mut self.is_warned, true)
        {
            let path = self.root.join(INDEX);
            let effect = "the runs continue, and their manifests contain the same facts";
            ui::message(&format!("warning: cannot write {}: {error}; {effect}", path.display()));
        }
    }
}
