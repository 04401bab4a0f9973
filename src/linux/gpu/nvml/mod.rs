//! Cards of NVIDIA, through NVML.
//!
//! Measured on an H100 with driver 580: most values take 2 us, memory 10 us, the energy counter 3 to 4 ms, a list of
//! processes 12 to 28 us and their use 2 to 3 ms (older drivers: 4.5 ms). Fan speed, PCIe throughput and replays take
//! 0.1 to 21 ms and are not read.

mod card;
mod error;
mod functions;
mod library;
mod processes;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use self::card::Card;
use self::error::NvmlError;
use self::library::Library;
use super::{ProcessReading, Reading, Source};
use crate::linux::files::{Roots, names_in};

/// Where a running driver shows its cards, below `/proc`.
const CARDS: &str = "driver/nvidia/gpus";

/// How often the list of cards and of their MIG instances is compared with the known one.
const SEARCH_EVERY_NS: u64 = 10_000_000_000;

/// The cards that NVML shows.
pub struct NvmlSource {
    nvml: Library,
    roots: Roots,
    /// `None` after NVML could not be initialised again.
    cards: Option<Vec<Card>>,
    /// The cards that the kernel module shows.
    seen: Vec<String>,
    searched_ns: u64,
    /// A card or its handle was lost.
    is_lossy: bool,
    about: String,
}

/// Whether the kernel module of NVIDIA is loaded here.
pub fn is_there(roots: &Roots) -> bool {
    roots.proc("driver/nvidia/version").exists() || roots.are_live() && Path::new("/dev/nvidiactl").exists()
}

impl NvmlSource {
    /// Loads the library and initialises it, which takes 15 ms, or seconds if that starts the cards.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open(library: Option<&Path>, roots: &Roots) -> Result<NvmlSource, String> {
        let path = library.unwrap_or(Path::new("libnvidia-ml.so.1"));
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
        let library = Library::load(&name).map_err(|error| format!("cannot load NVML: {error}"))?;
        library.init().map_err(|error| format!("cannot initialise NVML: {error}"))?;
        let driver = library.driver_version().map_or_else(|_| "NVML".into(), |v| format!("NVML, driver {v}"));
        let mut problems = Vec::new();
        let cards = find(&library, &mut problems);
        if cards.is_empty() {
            return Err(problems.pop().unwrap_or_else(|| "NVML shows no GPU".into()));
        }
        let names: Vec<String> = cards.iter().map(Card::to_string).collect();
        Ok(NvmlSource {
            about: format!("{driver}: {}", names.join(", ")),
            seen: seen(roots),
            nvml: library,
            roots: roots.clone(),
            cards: Some(cards),
            searched_ns: 0,
            is_lossy: false,
        })
    }

    /// Follows cards and instances that come and go.
    fn search(&mut self, now_ns: u64, problems: &mut Vec<String>) {
        if now_ns < self.searched_ns.saturating_add(SEARCH_EVERY_NS) {
            return;
        }
        let is_first = self.searched_ns == 0;
        self.searched_ns = now_ns;
        let seen = seen(&self.roots);
        let has_changed = seen != self.seen;
        self.seen = seen;
        match &mut self.cards {
            Some(cards) if !has_changed && !self.is_lossy => {
                if !is_first {
                    cards.iter_mut().for_each(|card| card.follow_instances(&self.nvml));
                }
            }
            cards => {
                // NVML keeps the list that it had when it was initialised.
                if cards.take().is_some() {
                    self.nvml.shutdown();
                }
                match self.nvml.init() {
                    Ok(()) => {
                        self.is_lossy = false;
                        let found = find(&self.nvml, problems);
                        if found.is_empty() {
                            problems.push("NVML shows no GPU any more".into());
                        }
                        self.cards = Some(found);
                    }
                    Err(error) => problems.push(format!("cannot initialise NVML again: {error}")),
                }
            }
        }
    }
}

fn seen(roots: &Roots) -> Vec<String> {
    names_in(&roots.proc(CARDS)).unwrap_or_default()
}

/// The cards; those that do not answer are left out.
fn find(library: &Library, problems: &mut Vec<String>) -> Vec<Card> {
    let count = library.count().unwrap_or_else(|error| {
        problems.push(format!("NVML cannot count the GPUs: {error}"));
        0
    });
    let mut cards = Vec::new();
    for index in 0..count {
        match library.device(index).and_then(|device| Card::open(library, device)) {
            Ok(card) => cards.push(card),
            Err(error) => problems.push(format!("GPU {index} of NVML cannot be read: {error}")),
        }
    }
    cards
}

impl Source for NvmlSource {
    fn about(&self) -> String {
        self.about.clone()
    }

    fn read(&mut self, now_ns: u64) -> Reading {
        let mut reading = Reading::default();
        self.search(now_ns, &mut reading.problems);
        for card in self.cards.iter_mut().flatten() {
            if let Err(failure) = card.read(&self.nvml, &mut reading) {
                self.is_lossy |= failure.error.is_loss();
                reading.problems.push(format!("{}: {failure}", card.gpu));
            }
        }
        reading
    }

    fn processes(&mut self, pids: &[u32], _now_ns: u64, problems: &mut Vec<String>) -> Vec<ProcessReading> {
        let mut found = Vec::new();
        for card in self.cards.iter_mut().flatten() {
            let read = processes::read(&self.nvml, card, pids, &self.roots, &mut found);
            // A virtual GPU has no list of processes.
            if let Some(error) = read.err().and_then(unexpected) {
                problems.push(format!("{}: cannot list processes: {error}", card.gpu));
            }
        }
        found
    }
}

/// `None` for an error that only says that there is no such value.
fn unexpected(error: NvmlError) -> Option<NvmlError> {
    (!error.is_permanent() && !error.is_silent()).then_some(error)
}
