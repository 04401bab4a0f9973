//! The top of the page: what ran, how long, on what machine, and where the time went.

use std::fmt::Write;

use chrono::DateTime;

use super::glance::{NOTICEABLE, Verdict};
use super::section::details;
use super::tables::{Grid, head, text};
use crate::chart::escape::escape;
use crate::report::model::Recording;
use crate::store::manifest::{CollectorFacts, CollectorState, Manifest};
use crate::table::Unit;
use crate::table::human::{scaled, time};
use crate::text::printable::printable;
use crate::text::words;

/// The name of a recording: its command, else its directory.
pub fn name(recording: &Recording, manifest: Option<&Manifest>) -> String {
    match command_line(manifest) {
        Some(command) => command,
        None => recording.path.clone(),
    }
}

fn command_line(manifest: Option<&Manifest>) -> Option<String> {
    const MOST: usize = 160;
    let command = manifest?.sessions.last()?.command.as_ref()?;
    let line = command.argv.iter().map(|word| words::quoted(word)).collect::<Vec<_>>().join(" ");
    let line = printable(&line).into_owned();
    let short: String = line.chars().take(MOST).collect();
    Some(if short.len() < line.len() { short + " …" } else { line })
}

/// `20 Nov 2026, 14:05:05`.
pub fn moment(us: i64) -> String {
    DateTime::from_timestamp_micros(us).map_or_else(String::new, |t| t.format("%-d %b %Y, %H:%M:%S").to_string())
}

/// `14:05:05`, with the date if the other is on another day.
pub fn clock(us: i64, other: i64) -> String {
    let day = |us: i64| us.div_euclid(86_400_000_000);
    let form = if day(us) == day(other) { "%H:%M:%S" } else { "%-d %b %H:%M:%S" };
    DateTime::from_timestamp_micros(us).map_or_else(String::new, |t| t.format(form).to_string())
}

/// `2 CPUs (Intel Xeon), 23.5 GiB, Linux 6.18, kvm`.
pub fn machine(manifest: &Manifest) -> String {
    let host = &manifest.host;
    let clean = |text: &String| printable(text).into_owned();
    let mut parts: Vec<String> = Vec::new();
    if let Some(cpus) = host.cpus_online {
        let model = host.cpu_model.as_ref().map(|model| format!(" ({})", clean(model)));
        parts.push(words::count(cpus, "CPU") + &model.unwrap_or_default());
    }
    parts.extend(host.memory_bytes.map(|bytes| format!("{} of memory", scaled(bytes as f64, Unit::Bytes))));
    parts.extend(host.os.as_ref().map(clean));
    parts.extend(host.kernel_release.as_ref().map(|release| format!("kernel {}", clean(release))));
    parts.extend(host.virtualization.as_ref().map(|kind| match kind.as_str() {
        "unknown hypervisor" => "a virtual machine".into(),
        kind => format!("a virtual machine ({})", printable(kind)),
    }));
    parts.extend(host.container.as_ref().map(|kind| format!("in a container ({})", printable(kind))));
    parts.join(", ")
}

/// The sentences at the top.
pub fn sentences(recording: &Recording, manifest: Option<&Manifest>, verdicts: &[Verdict]) -> String {
    let mut out = String::new();
    let host = recording.host.as_deref().unwrap_or("an unnamed host");
    let command = manifest.and_then(|m| m.sessions.last()?.command.as_ref());
    let mut first = match command {
        Some(command) => {
            let how = command.how_it_ended(true);
            let cost = command.cost.as_ref().map(|cost| {
                format!(
                    " It took <b>{}</b> and {} of CPU time, with at most {} in its largest process.",
                    time(cost.wall_s),
                    time(cost.user_s + cost.system_s),
                    scaled(cost.max_rss_bytes as f64, Unit::Bytes)
                )
            });
            format!("This command ran on <b>{}</b>: {}.{}", escape(host), escape(&how), cost.unwrap_or_default())
        }
        None => format!("A recording of <b>{}</b>.", escape(host)),
    };
    if let (Some(start), Some(end)) = (recording.start, recording.end) {
        let ticks = recording.ticks.map_or(String::new(), |t| format!(" in {}", words::ticks(t)));
        let _ = write!(
            first,
            " Recorded for <b>{}</b>{ticks}, {} to {} UTC.",
            time((end.0 - start.0) as f64 / 1e6),
            moment(start.0),
            clock(end.0, start.0)
        );
    }
    let _ = writeln!(out, "<p>{first}</p>");
    if let Some(machine) = manifest.map(machine).filter(|m| !m.is_empty()) {
        let _ = writeln!(out, "<p>The machine: {}.</p>", escape(&machine));
    }
    let _ = writeln!(out, "<p>{}</p>", conclusion(verdicts, recording));
    out
}

/// Was it the CPU, the disks, memory, or another tenant?
fn conclusion(verdicts: &[Verdict], recording: &Recording) -> String {
    let mut limits: Vec<&Verdict> = verdicts.iter().filter(|v| v.weight >= NOTICEABLE).collect();
    limits.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let start = recording.start.map_or(0, |s| s.0);
    let said = |v: &Verdict| {
        let when = v.when.map(|(from, to)| {
            if to - from < 2_000_000 {
                format!(", around {}", clock(to, start))
            } else {
                format!(", mostly from {} to {}", clock(from, start), clock(to, start))
            }
        });
        format!("<b>{}</b>{}", escape(v.phrase), when.unwrap_or_default())
    };
    match limits.as_slice() {
        [] if verdicts.iter().all(|v| v.words.is_empty()) => "What limited it is not known.".into(),
        [] => "<b>No resource was short</b>: tasks seldom waited for CPU, memory, disk or network.".into(),
        [one] => format!("What was short: {}.", said(one)),
        [first, second, ..] => format!("What was short: {}. Then: {}.", said(first), said(second)),
    }
}

/// The resources, one per row.
pub fn glance(verdicts: &[Verdict], start: i64) -> String {
    let heads = ["resource", "use", "over time", "figures", "busiest"].map(|h| (h.to_string(), false));
    let mut grid = Grid::new("", &heads);
    for v in verdicts.iter().filter(|v| !v.words.is_empty()) {
        let when = v.when.map_or(String::new(), |(from, to)| format!("{} – {}", clock(from, start), clock(to, start)));
        grid.row(&[
            format!("<th scope=row align=left><a href=\"#t-{}\">{}</a></th>", v.table, escape(v.name)),
            format!("<td class=\"level {}\">{}</td>", v.level.word().replace(' ', "-"), v.level.word()),
            format!("<td>{}</td>", v.spark),
            text(&v.words),
            text(&when),
        ]);
    }
    format!("<section id=\"glance\"><h2>At a glance</h2>\n{}</section>\n", grid.done())
}

/// Facts for those who want to know exactly.
pub fn facts(recording: &Recording, manifest: Option<&Manifest>) -> String {
    let mut rows: Vec<(&str, String)> = vec![("recording", recording.path.clone())];
    rows.extend(recording.interval_s.map(|s| ("interval", time(s))));
    rows.extend(recording.missed.filter(|m| *m > 0).map(|m| ("missed ticks", m.to_string())));
    if !recording.tags.is_empty() {
        rows.push(("tags", recording.tags.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(", ")));
    }
    rows.extend(recording.notes.iter().map(|note| ("note", note.clone())));
    let clean = |text: &str| printable(text).into_owned();
    if let Some(manifest) = manifest {
        rows.extend(manifest.notes.iter().map(|note| ("note", clean(&note.text))));
        if let Some(session) = manifest.sessions.last() {
            rows.push(("started", clean(&session.started)));
            rows.extend(session.end_reason.as_ref().map(|reason| ("ended by", clean(reason))));
            rows.push(("perfwatch", clean(&session.perfwatch)));
            let words: Vec<String> = session.argv.iter().map(|word| words::quoted(word)).collect();
            rows.push(("command line", clean(&words.join(" "))));
            rows.extend(session.problems.iter().map(|problem| ("problem", clean(problem))));
        }
        let host = &manifest.host;
        rows.extend(host.governor.as_ref().map(|g| ("frequency governor", clean(g))));
        rows.extend(host.cpu.turbo.map(|on| ("turbo", if on { "on" } else { "off" }.to_string())));
        rows.extend(host.cpu.smt.map(|on| ("SMT", if on { "on" } else { "off" }.to_string())));
        rows.extend(host.swap_bytes.map(|bytes| ("swap", scaled(bytes as f64, Unit::Bytes))));
        if let Some(cost) = manifest.sessions.last().and_then(|s| s.command.as_ref()?.cost.as_ref()) {
            rows.push(("faults", format!("{} minor, {} major", cost.minor_faults, cost.major_faults)));
            rows.push((
                "switches",
                format!("{} voluntary, {} involuntary", cost.voluntary_switches, cost.involuntary_switches),
            ));
            rows.push((
                "storage",
                format!(
                    "{} read, {} written",
                    scaled(cost.read_bytes as f64, Unit::Bytes),
                    scaled(cost.write_bytes as f64, Unit::Bytes)
                ),
            ));
        }
    }
    let mut grid = Grid::new("", &[("fact".to_string(), false), (String::from("value"), false)]);
    rows.iter().for_each(|(name, value)| grid.row(&[head(name), text(value)]));
    details("Facts about this recording", false, &grid.done())
}

/// What could not be recorded, and why.
pub fn missing(manifest: Option<&Manifest>) -> String {
    let Some(session) = manifest.and_then(|m| m.sessions.last()) else { return String::new() };
    let line = |c: &CollectorFacts| {
        let clean = |text: &str| printable(text).into_owned();
        let notes = clean(&c.notes.join("; "));
        let advice = c.advice.as_ref().map_or(String::new(), |advice| format!(" ({})", clean(advice)));
        let what = match c.state {
            CollectorState::Unavailable => "Not available on this system",
            CollectorState::Partial => "Only in part",
            CollectorState::Recorded | CollectorState::Disabled => return String::new(),
        };
        format!("<li>{what}: <b>{}</b>: {}{}</li>\n", escape(&clean(&c.name)), escape(&notes), escape(&advice))
    };
    let lines: String = session.collectors.iter().map(line).collect();
    let disabled: Vec<&str> =
        session.collectors.iter().filter(|c| c.state == CollectorState::Disabled).map(|c| c.name.as_str()).collect();
    let disabled = match disabled.is_empty() {
        true => String::new(),
        false => format!("<li>Not requested: {}</li>\n", escape(&printable(&disabled.join(", ")))),
    };
    if lines.is_empty() && disabled.is_empty() {
        return String::new();
    }
    format!("<section id=\"missing\"><h2>Not recorded</h2>\n<ul>{lines}{disabled}</ul></section>\n")
}
