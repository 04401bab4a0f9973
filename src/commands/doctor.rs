//! `perfwatch doctor`: shows what would be recorded here, what would not, why, and how to fix it.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use super::Outcome;
use super::output::write_all;
use super::sources::{open_collectors, setup};
use crate::cli::doctor::DoctorArgs;
use crate::collect::cgroup;
use crate::collect::process::Processes;
use crate::facts::machine::Host;
use crate::report::text::wrap;
use crate::store::manifest::{CollectorFacts, State};
use crate::text::printable::printable;
use crate::text::words::count;
use crate::ui::terminal;

#[derive(Serialize)]
struct Findings {
    host: Host,
    collectors: Vec<CollectorFacts>,
}

pub fn run(args: DoctorArgs) -> Result<Outcome> {
    let mut setup = setup(&args.sources, std::time::Duration::from_secs(1))?;
    // Optional collectors are included: could they be recorded?
    setup.options.process.processes.get_or_insert(Processes::DEFAULT);
    if setup.options.cgroup.cgroups.is_empty() {
        setup.options.cgroup.cgroups.push(cgroup::SELF.into());
    }
    let (_, collectors) = open_collectors(&setup, |_| true)?;
    let findings = Findings { host: Host::look(&setup.roots), collectors };
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

/// Column at which the text about a collector starts.
const INDENT: usize = 18;

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
    for c in &findings.collectors {
        let mark = match c.state {
            State::Recorded => "ok",
            State::Partial => "part",
            State::Unavailable => "none",
            State::Disabled => "off",
        };
        let doc = crate::collect::REGISTRY.iter().find(|e| e.name == c.name).map_or("", |e| e.doc);
        let mut text = String::new();
        wrap(&mut text, doc, INDENT, width);
        if let Some(by) = &c.by {
            wrap(&mut text, &printable(&format!("by {by}")), INDENT, width);
        }
        let advice = c.advice.as_ref().map(|advice| format!("-> {advice}"));
        for line in c.notes.iter().chain(&advice) {
            wrap(&mut text, &printable(line), INDENT, width);
        }
        // The first line follows the name.
        write!(out, "{mark:<5} {:<11} {}", c.name, text.trim_start())?;
    }
    let recorded = findings.collectors.iter().filter(|c| matches!(c.state, State::Recorded | State::Partial)).count();
    writeln!(out, "\n{recorded} of {} sources can be recorded here", findings.collectors.len())
}
