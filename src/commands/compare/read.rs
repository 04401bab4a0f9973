//! Opens and reads the recordings of both sides.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::super::Usage;
use super::super::samples::{Samples, Wish, none_left, place};
use crate::cli::compare::{CompareArgs, Range};
use crate::compare::comparison::Side;
use crate::compare::judge::LEAST_RUNS;
use crate::compare::sides::recordings;
use crate::store::read::Recording;
use crate::store::runs::{CONTROL, Meant, meant};
use crate::text::words::quoted;

/// Reads the sides.
pub struct Reader<'a> {
    args: &'a CompareArgs,
    pub samples: Samples<'a>,
    /// The baseline command once more, if a folder of `perfwatch ab` has it.
    pub control: Option<Side>,
}

/// The recordings of a side, as they were named.
struct Named {
    name: String,
    recordings: Vec<PathBuf>,
}

/// A side whose recordings are open.
struct Opened {
    name: String,
    recordings: Vec<Recording>,
    left_out: Vec<String>,
    range: Option<Range>,
}

impl<'a> Reader<'a> {
    pub fn new(args: &'a CompareArgs) -> Reader<'a> {
        Reader { args, samples: Samples::new(&args.part, args.threads), control: None }
    }

    /// # Errors
    /// When a side has no run that counts, or the arguments make no sense.
    pub fn sides(&mut self) -> Result<(Side, Side)> {
        let one = std::slice::from_ref;
        let (base, new) = match self.args.sides.as_slice() {
            [both] if self.has_ranges() => (self.named(one(both))?, self.named(one(both))?),
            [both] => self.of_one(both)?,
            [base, new] => (self.named(one(base))?, self.named(one(new))?),
            [] if self.args.base.is_empty() => {
                return Err(Usage("name two sides: perfwatch compare BASE NEW".into()).into());
            }
            [] => (self.named(&self.args.base)?, self.named(&self.args.new)?),
            more => {
                let why =
                    format!("{} sides; name two, or several recordings of each with --base and --new", more.len());
                return Err(Usage(why).into());
            }
        };
        let of_new: Vec<PathBuf> = new.recordings.iter().map(|path| place(path)).collect();
        // Two times of one recording are two sides.
        let both = base.recordings.iter().find(|path| !self.has_ranges() && of_new.contains(&place(path)));
        if let Some(both) = both {
            return Err(Usage(format!("{} is on both sides", both.display())).into());
        }
        let (base, new) = (self.open(base, self.args.base_range)?, self.open(new, self.args.new_range)?);
        let has_few_runs = base.recordings.len().min(new.recordings.len()) < LEAST_RUNS;
        Ok((self.read(base, has_few_runs)?, self.read(new, has_few_runs)?))
    }

    /// All recordings that were named, as one side.
    ///
    /// # Errors
    /// When there is no run that counts.
    pub fn one_side(&mut self, paths: &[PathBuf]) -> Result<Side> {
        let named = self.named(paths)?;
        let opened = self.open(named, None)?;
        self.read(opened, false)
    }

    fn has_ranges(&self) -> bool {
        self.args.base_range.is_some() && self.args.new_range.is_some()
    }

    /// The two sides in a folder of `perfwatch ab`.
    fn of_one(&mut self, path: &Path) -> Result<(Named, Named)> {
        let shown = path.display();
        let Some(Meant::Runs(runs)) = meant(&[path.to_path_buf()])?.pop() else { return Err(one_side(path).into()) };
        let Some((base, new)) = runs.pair() else {
            let [first, second, ..] = runs.sides()[..] else { return Err(one_side(path).into()) };
            let word = |side: &str| quoted(&path.join(side).to_string_lossy());
            let (first, second, count) = (word(first), word(second), runs.sides().len());
            return Err(
                Usage(format!("{shown} has {count} sides; name two: perfwatch compare {first} {second}")).into()
            );
        };
        runs.problem.iter().for_each(|problem| self.samples.complain(problem));
        let side = |name: &str| {
            let recordings = recordings(&runs, name);
            Named { name: runs.path.join(name).display().to_string(), recordings }
        };
        if runs.sides().contains(&CONTROL) {
            let control = self.open(side(CONTROL), self.args.base_range)?;
            self.control = Some(self.read(control, false)?);
        }
        Ok((side(base), side(new)))
    }

    fn named(&mut self, paths: &[PathBuf]) -> Result<Named> {
        let first = paths.first().map_or_else(String::new, |path| path.display().to_string());
        let name = if paths.len() > 1 { format!("{first} and {} more", paths.len() - 1) } else { first };
        let recordings = self.samples.named(paths)?.into_iter().flat_map(|named| named.recordings).collect();
        Ok(Named { name, recordings })
    }

    fn open(&mut self, named: Named, range: Option<Range>) -> Result<Opened> {
        let mut left_out = Vec::new();
        let recordings = self.samples.open(&named.recordings, &mut left_out);
        if recordings.is_empty() {
            return Err(none_left(&named.name, &left_out));
        }
        Ok(Opened { name: named.name, recordings, left_out, range })
    }

    fn read(&mut self, side: Opened, has_spread: bool) -> Result<Side> {
        let Opened { mut name, recordings, mut left_out, range } = side;
        let wish = Wish { each_phase: self.args.by.is_some(), range, has_spread };
        let runs = self.samples.read(&recordings, wish, &mut left_out)?;
        if runs.is_empty() {
            return Err(none_left(&name, &left_out));
        }
        if range.is_some() && self.args.sides.len() == 1 {
            name += " in its range";
        }
        Ok(Side { name, runs, left_out })
    }
}

fn one_side(path: &Path) -> Usage {
    let path = path.display();
    Usage(format!(
        "{path} has only one side; name two: perfwatch compare {path} OTHER, or two times of it with --base-range and \
         --new-range"
    ))
}
