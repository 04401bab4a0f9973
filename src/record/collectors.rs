//! Opens the collectors.

use crate::collect::REGISTRY;
use crate::collect::collector::{Collector, Entry, Setup};
use crate::collect::group::Group;
use crate::store::manifest::{CollectorFacts, CollectorState};

/// Open collectors with their entries in the registry.
pub type OpenCollectors = Vec<(&'static Entry, Box<dyn Collector>)>;

/// A collector has an option that is wrong on every machine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Mistake(pub String);

/// No collector can record on this machine.
#[derive(Debug, thiserror::Error)]
#[error("none of the collectors can record on this machine (see `perfwatch doctor`)")]
pub struct NothingToRecord(pub Vec<CollectorFacts>);

/// Opens the wanted collectors. The facts contain the state of every collector that is wanted, or recorded by default.
///
/// # Errors
/// When a collector has an option that is wrong on every machine.
pub fn open_collectors(
    setup: &Setup,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(OpenCollectors, Vec<CollectorFacts>), Mistake> {
    let mut open = Vec::new();
    let mut facts = Vec::new();
    for entry in REGISTRY {
        let fact = |state, notes, advice| CollectorFacts {
            name: entry.name.to_string(),
            state,
            notes,
            advice,
            ..Default::default()
        };
        if !is_wanted(entry.name) {
            // What is off by default is not worth a word in every recording.
            if Group::Default.contains(entry) {
                facts.push(fact(CollectorState::Disabled, Vec::new(), None));
            }
            continue;
        }
        facts.push(match (entry.open)(setup) {
            Ok(opened) => {
                open.push((entry, opened.collector));
                let state = if opened.notes.is_empty() { CollectorState::Recorded } else { CollectorState::Partial };
                CollectorFacts { by: opened.by, ..fact(state, opened.notes, None) }
            }
            Err(why) if why.is_mistake => {
                let advice = why.advice.map_or_else(String::new, |a| format!(" ({a})"));
                return Err(Mistake(format!("{}: {}{advice}", entry.name, why.reason)));
            }
            Err(why) if why.is_optional => fact(CollectorState::Disabled, vec![why.reason], why.advice),
            Err(why) => {
                open.extend(why.instead.map(|instead| (entry, instead(setup, &why))));
                fact(CollectorState::Unavailable, vec![why.reason], why.advice)
            }
        });
    }
    Ok((open, facts))
}
