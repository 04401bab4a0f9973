//! Against NumPy, SciPy, ruptures and Apache Otava: `tests/fixtures/change_points.py` writes the cases.

use super::noise::{self, Sums};
use super::*;
use crate::stats::means::mean;

const CASES: &str = include_str!("../../../tests/fixtures/change_points.tsv");
const LEVEL: f64 = 0.05;

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

/// Arguments and expected values of the cases of a function.
fn cases(function: &str) -> Vec<(Vec<Vec<f64>>, Vec<f64>)> {
    let of_line = |line: &'static str| {
        let [name, arguments, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        (name == function).then(|| (arguments.split(';').map(numbers).collect(), numbers(expected)))
    };
    let found: Vec<_> = CASES.lines().filter_map(of_line).collect();
    assert!(!found.is_empty(), "{function}");
    found
}

/// The indices of the steps of a series; empty if it is flat.
fn starts(values: &[f64]) -> Vec<f64> {
    match Series::new(values, 0.0).unwrap().shape(LEVEL) {
        Shape::Steps(steps) => steps.iter().map(|step| step.at as f64).collect(),
        Shape::Flat => vec![],
        Shape::Drift(drift) => panic!("{drift:?}"),
    }
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-7 * expected.abs().max(1.0)
}

#[test]
fn squares_are_those_of_scipy() {
    for (arguments, expected) in cases("squares") {
        let center = mean(&arguments[0]);
        let starts: Vec<usize> = arguments[1].iter().map(|start| *start as usize).collect();
        let found = Sums::of(arguments[0].iter().map(|v| v - center).collect()).fit(&starts);
        let is_right = near(found.squares, expected[0]) && near(found.persistence, expected[1]);
        assert!(is_right, "{found:?}, not {expected:?}, of {arguments:?}");
    }
}

#[test]
fn lines_are_those_of_numpy() {
    for (arguments, expected) in cases("line") {
        let series = Series::new(&arguments[0], 0.0).unwrap();
        let line = series.line();
        // Some of these have values that are drawn in, which NumPy does not do.
        if series.far().is_empty() {
            let squares = line.fit.squares * series.scale * series.scale;
            let is_right = near(squares, expected[0]) && near(line.fit.persistence, expected[1]);
            assert!(is_right, "{:?}, not {expected:?}, of {arguments:?}", line.fit);
        }
    }
}

#[test]
fn clear_steps_are_where_ruptures_and_otava_find_them() {
    for (arguments, expected) in cases("ruptures").into_iter().chain(cases("otava")) {
        assert_eq!(starts(&arguments[0]), expected, "{arguments:?}");
    }
}

/// Otava finds changes in most of these series, which have none.
#[test]
fn wandering_is_not_a_change() {
    let cases = cases("wandering");
    let is_flat = |values: &[f64]| Series::new(values, 0.0).unwrap().shape(LEVEL) == Shape::Flat;
    let ours = cases.iter().filter(|(arguments, _)| !is_flat(&arguments[0])).count();
    let theirs = cases.iter().filter(|(_, found)| !found.is_empty()).count();
    assert!(ours <= 2, "{ours} of {}", cases.len());
    assert!(theirs > 10, "{theirs} of {}", cases.len());
}

/// By hand: levels of 10 and 30, with values half below and half above in turns.
#[test]
fn a_step() {
    let values: Vec<f64> = (0..20).map(|i| if i < 12 { 10.0 } else { 30.0 } + f64::from(i % 2) - 0.5).collect();
    let series = Series::new(&values, 0.0).unwrap();
    let Shape::Steps(steps) = series.shape(LEVEL) else { panic!() };
    let [step] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((step.at, step.earliest, step.latest), (12, 12, 12));
    assert!(near(step.before, 10.0) && near(step.after, 30.0) && near(step.difference.value, 20.0), "{step:?}");
    let (low, high) = step.difference.interval(0.95);
    assert!(low > 19.0 && low < 20.0 && high < 21.0, "{low} {high}");
    assert!(step.p < 1e-6 && series.p() < 1e-6, "{step:?}");
    assert!(series.autocorrelation(&Shape::Steps(steps.clone())) < 0.2);
    // Another unit and another origin change nothing.
    let moved: Vec<f64> = values.iter().map(|v| 1e9 + v).collect();
    assert_eq!(starts(&moved), [12.0]);
    let scaled: Vec<f64> = values.iter().map(|v| 1e9 * v).collect();
    assert_eq!(starts(&scaled), [12.0]);
}

#[test]
fn a_line() {
    let values: Vec<f64> = (0..40).map(|i| 100.0 + f64::from(i) + f64::from(i * 41 % 101 - 50) / 10.0).collect();
    let Shape::Drift(drift) = Series::new(&values, 0.0).unwrap().shape(LEVEL) else { panic!() };
    let (low, high) = drift.difference.interval(0.95);
    assert!((drift.from - 100.0).abs() < 3.0 && (drift.to - 139.0).abs() < 3.0, "{drift:?}");
    assert!(low < 39.0 && 39.0 < high && drift.p < 0.001, "{drift:?}");
}

#[test]
fn what_cannot_be_tested() {
    assert!(Series::new(&[1.0; LEAST - 1], 0.0).is_none());
    assert!(Series::new(&[1.0, f64::NAN, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 0.0).is_none());
    let constant = Series::new(&[5.0; 30], 0.0).unwrap();
    assert_eq!((constant.p(), constant.shape(LEVEL)), (1.0, Shape::Flat));
    // A step within the rounding, and the same without rounding.
    let values: Vec<f64> = (0..20).map(|i| if i < 10 { 100.0 } else { 101.0 }).collect();
    assert_eq!(Series::new(&values, 4.0).unwrap().shape(LEVEL), Shape::Flat);
    assert_eq!(starts(&values), [10.0]);
}

#[test]
fn the_search_of_a_fit_ends_at_zero() {
    let fit = noise::fit(&[1e-200, 0.0, 1e-200, 0.0, 1e-200]);
    assert!(fit.squares >= 0.0 && fit.persistence.is_finite());
}
