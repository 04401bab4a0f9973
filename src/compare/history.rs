//! The noise of past baselines: by how much sessions differ from each other although nothing changed.
//!
//! Runs of one session (one machine, one boot, one series) resemble each other more than those of the next day. A change
//! that is smaller than the difference between past sessions shows nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::metric::Name;
use super::run::Run;
use crate::stats::means::{Sample, mean};
use crate::stats::student;

/// With fewer sessions, their spread is not known.
pub const LEAST_SESSIONS: usize = 3;

/// The noise of every metric.
#[derive(Clone, Debug, Default, Serialize)]
pub struct History {
    pub recordings: usize,
    pub sessions: usize,
    #[serde(skip)]
    noise: BTreeMap<Name, f64>,
}

impl History {
    pub fn of(runs: &[Run]) -> History {
        let mut sessions: BTreeMap<Session<'_>, Vec<&Run>> = BTreeMap::new();
        runs.iter().for_each(|run| sessions.entry(session(run)).or_default().push(run));
        let mut means: BTreeMap<&Name, Vec<f64>> = BTreeMap::new();
        for runs in sessions.values() {
            let mut values: BTreeMap<&Name, Vec<f64>> = BTreeMap::new();
            for measured in runs.iter().flat_map(|run| &run.measured) {
                values.entry(&measured.name).or_default().push(measured.value);
            }
            values.into_iter().for_each(|(name, values)| means.entry(name).or_default().push(mean(&values)));
        }
        let noise = means.into_iter().filter_map(|(name, means)| Some((name.clone(), difference(&means)?)));
        History { recordings: runs.len(), sessions: sessions.len(), noise: noise.collect() }
    }

    /// The relative difference between two sessions that is exceeded by chance once in twenty times.
    pub fn noise(&self, name: &Name) -> Option<f64> {
        self.noise.get(name).copied()
    }
}

/// What the means of two more sessions differ by, with a probability of 95 % at most.
fn difference(means: &[f64]) -> Option<f64> {
    if means.len() < LEAST_SESSIONS {
        return None;
    }
    let is_positive = means.iter().all(|v| *v > 0.0);
    let (values, scale): (Vec<f64>, f64) =
        if is_positive { (means.iter().map(|v| v.ln()).collect(), 1.0) } else { (means.to_vec(), mean(means).abs()) };
    let Sample { deviation, count, .. } = Sample::of(&values)?;
    let reach = student::quantile_of_tail(0.025, count - 1.0) * deviation * std::f64::consts::SQRT_2;
    let relative = if is_positive { reach.exp_m1() } else { reach / scale };
    relative.is_finite().then_some(relative)
}

/// The unit of repetition: host, boot, and series with its side; of a recording by itself, its path.
type Session<'r> = (Option<&'r str>, Option<&'r str>, String);

fn session(run: &Run) -> Session<'_> {
    let host = run.manifest.as_ref().and_then(|manifest| manifest.host.hostname.as_deref());
    let boot = run.session().and_then(|session| session.boot_id.as_deref());
    (host, boot, run.series().unwrap_or_else(|| run.path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With scipy: `expm1(t.ppf(.975, 3) * std(log(x), ddof=1) * sqrt(2))` of 10, 11, 9, 10.5.
    #[test]
    fn the_difference_between_sessions() {
        let found = difference(&[10.0, 11.0, 9.0, 10.5]).unwrap();
        assert!((found - 0.472_667_596_814_723_2).abs() < 1e-9, "{found}");
        assert_eq!(difference(&[10.0, 11.0]), None);
        // Zeros: relative to the mean.
        assert!(difference(&[0.0, 0.0, 3.0]).unwrap() > 1.0);
        assert_eq!(difference(&[0.0, 0.0, 0.0]), None, "no baseline to compare with");
    }
}
