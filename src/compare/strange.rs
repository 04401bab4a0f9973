//! Runs that are not like the others, and what was different on the machine during them. They are named, never left out:
//! whether they belong to what is measured is for people to decide.

use super::conditions::Conditions;
use super::run::Run;
use crate::stats::means::mean;
use crate::stats::{median, student};

/// A run is an outlier if it is this many robust standard deviations (1.4826 times the median distance from the median)
/// from the median of its side. In series of 5 to 60 runs with a normal spread of 5 %, one is named in at most 4 % of
/// the series. Fewer than [`LEAST_RUNS`] have no spread that could be trusted.
const OUTLIER_DEVIATIONS: f64 = 6.0;
const ROBUST: f64 = 1.4826;
const LEAST_RUNS: usize = 5;
/// And it must differ by this much: a run among very even ones is no problem.
const OUTLIER_LEAST: f64 = 0.10;
/// A smaller difference or drift, in seconds, does not matter, as in a comparison of wall times.
const LEAST_S: f64 = 0.01;

/// Half of a CPU, whatever their number: enough to slow down a command on one of them.
const OTHERS_CPUS: f64 = 0.5;
/// A share of time that exceeds the smallest change that matters, in percent.
const STEAL_PERCENT: f64 = 5.0;
const THROTTLED_PERCENT: f64 = 5.0;
/// Waiting depends on the command too, so it must differ from the other runs.
const PRESSURE_PERCENT: f64 = 20.0;
/// A clock that is slower than in the other runs, by more than the smallest change that matters.
const FREQUENCY_PART: f64 = 0.90;

/// A drift is named if it is this unlikely by chance, and as large as a change that matters, from the first to the last
/// run. It needs enough runs for a slope.
const DRIFT_P: f64 = 0.01;
const DRIFT_LEAST: f64 = 0.05;
const DRIFT_RUNS: usize = 8;

/// More runs than this are not listed.
const MOST_LINES: usize = 5;

/// One sentence per run that is strange, and one on a drift. The runs of several sides, in any order.
pub fn strange(sides: &[&[Run]]) -> Vec<String> {
    let mut lines = Vec::new();
    let all: Vec<&Run> = sides.iter().flat_map(|side| side.iter()).collect();
    let usual = Usual::of(&all);
    for side in sides {
        let typical = median(&side.iter().filter_map(wall).collect::<Vec<_>>());
        for run in *side {
            let mut parts: Vec<String> = outlier(run, side, typical).into_iter().collect();
            parts.extend(run.conditions.iter().flat_map(|conditions| usual.differences(conditions)));
            if !parts.is_empty() {
                lines.push(format!("{}: {}", name(run), parts.join("; ")));
            }
        }
    }
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("{more} more runs with other conditions than usual"));
    }
    lines.extend(usual.in_all_runs());
    lines.extend(drift(sides));
    lines
}

fn wall(run: &Run) -> Option<f64> {
    Some(run.command()?.cost.as_ref()?.wall_s).filter(|wall| *wall > 0.0)
}

/// `new/run=003`: without the folder of all runs.
fn name(run: &Run) -> String {
    let parts: Vec<_> = run.path.iter().rev().take(2).collect();
    parts.into_iter().rev().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn outlier(run: &Run, side: &[Run], typical: Option<f64>) -> Option<String> {
    let walls: Vec<f64> = side.iter().filter_map(wall).collect();
    let (typical, own) = (typical?, wall(run)?);
    let distances: Vec<f64> = walls.iter().map(|wall| (wall - typical).abs()).collect();
    let spread = ROBUST * median(&distances)?;
    let distance = (own - typical).abs();
    let is_outlier = walls.len() >= LEAST_RUNS
        && distance > OUTLIER_DEVIATIONS * spread
        && distance >= LEAST_S.max(OUTLIER_LEAST * typical);
    is_outlier.then(|| format!("wall time {:.2} times the median", own / typical))
}

/// The medians of all runs.
struct Usual(Conditions);

impl Usual {
    fn of(runs: &[&Run]) -> Usual {
        let of = |value: fn(&Conditions) -> Option<f64>| {
            let values = runs.iter().filter_map(|run| value(run.conditions.as_ref()?));
            median(&values.collect::<Vec<_>>())
        };
        Usual(Conditions {
            others_cpus: of(|c| c.others_cpus),
            steal_percent: of(|c| c.steal_percent),
            frequency_mhz: of(|c| c.frequency_mhz),
            throttled_percent: of(|c| c.throttled_percent),
            cpu_pressure_percent: of(|c| c.cpu_pressure_percent),
        })
    }

    /// What was different in this run.
    fn differences(&self, run: &Conditions) -> Vec<String> {
        // By at least this much more than usual.
        let more = |value: Option<f64>, usual: Option<f64>, least: f64| {
            value.zip(usual).filter(|(value, usual)| value - usual >= least)
        };
        let mut found = Vec::new();
        if let Some((cpus, usual)) = more(run.others_cpus, self.0.others_cpus, OTHERS_CPUS) {
            found.push(format!("other processes used {cpus:.1} CPUs during it (usually {usual:.1})"));
        }
        if let Some((percent, usual)) = more(run.steal_percent, self.0.steal_percent, STEAL_PERCENT) {
            found.push(format!("the hypervisor took {percent:.0} % of the CPU time (usually {usual:.0} %)"));
        }
        if let Some((percent, usual)) = more(run.throttled_percent, self.0.throttled_percent, THROTTLED_PERCENT) {
            found.push(format!("its CPU quota stopped it in {percent:.0} % of the periods (usually {usual:.0} %)"));
        }
        if let Some((percent, usual)) = more(run.cpu_pressure_percent, self.0.cpu_pressure_percent, PRESSURE_PERCENT) {
            found.push(format!("tasks waited for a CPU in {percent:.0} % of the time (usually {usual:.0} %)"));
        }
        let slower = run.frequency_mhz.zip(self.0.frequency_mhz).filter(|(own, usual)| *own < FREQUENCY_PART * usual);
        if let Some((own, usual)) = slower {
            found.push(format!("the fastest core ran at {own:.0} MHz (usually {usual:.0} MHz)"));
        }
        found
    }

    /// What affected all runs alike.
    fn in_all_runs(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(cpus) = self.0.others_cpus.filter(|cpus| *cpus >= OTHERS_CPUS) {
            found.push(format!("other processes used {cpus:.1} CPUs during a typical run, so runs differ by more than on a quiet machine"));
        }
        if let Some(percent) = self.0.steal_percent.filter(|percent| *percent >= STEAL_PERCENT) {
            found.push(format!("the hypervisor took {percent:.0} % of the CPU time during a typical run"));
        }
        if let Some(percent) = self.0.throttled_percent.filter(|percent| *percent >= THROTTLED_PERCENT) {
            found.push(format!("the CPU quota stopped the command in {percent:.0} % of the periods of a typical run"));
        }
        found
    }
}

/// Did runs become slower or faster in the order in which they ran? Each relative to the mean of its side, so that a
/// difference of the sides is no drift.
fn drift(sides: &[&[Run]]) -> Option<String> {
    let mut runs: Vec<(&str, f64)> = Vec::new();
    for side in sides {
        let of_side = side.iter().filter_map(|run| Some((run.session()?.started.as_str(), wall(run)?.ln())));
        let of_side: Vec<(&str, f64)> = of_side.collect();
        let level = mean(&of_side.iter().map(|(_, log)| *log).collect::<Vec<_>>());
        runs.extend(of_side.iter().map(|(started, log)| (*started, log - level)));
    }
    runs.sort_by(|a, b| a.0.cmp(b.0));
    let values: Vec<f64> = runs.into_iter().map(|(_, value)| value).collect();
    let (total, p) = slope(&values, sides.len())?;
    let size = total.exp_m1();
    let typical = median(&sides.iter().flat_map(|side| side.iter().filter_map(wall)).collect::<Vec<_>>())?;
    (p < DRIFT_P && size.abs() >= DRIFT_LEAST.max(LEAST_S / typical)).then(|| {
        let word = if size > 0.0 { "slower" } else { "faster" };
        format!(
            "the runs became {word}: {:+.0} % from the first to the last; other runs may differ by as much",
            100.0 * size
        )
    })
}

/// The growth from the first to the last value along the straight line of least squares, and the probability of such a
/// slope by chance. `means`: how many means were taken off.
fn slope(values: &[f64], means: usize) -> Option<(f64, f64)> {
    if values.len() < DRIFT_RUNS.max(means + 2) {
        return None;
    }
    let count = values.len() as f64;
    let places: Vec<f64> = (0..values.len()).map(|n| n as f64 - (count - 1.0) / 2.0).collect();
    let level = mean(values);
    let squares: f64 = places.iter().map(|x| x * x).sum();
    let slope = places.iter().zip(values).map(|(x, y)| x * y).sum::<f64>() / squares;
    let rest: f64 = places.iter().zip(values).map(|(x, y)| (y - level - slope * x).powi(2)).sum();
    let df = count - 1.0 - means as f64;
    let error = (rest / df / squares).sqrt();
    let p = if error > 0.0 { student::two_sided(slope / error, df) } else { 0.0 };
    Some((slope * (count - 1.0), p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::machine::Host;
    use crate::store::manifest::{CommandFacts, Cost, Manifest, Session};

    fn run(name: &str, second: usize, wall_s: f64, conditions: Conditions) -> Run {
        let cost = Some(Cost { wall_s, ..Cost::default() });
        let mut manifest = Manifest::new("2026-11-20T07:00:00Z".into(), Host::default());
        manifest.sessions.push(Session {
            started: format!("2026-11-20T07:00:{second:02}.000Z"),
            command: Some(CommandFacts { cost, ..CommandFacts::default() }),
            ..Session::default()
        });
        let mut run = Run::by_cost(format!("/duel/{name}").into(), manifest);
        run.conditions = Some(conditions);
        run
    }

    fn side(name: &str, walls: &[f64]) -> Vec<Run> {
        let quiet = Conditions {
            others_cpus: Some(0.1),
            steal_percent: Some(0.0),
            frequency_mhz: Some(3000.0),
            throttled_percent: None,
            cpu_pressure_percent: Some(1.0),
        };
        walls.iter().enumerate().map(|(n, wall)| run(&format!("{name}/run=00{}", n + 1), n, *wall, quiet)).collect()
    }

    const EVEN: [f64; 6] = [1.00, 1.01, 0.99, 1.02, 0.98, 1.00];

    #[test]
    fn runs_that_are_alike_are_not_named() {
        let (base, new) = (side("base", &EVEN), side("new", &EVEN.map(|wall| wall * 1.3)));
        assert_eq!(strange(&[&base, &new]), Vec::<String>::new());
        assert!(strange(&[]).is_empty() && strange(&[&[]]).is_empty());
    }

    #[test]
    fn an_outlier_and_what_was_different() {
        let (base, mut new) = (side("base", &EVEN), side("new", &[1.00, 1.01, 1.90, 1.02, 0.98, 1.00]));
        new[2].conditions.as_mut().unwrap().others_cpus = Some(0.9);
        // The median is 1.005.
        let expected =
            "new/run=003: wall time 1.89 times the median; other processes used 0.9 CPUs during it (usually 0.1)";
        assert_eq!(strange(&[&base, &new]), [expected]);
        // Milliseconds do not matter; of few runs, none is an outlier.
        let short = |walls: &[f64]| side("base", &walls.iter().map(|wall| wall / 200.0).collect::<Vec<_>>());
        assert!(strange(&[&short(&[1.00, 1.01, 1.90, 1.02, 0.98, 1.00])]).is_empty());
        assert!(strange(&[&side("base", &[1.0, 1.0, 1.9, 1.0])]).is_empty());
    }

    #[test]
    fn each_condition() {
        let mut base = side("base", &EVEN);
        let strange_one = Conditions {
            others_cpus: None,
            steal_percent: Some(12.0),
            frequency_mhz: Some(1500.0),
            throttled_percent: Some(50.0),
            cpu_pressure_percent: Some(40.0),
        };
        base[1].conditions = Some(strange_one);
        base.iter_mut().for_each(|run| {
            run.conditions.as_mut().unwrap().throttled_percent.get_or_insert(0.0);
        });
        let expected = "base/run=002: the hypervisor took 12 % of the CPU time (usually 0 %); its CPU quota stopped it in \
                        50 % of the periods (usually 0 %); tasks waited for a CPU in 40 % of the time (usually 1 %); the \
                        fastest core ran at 1500 MHz (usually 3000 MHz)";
        assert_eq!(strange(&[&base]), [expected]);
        // What affects all runs is said once.
        base.iter_mut().for_each(|run| run.conditions = Some(strange_one));
        let lines = strange(&[&base]);
        assert!(lines.len() == 2 && lines[0].starts_with("the hypervisor took 12 %"), "{lines:?}");
    }

    #[test]
    fn a_drift_of_both_sides() {
        let slower = |n: usize| 1.0 + 0.02 * n as f64;
        let walls: Vec<f64> = (0..6).map(slower).collect();
        let doubled: Vec<f64> = walls.iter().map(|wall| 2.0 * wall).collect();
        let lines = strange(&[&side("base", &walls), &side("new", &doubled)]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("the runs became slower: +1") && lines[0].contains("from the first"), "{lines:?}");
    }

    /// `scipy.stats.linregress` of these values: slope 0.010238095238095239, p 0.03424641318027149.
    #[test]
    fn a_slope() {
        let values = [0.00, 0.05, 0.01, 0.06, 0.02, 0.08, 0.09, 0.07];
        let (total, p) = slope(&values, 1).unwrap();
        assert!(
            (total - 7.0 * 0.010_238_095_238_095_24).abs() < 1e-9 && (p - 0.034_246_413_180_271_49).abs() < 1e-6,
            "{total} {p}"
        );
        assert_eq!(slope(&values[..7], 1), None);
    }
}
