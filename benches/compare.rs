//! How often `perfwatch compare` is wrong: false alarms between identical sides, and real changes that it misses, with
//! simulated runs. A comparison has six gated metrics; it raises a false alarm if an unchanged one is said to have
//! regressed.
//!
//! `cargo bench --bench compare [-- COMPARISONS]`.

mod random;

use perfwatch::compare::judge::{Judged, Threshold, Verdict, adjust, measure, measure_within};
use perfwatch::compare::looks::schedule;
use perfwatch::compare::metric::Facts;
use perfwatch::stats::autocorrelation::effective;
use perfwatch::table::{Better, Unit};
use random::Random;

const METRICS: usize = 6;
/// Samples per run.
const SAMPLES: usize = 60;

fn main() {
    let asked = std::env::args().skip(1).filter(|a| a != "--bench").find_map(|a| a.parse().ok());
    let comparisons = asked.unwrap_or(2000);
    println!("{comparisons} comparisons of {METRICS} gated metrics each, in percent");
    println!(
        "{:<36} {:>6} {:>13} {:>13} {:>13}",
        "identical sides", "runs", "false alarms", "false praise", "inconclusive"
    );
    for case in cases() {
        for runs in [3, 5, 10] {
            let Shares { alarms, praise, undecided, .. } = shares(&case, runs, 0.0, comparisons);
            println!("{:<36} {runs:>3}+{runs:<2} {alarms:>13.1} {praise:>13.1} {undecided:>13.1}", case.name);
        }
    }
    println!("{:<36} {:>6} {:>13} {:>13}", "one metric is 10 % larger", "runs", "found", "false alarms");
    for case in cases() {
        for runs in [3, 5, 10] {
            let Shares { found, alarms, .. } = shares(&case, runs, 0.10, comparisons);
            println!("{:<36} {runs:>3}+{runs:<2} {found:>13.1} {alarms:>13.1}", case.name);
        }
    }
    until_decided(comparisons.div_ceil(2));
    within_runs(comparisons);
}

/// One run of each side, compared by the spread within it: identical processes whose samples depend on each other. The
/// samples are those of the up to 240 times into which a run is divided.
fn within_runs(comparisons: usize) {
    println!(
        "{:<36} {:>13} {:>13} {:>13} {:>13}",
        "one run per side, advisory", "correlation", "false alarms", "unchanged", "inconclusive"
    );
    for samples in [60, 240] {
        for phi in [0.0, 0.5, 0.8, 0.95] {
            let mut random = Random(samples as u64);
            let (mut alarms, mut unchanged) = (0, 0);
            for _ in 0..comparisons {
                let mut side = || {
                    // The spread of samples is 20 %.
                    let mut off = random.normal();
                    let innovation = f64::sqrt(1.0 - phi * phi);
                    let values: Vec<f64> = (0..samples)
                        .map(|_| {
                            off = phi * off + innovation * random.normal();
                            1e9 * (1.0 + 0.2 * off)
                        })
                        .collect();
                    effective(&values).expect("more than one value")
                };
                let facts = Facts::of_unit(Unit::Bytes, Some(Better::Lower));
                let mut judged = measure_within(&[side()], &[side()], &facts);
                adjust(&mut [(&mut judged, facts.better)], true);
                // Any change counts.
                let threshold = Threshold { min_rel: 0.0, min_abs: 0.0, noise: None };
                alarms += usize::from(judged.verdict(facts.better, &threshold) == Verdict::Regressed);
                let usual = Threshold { min_rel: 0.10, ..threshold };
                unchanged += usize::from(judged.verdict(facts.better, &usual) == Verdict::Unchanged);
            }
            let percent = |n: usize| n as f64 * 100.0 / comparisons as f64;
            println!(
                "{:<36} {phi:>13} {:>13.1} {:>13.1} {:>13.1}",
                format!("{samples} samples, any change counts"),
                percent(alarms),
                percent(unchanged),
                percent(comparisons - unchanged),
            );
        }
    }
}

/// `ab --until-decided` with its default numbers of runs.
fn until_decided(comparisons: usize) {
    println!(
        "{:<36} {:>13} {:>13} {:>13} {:>13} {:>13} {:>9}",
        "runs until decided, 5 to 60 per side",
        "change",
        "false alarms",
        "false clears",
        "found",
        "undecided",
        "mean runs"
    );
    let planned = schedule(5, 60);
    let cases = cases();
    let usual = Rule { looks: planned.len() as u32, min_rel: 0.05, ends_at_alarm: false };
    for case in &cases[..3] {
        for change in [0.0, 0.05, 0.10] {
            row(case, change, &planned, usual, comparisons, "");
        }
    }
    // Where only the level of the tests prevents false alarms, and what the level of a single look would do.
    let any = Rule { min_rel: 0.0, ends_at_alarm: true, ..usual };
    row(&cases[1], 0.0, &planned, any, comparisons, ", any change counts");
    row(&cases[1], 0.0, &planned, Rule { looks: 1, ..any }, comparisons, ", looks not counted");
}

/// How to judge at each look.
#[derive(Clone, Copy)]
struct Rule {
    /// The number of looks to adjust for.
    looks: u32,
    /// The smallest change that matters.
    min_rel: f64,
    /// End at the first regression, which is the worst for false alarms; otherwise when all is decided.
    ends_at_alarm: bool,
}

fn row(case: &Case, change: f64, planned: &[u32], rule: Rule, comparisons: usize, what: &str) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut counts, mut runs) = ([0u32; 4], 0u64);
    for _ in 0..comparisons {
        let (verdicts, needed) = sequence(case, change, planned, rule, &mut random);
        let unchanged = if change > 0.0 { &verdicts[1..] } else { &verdicts[..] };
        let is = [
            unchanged.contains(&Verdict::Regressed),
            change > 0.0 && verdicts[0] == Verdict::Unchanged,
            verdicts[0] == Verdict::Regressed,
            verdicts.contains(&Verdict::Inconclusive),
        ];
        counts.iter_mut().zip(is).for_each(|(count, is)| *count += u32::from(is));
        runs += u64::from(needed);
    }
    let [alarms, clears, found, undecided] = counts.map(|n| 100.0 * f64::from(n) / comparisons as f64);
    let (name, runs) = (format!("{}{what}", case.name), runs as f64 / comparisons as f64);
    println!(
        "{name:<36} {:>11.0} % {alarms:>13.1} {clears:>13.1} {found:>13.1} {undecided:>13.1} {runs:>9.1}",
        100.0 * change
    );
}

/// The verdicts at the last look, and the number of runs per side.
fn sequence(case: &Case, change: f64, planned: &[u32], rule: Rule, random: &mut Random) -> (Vec<Verdict>, u32) {
    let facts = Facts::of_unit(Unit::None, Some(Better::Lower));
    let threshold = Threshold { min_rel: rule.min_rel, min_abs: facts.min_abs, noise: None };
    let mut values = vec![(Vec::new(), Vec::new()); METRICS];
    let mut last = (Vec::new(), 0);
    for &runs in planned {
        let mut judged: Vec<Judged> = Vec::new();
        for (metric, (base, new)) in values.iter_mut().enumerate() {
            let factor = if metric == 0 { 1.0 + change } else { 1.0 };
            while base.len() < runs as usize {
                base.push(random.run(case));
                new.push(random.run(case) * factor);
            }
            let mut of_metric = measure(base, new, &facts, false);
            of_metric.after_looks(rule.looks);
            judged.push(of_metric);
        }
        let better = Some(Better::Lower);
        let mut tested: Vec<_> = judged.iter_mut().map(|judged| (judged, better)).collect();
        adjust(&mut tested, true);
        last = (judged.iter().map(|judged| judged.verdict(better, &threshold)).collect(), runs);
        let has_alarm = last.0.contains(&Verdict::Regressed);
        if if rule.ends_at_alarm { has_alarm } else { !last.0.contains(&Verdict::Inconclusive) } {
            break;
        }
    }
    last
}

/// How runs vary.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// Relative standard deviation from run to run, and of samples within a run.
    spread: f64,
    noise: f64,
    /// Autocorrelation of the samples.
    phi: f64,
    /// How much the machine slows down from the first to the last run of all; the sides alternate.
    drift: f64,
    /// Share of the runs that take half as long again.
    outliers: f64,
    /// Relative size of the steps in which a value is counted.
    quantum: f64,
}

fn cases() -> [Case; 11] {
    let quiet = Case {
        name: "1 % from run to run",
        spread: 0.01,
        noise: 0.05,
        phi: 0.0,
        drift: 0.0,
        outliers: 0.0,
        quantum: 0.0,
    };
    let usual = Case { name: "3 % from run to run", spread: 0.03, ..quiet };
    [
        quiet,
        usual,
        Case { name: "5 % from run to run", spread: 0.05, ..quiet },
        Case { name: "3 %, samples correlated by 0.5", phi: 0.5, ..usual },
        Case { name: "3 %, samples correlated by 0.8", phi: 0.8, ..usual },
        Case { name: "3 %, samples correlated by 0.95", phi: 0.95, ..usual },
        Case { name: "1 %, drift of 10 %, sides in turn", drift: 0.10, ..quiet },
        Case { name: "3 %, 5 % of the runs are outliers", outliers: 0.05, ..usual },
        Case { name: "3 %, in steps of 2 %", quantum: 0.02, ..usual },
        Case { name: "0.1 %, in steps of 5 %", spread: 0.001, noise: 0.0, quantum: 0.05, ..quiet },
        Case { name: "3 %, drift of 10 %, sides in turn", drift: 0.10, ..usual },
    ]
}

/// Percentages of comparisons.
struct Shares {
    /// With an unchanged metric that is said to be worse, or better.
    alarms: f64,
    praise: f64,
    /// With the changed metric found.
    found: f64,
    /// With a metric that is inconclusive.
    undecided: f64,
}

fn shares(case: &Case, runs: usize, change: f64, comparisons: usize) -> Shares {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut counts = [0u32; 4];
    for _ in 0..comparisons {
        let verdicts = verdicts(case, runs, change, &mut random);
        let unchanged = if change > 0.0 { &verdicts[1..] } else { &verdicts[..] };
        let is = [
            unchanged.contains(&Verdict::Regressed),
            unchanged.contains(&Verdict::Improved),
            verdicts[0] == Verdict::Regressed,
            verdicts.contains(&Verdict::Inconclusive),
        ];
        counts.iter_mut().zip(is).for_each(|(count, is)| *count += u32::from(is));
    }
    let [alarms, praise, found, undecided] = counts.map(|n| 100.0 * f64::from(n) / comparisons as f64);
    Shares { alarms, praise, found, undecided }
}

fn verdicts(case: &Case, runs: usize, change: f64, random: &mut Random) -> Vec<Verdict> {
    let facts = Facts::of_unit(Unit::None, Some(Better::Lower)).in_steps_of(case.quantum * 100.0);
    let mut judged: Vec<Judged> = (0..METRICS)
        .map(|metric| {
            let factor = if metric == 0 { 1.0 + change } else { 1.0 };
            let (mut base, mut new) = (Vec::new(), Vec::new());
            for run in 0..2 * runs {
                let drift = 1.0 + case.drift * run as f64 / (2 * runs - 1) as f64;
                if run % 2 == 0 {
                    base.push(random.run(case) * drift);
                } else {
                    new.push(random.run(case) * drift * factor);
                }
            }
            for value in base.iter_mut().chain(&mut new).filter(|_| case.quantum > 0.0) {
                *value = (*value / facts.quantum).floor() * facts.quantum;
            }
            measure(&base, &new, &facts, false)
        })
        .collect();
    let better = Some(Better::Lower);
    let mut tested: Vec<_> = judged.iter_mut().map(|judged| (judged, better)).collect();
    adjust(&mut tested, true);
    let threshold = Threshold { min_rel: 0.05, min_abs: facts.min_abs, noise: None };
    judged.iter().map(|judged| judged.verdict(better, &threshold)).collect()
}

impl Random {
    /// The mean of the samples of a run.
    fn run(&mut self, case: &Case) -> f64 {
        let mut level = 100.0 * (1.0 + case.spread * self.normal());
        if self.uniform() < case.outliers {
            level *= 1.5;
        }
        if case.noise == 0.0 {
            return level;
        }
        let (mut state, mut sum) = (self.normal(), 0.0);
        for _ in 0..SAMPLES {
            sum += level * (1.0 + case.noise * state);
            state = case.phi * state + (1.0 - case.phi * case.phi).sqrt() * self.normal();
        }
        sum / SAMPLES as f64
    }
}
