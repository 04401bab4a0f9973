//! How often `perfwatch trend` is wrong: changes that it finds in unchanged series, and real ones that it misses, with
//! simulated runs. Spread from run to run: 2 %. No threshold is applied to the size of a change.
//!
//! `cargo bench --bench trend [-- SERIES [SEED]]`.

mod random;

use perfwatch::stats::change_points::{LEAST, Series, Shape, Step};
use random::Random;

const LEVEL: f64 = 0.05;
/// Standard deviation from run to run, relative to the value.
const SPREAD: f64 = 0.02;

fn main() {
    let mut asked = std::env::args().skip(1).filter_map(|a| a.parse().ok());
    let plan = Plan {
        series: asked.next().map_or(1000, |n: u64| n as usize),
        seed: asked.next().unwrap_or(0x9e37_79b9_7f4a_7c15),
    };
    println!("{} series per figure, in percent; φ: correlation of neighbouring runs", plan.series);
    unchanged(plan);
    steps(plan);
    others(plan);
}

/// What is simulated.
#[derive(Clone, Copy)]
struct Plan {
    /// The number of series per figure.
    series: usize,
    seed: u64,
}

/// Each depends on the previous one by `phi`, and on nothing else.
fn unchanged(plan: Plan) {
    println!("\n{:<40} {:>7} {:>7} {:>7} {:>7}", "unchanged, with any change found: runs", 20, 40, 100, 200);
    let wandering = |phi: f64| (format!("normal, φ = {phi}"), Noise { phi, ..Noise::default() });
    let named = |name: &str, noise| (name.to_string(), noise);
    let mut all: Vec<(String, Noise)> = [0.0, 0.3, 0.6, 0.8, 0.9].map(wandering).into();
    let base = Noise::default();
    all.extend([
        named("φ = 0.9 and as much independent noise", Noise { phi: 0.9, white: 1.0, ..base }),
        named("neighbours alternate, φ = -0.4", Noise { phi: -0.4, ..base }),
        named("long tails (t, 3 degrees of freedom)", Noise { tail: Tail::T3, ..base }),
        named("long tails, φ = 0.6", Noise { tail: Tail::T3, phi: 0.6, ..base }),
        named("to one side (lognormal)", Noise { tail: Tail::Lognormal, ..base }),
        named("5 % of the runs are outliers of 40 %", Noise { outliers: 0.05, ..base }),
        named("two of seven runs 4 % slower", Noise { weekly: 2.0, ..base }),
        named("in steps of 5 %", Noise { quantum: 2.5, ..base }),
    ]);
    for (name, noise) in all {
        print!("{name:<40}");
        for count in [20, 40, 100, 200] {
            let shapes = shapes(plan, &noise, count, &|_| 0.0, LEVEL);
            print!(" {:>7.1}", percent(&shapes, |shape| *shape != Shape::Flat));
        }
        println!();
    }
}

/// One step up.
fn steps(plan: Plan) {
    println!(
        "\none step, found; the same if it is one of five gated metrics; and of those found, with the place wrong by more than \
         one run, outside of the range that is said, with more than one step, and with the size outside of the interval"
    );
    let head = ["found", "of five", "place", "range", "more", "size"].map(|word| format!("{word:>8}")).concat();
    println!("{:<22} {:>6} {:>4} {head}", "", "runs", "φ");
    for (name, size, count, at) in [
        ("8 %, in the middle", 4.0, 10, 5),
        ("8 %, in the middle", 4.0, 20, 10),
        ("8 %, in the middle", 4.0, 40, 20),
        ("8 %, in the middle", 4.0, 100, 50),
        ("8 %, last five runs", 4.0, 40, 35),
        ("8 %, last five runs", 4.0, 100, 95),
        ("8 %, last three runs", 4.0, 40, 37),
        ("4 %, in the middle", 2.0, 40, 20),
        ("4 %, in the middle", 2.0, 100, 50),
        ("4 %, last five runs", 2.0, 100, 95),
        ("20 %, last three runs", 10.0, 10, 7),
        ("20 %, last three runs", 10.0, 20, 17),
    ] {
        for phi in [0.0, 0.3, 0.6] {
            let change = move |i: usize| if i >= at { size } else { 0.0 };
            let noise = Noise { phi, ..Noise::default() };
            // Holm's method asks this of the first of five metrics.
            let of_five = shapes(plan, &noise, count, &change, LEVEL / 5.0);
            let of_five = percent(&of_five, |shape| matches!(shape, Shape::Steps(_)));
            let all: Vec<Vec<Step>> = shapes(plan, &noise, count, &change, LEVEL)
                .into_iter()
                .filter_map(|shape| if let Shape::Steps(steps) = shape { Some(steps) } else { None })
                .collect();
            let found = 100.0 * all.len() as f64 / plan.series as f64;
            let nearest = |steps: &Vec<Step>| steps.iter().min_by_key(|step| step.at.abs_diff(at)).cloned().unwrap();
            let place = percent(&all, |steps| nearest(steps).at.abs_diff(at) > 1);
            let range = percent(&all, |steps| !(nearest(steps).earliest..=nearest(steps).latest).contains(&at));
            let more = percent(&all, |steps| steps.len() > 1);
            let interval = percent(&all, |steps| {
                let (low, high) = nearest(steps).difference.interval(0.95);
                !(low..=high).contains(&(size * SPREAD))
            });
            let figures = [found, of_five, place, range, more, interval].map(|share| format!("{share:>8.1}")).concat();
            println!("{name:<22} {count:>6} {phi:>4} {figures}");
        }
    }
}

/// Other changes, and what is said to have happened.
fn others(plan: Plan) {
    println!("\n{:<44} {:>4} {:>7} {:>7} {:>7} {:>7}", "other changes", "φ", "flat", "steps", "right", "drift");
    type Change = fn(usize) -> f64;
    let cases: [(&str, usize, Change, usize); 6] = [
        ("40 runs: 8 % for 13 runs, undone", 40, |i| if (13..26).contains(&i) { 4.0 } else { 0.0 }, 2),
        ("40 runs: 8 % for 5 runs, undone", 40, |i| if (25..30).contains(&i) { 4.0 } else { 0.0 }, 2),
        ("60 runs: 8 % up, 8 % up, 8 % down", 60, |i| [0.0, 4.0, 8.0, 4.0][i / 15], 3),
        ("100 runs: 8 % every 20 runs, up and down", 100, |i| 4.0 * (i / 20 % 2) as f64, 4),
        ("40 runs: drift of 12 %", 40, |i| 6.0 * i as f64 / 39.0, 0),
        ("100 runs: drift of 12 %", 100, |i| 6.0 * i as f64 / 99.0, 0),
    ];
    for (name, count, change, right) in cases {
        for phi in [0.0, 0.3, 0.6] {
            let shapes = shapes(plan, &Noise { phi, ..Noise::default() }, count, &change, LEVEL);
            let flat = percent(&shapes, |shape| *shape == Shape::Flat);
            let drift = percent(&shapes, |shape| matches!(shape, Shape::Drift(_)));
            let right = percent(&shapes, |shape| matches!(shape, Shape::Steps(steps) if steps.len() == right));
            println!("{name:<44} {phi:>4} {flat:>7.1} {:>7.1} {right:>7.1} {drift:>7.1}", 100.0 - flat - drift);
        }
    }
}

/// The shapes of simulated series. `change`: in standard deviations, of each run.
fn shapes(plan: Plan, noise: &Noise, count: usize, change: &dyn Fn(usize) -> f64, level: f64) -> Vec<Shape> {
    assert!(count >= LEAST);
    let mut random = Random(plan.seed);
    let shape = |_| {
        let mut values = random.series(noise, count);
        values.iter_mut().enumerate().for_each(|(i, v)| *v = SPREAD * (*v + change(i)));
        Series::new(&values, SPREAD * noise.quantum).unwrap().shape(level)
    };
    (0..plan.series).map(shape).collect()
}

fn percent<T>(all: &[T], is: impl Fn(&T) -> bool) -> f64 {
    100.0 * all.iter().filter(|one| is(one)).count() as f64 / all.len().max(1) as f64
}

/// How runs vary, in standard deviations.
#[derive(Clone, Copy, Default)]
struct Noise {
    phi: f64,
    /// Standard deviation of additional independent noise, relative to that of the dependent one.
    white: f64,
    tail: Tail,
    /// Share of the runs that are larger by 20 standard deviations.
    outliers: f64,
    /// By how much two of seven runs are larger.
    weekly: f64,
    quantum: f64,
}

#[derive(Clone, Copy, Default)]
enum Tail {
    #[default]
    Normal,
    T3,
    Lognormal,
}

impl Random {
    fn shock(&mut self, tail: Tail) -> f64 {
        match tail {
            Tail::Normal => self.normal(),
            Tail::T3 => {
                let squares: f64 = (0..3).map(|_| self.normal().powi(2)).sum();
                self.normal() / (squares / 3.0).sqrt()
            }
            Tail::Lognormal => self.normal().exp(),
        }
    }

    fn series(&mut self, noise: &Noise, count: usize) -> Vec<f64> {
        let fresh = (1.0 - noise.phi * noise.phi).sqrt();
        let mut state = self.shock(noise.tail);
        let run = |i: usize| {
            let mut value = state + noise.white * self.normal();
            state = noise.phi * state + fresh * self.shock(noise.tail);
            if self.uniform() < noise.outliers {
                value += 20.0;
            }
            if i % 7 >= 5 {
                value += noise.weekly;
            }
            if noise.quantum > 0.0 { (value / noise.quantum).round() * noise.quantum } else { value }
        };
        (0..count).map(run).collect()
    }
}
