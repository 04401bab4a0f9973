//! Against SciPy, statsmodels and what benchstat published: `tests/fixtures/statistics.py` writes the cases.

use super::means::{Difference, Sample, mean, paired, welch};
use super::{autocorrelation, many, permutation, student, warmup};

const CASES: &str = include_str!("../../tests/fixtures/statistics.tsv");

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn facts(difference: Difference, confidence: f64) -> Vec<f64> {
    let (low, high) = difference.interval(confidence);
    vec![difference.p(), difference.df, low, high]
}

fn computed(function: &str, arguments: &[Vec<f64>]) -> Vec<f64> {
    let number = |i: usize| arguments[i][0];
    let list = |i: usize| &arguments[i];
    match function {
        "upper_tail" => vec![student::upper_tail(number(0), number(1))],
        "quantile_of_tail" => vec![student::quantile_of_tail(number(0), number(1))],
        "welch" => facts(welch(Sample::of(list(0)).unwrap(), Sample::of(list(1)).unwrap()), 0.95),
        "paired" => facts(paired(list(0), list(1), 0.0).unwrap(), 0.90),
        "permutation" => vec![permutation::means(list(0), list(1)).unwrap()],
        "ranks" => vec![permutation::ranks(list(0), list(1)).unwrap()],
        "holm" => many::holm(list(0)),
        "benjamini_hochberg" => many::benjamini_hochberg(list(0)),
        "autocorrelation_time" => vec![autocorrelation::time(list(0))],
        "steady_from" => warmup::steady_from(list(0)).map(|n| n as f64).into_iter().collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn the_same_as_others_compute() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for line in CASES.lines() {
        let [function, arguments, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let arguments: Vec<Vec<f64>> = arguments.split(';').map(numbers).collect();
        let (found, expected) = (computed(function, &arguments), numbers(expected));
        // benchstat prints three digits.
        let tolerance = if expected == [0.446] { 1e-3 } else { 1e-9 };
        let near = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= tolerance * b.abs();
        if found.len() != expected.len() || !found.iter().zip(&expected).all(near) {
            wrong.push(format!("{function}: {found:?}, not {expected:?}, of {arguments:?}"));
        }
        tried += 1;
    }
    assert!(wrong.is_empty(), "{} of {tried} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 250, "{tried} cases");
}

#[test]
fn few_values() {
    assert!(mean(&[]).is_nan() && Sample::of(&[1.0]).is_none());
    // 1, 2, 3, 6: squares 4 + 1 + 0 + 9 = 14, over 3.
    let sample = Sample::of(&[6.0, 1.0, 2.0, 3.0]).unwrap();
    assert_eq!(sample.mean, 3.0);
    assert!((sample.deviation - (14.0f64 / 3.0).sqrt()).abs() < 1e-12);
}
