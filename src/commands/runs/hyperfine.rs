//! `--export-json FILE`: the results in the form that hyperfine writes, for the scripts and services that read it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::stats;
use crate::stats::means::{self, Sample};
use crate::store::runs::{Index, Run};

/// The whole file.
#[derive(Debug, PartialEq, Serialize)]
pub struct Export {
    results: Vec<Benchmark>,
}

/// A command and its successful runs. Times are in seconds.
#[derive(Debug, PartialEq, Serialize)]
struct Benchmark {
    command: String,
    mean: f64,
    /// Null of a single run.
    stddev: Option<f64>,
    median: f64,
    /// Means.
    user: f64,
    system: f64,
    min: f64,
    max: f64,
    /// One value per run, in the order in which they ran, as in the next two.
    times: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_usage_byte: Option<Vec<u64>>,
    exit_codes: Vec<i32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<String, String>,
}

impl Export {
    /// `commands`: each side with its command as text, in the order of the results. A side without successful runs has
    /// no result.
    pub fn of(index: &Index, commands: &[(Option<&str>, String)]) -> Export {
        let results = commands.iter().filter_map(|(side, command)| {
            let runs = index.runs.iter().filter(|run| run.side.as_deref() == *side && run.succeeded());
            benchmark(command, &runs.collect::<Vec<_>>())
        });
        Export { results: results.collect() }
    }
}

fn benchmark(command: &str, runs: &[&Run]) -> Option<Benchmark> {
    let runs: Vec<&Run> = runs.iter().filter(|run| run.wall_s.is_some()).copied().collect();
    let of = |value: fn(&Run) -> Option<f64>| runs.iter().filter_map(|run| value(run)).collect::<Vec<f64>>();
    let times = of(|run| run.wall_s);
    let median = stats::median(&times)?;
    Some(Benchmark {
        command: command.into(),
        mean: means::mean(&times),
        stddev: Sample::of(&times).map(|sample| sample.deviation),
        median,
        user: means::mean(&of(|run| run.user_s)),
        system: means::mean(&of(|run| run.system_s)),
        min: times.iter().copied().fold(f64::INFINITY, f64::min),
        max: times.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        memory_usage_byte: runs.iter().map(|run| run.max_rss_bytes).collect(),
        exit_codes: runs.iter().filter_map(|run| run.exit_status).collect(),
        parameters: runs.first().map(|run| run.parameters.clone()).unwrap_or_default(),
        times,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(side: Option<&str>, wall: f64) -> Run {
        Run {
            side: side.map(Into::into),
            exit_status: Some(0),
            wall_s: Some(wall),
            user_s: Some(0.5),
            system_s: Some(0.25),
            max_rss_bytes: Some(4096),
            ..Run::default()
        }
    }

    /// The names of the members are those of hyperfine 1.19.
    #[test]
    fn the_members_of_hyperfine() {
        let failed = Run { exit_status: Some(1), ..run(None, 9.0) };
        let warmup = Run { warmup: true, ..run(None, 9.0) };
        // 1, 2, 6: mean 3, squares 4 + 1 + 9 = 14, over 2.
        let mut runs = vec![warmup, run(None, 6.0), failed, run(None, 1.0), run(None, 2.0)];
        runs.iter_mut().for_each(|run| drop(run.parameters.insert("n".into(), "4".into())));
        let export = serde_json::to_value(Export::of(&Index { runs, ..Index::new(None) }, &[(None, "sleep 1".into())]));
        let export = export.unwrap();
        let stddev = export["results"][0]["stddev"].as_f64().unwrap();
        assert!((stddev - 7.0f64.sqrt()).abs() < 1e-12, "{stddev}");
        let expected = json!({"results": [{
            "command": "sleep 1", "mean": 3.0, "stddev": stddev, "median": 2.0, "user": 0.5,
            "system": 0.25, "min": 1.0, "max": 6.0, "times": [6.0, 1.0, 2.0],
            "memory_usage_byte": [4096, 4096, 4096], "exit_codes": [0, 0, 0], "parameters": {"n": "4"},
        }]});
        assert_eq!(export, expected);
    }

    #[test]
    fn sides_in_their_order_and_only_with_successful_runs() {
        let failed = Run { exit_status: Some(1), ..run(Some("new"), 9.0) };
        let index = Index { runs: vec![failed, run(Some("base"), 1.0)], ..Index::new(None) };
        let commands = [(Some("base"), "a".to_string()), (Some("new"), "b".to_string())];
        let export = serde_json::to_value(Export::of(&index, &commands)).unwrap();
        let results = export["results"].as_array().unwrap();
        assert_eq!((results.len(), &results[0]["command"], &results[0]["stddev"]), (1, &json!("a"), &json!(null)));
        assert!(results[0].get("parameters").is_none());
    }
}
