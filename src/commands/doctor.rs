//! `perfwatch doctor`: shows what would be recorded here, what would not, why, and how to fix it.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use super::output::write_all;
use super::sources::checked;
use super::{Outcome, Usage};
use crate::cli::doctor::DoctorArgs;
use crate::collect::REGISTRY;
use crate::collect::cgroup;
use crate::collect::collector::Setup;
use crate::collect::group::Group;
use crate::collect::process::options::Processes;
use crate::facts::machine::Host;
use crate::record::collectors::{Mistake, open_collectors};
use crate::store::manifest::{CollectorFacts, CollectorState};
use crate::text::grid::{Align, Grid, wrap};
use crate::text::printable::printable;
use crate::text::words::count;
use crate::ui::terminal;

#[derive(Serialize)]
struct Findings {
    host: Host,
    collectors: Vec<CollectorFacts>,
}

/// `perfwatch doctor`
///
/// # Errors
/// [`Usage`] for invalid arguments; otherwise when the result cannot be printed.
pub fn run(args: DoctorArgs) -> Result<Outcome> {
    let mut options = checked(&args.sources)?;
    // Collectors that are off by default are tried too.
    options.process.processes.get_or_insert(Processes::DEFAULT);
    if options.cgroup.cgroups.is_empty() {
        options.cgroup.cgroups.push(cgroup::SELF.into());
    }
    let setup = Setup::new(options.roots(), options);
    let (_, mut collectors) = open_collectors(&setup, |_| true).map_err(|Mistake(why)| Usage(why))?;
    for facts in &mut collectors {
        let is_off = REGISTRY.iter().any(|entry| entry.name == facts.name && !Group::Default.contains(entry));
        if is_off && facts.state != CollectorState::Unavailable {
            facts.advice.get_or_insert(format!("off by default; --collectors +{} records it", facts.name));
        }
    }
    let findings = Findings { host: Host::detect(&setup.roots), collectors };
    let mut out = Vec::new();
    if args.output.is_json() {
        serde_json::to_writer_pretty(&mut out, &findings)?;
        writeln!(out)?;
    } else {
        print(&findings, terminal::width(), &mut out)?;
    }
    write_all(&mut std::io::stdout().lock(), &String::from_utf8_lossy(&out))?;
    Ok(Outcome::Done)
}

fn print(findings: &Findings, width: usize, out: &mut impl Write) -> std::io::Result<()> {
    let host = &findings.host;
    let or = |value: &Option<String>| printable(value.as_deref().unwrap_or("unknown")).into_owned();
    writeln!(out, "{}: {}, kernel {}", or(&host.hostname), or(&host.os), or(&host.kernel_release))?;
    let cpus = host.cpus_online.map_or_else(|| "? CPUs".into(), |n| count(n, "CPU"));
    let mut machine = format!("{cpus}, {}", or(&host.cpu_model));
    if let Some(bytes) = host.memory_bytes {
        machine += &format!(", {:.1} GiB of memory", bytes as f64 / f64::from(1 << 30));
    }
    if let Some(virtualization) = &host.virtualization {
        machine += &format!(", virtual machine ({virtualization})");
    }
    if let Some(container) = &host.container {
        machine += &format!(", in a container ({container})");
    }
    let mut text = String::new();
    wrap(&mut text, &printable(&machine), 0, width);
    writeln!(out, "{text}")?;
    let mut grid = Grid::new([Align::Left, Align::Left, Align::Words]);
    for c in &findings.collectors {
        let mark = match c.state {
            CollectorState::Recorded => "ok",
            CollectorState::Partial => "part",
            CollectorState::Unavailable => "none",
            CollectorState::Disabled => "off",
        };
        let doc = REGISTRY.iter().find(|e| e.name == c.name).map_or("", |e| e.doc);
        grid.row([mark, &c.name, doc]);
        let by = c.by.as_ref().map(|by| format!("by {by}"));
        let advice = c.advice.as_ref().map(|advice| format!("-> {advice}"));
        for line in by.iter().chain(&c.notes).chain(&advice) {
            grid.row(["", "", &printable(line)]);
        }
    }
    write!(out, "{}", grid.text(width))?;
    let recorded = findings
        .collectors
        .iter()
        .filter(|c| matches!(c.state, CollectorState::Recorded | CollectorState::Partial))
        .count();
    writeln!(out, "\n{recorded} of {} sources can be recorded here", findings.collectors.len())
}
