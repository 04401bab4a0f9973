//! `perfwatch events`: shows which events can be counted here, and why the others cannot.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::Outcome;
use super::output::write_all;
use crate::cli::events::EventsArgs;
use crate::collect::perf::offer::{Availability, EventKind, Offer, Offers};
use crate::collect::perf::syscall::open;
use crate::events::{bandwidth, set};
use crate::linux::files::Roots;
use crate::text::grid::{Align, Grid, wrap};
use crate::text::printable::printable;
use crate::ui::terminal;

#[derive(Serialize)]
struct Findings {
    available: usize,
    total: usize,
    /// Why tracepoints are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    tracepoints: Option<String>,
    sets: Vec<Set>,
    events: Vec<Offer>,
}

#[derive(Serialize)]
struct Set {
    name: &'static str,
    description: &'static str,
    /// What it stands for here, if that depends on the machine's memory controllers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
    /// Why it has no events.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

fn sets(offers: &Offers) -> Vec<Set> {
    let described = |&(name, description): &(&'static str, &'static str)| {
        let events = if name == set::MEMORY_BANDWIDTH { offers.memory_bandwidth() } else { Vec::new() };
        let is_none = name == set::MEMORY_BANDWIDTH && events.is_empty();
        Set { name, description, events, reason: is_none.then_some(bandwidth::NONE) }
    };
    set::SETS.iter().map(described).collect()
}

/// `perfwatch events`
///
/// # Errors
/// When the list cannot be printed.
pub fn run(args: &EventsArgs) -> Result<Outcome> {
    let offers = Offers::new(&Roots::default(), open::kernel());
    let wanted = |kind: EventKind| args.kind.is_none_or(|asked| asked == kind);
    let mut events = Vec::new();
    if wanted(EventKind::Hardware) || wanted(EventKind::Software) || wanted(EventKind::Cache) {
        events.extend(offers.generic());
    }
    if wanted(EventKind::Pmu) {
        events.extend(offers.pmus());
    }
    let mut tracepoints = None;
    if wanted(EventKind::Tracepoint) {
        match offers.tracepoints() {
            Ok(all) => events.extend(all),
            Err(why) => tracepoints = Some(why),
        }
    }
    let words: Vec<String> = args.filter.iter().map(|w| w.to_lowercase()).collect();
    events.retain(|e| wanted(e.kind) && words.iter().all(|w| has(e, w)) && (e.available || !args.available));
    events.sort_by_key(|e| e.kind);
    let findings = Findings {
        available: events.iter().filter(|e| e.available).count(),
        total: events.len(),
        tracepoints,
        sets: sets(&offers),
        events,
    };
    let text = if args.output.is_json() {
        serde_json::to_string_pretty(&findings)? + "\n"
    } else {
        // Without a filter, thousands of tracepoints would hide the other events.
        let folded = words.is_empty() && args.kind.is_none();
        table(&findings, folded, terminal::width())
    };
    write_all(&mut std::io::stdout().lock(), &text)?;
    Ok(if findings.total > 0 { Outcome::Done } else { Outcome::Incomplete })
}

fn has(event: &Offer, word: &str) -> bool {
    let texts =
        [Some(event.name.as_str()), Some(event.kind.word()), event.pmu.as_deref(), event.description.as_deref()];
    let mut all = texts.into_iter().flatten().chain(event.aliases.iter().map(String::as_str));
    all.any(|text| text.to_lowercase().contains(word))
}

/// A longer name gets a separate line.
const WIDEST_NAME: usize = 32;

fn table(findings: &Findings, folded: bool, width: usize) -> String {
    let mut out = String::new();
    for kind in EventKind::ALL {
        let events: Vec<&Offer> = findings.events.iter().filter(|e| e.kind == kind).collect();
        if events.is_empty() {
            continue;
        }
        let available = events.iter().filter(|e| e.available).count();
        let reason = common_reason(&events);
        let mut head = format!("{} events, {available} of {} available", kind.word(), events.len());
        if let Some(reason) = reason {
            let _ = write!(head, ": {}", printable(reason));
        }
        wrap(&mut out, &head, 0, width);
        if folded && kind == EventKind::Tracepoint {
            wrap(
                &mut out,
                "`perfwatch events --type tracepoint` lists them; `perfwatch events sched` lists those with sched in the name",
                2,
                width,
            );
        } else {
            rows(&events, reason, width, &mut out);
        }
        if let Some(advice) = events.iter().find_map(|e| e.advice.as_deref()) {
            wrap(&mut out, &printable(&format!("-> {advice}")), 2, width);
        }
        out.push('\n');
    }
    if let Some(why) = &findings.tracepoints {
        wrap(&mut out, &printable(&format!("tracepoint events: {why}")), 0, width);
        wrap(&mut out, "-> as root, with tracefs mounted", 2, width);
        out.push('\n');
    }
    if folded {
        let sets: Vec<&str> = findings.sets.iter().map(|s| s.name).collect();
        wrap(&mut out, &format!("sets for --perf-events: {}", sets.join(", ")), 0, width);
        for set in &findings.sets {
            match set.reason {
                Some(reason) => wrap(&mut out, &format!("{}: {reason}", set.name), 2, width),
                None if set.events.is_empty() => {}
                None => {
                    wrap(&mut out, &printable(&format!("{}: {}", set.name, set.events.join(", "))), 2, width);
                }
            }
        }
    }
    let has = |state| findings.events.iter().any(|e| e.state == state);
    if has(Availability::OwnProcesses) {
        wrap(&mut out, "own: only for your own processes, with --pid", 0, width);
    }
    if has(Availability::UserModeOnly) {
        wrap(&mut out, "user: only in user mode, not in the kernel", 0, width);
    }
    if findings.total == 0 {
        wrap(&mut out, "nothing matches; `perfwatch events` lists everything", 0, width);
    }
    let _ = writeln!(out, "{} of {} events available", findings.available, findings.total);
    out
}

/// The reason, if all unavailable events have the same one.
fn common_reason<'e>(events: &[&'e Offer]) -> Option<&'e str> {
    let mut reasons = events.iter().filter_map(|e| e.reason.as_deref());
    let first = reasons.next()?;
    reasons.all(|r| r == first).then_some(first)
}

fn rows(events: &[&Offer], common: Option<&str>, width: usize, out: &mut String) {
    let names: Vec<String> = events
        .iter()
        .map(|e| std::iter::once(&e.name).chain(&e.aliases).map(|name| printable(name)).collect::<Vec<_>>().join(", "))
        .collect();
    let mut grid = Grid::new([Align::Left, Align::Left, Align::Words]).indent(2).most(WIDEST_NAME);
    for (event, name) in events.iter().zip(&names) {
        let mark = match event.state {
            Availability::Available => "yes",
            Availability::UserModeOnly => "user",
            Availability::OwnProcesses => "own",
            Availability::Unavailable => "no",
        };
        let mut words = event.description.clone().unwrap_or_default();
        if let Some(unit) = &event.unit {
            let _ = write!(words, "{}in {unit}", if words.is_empty() { "" } else { ", " });
        }
        if let Some(reason) = event.reason.as_deref().filter(|r| Some(*r) != common) {
            let _ = write!(words, " ({reason})");
        }
        // As wide in each group.
        grid.row([&format!("{mark:<3}"), name, &*printable(&words)]);
    }
    out.push_str(&grid.text(width));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(name: &str, kind: EventKind, reason: Option<&str>) -> Offer {
        let state = if reason.is_none() { Availability::Available } else { Availability::Unavailable };
        Offer {
            name: name.into(),
            aliases: Vec::new(),
            kind,
            pmu: None,
            scope: None,
            encodings: Vec::new(),
            unit: None,
            scale: None,
            description: Some("Counts things".into()),
            source: "perf_event.h".into(),
            state,
            available: reason.is_none(),
            reason: reason.map(str::to_string),
            advice: None,
        }
    }

    #[test]
    fn a_common_reason_is_shown_once() {
        let events = vec![
            offer("cycles", EventKind::Hardware, Some("no PMU")),
            offer("instructions", EventKind::Hardware, Some("no PMU")),
            offer("cpu-clock", EventKind::Software, None),
            offer("x/a/", EventKind::Pmu, Some("busy")),
            offer("x/b/", EventKind::Pmu, Some("denied")),
        ];
        let findings =
            Findings { available: 1, total: 5, tracepoints: Some("hidden".into()), sets: Vec::new(), events };
        let expected = "\
hardware events, 0 of 2 available: no PMU
  no   cycles        Counts things
  no   instructions  Counts things

software events, 1 of 1 available
  yes  cpu-clock  Counts things

pmu events, 0 of 2 available
  no   x/a/  Counts things (busy)
  no   x/b/  Counts things (denied)

tracepoint events: hidden
  -> as root, with tracefs mounted

1 of 5 events available
";
        assert_eq!(table(&findings, false, 80), expected);
    }

    #[test]
    fn filters_search_all_fields() {
        let mut event = offer("context-switches", EventKind::Software, None);
        event.aliases.push("cs".into());
        for word in ["switch", "cs", "software", "things"] {
            assert!(has(&event, word), "{word}");
        }
        assert!(!has(&event, "cache"));
    }
}
