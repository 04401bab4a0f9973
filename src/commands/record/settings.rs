//! Arguments → the settings of a session. All errors in the arguments are detected here.

use super::checks;
use crate::cli::record::{OwnCgroup, RecordArgs};
use crate::collect::REGISTRY;
use crate::collect::cgroup;
use crate::collect::options::Options;
use crate::collect::process::options::Processes;
use crate::commands::Usage;
use crate::commands::sources::{checked, selection};
use crate::commands::tags::tags;
use crate::record::burst::Rule;
use crate::record::settings::{Settings, WorkloadSettings};
use crate::store::write::retain::Retention;

/// # Errors
/// When an argument is invalid.
pub fn from_args(args: &RecordArgs) -> Result<Settings, Usage> {
    checks::all(args)?;
    Ok(Settings {
        output: args.output.clone(),
        append: args.append,
        interval: args.interval,
        bursts: bursts(args)?,
        duration: args.duration,
        sync: args.sync,
        rotate: args.rotate,
        retention: Retention { age: args.retain, max_bytes: args.max_bytes },
        min_free: args.min_free,
        tags: tags(&args.tags)?,
        collectors: selection(args.collectors.as_deref())?,
        options: options(args)?,
        run: args.run.clone(),
        workload: (!args.command.is_empty()).then(|| workload(args)),
    })
}

/// The options of the collectors. A collector that is requested by name records something, even if no option says what.
fn options(args: &RecordArgs) -> Result<Options, Usage> {
    let mut options = checked(&args.sources)?;
    let names = |name: &str| is_listed(args, name) && args.command.is_empty();
    if names("process") && args.sources.perf.pids.is_empty() {
        options.process.processes.get_or_insert(Processes::DEFAULT);
    }
    if names("cgroup") && options.cgroup.cgroups.is_empty() {
        options.cgroup.cgroups.push(cgroup::SELF.into());
    }
    Ok(options)
}

/// The rules, if each can be met: its collectors are recorded, and its ticks are on the grid of the interval, so that no
/// regular tick is lost.
fn bursts(args: &RecordArgs) -> Result<Vec<Rule>, Usage> {
    let recorded = selection(args.collectors.as_deref())?;
    let show = humantime::format_duration;
    for rule in &args.bursts {
        let wrong = |what: String| Err(Usage(format!("--burst '{}': {what}", rule.text)));
        let (every, interval) = (rule.interval.as_nanos(), args.interval.as_nanos());
        if rule.interval < checks::SHORTEST_INTERVAL {
            return wrong(format!("{}: it can be 10ms or longer", show(rule.interval)));
        }
        if every >= interval || !interval.is_multiple_of(every) {
            let of = show(args.interval);
            return wrong(format!("{} must divide the interval of {of}, such as a tenth of it", show(rule.interval)));
        }
        if rule.lasts < args.interval {
            return wrong(format!("{} is shorter than the interval of {}", show(rule.lasts), show(args.interval)));
        }
        let owner = REGISTRY.iter().find(|entry| entry.tables.iter().any(|of| of().name == rule.metric.table));
        let needed = owner.map(|entry| entry.name).into_iter().chain(rule.collectors.iter().copied());
        if let Some(name) = needed.into_iter().find(|name| !recorded.contains(name)) {
            return wrong(format!("{name} is not recorded; add it with --collectors +{name}"));
        }
    }
    Ok(args.bursts.clone())
}

fn workload(args: &RecordArgs) -> WorkloadSettings {
    WorkloadSettings {
        argv: args.command.clone(),
        prepare: args.prepare.clone(),
        conclude: args.conclude.clone(),
        timeout: args.timeout,
        grace: args.grace,
        own_cgroup: args.cgroup == OwnCgroup::Auto,
    }
}

/// Is the collector named in `--collectors`?
pub fn is_listed(args: &RecordArgs, name: &str) -> bool {
    let mut names = args.collectors.iter().flat_map(|list| list.split(','));
    names.any(|n| n.trim().trim_start_matches('+') == name)
}
