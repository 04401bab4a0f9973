//! What a path given by the user refers to: a recording, a folder of runs, or one side of such a directory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{BASE, CONTROL, Index, NEW, Run, Runs, command_of};
use crate::store::layout::{INDEX, Layout};
use crate::store::manifest::{Manifest, SeriesRun};

/// The folders of the sides of `ab`. Those of parameters have a `=` in their names.
const SIDES: [&str; 3] = [BASE, CONTROL, NEW];

/// What a path refers to.
#[derive(Clone, Debug, PartialEq)]
pub enum Meant {
    Recording(PathBuf),
    Runs(Runs),
}

impl Meant {
    /// A problem that does not prevent its use.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Meant::Recording(_) => None,
            Meant::Runs(runs) => runs.problem.as_deref(),
        }
    }
}

/// Resolves each path.
///
/// # Errors
/// When an index can neither be read nor be made from the manifests.
pub fn meant(paths: &[PathBuf]) -> Result<Vec<Meant>> {
    paths.iter().map(|path| one(path)).collect()
}

/// The recordings to which these paths refer, including runs that do not count.
///
/// # Errors
/// As [`meant`].
pub fn all_recordings(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let each = meant(paths)?.into_iter().map(|meant| match meant {
        Meant::Recording(path) => vec![path],
        Meant::Runs(runs) => runs.recordings(true),
    });
    Ok(each.flatten().collect())
}

fn one(path: &Path) -> Result<Meant> {
    if let Err(error) = Layout::new(path).pack() {
        bail!("{} {error}", path.display());
    }
    let runs = |index, problem| {
        let runs = Runs { path: path.to_path_buf(), index, problem };
        must_stay_inside(&runs).map(|()| Meant::Runs(runs))
    };
    let damaged = match Index::read(path) {
        Ok(Some(index)) => {
            let mut index = completed(index, path);
            let problem = correct(&mut index, path);
            return runs(index, problem);
        }
        Ok(None) if is_recording(path) => return Ok(Meant::Recording(path.to_path_buf())),
        Ok(None) => None,
        Err(error) => Some(format!("{}: {error}", path.join(INDEX).display())),
    };
    if let (None, Some(index)) = (&damaged, side(path)) {
        let mut index = completed(index, path);
        let problem = correct(&mut index, path);
        return runs(index, problem);
    }
    match (from_manifests(path)?, damaged) {
        (Some(index), damaged) => {
            let made = "; the manifests of the runs are used instead";
            runs(index, damaged.map(|error| error + made))
        }
        (None, Some(error)) => bail!(error),
        (None, None) => Ok(Meant::Recording(path.to_path_buf())),
    }
}

/// A user who can write to the directory must not redirect a command to recordings elsewhere.
fn must_stay_inside(runs: &Runs) -> Result<()> {
    let layout = Layout::new(&runs.path);
    for recording in runs.recordings(true) {
        layout
            .stays_inside(&recording)
            .with_context(|| format!("{}: run {}", runs.path.display(), recording.display()))?;
    }
    Ok(())
}

/// The runs of one side, if the parent directory has an index with this side.
fn side(path: &Path) -> Option<Index> {
    // A path into a pack is not one of the kernel's.
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let (root, name) = (whole.parent()?, whole.file_name()?.to_str()?);
    let mut index = Index::read(root).ok()??;
    index.runs.retain(|run| run.side.as_deref() == Some(name) && run.directory.starts_with(name));
    for run in &mut index.runs {
        run.directory = run.directory.strip_prefix(name).ok()?.to_path_buf();
    }
    (!index.runs.is_empty()).then_some(index)
}

/// Adds facts from the manifests to the index: the results of runs that it lists without one, and runs that it lacks.
/// They are missing if perfwatch was killed or the disk was full.
fn completed(mut index: Index, root: &Path) -> Index {
    for run in index.runs.iter_mut().filter(|run| run.exit_status.is_none()) {
        if let Some(command) = command_of(root, &run.directory) {
            run.note(&command);
        }
    }
    let more = unlisted(root, &index).into_iter().filter(|found| Some(&found.of.series) == index.series.as_ref());
    let more: Vec<Run> = more.map(|found| found.run).collect();
    index.runs.extend(more);
    index
}

/// Replaces results in the index that differ from the manifests, because the index has no checksum. Returns a message
/// with the runs concerned, if there are any.
fn correct(index: &mut Index, root: &Path) -> Option<String> {
    // A number that was written and read again may differ in its last digit.
    let same = |a: Option<f64>, b: f64| a.is_none_or(|a| (a - b).abs() <= 1e-9 * b.abs());
    let mut wrong = Vec::new();
    for run in &mut index.runs {
        let Some(cost) = command_of(root, &run.directory).and_then(|command| command.cost) else { continue };
        let is_right = same(run.wall_s, cost.wall_s)
            && same(run.user_s, cost.user_s)
            && same(run.system_s, cost.system_s)
            && run.max_rss_bytes.is_none_or(|bytes| bytes == cost.max_rss_bytes);
        if !is_right {
            run.note_cost(&cost);
            wrong.push(run.directory.display().to_string());
        }
    }
    let names = wrong.join(", ");
    let why = "the manifests, which are used instead: one of the two is damaged";
    (!wrong.is_empty()).then(|| format!("{}: the figures of {names} in {INDEX} differ from {why}", root.display()))
}

/// An index made from the manifests of the runs in this directory; `None` if there are none.
///
/// # Errors
/// When they belong to several series, which cannot be combined.
fn from_manifests(root: &Path) -> Result<Option<Index>> {
    let found = unlisted(root, &Index::new(None));
    let Some(first) = found.first().map(|found| found.of.clone()) else { return Ok(None) };
    if found.iter().any(|other| other.of.series != first.series) {
        bail!("{} contains runs of different series: name the recordings individually", root.display());
    }
    let runs = found.into_iter().map(|found| found.run).collect();
    let mut index = Index { runs, seed: first.seed, ..Index::new(Some(first.series)) };
    index.sides = index.sides().into_iter().map(str::to_string).collect();
    // 2 before 10.
    index.sides.sort_by_key(|side| (numbers(side), side.clone()));
    Ok(Some(index))
}

/// The text before each number, and the number.
fn numbers(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        parts.push((before.to_string(), from[..end].parse().unwrap_or(u64::MAX)));
        rest = &from[end..];
    }
    parts
}

/// A run that is not in the index, and what its manifest says about its series.
struct Unlisted {
    run: Run,
    of: SeriesRun,
    started: Option<String>,
}

impl Unlisted {
    /// The order in which they ran; of those that began in the same second, or did not begin, by side.
    fn place(&self) -> (bool, u32, &Option<String>, &Option<String>) {
        (!self.run.warmup, self.run.number, &self.started, &self.run.side)
    }
}

/// The runs in this directory that are not in the index, from their manifests, in the order in which they ran.
fn unlisted(root: &Path, index: &Index) -> Vec<Unlisted> {
    let layout = Layout::new(root);
    let mut found = Vec::new();
    for folder in folders(&layout, root) {
        let entries = layout.list(&root.join(&folder)).unwrap_or_default();
        for entry in entries.into_iter().filter(|entry| entry.is_folder) {
            let Some(name) = entry.path.file_name() else { continue };
            let directory = Path::new(&folder).join(name);
            if index.runs.iter().any(|run| run.directory == directory) {
                continue;
            }
            let Ok(manifest) = Manifest::read(&root.join(&directory)) else { continue };
            let started = manifest.sessions.first().map(|session| session.started.clone());
            let Some(of) = manifest.run else { continue };
            let mut run = Run {
                number: of.number,
                warmup: of.warmup,
                side: of.side.clone(),
                parameters: of.parameters.clone(),
                directory,
                ..Run::default()
            };
            command_of(root, &run.directory).iter().for_each(|command| run.note(command));
            found.push(Unlisted { run, of, started });
        }
    }
    found.sort_by(|a, b| a.place().cmp(&b.place()));
    found
}

/// The folders that may contain recordings of runs, relative to `root`.
fn folders(layout: &Layout, root: &Path) -> Vec<PathBuf> {
    let entries = layout.list(root).unwrap_or_default().into_iter().filter(|entry| entry.is_folder);
    let names = entries.filter_map(|entry| Some(PathBuf::from(entry.path.file_name()?)));
    let is_side = |name: &PathBuf| name.to_str().is_some_and(|name| name.contains('=') || SIDES.contains(&name));
    std::iter::once(PathBuf::new()).chain(names.filter(is_side)).collect()
}

fn is_recording(path: &Path) -> bool {
    let layout = Layout::new(path);
    layout.has_file(&layout.manifest())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::machine::Host;
    use crate::store::manifest::Session;
    use std::fs;

    use crate::store::manifest::{CommandFacts, Cost};

    #[test]
    fn a_folder_of_runs_means_its_runs() {
        let dir = tempfile::tempdir().unwrap();
        let run = |directory: &str, warmup, exit_status| Run {
            directory: directory.into(),
            warmup,
            exit_status,
            ..Run::default()
        };
        let index = Index {
            runs: vec![run("warmup-001", true, Some(0)), run("run-001", false, Some(0)), run("run-002", false, None)],
            ..Index::new(None)
        };
        index.write(dir.path()).unwrap();
        assert_eq!(Index::read(dir.path()).unwrap(), Some(index));
        let paths = [PathBuf::from("/no/such"), dir.path().to_path_buf()];
        let [Meant::Recording(recording), Meant::Runs(runs)] = &meant(&paths).unwrap()[..] else { panic!() };
        assert_eq!((recording, runs.recordings(false)), (&paths[0], vec![dir.path().join("run-001")]));
        let of = |name: &str| dir.path().join(name);
        let all = [paths[0].clone(), of("warmup-001"), of("run-001"), of("run-002")];
        assert_eq!(all_recordings(&paths).unwrap(), all);
        for (text, why) in [("{", "EOF"), ("[]", "no version"), ("{}", "no version"), ("{\"version\": 9}", "version 9")]
        {
            fs::write(dir.path().join(INDEX), text).unwrap();
            let said = meant(&paths).unwrap_err().to_string();
            assert!(said.contains(INDEX) && said.contains(why), "{text}: {said}");
        }
    }

    /// The recording of a run, with only a manifest.
    fn put(root: &Path, directory: &str, series: &str, command: CommandFacts) {
        let (side, name) = directory.split_once('/').map_or((None, directory), |(side, name)| (Some(side), name));
        let (kind, number) = name.split_once('-').unwrap();
        let mut manifest = Manifest::new("2026-11-20T07:00:00Z".into(), Host::default());
        manifest.run = Some(SeriesRun {
            series: series.into(),
            side: side.map(str::to_string),
            number: number.parse().unwrap(),
            warmup: kind == "warmup",
            ..SeriesRun::default()
        });
        manifest.sessions.push(Session { command: Some(command), ..Session::default() });
        let layout = Layout::new(root.join(directory));
        fs::create_dir_all(&layout.root).unwrap();
        manifest.write(&layout).unwrap();
    }

    fn ended(code: i32, wall_s: f64) -> CommandFacts {
        let cost = Cost { wall_s, user_s: 1.0, system_s: 2.0, max_rss_bytes: 3, ..Cost::default() };
        CommandFacts { exit_code: Some(code), cost: Some(cost), ..CommandFacts::default() }
    }

    fn runs_of(path: &Path) -> Runs {
        match meant(&[path.to_path_buf()]).unwrap().remove(0) {
            Meant::Runs(runs) => runs,
            Meant::Recording(path) => panic!("{path:?}"),
        }
    }

    fn names(runs: &Runs) -> Vec<String> {
        runs.index.runs.iter().map(|run| run.directory.display().to_string()).collect()
    }

    #[test]
    fn a_folder_without_an_index() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for (directory, wall_s) in [("new/run-010", 6.0), ("new/run-002", 4.0), ("base/run-002", 3.0)] {
            put(root, directory, "s", ended(0, wall_s));
        }
        put(root, "base/warmup-001", "s", ended(0, 9.0));
        // Different endings: a signal to the command, a signal to us, --timeout, and unknown.
        put(root, "base/run-003", "s", CommandFacts { signal: Some(9), ..CommandFacts::default() });
        put(root, "base/run-004", "s", CommandFacts { interrupted_by: Some(15), ..ended(0, 1.0) });
        put(root, "base/run-005", "s", CommandFacts { timed_out: true, signal: Some(15), ..CommandFacts::default() });
        put(root, "base/run-006", "s", CommandFacts::default());
        let runs = runs_of(root);
        let expected = [
            "base/warmup-001",
            "base/run-002",
            "new/run-002",
            "base/run-003",
            "base/run-004",
            "base/run-005",
            "base/run-006",
            "new/run-010",
        ];
        assert_eq!((names(&runs), runs.index.series.as_deref()), (expected.map(str::to_string).to_vec(), Some("s")));
        let statuses: Vec<Option<i32>> = runs.index.runs.iter().map(|run| run.exit_status).collect();
        assert_eq!(statuses, [Some(0), Some(0), Some(0), Some(137), Some(0), Some(124), None, Some(0)]);
        assert!(runs.index.runs[4].interrupted && !runs.index.runs[4].counts());
        assert_eq!(runs.index.runs[1].wall_s, Some(3.0));
        assert_eq!(runs.sides(), ["base", "new"]);
        // A side is a folder of runs; a single run is a recording.
        let new = runs_of(&root.join("new"));
        assert_eq!((names(&new), new.sides()), (vec!["run-002".into(), "run-010".into()], vec!["new"]));
        let run = root.join("new/run-002");
        assert_eq!(meant(std::slice::from_ref(&run)).unwrap(), [Meant::Recording(run)]);
        // A damaged index is reported.
        fs::write(root.join(INDEX), "{\"version\"").unwrap();
        let again = runs_of(root);
        assert_eq!(again.index, runs.index);
        assert!(again.problem.unwrap().contains(INDEX));
        // Runs of two series cannot be combined.
        put(root, "new/run-011", "another", ended(0, 1.0));
        fs::remove_file(root.join(INDEX)).unwrap();
        assert!(meant(&[root.to_path_buf()]).unwrap_err().to_string().contains("different series"));
    }

    /// Values of parameters are sides; the order within a block was random.
    #[test]
    fn parameters_without_an_index() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for (n, directory) in ["n=10/run-001", "n=2/run-001", "n=2/run-002", "n=10/run-002"].iter().enumerate() {
            put(root, directory, "s", ended(0, 1.0));
            let path = root.join(directory);
            let mut manifest = Manifest::read(&path).unwrap();
            manifest.sessions[0].started = format!("2026-11-20T07:00:0{n}.000Z");
            let run = manifest.run.as_mut().unwrap();
            run.seed = Some(7);
            let (name, value) = directory.split('/').next().unwrap().split_once('=').unwrap();
            run.parameters.insert(name.into(), value.into());
            manifest.write(&Layout::new(&path)).unwrap();
        }
        let runs = runs_of(root);
        assert_eq!(names(&runs), ["n=10/run-001", "n=2/run-001", "n=2/run-002", "n=10/run-002"]);
        assert_eq!((runs.sides(), runs.index.seed), (vec!["n=2", "n=10"], Some(7)));
        assert_eq!(runs.index.runs[0].parameters["n"], "10");
        assert_eq!(names(&runs_of(&root.join("n=2"))), ["run-001", "run-002"]);
    }

    #[test]
    fn an_index_without_the_last_results() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "run-001", "s", ended(7, 2.0));
        let begun = Run { directory: "run-001".into(), number: 1, ..Run::default() };
        let gone = Run { directory: "run-002".into(), number: 2, ..Run::default() };
        Index { runs: vec![begun, gone], ..Index::new(Some("s".into())) }.write(dir.path()).unwrap();
        let runs = runs_of(dir.path()).index.runs;
        assert_eq!((runs[0].exit_status, runs[0].wall_s), (Some(7), Some(2.0)));
        assert_eq!((runs[1].exit_status, runs[1].interrupted), (None, false));
    }

    #[test]
    fn a_side_from_the_index_only() {
        // As version 0.1 left it: the manifests contain nothing about runs.
        let dir = tempfile::tempdir().unwrap();
        let run = |side: &str, number| Run {
            directory: format!("{side}/run-00{number}").into(),
            side: Some(side.into()),
            number,
            exit_status: Some(0),
            ..Run::default()
        };
        let runs = vec![run("base", 1), run("new", 1), run("base", 2)];
        Index { runs, ..Index::new(None) }.write(dir.path()).unwrap();
        fs::create_dir_all(dir.path().join("base")).unwrap();
        for path in ["base", "base/", "./base"] {
            let base = runs_of(&dir.path().join(path));
            assert_eq!(names(&base), ["run-001", "run-002"]);
            assert_eq!(base.recordings(true)[1], dir.path().join("base/run-002"));
        }
    }

    /// One flipped bit of a number, in the index or in a manifest.
    #[test]
    fn differing_numbers_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for number in ["base/run-001", "base/run-002"] {
            put(root, number, "s", ended(0, 5.25));
        }
        let index = runs_of(root).index;
        index.write(root).unwrap();
        assert_eq!(runs_of(root), Runs { path: root.to_path_buf(), index: index.clone(), problem: None });
        let text = fs::read_to_string(root.join(INDEX)).unwrap();
        // `5` and `7`, `1.0` and `3.0`, `3` and `2` differ in one bit.
        for (good, flipped) in [("5.25", "7.25"), ("5.25", "5.35"), ("1.0", "3.0"), ("2.0", "6.0"), (": 3", ": 2")] {
            assert!(text.contains(good));
            fs::write(root.join(INDEX), text.replacen(good, flipped, 1)).unwrap();
            for (path, name) in [(root.to_path_buf(), "base/run-001"), (root.join("base"), "run-001")] {
                let runs = runs_of(&path);
                assert_eq!(runs.index.runs[0].wall_s, Some(5.25));
                let problem = runs.problem.unwrap();
                assert!(problem.contains(INDEX) && problem.contains(name) && !problem.contains("002"), "{problem}");
            }
        }
    }

    #[test]
    fn links_are_not_followed_when_writing() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        fs::write(&other, "theirs").unwrap();
        std::os::unix::fs::symlink(&other, dir.path().join(format!("{INDEX}.tmp"))).unwrap();
        Index::new(None).write(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(other).unwrap(), "theirs");
        assert!(Index::read(dir.path()).unwrap().is_some());
    }
}
