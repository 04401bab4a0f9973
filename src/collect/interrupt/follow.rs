//! Follows each line from reading to reading, on each CPU.
//!
//! The kernel prints only online CPUs, and each number has 32 bits. So the total of a line would fall when a CPU goes
//! offline, jump when it returns, and fall when a number wraps. Here the growth of each CPU is added up instead.

use std::collections::HashMap;

use super::parse;
use crate::linux::name::Name;
use crate::linux::scan::{ParseError, cut_line, lines};

/// All lines.
#[derive(Default)]
pub struct Interrupts {
    /// The CPUs seen so far, and the place of each column of the current reading among them.
    cpus: Vec<u32>,
    places: Vec<usize>,
    header: Vec<u8>,
    known: HashMap<Name, Known>,
    /// The names of the current reading, in the kernel's order.
    order: Vec<Name>,
    readings: u64,
    counts: Vec<u64>,
}

/// A line at its last reading.
#[derive(Default)]
struct Known {
    device: Option<String>,
    /// The number of the reading at which it appeared, or began again.
    since: u64,
    seen: u64,
    /// One per CPU; `None` if the CPU was not online since the line appeared.
    counts: Vec<Option<u64>>,
    total: u64,
    growth: Option<Growth>,
}

/// What happened since the previous reading.
#[derive(Clone, Copy, Default)]
struct Growth {
    all: u64,
    /// The place of the CPU with the most, and its part; `None` if there is one number for all CPUs.
    most: Option<(usize, u64)>,
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Busy {
    pub name: Name,
    pub device: Option<String>,
    pub since: u64,
    pub total: u64,
    pub per_sec: Option<f64>,
    /// The CPU with the most of them, and its share in percent.
    pub busiest: Option<(u32, f64)>,
}

/// What a counter of the kernel has room for.
const ROOM: u64 = 1 << 32;

impl Interrupts {
    /// Handles the next reading.
    ///
    /// # Errors
    /// If the first line does not name the CPUs.
    pub fn follow(&mut self, text: &[u8]) -> Result<(), ParseError> {
        let (header, rest) = cut_line(text);
        if header != self.header || self.places.is_empty() {
            let named = parse::cpus(header).ok_or(ParseError { line: 1, what: "no line of CPUs".into() })?;
            self.places.clear();
            for cpu in named {
                let place = self.cpus.iter().position(|known| *known == cpu).unwrap_or(self.cpus.len());
                if place == self.cpus.len() {
                    self.cpus.push(cpu);
                }
                self.places.push(place);
            }
            self.header.clear();
            self.header.extend_from_slice(header);
        }
        self.readings += 1;
        self.order.clear();
        let mut counts = std::mem::take(&mut self.counts);
        for text in lines(rest) {
            let Some(line) = parse::line(text, self.places.len(), &mut counts) else { continue };
            let Some(name) = Name::new(line.name) else { continue };
            let known = self.known.entry(name).or_default();
            if known.seen == self.readings {
                continue;
            }
            known.follow(self.readings, line.device, &self.places, &counts);
            self.order.push(name);
        }
        self.counts = counts;
        // A line that is gone may return for another device.
        let readings = self.readings;
        self.known.retain(|_, known| known.seen == readings);
        Ok(())
    }

    /// The rows of the `most` busiest lines, in the kernel's order. `elapsed_s` is the time since the previous reading.
    pub fn busiest(&self, most: usize, elapsed_s: Option<f64>) -> Vec<Busy> {
        let key = |known: &Known| match known.growth {
            Some(growth) => growth.all,
            None if self.readings == 1 => known.total,
            None => 0,
        };
        let known = self.order.iter().enumerate().filter_map(|(i, name)| Some((i, name, self.known.get(name)?)));
        let mut ranked: Vec<_> = known.map(|(i, name, known)| (key(known), i, name, known)).collect();
        ranked.retain(|(key, ..)| *key > 0);
        ranked.sort_unstable_by_key(|(key, i, ..)| (std::cmp::Reverse(*key), *i));
        ranked.truncate(most);
        ranked.sort_unstable_by_key(|(_, i, ..)| *i);
        ranked.into_iter().map(|(.., name, known)| self.row(*name, known, elapsed_s)).collect()
    }

    fn row(&self, name: Name, known: &Known, elapsed_s: Option<f64>) -> Busy {
        let busiest = known.growth.and_then(|growth| {
            let (place, most) = growth.most?;
            Some((*self.cpus.get(place)?, 100.0 * most as f64 / growth.all as f64))
        });
        let per_sec = known.growth.zip(elapsed_s).map(|(growth, s)| growth.all as f64 / s);
        Busy { name, device: known.device.clone(), since: known.since, total: known.total, per_sec, busiest }
    }
}

impl Known {
    fn follow(&mut self, reading: u64, device: Option<&[u8]>, places: &[usize], counts: &[u64]) {
        let is_same_device = self.device.as_deref().map(str::as_bytes) == device;
        if !is_same_device {
            self.device = device.map(|device| String::from_utf8_lossy(device).into_owned());
        }
        let growth = if self.seen > 0 && is_same_device { self.grow(places, counts) } else { None };
        if growth.is_none() {
            self.since = reading;
            self.total = counts.iter().fold(0, |sum, count| sum.saturating_add(*count));
            self.counts.clear();
        }
        for (place, count) in places.iter().zip(counts) {
            if self.counts.len() <= *place {
                self.counts.resize(place + 1, None);
            }
            if let Some(known) = self.counts.get_mut(*place) {
                *known = Some(*count);
            }
        }
        self.total = self.total.saturating_add(growth.map_or(0, |growth| growth.all));
        (self.growth, self.seen) = (growth, reading);
    }

    /// `None` if a count fell: then it is another line with the same name.
    fn grow(&self, places: &[usize], counts: &[u64]) -> Option<Growth> {
        let mut growth = Growth::default();
        for (place, now) in places.iter().zip(counts) {
            let Some(before) = self.counts.get(*place).copied().flatten() else { continue };
            let grew = match now.checked_sub(before) {
                Some(grew) => grew,
                None if (ROOM / 2..ROOM).contains(&before) && *now < ROOM / 2 => now + ROOM - before,
                None => return None,
            };
            growth.all = growth.all.saturating_add(grew);
            if counts.len() == places.len() && grew > growth.most.map_or(0, |(_, most)| most) {
                growth.most = Some((*place, grew));
            }
        }
        Some(growth)
    }
}
