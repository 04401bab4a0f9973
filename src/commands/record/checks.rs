//! Arguments that are only valid together, or within bounds.

use std::time::Duration;

use crate::cli::record::RecordArgs;
use crate::collect::perf::options::{Backend, PerfScope};
use crate::commands::Usage;

pub(super) const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);
const HOUR: Duration = Duration::from_secs(3600);

/// # Errors
/// When an argument is invalid.
pub fn all(args: &RecordArgs) -> Result<(), Usage> {
    let for_commands = [
        ("--prepare", args.prepare.is_some()),
        ("--conclude", args.conclude.is_some()),
        ("--timeout", args.timeout.is_some()),
        ("--runs", args.runs.is_some()),
        ("--warmup-runs", args.warmup_runs.is_some()),
        ("--stdin", args.stdin.is_some()),
        ("--perf-scope command", args.sources.perf.scope == Some(PerfScope::Command)),
    ];
    values(args)?;
    if let (Some(file), Some(output), false) = (&args.summary, &args.output, args.append)
        && args.runs.is_none()
        && file.starts_with(output)
    {
        let file = file.display();
        return Err(Usage(format!(
            "--summary {file}: the directory of the recording must be empty; choose another file"
        )));
    }
    match for_commands.iter().find(|(_, is_there)| *is_there && args.command.is_empty()) {
        Some((option, _)) => Err(Usage(format!("{option}: there is no command; write it after `--`"))),
        None => Ok(()),
    }
}

/// Checks that do not depend on whether there is a command.
///
/// # Errors
/// When an option is invalid, alone or together with another.
pub fn values(args: &RecordArgs) -> Result<(), Usage> {
    let for_runs = [
        ("--warmup-runs", args.warmup_runs.is_some()),
        ("--ignore-failure", args.ignore_failure),
        ("--parameter-list", !args.parameter_lists.is_empty()),
        ("--export-json", args.export_json.is_some()),
    ];
    if let (None, Some((option, _))) = (args.runs, for_runs.iter().find(|(_, is_there)| *is_there)) {
        return Err(Usage(format!("{option} needs --runs")));
    }
    if args.timeout.is_some_and(|t| t.is_zero()) {
        return Err(Usage("--timeout 0s: the command could not start; leave it out for no limit".into()));
    }
    if args.sources.perf.scope == Some(PerfScope::Command) {
        let too_often = args.sources.perf.interval.is_some_and(|i| i < args.interval);
        if args.sources.perf.backend == Backend::Perf || too_often {
            let option = if too_often { "--perf-interval below --interval" } else { "--perf-backend perf" };
            return Err(Usage(format!(
                "{option} with --perf-scope command: the program perf would start to count after the command had started"
            )));
        }
    }
    times(args)
}

fn times(args: &RecordArgs) -> Result<(), Usage> {
    let usage = |text: String| Err(Usage(text));
    let show = humantime::format_duration;
    if !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&args.interval) {
        return usage(format!("--interval {}: it can be 10ms to 1h", show(args.interval)));
    }
    if args.duration.is_some_and(|d| d.is_zero()) {
        return usage("--duration 0s: nothing could be recorded".into());
    }
    if args.max_bytes == Some(0) {
        return usage("--max-bytes 0: nothing could be kept; leave it out for no limit".into());
    }
    if args.sync < Duration::from_millis(100) {
        return usage(format!("--sync {}: it can be 100ms or more", show(args.sync)));
    }
    if let Some(retain) = args.retain.filter(|r| *r < HOUR) {
        return usage(format!("--retain {}: it can be 1h or more", show(retain)));
    }
    let minutes = args.rotate.as_secs() / 60;
    if args.rotate != Duration::from_secs(minutes * 60)
        || minutes == 0
        || !HOUR.as_secs().is_multiple_of(args.rotate.as_secs())
    {
        return usage(format!(
            "--rotate {}: it can be 1h or a part of it in whole minutes that divides it (1m, 5m, 10m, 15m, 30m)",
            show(args.rotate)
        ));
    }
    if args.sources.perf.interval.is_some_and(|i| !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&i)) {
        return usage("--perf-interval: it can be 10ms to 1h".into());
    }
    Ok(())
}

/// Warnings about options of collectors that are not selected: the options have no effect, and one of the two settings
/// may be in a file.
pub fn without_effect(args: &RecordArgs, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let sources = &args.sources;
    let asked = [
        ("--processes", sources.process.processes.is_some(), "process"),
        ("--cgroups", !sources.cgroup.cgroups.is_empty(), "cgroup"),
        ("--metrics", !sources.metric.is_empty(), "metric"),
        ("--nvml", sources.gpu.nvml.is_some(), "gpu"),
        ("--perf-events", !sources.perf.events.is_empty(), "perf"),
        ("--perf-scope command", sources.perf.scope == Some(PerfScope::Command), "perf"),
        ("--perf-cgroup", !sources.perf.cgroups.is_empty(), "perf"),
    ];
    let idle = asked.iter().filter(|(_, is_asked, collector)| *is_asked && !is_wanted(collector));
    idle.map(|(option, _, collector)| format!("{option} has no effect: --collectors does not select {collector}"))
        .collect()
}
